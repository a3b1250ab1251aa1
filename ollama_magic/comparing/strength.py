"""Bradley-Terry scores from picks, with intervals. Pure.

A pick among several follows the multinomial logit model, of which Bradley-Terry is the case of two: the probability
that a is picked from a set is exp(b_a) over the sum of exp(b) of the set. So a pick among four counts as one
observation, not as three pairwise wins.

Each pair that was offered together gets half a pseudo-pick each way beside the real ones (shared out, so that each
gets at most half a pick for and half a pick against in total). Without it, one that was never picked would have no
finite score; it is the Haldane-Anscombe correction, and for two the score difference is exactly the log odds
ln((w + 1/2) / (l + 1/2)). Intervals are Wald's: 1.96 standard errors from the information matrix at the maximum, for
the difference of two sqrt(1 / (w + 1/2) + 1 / (l + 1/2)).

Scores are in Elo points with mean 1000 in each group: 400 points more mean odds of ten to one.
Sources: Hunter, "MM algorithms for generalized Bradley-Terry models" (2004); Agresti, "Categorical Data Analysis".
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["Standing", "standings"]

_POINTS: Final = 400 / math.log(10)
_AVERAGE: Final = 1000.0
_Z95: Final = 1.959963984540054
_MOST_STEPS: Final = 200
_CLOSE: Final = 1e-10

Choice = tuple[str, tuple[str, ...]]
"""The one that was picked, and all that were offered, including itself."""


@dataclass(frozen=True, slots=True)
class Standing:
    """The standing of one name: score and 95% interval in points, how often it was picked and offered.

    `group`: only members of the same group were compared with each other, directly or through others.
    """

    name: str
    score: float
    low: float
    high: float
    picked: int
    offered: int
    group: int = 0


def standings(picks: Iterable[tuple[str, Sequence[str]]]) -> list[Standing]:
    """The standings, best first, from picks: (the one picked, those it was preferred to)."""
    choices = [(winner, tuple(dict.fromkeys((winner, *others)))) for winner, others in picks]
    choices = [choice for choice in choices if len(choice[1]) > 1]
    picked = Counter(winner for winner, _ in choices)
    offered = Counter(name for _, names in choices for name in names)
    found = []
    for number, members in enumerate(_groups(choices)):
        weighted = _weighted([choice for choice in choices if choice[0] in members], members)
        strengths = _fit(weighted, members)
        errors = _standard_errors(weighted, strengths, members)
        for name in members:
            score, spread = _AVERAGE + _POINTS * strengths[name], _Z95 * _POINTS * errors[name]
            found.append(Standing(name, score, score - spread, score + spread, picked[name], offered[name], number))
    return sorted(found, key=lambda each: (each.group, -each.score, each.name))


def _groups(choices: Sequence[Choice]) -> list[list[str]]:
    """The connected components of names offered together, the largest first."""
    groups: list[set[str]] = []
    for _, names in choices:
        touched = [group for group in groups if group & set(names)]
        groups = [group for group in groups if group not in touched]
        groups.append(set(names).union(*touched))
    return sorted((sorted(group) for group in groups), key=lambda group: (-len(group), group))


def _weighted(choices: Sequence[Choice], members: Sequence[str]) -> list[tuple[float, Choice]]:
    """The picks, and the pseudo-picks that are added, with their weights."""
    pairs = {pair for _, names in choices for pair in itertools.permutations(names, 2)}
    meets = Counter(one for one, _ in pairs)
    real = [(float(count), choice) for choice, count in Counter(choices).items()]
    return real + [(0.5 / max(meets[one], meets[two]), (one, (one, two))) for one, two in sorted(pairs)]


def _fit(weighted: Sequence[tuple[float, Choice]], members: Sequence[str]) -> dict[str, float]:
    """The maximum-likelihood log strengths, with mean 0: Newton steps, halved while they overshoot."""
    strengths = dict.fromkeys(members, 0.0)
    value = _likelihood(weighted, strengths)
    for _ in range(_MOST_STEPS):
        gradient, information = _derivatives(weighted, strengths, members)
        inverse = _inverse(_grounded(information))
        step = [sum(a * g for a, g in zip(row, gradient, strict=True)) for row in inverse]
        share = 1.0
        while True:
            tried = {name: strengths[name] + share * by for name, by in zip(members, step, strict=True)}
            reached = _likelihood(weighted, tried)
            if reached >= value or share < _CLOSE:
                break
            share /= 2
        strengths, gained, value = tried, reached - value, reached
        if gained < _CLOSE and max(map(abs, step)) < math.sqrt(_CLOSE):
            break
    mean = sum(strengths.values()) / len(members)
    return {name: strength - mean for name, strength in strengths.items()}


def _likelihood(weighted: Sequence[tuple[float, Choice]], strengths: Mapping[str, float]) -> float:
    return sum(
        weight * (strengths[winner] - math.log(sum(math.exp(strengths[name]) for name in names)))
        for weight, (winner, names) in weighted
    )


def _derivatives(
    weighted: Sequence[tuple[float, Choice]], strengths: Mapping[str, float], members: Sequence[str]
) -> tuple[list[float], list[list[float]]]:
    """The gradient of the log likelihood, and the information matrix (its negative Hessian)."""
    place = {name: number for number, name in enumerate(members)}
    gradient = [0.0] * len(members)
    information = [[0.0] * len(members) for _ in members]
    for weight, (winner, names) in weighted:
        raised = [math.exp(strengths[name]) for name in names]
        chances = [each / sum(raised) for each in raised]
        gradient[place[winner]] += weight
        for name, chance in zip(names, chances, strict=True):
            gradient[place[name]] -= weight * chance
            information[place[name]][place[name]] += weight * chance
            for other, its_chance in zip(names, chances, strict=True):
                information[place[name]][place[other]] -= weight * chance * its_chance
    return gradient, information


def _standard_errors(
    weighted: Sequence[tuple[float, Choice]], strengths: Mapping[str, float], members: Sequence[str]
) -> dict[str, float]:
    """The standard error of each strength relative to the mean of all."""
    _, information = _derivatives(weighted, strengths, members)
    inverse = _inverse(_grounded(information))
    # Subtract what was added to make it invertible: a projection, which is its own inverse on its range.
    share = 1 / len(members)
    return {name: math.sqrt(max(0.0, inverse[n][n] - share)) for n, name in enumerate(members)}


def _grounded(information: list[list[float]]) -> list[list[float]]:
    """`information` made invertible: picks do not determine a shift common to all strengths, so that is held fixed."""
    share = 1 / len(information)
    return [[each + share for each in row] for row in information]


def _inverse(matrix: list[list[float]]) -> list[list[float]]:
    """The inverse by Gauss-Jordan elimination with partial pivoting."""
    size = len(matrix)
    rows = [[*row, *(float(n == m) for m in range(size))] for n, row in enumerate(matrix)]
    for column in range(size):
        best = max(range(column, size), key=lambda n: abs(rows[n][column]))
        rows[column], rows[best] = rows[best], rows[column]
        pivot = rows[column][column]
        rows[column] = [each / pivot for each in rows[column]]
        for n in range(size):
            if n != column and rows[n][column]:
                factor = rows[n][column]
                rows[n] = [a - factor * b for a, b in zip(rows[n], rows[column], strict=True)]
    return [row[size:] for row in rows]
