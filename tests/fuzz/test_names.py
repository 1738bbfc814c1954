"""Names, whatever is in them: as a program types them, as the kernel has them, as a server lists them."""

import errno
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, Final

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from anthrofs import local_names, names
from anthrofs.errors import BadName, NameTooLong
from tests.core.core import Core
from tests.fuzz.fuzzing import target, texts

SPECIAL: Final = "\u201b" * 6 + '<>:"|?*\\/\x01\n\x7f' + "\uff1c\uff0f\uff05\u2421%" * 2 + "220Dda.. ~\ud800\udc80\udfff\U0001f600\u0301e\u00e9"
characters = st.one_of(st.sampled_from(SPECIAL), st.characters(exclude_categories=()))
anything = st.one_of(texts, st.text(characters, max_size=400), st.sampled_from([".by-id", ".fuse_hidden0000000000000001", "\u201b" * 5000, "%22" * 100, "\uff0f".join("ab")]))
servers = anything.map(lambda text: text.replace("\0", ""))


@target(100)
@given(one=servers, other=servers)
@example("\u201b\uff0f", "\uff0f")
@example("%\u201b22", "\uff0522")
def test_two_server_names_have_two_paths_and_each_path_leads_back(one: str, other: str) -> None:
    paths = {}
    for server_name in (one, other):
        with suppress(BadName):
            paths[server_name] = names.path_of(server_name)
            if len(server_name) <= names.MAX_SERVER_CHARS:
                assert names.server_name_of(paths[server_name], "tree") == server_name
    if len(paths) == 2:
        assert (paths[one] == paths[other]) == (one == other)


@target(100)
@given(server_name=anything, file_id=anything)
def test_every_server_name_has_a_safe_entry(server_name: str, file_id: str) -> None:
    for entry in (names.entry_name_of(server_name, file_id), names.safe_entry(server_name, file_id), names.id_name_of("a.txt", file_id)):
        assert 0 < len(entry.encode()) <= names.MAX_ENTRY_BYTES
        assert not set(entry) & {"/", "\0"}
        assert entry not in (".", "..", names.BY_ID)


@target(100)
@given(path=anything, layout=st.sampled_from(["flat", "tree"]))
def test_a_typed_name_goes_to_the_server_and_comes_back_or_is_refused(path: str, layout: names.Layout) -> None:
    try:
        server_name = names.server_name_of(path, layout)
    except (BadName, NameTooLong):
        return
    assert len(server_name) <= names.MAX_SERVER_CHARS
    assert not set(server_name) & set('<>:"|?*\\/')
    assert min(server_name) >= " "
    if layout == "tree":
        with suppress(BadName):
            assert names.path_of(server_name) == path


@target(100)
@given(path=anything, maker=st.one_of(st.sampled_from(["rsync", "sed", "git", "zip", "sed>"]), texts), flags=st.integers(0, 2**31))
def test_whether_a_name_stays_here_can_always_be_said(path: str, maker: str, flags: int) -> None:
    assert local_names.stays_local(path, maker=maker) in (True, False)
    for companion, _ in local_names.candidates(path.rpartition("/")[2], maker, flags):
        assert companion
        assert companion != path


parts = st.one_of(anything, st.sampled_from(["a.txt", "folder", ".by-id", "..", "."])).map(
    lambda text: text.replace("/", "").replace("\0", "").encode(errors="replace").decode()).filter(lambda text: text not in ("", ".", ".."))
paths = st.lists(parts, min_size=1, max_size=3).map("/".join)
CALLS: Final = ("write", "read", "mkdir", "rmdir", "unlink", "rename", "stat", "listdir", "setxattr", "getxattr", "listxattr", "removexattr", "truncate", "chmod", "utimens",
                "link")
KNOWN_ERRNOS: Final = frozenset({0, errno.ENOENT, errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENOTEMPTY, errno.EINVAL, errno.ENAMETOOLONG, errno.ENODATA, errno.EPERM,
                                 errno.EACCES, errno.EOPNOTSUPP, errno.EBUSY, errno.ENOSPC, errno.EFBIG, errno.ERANGE, errno.ESTALE, errno.EMLINK})
attributes = st.one_of(st.sampled_from(["user.mime_type", "user.anthropic.expires_in_seconds", "user.anthropic.state", "user.anthropic.control", "user.color", "security.x",
                                        "trusted.y", "system.posix_acl_access", "user.", "user"]), texts)
contents = st.one_of(st.binary(max_size=20), texts.map(lambda text: text.encode(errors="replace")), st.sampled_from([b"text/plain", b"3600", b"0", b"x" * 70_000, b"\xff", b""]))


@target(10)
@given(calls=st.lists(st.tuples(st.sampled_from(CALLS), paths, paths, attributes, contents, st.sampled_from([-1, 0, 1, 4096, 2**31, 2**33, 2**40])), min_size=1, max_size=12))
def test_whatever_a_program_asks_has_an_answer(tmp_path_factory: pytest.TempPathFactory, calls: list[tuple[str, str, str, str, bytes, int]]) -> None:
    """Any path, any attribute, any value: done, or an errno that means something; never EIO, which is a bug's."""
    core = Core(tmp_path_factory.mktemp("core"))
    core.user.write("a.txt", b"a")
    core.user.mkdir("folder")
    core.expects("^link: ")
    for call in calls:
        number = 0
        try:
            act(core.user, *call)()
        except OSError as exc:
            number = exc.errno or errno.EIO
        assert number in KNOWN_ERRNOS, call
    core.sync()
    core.finish()


def act(user: Any, call: str, path: str, other: str, name: str, content: bytes, number: int) -> Callable[[], object]:
    ask = user._do
    acts: dict[str, Callable[[], object]] = {
        "write": partial(user.write, path, content), "setxattr": partial(ask, "setxattr", f"/{path}", name, content, 0), "getxattr": partial(ask, "getxattr", f"/{path}", name),
        "removexattr": partial(user.removexattr, path, name), "truncate": partial(user.truncate, path, max(number, 0)),
        "chmod": partial(user.chmod, path, number & 0o7777), "utimens": partial(user.utimens, path, number * 10**9), "rename": partial(user.rename, path, other),
        "link": partial(user.link, path, other)}
    return acts.get(call) or partial(getattr(user, call), path)
