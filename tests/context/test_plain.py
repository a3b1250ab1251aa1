"""Containers, texts, numbers and objects of every kind: bounded, in order, without addresses."""

from __future__ import annotations

import collections
import datetime
import decimal
import enum
import functools
import os
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ollama_magic.context import describe, estimate
from ollama_magic.context.safely import own_text
from ollama_magic.events import Answer
from ollama_magic.secret import Secret
from tests.tables import folded


class Pair(NamedTuple):
    left: int
    right: str


@dataclass
class Account:
    name: str
    password: str = field(repr=False, default="hidden")


@dataclass
class Hiding:
    token: str

    def __repr__(self) -> str:
        return "Hiding(...)"


class Bare:
    def __init__(self) -> None:
        self.a = 1
        self._private = 2


class Colour(enum.Enum):
    RED = 1


class Raises:
    def __repr__(self) -> str:
        raise RuntimeError("no")


class RaisesInItems(collections.UserDict[str, int]):
    def __getitem__(self, key: str) -> int:
        raise OSError("gone")


class OnlyText:
    def __str__(self) -> str:
        return "only str"

    __repr__ = object.__repr__


EXACT: list[tuple[Any, str]] = [
    (None, "None"),
    (True, "True"),
    (3, "3"),
    (-2.5, "-2.5"),
    (float("nan"), "nan"),
    (1 + 2j, "(1+2j)"),
    ("text {x}", "text {x}"),
    ("", ""),
    (b"ab\x00", "b'ab\\x00'"),
    (decimal.Decimal("1.10"), "1.10"),
    (datetime.date(2026, 1, 2), "2026-01-02"),
    (datetime.timedelta(hours=1), "1:00:00"),
    ([], "[]"),
    ((), "()"),
    ((1,), "(1,)"),
    (set(), "set()"),
    ({}, "{}"),
    ([1, "a", None], "[1, 'a', None]"),
    ({"a": {"b": (1, 2)}}, "{'a': {'b': (1, 2)}}"),
    ({3, 1, 2}, "{1, 2, 3}"),
    ({"b", "a"}, "{'a', 'b'}"),
    ({1, "a", None}, "{None, 1, 'a'}"),
    (frozenset({2, 1}), "frozenset({1, 2})"),
    ({frozenset({2}), frozenset({1})}, "{frozenset({1}), frozenset({2})}"),
    (collections.Counter("aab"), "Counter({'a': 2, 'b': 1})"),
    (collections.OrderedDict(a=1), "OrderedDict({'a': 1})"),
    (collections.defaultdict(list, a=[1]), "defaultdict({'a': [1]})"),
    (collections.deque([1, 2]), "deque([1, 2])"),
    ({"b": 1, "a": 2}.keys(), "dict_keys(['b', 'a'])"),
    ({"b": 1}.values(), "dict_values([1])"),
    ({"b": 1}.items(), "dict_items([('b', 1)])"),
    (collections.UserList([1]), "UserList([1])"),
    (functools.partial(print, 1, sep=""), "partial(<function print>, 1, sep='')"),
    (Pair(1, "x"), "Pair(left=1, right='x')"),
    (Account("ada"), "Account(name='ada')"),
    (Hiding("t"), "Hiding(...)"),
    (Bare(), "Bare(a=1)"),
    (SimpleNamespace(a=1), "SimpleNamespace(a=1)"),
    (Colour.RED, "<Colour.RED: 1>"),
    (range(3), "range(0, 3)"),
    (object(), "<object object>"),
    (PurePosixPath("a/b"), "PurePosixPath('a/b')"),
    (Secret("sk-hidden-key"), "***"),
    ({"key": Secret("sk-hidden-key")}, "{'key': Secret(***)}"),
    ({"OLLAMA_API_KEY": "sk-hidden-key"}, "{'OLLAMA_API_KEY': ***}"),
    (Answer("the answer"), "the answer"),
    (iter([1]), "<list_iterator object>"),
    (1 << 100_000, "<an int of 100,001 bits>"),
    ([1 << 100_000], "[<an int of 100,001 bits>]"),
]


@folded(("value", "expected"), EXACT, ids=[expected[:30] for _, expected in EXACT])
def test_exactly(value: Any, expected: str) -> None:
    found = describe(value)
    kind = type(value)
    prefix = f"{kind.__module__}." if kind.__module__ == __name__ else ""
    package = prefix.partition(".")[0]
    assert found.text.removeprefix(f"{package}." if package else "") == expected
    assert describe(value) == found


def test_raising_objects_say_so() -> None:
    assert describe(Raises()).text.endswith("Raises: RuntimeError when asked for its text>")
    assert "RuntimeError when asked" in describe([1, Raises()]).text
    assert "OSError when asked for its items" in describe(RaisesInItems(a=1)).text
    assert describe(OnlyText()).text


class Endless:
    def __repr__(self) -> str:
        while True:
            try:
                sum(range(10))
            except Exception:
                pass


class Sleeping:
    def __repr__(self) -> str:
        time.sleep(30)
        return "awake"


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no alarms on this platform")
@folded("value", [Endless(), Sleeping()])
def test_a_repr_without_an_end_is_stopped(value: object) -> None:
    before, left = signal.getsignal(signal.SIGALRM), signal.getitimer(signal.ITIMER_REAL)[0]
    assert "took longer than 0.02 s" in own_text(value, limit_s=0.02)
    assert signal.getsignal(signal.SIGALRM) is before
    assert left - 1 < signal.getitimer(signal.ITIMER_REAL)[0] <= left


def test_a_repr_without_an_end_is_stopped_in_a_thread() -> None:
    with ThreadPoolExecutor(1) as pool:
        if pool.submit(sys.gettrace).result() is not None:
            pytest.skip("somebody traces: a tracer has one place")
        assert "took longer than" in pool.submit(own_text, Endless(), limit_s=0.02).result()
        assert pool.submit(sys.gettrace).result() is None
        assert pool.submit(own_text, [1]).result() == "[1]"


def test_an_interrupt_reaches_the_reader() -> None:
    class Interrupted:
        def __repr__(self) -> str:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        describe([Interrupted()])


def test_cycles() -> None:
    items: list[Any] = [1]
    items.append(items)
    assert describe(items).text == "[1, <list that contains itself>]"
    mapping: dict[str, Any] = {}
    mapping["self"] = {"again": mapping}
    assert describe(mapping).text == "{'self': {'again': <dict that contains itself>}}"
    shared = [1]
    assert describe([shared, shared]).text == "[[1], [1]]"


def test_deep_nesting() -> None:
    value: Any = 0
    for _ in range(100_000):
        value = [value]
    found = describe(value)
    assert "<list of 1 items>" in found.text
    assert found.note
    while value:  # taken apart by hand: the interpreter's own way recurses
        value = value[0]


def test_what_was_cut_is_told() -> None:
    found = describe(list(range(1000)), budget=200)
    assert found.text.startswith("[\n 0, 1, 2")
    assert found.text.endswith("more of 1,000 items\n]")
    assert found.note.endswith("more of 1,000 items of a list left out")
    found = describe({"text": "x" * 10_000}, budget=100)
    assert "(10,000 characters)" in found.text
    assert "of 10,000 characters of a text left out" in found.note


HUGE = {
    "list": lambda: [0] * 10_000_000,
    "tuple": lambda: (None,) * 10_000_000,
    "dict": lambda: dict.fromkeys(range(100_000), "value"),
    "set": lambda: set(range(100_000)),
    "text": lambda: "word " * 700_000,
    "bytes": lambda: b"\x00" * 3_000_000,
    "texts": lambda: ["y" * 3_000_000] * 5,
    "object": lambda: SimpleNamespace(held=[0] * 1_000_000),
    "nested": lambda: [[[0] * 1000] * 1000] * 1000,
    "deque": lambda: collections.deque(range(100_000)),
    "array": lambda: __import__("array").array("d", [0.5]) * 1_000_000,
}


@pytest.mark.slow
@folded("name", HUGE)
def test_huge_ones_are_cheap(name: str) -> None:
    value = HUGE[name]()
    start = time.process_time()
    found = describe(value, budget=500)
    assert time.process_time() - start < 0.5
    assert estimate(found.text) <= (2000 if name == "text" else 500)
    assert found.note


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner) | st.frozensets(st.integers())
    ),
    max_leaves=60,
)


@pytest.mark.slow
@given(JSON, st.integers(5, 200))
def test_any_value_fits_the_budget_and_comes_out_the_same(value: Any, budget: int) -> None:
    found = describe(value, budget=budget, text_budget=budget)
    assert estimate(found.text) <= budget
    assert describe(value, budget=budget, text_budget=budget) == found


@pytest.mark.slow
@given(st.lists(st.integers() | st.text(max_size=5), max_size=8))
def test_a_small_list_is_a_python_literal(value: list[Any]) -> None:
    import ast

    assert ast.literal_eval(describe(value).text) == value


def test_the_environment_hides_its_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_TOKEN", "t0k3n")
    monkeypatch.setenv("PLAIN", "shown")
    text = describe(os.environ, budget=5000).text
    assert "t0k3n" not in text
    assert "'PLAIN': 'shown'" in text


def test_a_partial_function_has_no_address() -> None:
    text = describe(functools.partial(Bare)).text
    assert "0x" not in text
    assert "Bare" in text


def test_frames_inside_containers_are_named_by_shape() -> None:
    pd, np = pytest.importorskip("pandas"), pytest.importorskip("numpy")
    text = describe({"df": pd.DataFrame({"a": range(1000)}), "s": pd.Series([1.5]), "a": np.zeros((5, 5))}).text
    assert "<pandas DataFrame, 1,000 rows × 1 columns>" in text
    assert "<pandas Series, 1 values, float64>" in text
    assert "<ndarray, shape (5, 5), float64>" in text
