"""An adaptive concurrency limit. Pure but for the clock.

Strategy: after each round (at least as many answers as the limit) the throughput is evaluated.

    start     each round that is clearly faster than the best doubles the limit; two in a row that are not end this
    halve     where requests seem to be queued, half the limit is tried, again as long as that is no slower: other
              clients of the server wait behind our queue
    settle    at the best limit plus a half, so that the server always has the next request at hand
    probe     every few rounds a quarter more is tried, and kept only if it is faster; now and then half as many
    refusal   each "too many requests" lowers the limit by one, since the server takes those that it did not refuse;
              but one per ten answers is put down to chance. After a refused probe, the pause between probes doubles

The throughput is that of Little's law: mean requests in flight divided by mean latency. Answers often come in waves,
whose edges would distort a plain count. Only requests that started after the last change count: they have seen its
effect. The same law gives the concurrency that would be enough at the latency of the first answers, which hardly
queued: if that is far below the limit, or above it because the first ones waited for the model to load, halving is
tried.
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
"""Gain in throughput for a doubled limit to count as faster: its first requests find a queue that is still short, and
look up to a fifth faster than those that follow."""
_A_LITTLE_FASTER: Final = 1.1
_NO_SLOWER: Final = 0.9
"""Share of the throughput for a halved limit to count as no slower: if all had been needed, it would be a half."""
_MORE: Final = 1.25
_AT_HAND: Final = 1.5
"""Requests sent per request processed concurrently: the server has its next one at hand while we handle the last."""
_ROUNDS_BETWEEN: Final = 8
_LONGEST_BETWEEN: Final = 256
_MORE_BETWEEN: Final = 4
_MOST_BETWEEN: Final = 32
"""Upward probes before a halved limit is tried: doubled, up to _MOST_BETWEEN, each time that halving was slower."""
_CREDIT: Final = 0.1
_MOST_CREDIT: Final = 4.0
"""Each answer excuses a tenth of a refusal; this is the most refusals that can be excused in a row."""
_FEWEST: Final = 8
"""Answers in the smallest round: the throughput of fewer says nothing."""
_FEWEST_LATER: Final = 16
"""The same after doubling has ended: less is at stake then, so rounds are longer and surer."""


class Limiter:
    """Allows `limit` concurrent requests: `start` at first, then `least` to `most`; always `start` unless `adapt`."""

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
        """Requests in flight."""
        self._start, self._clock = start, clock
        self._limit = self._best_limit = float(start)
        self._best_rate = 0.0
        self._phase: _Phase = "doubling"
        self._missed = self._doubled = self._halved = False
        self._bare = True  # whether the best limit has no headroom on top yet
        self._wait = self._between = _ROUNDS_BETWEEN
        self._up = self._up_between = _MORE_BETWEEN
        # The mean latency of the first answers, which hardly queued, and their number.
        self._first_s, self._first = 0.0, 0
        # The round: its start and last update; request-seconds in flight; the answers' number and total latency.
        self._since = self._at = clock()
        self._load = self._seconds = 0.0
        self._answers = self._refused = 0
        self._credit = 1.0

    @property
    def limit(self) -> int:
        """How many requests may run concurrently."""
        return int(self._limit)

    @property
    def room(self) -> int:
        """How many more may start."""
        return self.limit - self.busy

    def another(self) -> Limiter:
        """A new limiter with the initial state of this one, for another server."""
        return Limiter(self._start, self.least, self.most, adapt=self.adapt, clock=self._clock)

    def began(self) -> float:
        """Record the start of a request; returns what to pass to `ended`."""
        now = self._clock()
        self._pass(now)
        self.busy += 1
        return now

    def ended(self, began: float, *, refused: bool = False) -> None:
        """Record the end of a request; `refused`: the server said that there were too many."""
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
        """Account for the time since the last event."""
        # The round restarts while nothing is in flight and none is answered, or more than the limit is in flight.
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
        """Evaluate the round that ends now, and choose the next limit."""
        on_their_way = self._load / max(now - self._since, 1e-9)
        rate = on_their_way / max(self._seconds / self._answers, 1e-9)
        if self._refused:
            if self._phase != "settled":  # the limit being tried was too high
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
            self._best(rate)  # no increase until it is known whether fewer would do
            self._missed = True
        elif rate > self._best_rate * _FASTER:
            self._best(rate)
            self._limit = self._within(2 * self._limit)
            self._missed, self._doubled = False, True
        elif not self._missed:  # a round may be slow for other reasons: repeat it once
            self._missed = True
        elif self._seem_to_wait(rate):
            self._halve(rate)
        else:
            self._settle_above()

    def _seem_to_wait(self, rate: float) -> bool:
        """Whether lower concurrency may do: requests seem to be queued, and halving was not tried yet."""
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
        if not self._doubled and self._best_limit == self._start:  # all were needed, perhaps more
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
        # The server's speed may change, and a comparison with an old measurement would say nothing.
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
        """Settle at the best limit, with headroom added if it has none yet."""
        limit = math.ceil(_AT_HAND * self._best_limit) if self._bare else self._best_limit
        self._settle(self._within(limit), self._best_rate)

    def _settle(self, limit: float, rate: float) -> None:
        self._limit = self._best_limit = limit
        self._best_rate, self._bare = rate, False
        self._phase = "settled"
        self._wait = self._between

    def _within(self, limit: float) -> float:
        return float(min(self.most, max(self.least, math.floor(limit))))
