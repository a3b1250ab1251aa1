"""numpy arrays as text."""

from __future__ import annotations

import time
from typing import Any

import pytest

from ollama_magic.context import describe, estimate
from tests.tables import folded

np = pytest.importorskip("numpy")

CASES = [
    (np.arange(6).reshape(2, 3), ["numpy ndarray, shape (2, 3), int64; mean 2.5, min 0, max 5", "[[0 1 2]\n [3 4 5]]"]),
    (np.array([1.0, np.nan, np.inf]), ["mean 1, min 1, max 1, nan: 1, infinite: 1", "[ 1. nan inf]"]),
    (np.array([np.nan]), ["nan: 1"]),
    (np.array([True, False]), ["bool; true 50.0%"]),
    (np.array([]), ["shape (0,), float64, empty"]),
    (np.array(3.5), ["ndarray without dimensions, float64: 3.5"]),
    (
        np.array([1, "a", None, [1]], dtype=object),
        ["object; types int 25%, str 25%, NoneType 25%, list 25%", "[1, 'a', None, [1]]"],
    ),
    (np.array(["x", "y" * 200]), ["types str 100%; 2 different", "'y"]),
    (np.zeros(2, dtype=[("a", "i4"), ("b", "f8")]), ["fields a: int32, b: float64", "(0, 0.0)"]),
    (np.ma.masked_less(np.arange(5.0), 2), ["numpy masked array", "masked: 2; mean 3, min 2", "[-- -- 2.0 3.0 4.0]"]),
    (np.ma.masked_all(3), ["masked: 3; all masked"]),
    (np.array([1 + 2j]), ["complex128"]),
    (np.array(["2026-01-01"], dtype="datetime64[D]"), ["datetime64[D]", "2026-01-01"]),
    (np.zeros((2,) * 12), ["shape (2, 2, 2,", "[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, ...]"]),
    (np.float32(2.5), ["2.5"]),
    (np.int64(7), ["7"]),
]


@folded(("array", "expected"), CASES, ids=lambda value: str(getattr(value, "dtype", "")))
def test_what_is_said(array: Any, expected: list[str]) -> None:
    found = describe(array)
    for words in expected:
        assert words in found.text
    assert describe(array) == found
    assert estimate(describe(array, budget=20).text) <= 20


def test_print_options_do_not_matter() -> None:
    array = np.linspace(0, 1, 7)
    text = describe(array).text
    with np.printoptions(precision=1, threshold=2, sign="+", linewidth=20, formatter={"float": "{:.9f}".format}):
        assert describe(array).text == text


@pytest.mark.slow
def test_a_large_array_costs_little() -> None:
    small, large = np.linspace(0, 1, 3_000).reshape(-1, 3), np.linspace(0, 1, 30_000_000).reshape(-1, 3)
    start = time.process_time()
    found = describe(large)
    assert time.process_time() - start < 0.5
    assert estimate(found.text) <= estimate(describe(small).text) + 40
    assert "statistics from one element in" in found.text


def test_a_large_object_array_costs_little() -> None:
    class Loud:
        asked = 0

        def __repr__(self) -> str:
            Loud.asked += 1
            return "loud"

    array = np.empty(100_000, dtype=object)
    array[:] = [Loud()] * 100_000
    assert "Loud 100%" in describe(array).text
    assert Loud.asked < 50
