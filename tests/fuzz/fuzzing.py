"""The settings that all targets share, and the values that come from outside.

A target is a property test. In the suite it runs the same few examples each time; scripts/fuzz gives it many more, a seed,
and a database of what once failed.

Owns    the count of examples of this process.
Never   lets an example be judged by the time that it takes: what is bounded says so itself.
"""

import functools
import json
import os
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.database import DirectoryBasedExampleDatabase, ExampleDatabase

T = TypeVar("T")

CANARY: Final = "canary-7Qx81kW0Vn42"       # in each secret; no message may have it
EXAMPLES_VARIABLE: Final = "ANTHROFS_FUZZ_TIMES"        # a long run: so many times the examples of the suite
FOUND_VARIABLE: Final = "ANTHROFS_FUZZ_FOUND"           # and where what failed is kept for the next one
COUNTS_VARIABLE: Final = "ANTHROFS_FUZZ_COUNTS"         # and where the counts are written to
TIMES: Final = float(os.environ.get(EXAMPLES_VARIABLE, "0"))

LONG: Final = 3000                  # characters of a message: more isn't read by anybody
# Controls, ends of lines, halves of surrogate pairs, and what turns the direction of a text on a terminal.
WILD: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")

counts: Counter[str] = Counter()


def target(examples: int) -> Callable[[T], T]:
    """Put above `given`: a property test of so many examples in the suite."""
    found = os.environ.get(FOUND_VARIABLE)
    database: ExampleDatabase | None = DirectoryBasedExampleDatabase(found) if found else None
    # Shrinking would cost a suite minutes; a long run does it.
    phases = list(Phase) if TIMES else [Phase.explicit, Phase.generate, Phase.shrink]
    chosen = settings(max_examples=max(2, round(examples * (TIMES or 1))), derandomize=not TIMES, database=database, deadline=None,
                      phases=[phase for phase in phases if phase is not Phase.explain],
                      suppress_health_check=list(HealthCheck), print_blob=TIMES > 0)

    def decorate(test: Any) -> Any:
        inner, name = test.hypothesis.inner_test, test.__module__.rpartition(".")[2].removeprefix("test_")

        @functools.wraps(inner)
        def counted(*arguments: Any, **named: Any) -> None:
            counts[name] += 1
            inner(*arguments, **named)
        test.hypothesis.inner_test = counted
        return chosen(test)
    return decorate


def write_counts() -> None:
    """For a long run, which adds them up."""
    if place := os.environ.get(COUNTS_VARIABLE):
        with Path(place).open("a", encoding="utf-8") as file:
            file.write(json.dumps(counts) + "\n")


def judge(exc: Exception, *, secret: str = CANARY, own: bool = False) -> None:
    """The words of an error are for a log and a terminal: a tame line or several, bounded, without the secret. `own`: they repeat what
    the person has just typed.
    """
    said = str(exc)
    assert said
    assert len(said) < LONG
    assert own or not secret or secret not in said
    assert own or not WILD.search(said.replace("\n", ""))


# ---- what comes from outside

ODD_TEXT: Final = ("", " ", "\0", "\n", "\ud800", "\udcff", "a/b", "..", ".", "/", "-", "NaN", "inf", "1e999", "\u2028", "\u202e", "\uff0f", "\u201b", "%22",
                   "9" * 400, "-1", "0", "1_0", "\u0663", CANARY, "a" * 300, ".by-id", ".fuse_hidden1")

texts = st.one_of(st.sampled_from(ODD_TEXT), st.text(max_size=40), st.text(st.characters(), max_size=300),
                  st.lists(st.sampled_from(ODD_TEXT), max_size=4).map("".join))
numbers = st.one_of(st.integers(-2**70, 2**70), st.sampled_from([0, -1, 2**31, 2**63 - 1, 2**63, 2**64, 10**400]),
                    st.floats(), st.sampled_from([float("nan"), float("inf"), float("-inf"), -0.0]))
leaves = st.one_of(st.none(), st.booleans(), numbers, texts)
values = st.recursive(leaves, lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(texts, inner, max_size=4)), max_leaves=12)


def objects(**known: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """JSON objects that have these keys, lack some of them, have something else there, or have others, too."""
    some = {name: st.one_of(given, given, given, values) for name, given in known.items()}
    return st.builds(lambda of, more: {**more, **of}, st.fixed_dictionaries({}, optional=some),
                     st.one_of(st.just(dict[str, Any]()), st.dictionaries(texts, values, max_size=2)))


def written(value: object) -> bytes:
    """As JSON, in ASCII or not, whatever is in it."""
    return json.dumps(value).encode()


def deep(depth: int) -> bytes:
    """JSON as deep as that."""
    return b"[" * depth + b"]" * depth


json_bodies = values.map(written)
bodies = st.one_of(json_bodies, st.binary(max_size=200), st.just(deep(5000)), texts.map(lambda text: text.encode(errors="replace")),
                   st.sampled_from([b"", b"null", b"{}", b"[]", b"\xff\xfe{\x00", b"<title>" + b"a" * 5000, b"<title>x</title>", b"9" * 5000,
                                    b'{"a":' + b"9" * 5000 + b"}", b'"\\ud800"']))
