"""Several servers for the same requests: the least busy one first, one that does not answer set aside for a while.

Strategy: each server has a limit of its own, since they may be of different sizes. One that is set aside is tried
again by a single request after 1, 2, 4, ... seconds, and is a server like the others as soon as that is answered.
More is on its way to a server than it answers at once, and nobody knows beforehand how slow it is: when there is
nothing more to ask, requests may wait for long at a slow one while a quick one is idle. `overdue` says which had better
move.
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
_RECENT: Final = 16
"""Of so many answers, about, a server's usual time is the mean."""
_MUCH_LONGER: Final = 2.0
"""A request moves where it is expected to wait so many times as long as the idle server usually takes."""


class Place:
    """One server: its name, its limit, and since when and how often it has failed."""

    def __init__(self, name: str, limiter: Limiter, aside_s: float = _FIRST_ASIDE_S) -> None:
        self.name = name
        self._aside_s = aside_s
        self.limiter = limiter
        self.answered_at = -math.inf
        """When it last answered, by the event loop's clock."""
        self.failures = 0
        """How many times it was set aside since it last answered."""
        self.problem = ""
        """What was last wrong with it, while it is set aside."""
        self.free_at = 0.0
        """When it may be asked again, by the event loop's clock; infinite for never."""
        self.probing = False
        """Whether a request is on its way that will tell whether it is there again."""
        self.asked = 0
        """How many requests began here."""
        self.answers = 0
        """How many of them were answered."""
        self.usual_s = 0.0
        """Seconds from a request to its answer, the mean of the last ones."""
        self._strikes = 0
        # For how long it had something to do, until it last had nothing; and since when it has.
        self._busy_s = self._busy_since = 0.0

    def begins(self, now: float) -> float:
        """A request begins; what to give to `ends`."""
        if not self.limiter.busy:
            self._busy_since = now
        self.asked += 1
        return self.limiter.began()

    def ends(self, now: float, entered: float, *, refused: bool) -> None:
        """A request ended, however it did."""
        self.limiter.ended(entered, refused=refused)
        if not self.limiter.busy:
            self._busy_s += now - self._busy_since

    def room(self, now: float) -> int:
        """How many requests may begin here now."""
        if now < self.free_at:
            return 0
        return int(not self.probing) if self.failures else self.limiter.room

    def works(self, now: float, seconds: float) -> None:
        """It answered, after `seconds`."""
        self.answered_at = now
        self.answers += 1
        self.usual_s += (seconds - self.usual_s) / min(self.answers, _RECENT)
        self.failures = self._strikes = 0

    def rests(self, until: float) -> None:
        """It asked not to be asked before `until`."""
        self.free_at = max(self.free_at, until)

    def strike(self, now: float, began: float, most: int, problem: str = "") -> None:
        """A request that began at `began` failed, with `problem`; the `most`-th in a row sets it aside.

        What was sent before it was last set aside tells nothing new.
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
        """From when on its last request is expected to wait longer than `seconds`, by how fast it has answered so far.

        One that has not answered yet is taken to be about to.
        """
        return self._busy_since - self._busy_s + seconds * (self.answers + 1) / max(self.limiter.busy, 1)

    def leave(self, problem: str = "") -> None:
        """It will never answer these requests, because of `problem`."""
        self.problem = problem
        self.failures = max(self.failures, 1)
        self.free_at = math.inf


class Hosts:
    """Servers by name, for `run_many`; without names a single one called "".

    One that is set aside is tried again after `aside_s` seconds, then after twice as many, and so on.
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
        """Where the next request goes: where the fewest are on their way, by turns where these are as many.

        `avoid` only if there is no other; None where there is no room. What a server could take at once does not
        count: limits found by trying differ by chance, and with them as weights equal servers had unequal shares.
        """
        free = [place for place in self.places if place.room(now) > 0]
        if len(free) < 2:
            return free[0] if free else None
        return min(free, key=lambda place: (place.name == avoid, place.limiter.busy, place.asked))

    def overdue(self, now: float, among: Iterable[Place]) -> tuple[float, Place, Place] | None:
        """Of `among`, the server whose last request had better move first: from when on, from where, and where to.

        None where no server that is known to answer has room.
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
        """How many requests may begin now."""
        return sum(max(0, place.room(now)) for place in self.places)

    @property
    def aside(self) -> dict[str, str]:
        """Those that are set aside now, by name, and what was wrong with each."""
        return {place.name: place.problem for place in self.places if place.failures}

    @property
    def limit(self) -> int:
        """How many may run at once, on all servers together that are not set aside."""
        return sum(place.limiter.limit for place in self.places if not place.failures)

    def wakes_at(self, now: float) -> float:
        """When the first of those that wait may be asked again; infinite for never."""
        return min((place.free_at for place in self.places if place.free_at > now), default=math.inf)

    @property
    def several(self) -> bool:
        """Whether there is more than one that may still answer."""
        return sum(place.free_at < math.inf for place in self.places) > 1

    def others(self, place: Place) -> bool:
        """Whether another than `place` may still answer."""
        return any(each.free_at < math.inf for each in self.places if each is not place)

    def gone(self, tries: int) -> bool:
        """Whether all failed so often that no more is to be hoped for: `tries` times, twice if none ever answered."""
        most = tries if any(place.answered_at > -math.inf for place in self.places) else min(tries, 2)
        return all(place.failures >= most or place.free_at == math.inf for place in self.places)
