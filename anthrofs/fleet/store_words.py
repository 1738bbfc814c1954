"""Failures of an object store in a sentence for people, and whether it has answered at all.

Trusts  the words of obstore's errors no further than to choose among sentences of its own: a wrong guess is a less
        helpful sentence.
Never   quotes an address out of them: there may be a signature in it.
"""

import re
from typing import Final

from anthrofs.errors import EXIT_AUTH, EXIT_FAILED, EXIT_USAGE, StoreAway, StoreRefuses

STATUS: Final = re.compile(r"status code: (\d{3})")
CODE: Final = re.compile(r"<Code>(\w{1,64})</Code>")
REGION: Final = re.compile(r"<Region>([\w-]{1,64})</Region>")
REASON: Final = re.compile(r'(?:message|error): "([^"\n]{1,200})"')     # of the innermost error, as Rust prints it
FULL: Final = re.compile(r"No space left|quota exceeded|QuotaExceeded|InsufficientStorage|StorageFull", re.IGNORECASE)
UNSET: Final = re.compile(r"error: ([\w ]+ must be specified)")
METADATA: Final = re.compile(r"169\.254\.169\.254|metadata\.google\.internal|token request")

GONE: Final = "the profile of AWS's own tools has no keys any more"
NO_BUCKET: Final = "there is no such bucket"
# An S3 error's code, or Azure's, and the sentence for it.
CODES: Final = {
    "NoSuchBucket": NO_BUCKET,
    "ContainerNotFound": NO_BUCKET,
    "InvalidAccessKeyId": "it doesn't know the credentials",
    "SignatureDoesNotMatch": "it doesn't accept the credentials",
    "AuthorizationFailure": "it doesn't accept the credentials",
    "AuthenticationFailed": "it doesn't accept the credentials",
    "InvalidToken": "it doesn't accept the credentials",
    "ExpiredToken": "the credentials have expired",
    "RequestTimeTooSkewed": "this machine's clock is wrong, or the store's",
    "AccessDenied": "the credentials may not do this",
    "AuthorizationPermissionMismatch": "the credentials may not do this",
    "AuthorizationHeaderMalformed": "the bucket is in another region: set AWS_REGION",
    "PermanentRedirect": "the bucket is in another region: set AWS_REGION",
}


def exit_code(why: str) -> int:
    """Returns that of a mount that can't begin for this: 2 and 3 are those for which trying again is no use."""
    if "credentials" in why:
        return EXIT_AUTH
    return EXIT_USAGE if any(word in why for word in ("there is no", "region", "directory")) else EXIT_FAILED


def has_no_bucket(exc: Exception) -> bool:
    """Returns whether what isn't there is the whole bucket."""
    return any(code in str(exc) for code in ("NoSuchBucket", "ContainerNotFound"))


def meaning(exc: Exception) -> StoreAway:
    """Returns what is raised for an error of obstore, or of a directory: StoreRefuses if the store has said no."""
    text = str(exc)
    status = int(found[1]) if (found := STATUS.search(text)) else None
    code = found[1] if (found := CODE.search(text)) else ""
    if FULL.search(text):
        return StoreRefuses("it is full")
    if GONE in text:
        return StoreAway(f"no credentials: {GONE}")
    if METADATA.search(text):
        return StoreAway("no credentials were found in the environment, nor does this machine give any")
    if code in CODES:
        region = REGION.search(text)
        return StoreRefuses(CODES[code] + (f"={region[1]}" if region and "REGION" in CODES[code] else ""))
    if "incorrectly configured region" in text:
        return StoreRefuses(CODES["PermanentRedirect"])
    if status is not None:
        said = f"it answered {status}{f' {code}' if code else ''}"
        return StoreAway(said) if status >= 500 or status in (408, 429) else StoreRefuses(said)
    if found := UNSET.search(text):
        return StoreRefuses(f"the environment doesn't say all: {found[1]}")
    if "Permission denied" in text or "Read-only file system" in text or isinstance(exc, PermissionError):
        return StoreRefuses("this user may not do this in that directory")
    if "TimedOut" in text:
        return StoreAway("no answer in time")
    reasons = REASON.findall(text)
    return StoreAway(reasons[-1] if reasons else "no connection, or one that broke")
