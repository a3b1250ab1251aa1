"""The uncertainty of pass rates: 95% intervals of a proportion, and of the difference of two. Pure arithmetic."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["Change", "Rate", "added", "change", "correlation", "percentile", "rate", "wilson"]

_Z: Final = 1.959963984540054
"""The 97.5% quantile of the standard normal distribution."""


@dataclass(frozen=True, slots=True)
class Rate:
    """`passed` out of `of`, with the 95% interval from `low` to `high`; `value` is None if nothing was judged."""

    passed: int
    of: int
    low: float
    high: float

    @property
    def value(self) -> float | None:
        """The share that passed, from 0 to 1."""
        return self.passed / self.of if self.of else None


@dataclass(frozen=True, slots=True)
class Change:
    """The difference of two rates, later minus earlier, with its 95% interval."""

    value: float
    low: float
    high: float


def wilson(passed: int, of: int) -> tuple[float, float]:
    """The 95% Wilson score interval of a proportion, without continuity correction; (0, 1) for 0 of 0.

    Unlike the Wald interval it stays within 0 and 1, and is informative even if all passed or none.
    Source: E. B. Wilson, JASA 22 (1927) 209; R. G. Newcombe, Stat. Med. 17 (1998) 857, method 3
    """
    if not 0 <= passed <= of:
        raise ValueError(f"{passed} of {of} is no proportion")
    if not of:
        return 0.0, 1.0
    share, squared = passed / of, _Z * _Z
    middle = share + squared / (2 * of)
    reach = _Z * math.sqrt(share * (1 - share) / of + squared / (4 * of * of))
    low, high = (middle - reach) / (1 + squared / of), (middle + reach) / (1 + squared / of)
    # At the ends one limit is exact; rounding would leave a small error.
    return (0.0 if passed == 0 else low), (1.0 if passed == of else high)


def rate(passed: int, of: int) -> Rate:
    """`passed` out of `of` as a Rate."""
    return Rate(passed, of, *wilson(passed, of))


def change(before: Rate, after: Rate, alike: float = 0.0) -> Change | None:
    """How the rate changed; None if either has no trials. `alike` is their `correlation`, 0 for independent samples.

    Source: R. G. Newcombe, Stat. Med. 17 (1998) 873, method 10; for paired samples 17 (1998) 2635, method 10
    """
    if before.value is None or after.value is None:
        return None
    difference = after.value - before.value
    low = difference - _joined(after.value - after.low, before.high - before.value, alike)
    high = difference + _joined(after.high - after.value, before.value - before.low, alike)
    return Change(difference, low, high)


def correlation(pairs: Sequence[tuple[Rate, Rate]]) -> float:
    """The correlation of the same prompts' rates in two runs, from -1 to 1: a prompt hard in one is hard in the other.

    With one answer to each prompt it is phi of the 2x2 table, with Newcombe's continuity correction. With several it is
    phi of their expected table, which makes the interval too wide rather than too narrow.
    """
    before, after = added(pair[0] for pair in pairs), added(pair[1] for pair in pairs)
    if not before.value or not after.value or before.value == 1 or after.value == 1:
        return 0.0
    shares = [(one.value, two.value) for one, two in pairs if one.value is not None and two.value is not None]
    together = sum((one - before.value) * (two - after.value) for one, two in shares) / len(shares)
    if together > 0:
        together = max(0.0, together - 0.5 / len(shares))
    alone = before.value * (1 - before.value) * after.value * (1 - after.value)
    return max(-1.0, min(1.0, together / math.sqrt(alone)))


def added(rates: Iterable[Rate]) -> Rate:
    """The pooled rate of all of them."""
    found = list(rates)
    return rate(sum(each.passed for each in found), sum(each.of for each in found))


def _joined(one: float, two: float, alike: float) -> float:
    return math.sqrt(max(0.0, one * one - 2 * alike * one * two + two * two))


def percentile(values: Sequence[float], share: float) -> float | None:
    """The quantile of `values` at `share` (0 to 1), by linear interpolation; None for no values."""
    if not values:
        return None
    ordered = sorted(values)
    place = (len(ordered) - 1) * share
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)
