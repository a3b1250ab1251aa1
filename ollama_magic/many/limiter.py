"""How many requests at once: a number that finds itself. Pure but for the clock.

Strategy: after each round (as many answers as the limit) the rate of answers is looked at.

    begins    each round that was clearly faster than the best doubles the limit; two in a row that were not end that
    halves    where requests seem to wait in a queue, half as many are tried, for as long as that is no slower: others
              who ask the same server wait behind what we have sent
    settles   at what was best, with half as many more, so that the server always has the next request at hand
    goes on   every few rounds a quarter more is tried, and kept only if it is faster; now and then half as many
    refused   each "too many" takes one away, since those that were not refused are what the server takes; but one in
              ten is taken for chance. What was tried last is then not tried again for twice as long

The rate is that of Little's law: how many were on their way, by how long each was. Answers often come in waves, whose
edges a count would trip over. Only requests that began after the last change count: they have seen what it does. The
same law says how many would do, if an answer takes as long as the first ones did, before which nobody waited: where
those are far fewer than are sent, or more, since the first ones waited for the model to load, halving finds out.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Limiter"]

_Phase = Literal["doubling", "halving", "settled", "trying"]

_FASTER: Final = 1.3
"""How much faster twice as many must be to count as faster: the first of them find a queue that is still short, and
look up to a fifth faster than those that follow."""
_A_LITTLE_FASTER: Final = 1.1
_NO_SLOWER: Final = 0.9
"""How fast half as many must be to count as no slower: if all of them had been needed, it would be a half."""
_MORE: Final = 1.25
_AT_HAND: Final = 1.5
"""So much of what it takes at once is sent: a server has its next work at hand while we are busy with the last."""
_ROUNDS_BETWEEN: Final = 8
_LONGEST_BETWEEN: Final = 256
_MORE_BETWEEN: Final = 4
_MOST_BETWEEN: Final = 32
"""How often more is tried before half as many are: twice as often each time that this was slower."""
_CREDIT: Final = 0.1
_MOST_CREDIT: Final = 4.0
"""Each answer allows for a tenth of a refusal, and at most so many are allowed for at once."""
_FEWEST: Final = 8
"""Answers in the smallest round: the rate of fewer says nothing."""
_FEWEST_LATER: Final = 16
"""Where less is at stake, a round is longer and surer."""


class Limiter:
    """Allows `limit` requests at once: from `least` to `most`, `start` at first; always `start` unless `adapt`."""

    def __init__(
        self,
        start: int = 16,
        least: int = 1,
        most: int = 256,
        *,
        adapt: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if start < 1 or least < 1:
            raise ValueError(f"a limit is at least 1, not {min(start, least)}")
        self.adapt = adapt
        self.least, self.most = (min(least, start), max(most, start)) if adapt else (start, start)
        self.busy = 0
        """How many run now."""
        self._start, self._clock = start, clock
        self._limit = self._best_limit = float(start)
        self._best_rate = 0.0
        self._phase: _Phase = "doubling"
        self._missed = self._doubled = self._halved = False
        self._bare = True  # whether the best limit is what the server takes at once, with nothing on top
        self._wait = self._between = _ROUNDS_BETWEEN
        self._up = self._up_between = _MORE_BETWEEN
        # How long the first answers took, before which hardly any others were waiting.
        self._first_s, self._first = 0.0, 0
        # Of the round: since when, how many answers took how many seconds in all, and how much was on its way.
        self._since = self._at = clock()
        self._load = self._seconds = 0.0
        self._answers = self._refused = 0
        self._credit = 1.0

    @property
    def limit(self) -> int:
        """How many may run at once."""
        return int(self._limit)

    @property
    def room(self) -> int:
        """How many more may begin."""
        return self.limit - self.busy

    def another(self) -> Limiter:
        """One like this was at first, for another server."""
        return Limiter(self._start, self.least, self.most, adapt=self.adapt, clock=self._clock)

    def began(self) -> float:
        """A request begins; what to give to `ended`."""
        now = self._clock()
        self._pass(now)
        self.busy += 1
        return now

    def ended(self, began: float, *, refused: bool = False) -> None:
        """A request ended; `refused`: the server said that there were too many."""
        now = self._clock()
        self._pass(now)
        self.busy -= 1
        if not self.adapt:
            return
        if refused:
            self._refuse()
            return
        self._credit = min(_MOST_CREDIT, self._credit + _CREDIT)
        if self._first < _FEWEST:
            self._first_s = (self._first_s * self._first + now - began) / (self._first + 1)
            self._first += 1
        if began >= self._since or not self._best_rate:
            self._answers += 1
            self._seconds += now - began
            if self._answers >= max(self.limit, _FEWEST if self._phase == "doubling" else _FEWEST_LATER):
                self._look(now)

    def _pass(self, now: float) -> None:
        """Time goes by."""
        # It has not begun, or nothing was to be done for a while, or more than the limit are still on their way.
        if self.busy > self.limit or (not self.busy and not self._answers):
            self._since, self._load = now, 0.0
            self._answers, self._seconds = 0, 0.0
        else:
            self._load += self.busy * (now - self._at)
        self._at = now

    def _refuse(self) -> None:
        if self._credit >= 1:
            self._credit -= 1
        else:
            self._refused += 1
            self._limit = max(self.least, self._limit - 1)

    def _look(self, now: float) -> None:
        """A round is over."""
        on_their_way = self._load / max(now - self._since, 1e-9)
        rate = on_their_way / max(self._seconds / self._answers, 1e-9)
        if self._refused:
            if self._phase != "settled":  # what was tried was too many
                self._between = min(2 * self._between, _LONGEST_BETWEEN)
            self._settle(self._limit, rate)
        else:
            match self._phase:
                case "doubling":
                    self._when_doubling(rate)
                case "halving":
                    self._when_halving(rate)
                case "trying":
                    self._when_trying(rate)
                case "settled":
                    self._when_settled(rate)
        self._answers, self._seconds, self._refused = 0, 0.0, 0
        self._since, self._load = now, 0.0

    def _when_doubling(self, rate: float) -> None:
        if not self._best_rate and self._seem_to_wait(rate):
            self._best(rate)  # no more of them, until it is known whether fewer would do
            self._missed = True
        elif rate > self._best_rate * _FASTER:
            self._best(rate)
            self._limit = self._within(2 * self._limit)
            self._missed, self._doubled = False, True
        elif not self._missed:  # a round may be slow for other reasons: one more
            self._missed = True
        elif self._seem_to_wait(rate):
            self._halve(rate)
        else:
            self._settle_above()

    def _seem_to_wait(self, rate: float) -> bool:
        """Whether fewer at once may do; asked until that was tried."""
        enough = rate * self._first_s / self._best_limit
        return not self._halved and not 0.5 <= enough <= 1.25

    def _when_halving(self, rate: float) -> None:
        if rate >= self._best_rate * _NO_SLOWER:
            self._up_between = _MORE_BETWEEN
            self._best_limit, self._bare = self._limit, True
            if self._limit > self.least:
                self._halve(self._best_rate)
            else:
                self._settle_above()
            return
        self._up_between = min(2 * self._up_between, _MOST_BETWEEN)
        if not self._doubled and self._best_limit == self._start:  # all of them were needed, perhaps more
            self._phase, self._missed = "doubling", False
            self._limit = self._within(2 * self._best_limit)
            self._doubled = True
        else:
            self._settle_above()

    def _when_trying(self, rate: float) -> None:
        if rate > self._best_rate * _A_LITTLE_FASTER:
            self._best(rate)
            self._limit = self._more()
        else:
            self._settle(self._best_limit, rate)

    def _when_settled(self, rate: float) -> None:
        # The server's pace may change, and a comparison with what it once was would say nothing.
        self._best_rate = (self._best_rate + rate) / 2
        self._wait -= 1
        if self._wait > 0:
            return
        self._best_limit = self._limit
        if not self._up:
            self._up = self._up_between
            self._halve(self._best_rate)
        else:
            self._up -= 1
            self._phase = "trying"
            self._limit = self._more()

    def _best(self, rate: float) -> None:
        self._best_rate, self._best_limit = rate, self._limit

    def _more(self) -> float:
        return self._within(max(self._limit + 1, _MORE * self._limit))

    def _halve(self, rate: float) -> None:
        self._phase, self._best_rate = "halving", rate
        self._halved = True
        self._limit = self._within(self._best_limit / 2)

    def _settle_above(self) -> None:
        """At the best limit, with more on top of what the server takes at once."""
        limit = math.ceil(_AT_HAND * self._best_limit) if self._bare else self._best_limit
        self._settle(self._within(limit), self._best_rate)

    def _settle(self, limit: float, rate: float) -> None:
        self._limit = self._best_limit = limit
        self._best_rate, self._bare = rate, False
        self._phase = "settled"
        self._wait = self._between

    def _within(self, limit: float) -> float:
        return float(min(self.most, max(self.least, math.floor(limit))))
