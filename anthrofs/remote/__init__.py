"""The Files API as five calls, and what is wrapped around them.

`RemoteFiles` is the protocol; `http.HttpFiles` speaks it over HTTP. Around it, outermost first:

    Retrying(Guarded(Paced(Taught(HttpFiles(...)))))

Retry is outside pace so that every try, not only the first, counts in the minute's budget. It leaves uploads
alone: they aren't idempotent, and the uploader knows what a lost answer means. Guarded and Taught keep to what the way
(way.py) knows of the service as a whole: each try teaches it, and none is made that would only be told the same again.
"""

from anthrofs.remote.api import Body, Download, RemoteFiles
from anthrofs.remote.budget import Moments
from anthrofs.remote.gates import OF_THE_WAY, Kind
from anthrofs.remote.guarded import Guarded, Taught
from anthrofs.remote.http import HttpFiles, connect, login_of
from anthrofs.remote.pace import Paced, Pacer, Priority
from anthrofs.remote.retry import Retrying, backoff_s
from anthrofs.remote.way import Notice, Way

__all__ = ["OF_THE_WAY", "Body", "Download", "Guarded", "HttpFiles", "Kind", "Moments", "Notice", "Paced", "Pacer", "Priority", "RemoteFiles",
           "Retrying", "Taught", "Way", "backoff_s", "connect", "login_of"]
