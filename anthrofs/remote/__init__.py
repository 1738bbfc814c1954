"""The Files API as five calls, and what is wrapped around them.

`RemoteFiles` is the protocol; `http.HttpFiles` speaks it over HTTP. Around it, outermost first:

    Retrying(Paced(HttpFiles(...)))

Retry is outside pace so that every try, not only the first, counts in the minute's budget. It leaves uploads
alone: they aren't idempotent, and the uploader knows what a lost answer means.
"""

from anthrofs.remote.api import Body, Download, RemoteFiles
from anthrofs.remote.budget import Moments
from anthrofs.remote.http import HttpFiles, connect, login_of
from anthrofs.remote.pace import Paced, Pacer, Priority
from anthrofs.remote.retry import Retrying, backoff_s

__all__ = ["Body", "Download", "HttpFiles", "Moments", "Paced", "Pacer", "Priority", "RemoteFiles", "Retrying", "backoff_s", "connect", "login_of"]
