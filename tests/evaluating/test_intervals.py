"""Intervals against published values, and what holds of them everywhere."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ollama_magic.evaluating.intervals import added, change, correlation, percentile, rate, wilson

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


# Newcombe, Stat. Med. 17 (1998) 2635, method 10; Fagerland, Lydersen and Laake, Stat. Med. 33 (2014) 2850:
# pairs that passed twice, then only the first, only the second, and never; first minus second.
PAIRED = {
    (36, 12, 2, 0): (0.0569, 0.3404),
    (1, 1, 7, 12): (-0.507, -0.026),
}


def test_published_intervals_of_a_difference_of_paired_rates() -> None:
    for (both, first, second, neither), (low, high) in PAIRED.items():
        yes, no = rate(1, 1), rate(0, 1)
        pairs = [(yes, yes)] * both + [(no, yes)] * first + [(yes, no)] * second + [(no, no)] * neither
        found = change(added(one for one, _ in pairs), added(two for _, two in pairs), correlation(pairs))
        assert found is not None
        assert (found.low, found.high) == pytest.approx((low, high), abs=5e-4)


def test_what_goes_together() -> None:
    yes, no, half = rate(1, 1), rate(0, 1), rate(2, 4)
    assert correlation([]) == correlation([(yes, yes), (no, yes)]) == correlation([(half, rate(3, 4))]) == 0
    # phi is 1 and -1; towards 0 it is corrected by one half of a pair.
    assert correlation([(yes, yes)] * 5 + [(no, no)] * 5) == pytest.approx(0.8)
    assert correlation([(yes, no)] * 5 + [(no, yes)] * 5) == pytest.approx(-1)
    many = [(rate(4, 4), rate(4, 4))] * 50 + [(rate(0, 4), rate(1, 4))] * 50
    apart = change(added(one for one, _ in many), added(two for _, two in many))
    together = change(added(one for one, _ in many), added(two for _, two in many), correlation(many))
    assert apart is not None
    assert together is not None
    assert apart.low < together.low < together.value < together.high < apart.high


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
