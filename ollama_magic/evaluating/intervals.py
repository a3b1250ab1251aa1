"""How sure a pass rate is: 95% intervals of a proportion, and of the difference of two. Pure arithmetic."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Change", "Rate", "change", "percentile", "rate", "wilson"]

_Z: Final = 1.959963984540054
"""The normal quantile that leaves 2.5% on either side."""


@dataclass(frozen=True, slots=True)
class Rate:
    """`passed` out of `of`, with the 95% interval from `low` to `high`; `value` is None where nothing was judged."""

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
    """The 95% interval of a proportion by Wilson's score, without continuity correction; (0, 1) for none of none.

    Unlike the usual one it stays within 0 and 1, and says something also where all passed or none.
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
    # At the ends one limit is exact; rounding would leave a trace beside it.
    return (0.0 if passed == 0 else low), (1.0 if passed == of else high)


def rate(passed: int, of: int) -> Rate:
    """`passed` out of `of` as a Rate."""
    return Rate(passed, of, *wilson(passed, of))


def change(before: Rate, after: Rate) -> Change | None:
    """How the rate changed, as between two independent samples; None where one of them has nothing.

    Source: R. G. Newcombe, Stat. Med. 17 (1998) 873, method 10
    """
    if before.value is None or after.value is None:
        return None
    difference = after.value - before.value
    low = difference - math.hypot(after.value - after.low, before.high - before.value)
    high = difference + math.hypot(after.high - after.value, before.value - before.low)
    return Change(difference, low, high)


def percentile(values: Sequence[float], share: float) -> float | None:
    """The value below which `share` (0 to 1) of `values` lie, between two neighbours in proportion; None for none."""
    if not values:
        return None
    ordered = sorted(values)
    place = (len(ordered) - 1) * share
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)
