"""Load balancing over several servers: the least busy one first, one that does not answer set aside for a while.

Strategy: each server has its own limit, since their capacities may differ. One that is set aside is probed by a single
request after 1, 2, 4, ... seconds, and takes requests like the others as soon as a probe is answered. A server is sent
more than it processes concurrently, and its speed is not known beforehand: once there is nothing more to send,
requests may be queued for long at a slow server while a fast one is idle. `overdue` says which request should move.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .limiter import Limiter

__all__ = ["Hosts", "Place"]

_FIRST_ASIDE_S: Final = 1.0
_LONGEST_ASIDE_S: Final = 60.0
_REFUSES: Final = 2
"""So many refusals without an answer between them: one may be chance."""
_RECENT: Final = 16
"""About how many of the latest answers a server's mean time is taken over."""
_MUCH_LONGER: Final = 2.0
"""A request moves if its expected wait is this many times the idle server's mean time."""


class Place:
    """The state of one server: its name, its limiter, its load, failures and timings."""

    def __init__(self, name: str, limiter: Limiter, aside_s: float = _FIRST_ASIDE_S) -> None:
        self.name = name
        self._aside_s = aside_s
        self.limiter = limiter
        self.answered_at = -math.inf
        """When it last answered, by the event loop's clock."""
        self.failures = 0
        """How many times it was set aside since it last answered."""
        self.problem = ""
        """Why it was last set aside."""
        self.free_at = 0.0
        """When it may get requests again, by the event loop's clock; infinite for never."""
        self.probing = False
        """Whether a request is in flight that probes whether it is back."""
        self.asked = 0
        """Number of requests sent here."""
        self.answers = 0
        """How many of them were answered."""
        self.usual_s = 0.0
        """Seconds from a request to its answer: a running mean of the latest ones."""
        self.refusals = 0
        """How many requests it has refused since it last answered."""
        self._strikes = 0
        # Seconds of its past busy periods, and the start of the current one.
        self._busy_s = self._busy_since = 0.0

    def begins(self, now: float) -> float:
        """Record the start of a request; returns what to pass to `ends`."""
        if not self.limiter.busy:
            self._busy_since = now
        self.asked += 1
        return self.limiter.began()

    def ends(self, now: float, entered: float, *, refused: bool) -> None:
        """Record the end of a request, whatever its result."""
        self.limiter.ended(entered, refused=refused)
        self.refusals += refused
        if not self.limiter.busy:
            self._busy_s += now - self._busy_since

    def room(self, now: float) -> int:
        """How many more requests may start here now."""
        if now < self.free_at:
            return 0
        return int(not self.probing) if self.failures else self.limiter.room

    def works(self, now: float, seconds: float) -> None:
        """Record an answer, which took `seconds`."""
        self.answered_at = now
        self.answers += 1
        self.usual_s += (seconds - self.usual_s) / min(self.answers, _RECENT)
        self.failures = self.refusals = self._strikes = 0

    def rests(self, until: float) -> None:
        """Send it nothing before `until`, as it asked."""
        self.free_at = max(self.free_at, until)

    def strike(self, now: float, began: float, most: int, problem: str = "") -> None:
        """Record that a request started at `began` failed with `problem`; the `most`-th in a row sets the server aside.

        A request sent before the server's current pause ends adds nothing new and is ignored.
        """
        if began < self.free_at:
            return
        self._strikes += 1
        if self._strikes >= most or self.failures:
            self._strikes = 0
            self.failures += 1
            self.problem = problem
            self.free_at = now + min(_LONGEST_ASIDE_S, self._aside_s * 2.0 ** (self.failures - 1))

    def waits_from(self, seconds: float) -> float:
        """When its last request's expected wait starts to exceed `seconds`, from its answer rate so far.

        A server that has not answered yet is assumed to be about to.
        """
        return self._busy_since - self._busy_s + seconds * (self.answers + 1) / max(self.limiter.busy, 1)

    def leave(self, problem: str = "") -> None:
        """Use it no more: it cannot serve these requests, because of `problem`."""
        self.problem = problem
        self.failures = max(self.failures, 1)
        self.free_at = math.inf


class Hosts:
    """Servers by name, for `run_many`; without names, a single one named "".

    One that is set aside is probed after `aside_s` seconds, then after twice as many, and so on.
    """

    def __init__(self, names: Sequence[str] = (), *, aside_s: float = _FIRST_ASIDE_S) -> None:
        self.names = tuple(dict.fromkeys(names)) or ("",)
        self._aside_s = aside_s
        self.places: tuple[Place, ...] = ()

    def begin(self, limiter: Limiter) -> None:
        """Give the first server `limiter` and each other one like it."""
        self.places = tuple(
            Place(name, limiter.another() if number else limiter, self._aside_s)
            for number, name in enumerate(self.names)
        )

    def pick(self, now: float, avoid: str = "") -> Place | None:
        """The server for the next request: the one with the fewest in flight, on a tie the one sent the fewest so far.

        `avoid` only if there is no other; None if there is no room. The limits are not weights: adaptive limits
        differ by chance, and as weights they gave equal servers unequal shares.
        """
        free = [place for place in self.places if place.room(now) > 0]
        if len(free) < 2:
            return free[0] if free else None
        return min(free, key=lambda place: (place.name == avoid, place.limiter.busy, place.asked))

    def overdue(self, now: float, among: Iterable[Place]) -> tuple[float, Place, Place] | None:
        """Which of the servers `among` should give up its last request: from what time on, from which, and to which.

        None if no server that is known to answer has room.
        """
        idle = [each for each in self.places if each.answers and not each.failures and each.room(now) > 0]
        if not idle:
            return None
        quick = min(idle, key=lambda place: place.usual_s)
        seconds = _MUCH_LONGER * quick.usual_s
        found = [(each.waits_from(seconds), each) for each in among if each is not quick]
        if not found:
            return None
        when, slow = min(found, key=lambda pair: pair[0])
        return when, slow, quick

    def room(self, now: float) -> int:
        """How many more requests may start now, on all servers together."""
        return sum(max(0, place.room(now)) for place in self.places)

    @property
    def aside(self) -> dict[str, str]:
        """The servers that are set aside now, by name, with the reason for each."""
        return {place.name: place.problem for place in self.places if place.failures}

    @property
    def waited_for(self) -> bool:
        """Whether none of them answers: each is set aside, or refuses what it is asked."""
        return bool(self.places) and all(place.failures or place.refusals >= _REFUSES for place in self.places)

    @property
    def limit(self) -> int:
        """The total concurrency limit of all servers that are not set aside."""
        return sum(place.limiter.limit for place in self.places if not place.failures)

    def wakes_at(self, now: float) -> float:
        """When the first of the paused servers may get requests again; infinite for never."""
        return min((place.free_at for place in self.places if place.free_at > now), default=math.inf)

    @property
    def several(self) -> bool:
        """Whether more than one server may still answer."""
        return sum(place.free_at < math.inf for place in self.places) > 1

    def others(self, place: Place) -> bool:
        """Whether a server other than `place` may still answer."""
        return any(each.free_at < math.inf for each in self.places if each is not place)

    def gone(self, tries: int) -> bool:
        """Whether every server is given up: set aside `tries` times, or at most twice if none has ever answered."""
        most = tries if any(place.answered_at > -math.inf for place in self.places) else min(tries, 2)
        return all(place.failures >= most or place.free_at == math.inf for place in self.places)
