"""The key, and the service: whether it can be reached, whether it takes the key, and whether the clocks agree.

Trusts  the settings, as a mount would read them.
Never   makes more than one request to the service, and none when it is told to; quotes a key, or a proxy's URL.
"""

import contextlib
import time
from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from anthrofs.clock import Clock
from anthrofs.config import DEFAULT_BASE_URL, Credentials, Profile, Service, Timeouts
from anthrofs.doctor.finding import BAD, GOOD, HINT, Finding, Patient
from anthrofs.errors import AccountRefused, AuthFailed, FsError, Offline, SetupError
from anthrofs.model import ServerClock
from anthrofs.remote.holders import holder_of
from anthrofs.remote.http import HttpFiles, connect
from anthrofs.remote.proxies import proxy_of
from anthrofs.remote.transport import trusted
from anthrofs.settings.choosing import service_for
from anthrofs.settings.config_file import DEFAULTS, PROFILE, read_config
from anthrofs.settings.findings import findings, of_section
from anthrofs.settings.precedence import settings_of

PATIENCE: Final = Timeouts(connect_s=10.0, read_s=20.0, write_s=20.0)
APART_S: Final = 60.0           # between two clocks: above that, one is said to be wrong
BUILT_S: Final = 1_760_000_000  # no clock was behind that when this was written
# Variables by which other programs are told of certificates, and anthrofs isn't.
OTHERS: Final = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "AWS_CA_BUNDLE")
UNSET: Final = "unset the variable, or correct it"


def look_at_keys(patient: Patient) -> Iterator[Finding]:
    """Each profile's key, as a mount would read it."""
    names, said = _profiles(patient), set[str]()
    for name in [None, *names]:
        of = "key" if name is None else f"key of {name}"
        try:
            service = service_named(patient, name)
        except SetupError as exc:
            none = "No credentials" in str(exc)     # else the sentence says what helps
            if (none and name is None and names) or str(exc) in said or _is_told(patient, name):
                continue        # all that is mounted here has a profile; or it was said before
            said.add(str(exc))
            yield Finding(of, BAD, str(exc), "Without a key the service gives nothing out." if none else
                          "No mount that needs it can begin.",
                          "anthrofs init, or: export ANTHROPIC_API_KEY=…" if none else "")
            continue
        yield Finding(of, GOOD, f"A key is there: {_said(service)}.")
        for warning in service.warnings():
            yield Finding(of, HINT, warning)


def look_at_way(patient: Patient) -> Iterator[Finding]:
    """The proxy and the certificates, by the environment alone."""
    environ, service = patient.environ, _usable(patient)
    address = DEFAULT_BASE_URL if service is None else service.base_url
    try:
        proxy = proxy_of(environ, address)
        parts = urlsplit(proxy) if proxy else None
        yield Finding("way", GOOD, f"Requests to {address} go " + ("there without a proxy." if parts is None else
                      f"through the proxy {parts.hostname}{f':{parts.port}' if parts.port else ''}."))
    except SetupError as exc:
        yield Finding("way", BAD, str(exc), "No request leaves this machine.", UNSET)
    try:
        trusted(environ)
    except SetupError as exc:
        yield Finding("way", BAD, str(exc), "No answer can be trusted.", UNSET)
    if not environ.get("SSL_CERT_FILE", "").strip() and (names := [name for name in OTHERS if environ.get(name)]):
        yield Finding("way", HINT, f"Other programs find certificates by {' and '.join(names)}. SSL_CERT_FILE, by "
                      "which this one would, isn't set.",
                      "If a proxy of your network signs its own, anthrofs doesn't trust it.",
                      f'export SSL_CERT_FILE="${names[0]}"')


def look_at_service(patient: Patient) -> Iterator[Finding]:
    """One request: the service's newest file."""
    if time.time() < BUILT_S:
        yield Finding("clock", BAD, f"This machine's clock says {time.strftime('%Y-%m-%d')}.",
                      "No certificate is valid then.", "sudo timedatectl set-ntp true")
    service = _usable(patient) if patient.asks else None
    if service is None:
        return
    clock = Clock()
    try:
        client = connect(service, PATIENCE, patient.environ)
    except SetupError as exc:
        yield Finding("service", BAD, str(exc), "No request leaves this machine.", "correct what it names")
        return
    with client:
        # A key is read once: reading it again, when it is refused, would make a second request.
        login = isinstance(service.credentials, Profile)
        holder = holder_of(service, client, clock, patient.environ) if login else None
        files = HttpFiles(client, clock, PATIENCE.first_s, service.scope_id, holder)
        began_s = clock.now_s()
        try:
            files.list(1)
            yield Finding("service", GOOD, f"{service.base_url} answers in {1000 * (clock.now_s() - began_s):.0f} ms, "
                          f"and takes the key ({files.requests()} request was made).")
        except FsError as exc:
            yield _refused(service, exc)
        yield from _clocks(files.clock(), service)


def service_named(patient: Patient, profile: str | None) -> Service:
    """The service of a profile, or of a mount without one; its key is read once. Raises SetupError."""
    if (found := patient.services.get(profile)) is None:
        try:
            file = read_config(patient.environ)
            found = service_for(settings_of({}, patient.environ, file, profile), patient.environ)
        except SetupError as exc:
            found = exc
        patient.services[profile] = found
    if isinstance(found, SetupError):
        raise found
    return found


def _profiles(patient: Patient) -> list[str]:
    try:
        return sorted(read_config(patient.environ).profiles)
    except SetupError:
        return []               # the check of the file says what is wrong in it


def _is_told(patient: Patient, profile: str | None) -> bool:
    """Whether the check of the settings has said the same."""
    try:
        file = read_config(patient.environ)
    except SetupError as exc:
        return str(exc) == str(patient.services.get(profile))
    mine = of_section(findings(file), DEFAULTS, *([] if profile is None else [f"{PROFILE}.{profile}"]))
    return any(each.text == str(patient.services.get(profile)) for each in mine)


def _usable(patient: Patient) -> Service | None:
    """The service of the profile that was named; else the first that has a key."""
    for name in [patient.profile] if patient.profile else [None, *_profiles(patient)]:
        with contextlib.suppress(SetupError):       # said before
            return service_named(patient, name)
    return None


def _refused(service: Service, exc: FsError) -> Finding:
    if isinstance(exc, AuthFailed):
        return Finding("service", BAD, f"{service.base_url} doesn't take the key: {exc}.",
                       "Nothing can be listed, read or sent.", f"give it a valid one ({_said(service)})")
    if isinstance(exc, AccountRefused):
        return Finding("service", BAD, f"{service.base_url} refuses the account: {exc}.",
                       "Nothing can be listed, read or sent.", "see https://platform.claude.com, or ask who owns it")
    if isinstance(exc, Offline):
        return Finding("service", BAD, f"{service.base_url} can't be reached: {exc}.",
                       "What is known here can be read, and what is saved waits.",
                       f"curl -sS {service.base_url}/v1/files")
    return Finding("service", BAD, f"{service.base_url} doesn't answer as the Files API does: {exc}.",
                   "It may pass; else the address leads elsewhere.", "anthrofs config show   # base_url")


def _clocks(told: ServerClock | None, service: Service) -> Iterator[Finding]:
    if told is None:
        return
    apart_s = max(told.earliest_ns, -told.latest_ns, 0) / 1e9
    if apart_s > APART_S:
        yield Finding("clock", BAD, f"This machine's clock and that of {service.base_url} are {shown(apart_s)} apart.",
                      "Times of files are wrong, expiries come early or late, and certificates may be refused.",
                      "sudo timedatectl set-ntp true")
    else:
        yield Finding("clock", GOOD, "This machine's clock and the service's agree.")


def shown(seconds: float) -> str:
    """Returns words for it, as exact as one needs."""
    return (f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} minutes" if seconds < 7200
            else f"{seconds / 3600:.0f} hours" if seconds < 172800 else f"{seconds / 86400:.0f} days")


def _said(service: Service) -> str:
    held = service.credentials
    if isinstance(held, Credentials):
        return f"from the {held.source.said}" if held.source is not None else "from a custom header"
    return f"by the {held.said}"
