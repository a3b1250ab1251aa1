"""Bradley-Terry scores against values worked out by hand, and against what must hold for any picks."""

from __future__ import annotations

import math
import random

import pytest

from ollama_magic.comparing.strength import Standing, standings

POINTS = 400 / math.log(10)


def duel(wins: int, losses: int) -> dict[str, Standing]:
    picks = [("a", ["b"])] * wins + [("b", ["a"])] * losses
    return {each.name: each for each in standings(picks)}


def test_two_are_scored_as_haldane_and_anscombe_do_with_walds_interval() -> None:
    for wins, losses in [(7, 3), (1, 0), (5, 5), (30, 10), (4, 0)]:
        found = duel(wins, losses)
        # By hand: the log odds and their standard error, half of each on either side of the average.
        odds = math.log((wins + 0.5) / (losses + 0.5))
        error = math.sqrt(1 / (wins + 0.5) + 1 / (losses + 0.5))
        assert found["a"].score == pytest.approx(1000 + POINTS * odds / 2)
        assert found["b"].score == pytest.approx(1000 - POINTS * odds / 2)
        assert found["a"].high - found["a"].low == pytest.approx(2 * 1.959964 * POINTS * error / 2, rel=1e-5)
        assert (found["a"].picked, found["a"].offered) == (wins, wins + losses)


def test_seven_of_ten_in_numbers() -> None:
    # ln(7.5/3.5) = 0.76214; sqrt(1/7.5 + 1/3.5) = 0.64734; 400/ln 10 = 173.7178
    a = duel(7, 3)["a"]
    assert round(a.score, 1) == 1066.2
    assert (round(a.low, 1), round(a.high, 1)) == (956.0, 1176.4)


def test_a_pick_among_several_is_one_pick() -> None:
    among = {each.name: each for each in standings([("a", ["b", "c"])] * 6 + [("b", ["a", "c"])] * 6)}
    duels = {each.name: each for each in standings([("a", ["b"]), ("a", ["c"]), ("b", ["a"]), ("b", ["c"])] * 6)}
    assert among["a"].score == pytest.approx(among["b"].score)
    assert among["c"].score < among["a"].score
    assert among["a"].high - among["a"].low > duels["a"].high - duels["a"].low
    assert (among["a"].picked, among["a"].offered, among["c"].picked) == (6, 12, 0)


def test_scores_of_a_known_world_are_found_again() -> None:
    chance = random.Random(7)
    true = {"a": 0.0, "b": -0.5, "c": -1.0, "d": -2.0}
    picks = []
    for _ in range(6_000):
        one, two = chance.sample(sorted(true), 2)
        first = chance.random() < 1 / (1 + math.exp(true[two] - true[one]))
        picks.append((one, [two]) if first else (two, [one]))
    found = standings(picks)
    mean = sum(true.values()) / len(true)
    assert [each.name for each in found] == ["a", "b", "c", "d"]
    for each in found:
        wanted = 1000 + POINTS * (true[each.name] - mean)
        assert each.low < wanted < each.high
        assert each.high - each.low < 40


def test_those_that_never_met_are_kept_apart() -> None:
    found = standings([("a", ["b"]), ("b", ["c"]), ("x", ["y"])])
    assert [(each.name, each.group) for each in found] == [("a", 0), ("b", 0), ("c", 0), ("x", 1), ("y", 1)]
    assert all(math.isfinite(each.low) and math.isfinite(each.high) for each in found)


def test_a_pick_of_nothing_else_counts_for_nothing() -> None:
    assert standings([]) == []
    assert standings([("a", []), ("a", ["a"])]) == []
