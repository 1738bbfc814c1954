"""The Files API as five calls, and what is wrapped around them.

Begin with api.py: `RemoteFiles` is the protocol; http.py speaks it over HTTP. Around it, outermost first:

    Retrying(Guarded(Paced(Taught(HttpFiles(...)))))

Retry is outside pace so that every try, not only the first, counts in the minute's budget. It leaves uploads alone:
they aren't idempotent, and the uploader knows what a lost answer means. Guarded and Taught keep to what way.py knows of
the service as a whole: each try teaches it, and none is made that would only be told the same again.
"""
