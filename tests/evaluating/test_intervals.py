"""Intervals against published values, and what holds of them everywhere."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ollama_magic.evaluating.intervals import change, percentile, rate, wilson

# Newcombe, Stat. Med. 17 (1998) 857, table I, method 3.
PUBLISHED = {
    (81, 263): (0.2553, 0.3662),
    (15, 148): (0.0624, 0.1605),
    (0, 20): (0.0, 0.1611),
    (1, 29): (0.0061, 0.1718),
}
# Newcombe, Stat. Med. 17 (1998) 873, table II, method 10: a of m minus b of n.
DIFFERENCES = {
    (56, 70, 48, 80): (0.0524, 0.3339),
    (9, 10, 3, 10): (0.1705, 0.8090),
    (5, 56, 0, 29): (-0.0381, 0.1926),
    (0, 10, 0, 20): (-0.1611, 0.2775),
    (10, 10, 0, 10): (0.6075, 1.0),
}


def test_published_intervals_of_a_rate() -> None:
    for (passed, of), limits in PUBLISHED.items():
        assert wilson(passed, of) == pytest.approx(limits, abs=5e-5)


def test_published_intervals_of_a_difference() -> None:
    for (a, m, b, n), (low, high) in DIFFERENCES.items():
        found = change(rate(b, n), rate(a, m))
        assert found is not None
        assert found.value == pytest.approx(a / m - b / n)
        assert (found.low, found.high) == pytest.approx((low, high), abs=5e-5)


def test_none_of_none_says_nothing() -> None:
    assert wilson(0, 0) == (0.0, 1.0)
    assert rate(0, 0).value is None
    assert change(rate(0, 0), rate(1, 2)) is None
    assert change(rate(1, 2), rate(0, 0)) is None
    for passed, of in ((-1, 3), (4, 3)):
        with pytest.raises(ValueError, match="no proportion"):
            wilson(passed, of)


@pytest.mark.slow
@given(st.integers(0, 10_000).flatmap(lambda of: st.tuples(st.integers(0, of), st.just(of))))
def test_an_interval_holds_its_rate_and_stays_within_bounds(counts: tuple[int, int]) -> None:
    passed, of = counts
    low, high = wilson(passed, of)
    assert 0 <= low <= high <= 1
    if of:
        assert low <= passed / of <= high
        # Who counts the failures finds the same, seen from the other end.
        assert wilson(of - passed, of) == pytest.approx((1 - high, 1 - low))


def test_percentiles_lie_between_neighbours() -> None:
    assert percentile([], 0.5) is None
    assert percentile([3.0], 0.9) == 3.0
    assert percentile([4.0, 1.0, 2.0, 3.0], 0.5) == 2.5
    assert percentile([1.0, 2.0, 3.0, 4.0, 5.0], 0.9) == pytest.approx(4.6)
