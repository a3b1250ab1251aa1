"""Several servers for the same requests: the least busy one first, one that does not answer set aside for a while.

Strategy: each server has a limit of its own, since they may be of different sizes. One that is set aside is tried
again by a single request after 1, 2, 4, ... seconds, and is a server like the others as soon as that is answered.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .limiter import Limiter

__all__ = ["Hosts", "Place"]

_FIRST_ASIDE_S: Final = 1.0
_LONGEST_ASIDE_S: Final = 60.0


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
        self.free_at = 0.0
        """When it may be asked again, by the event loop's clock; infinite for never."""
        self.probing = False
        """Whether a request is on its way that will tell whether it is there again."""
        self.asked = 0
        """How many requests began here."""
        self._strikes = 0

    def room(self, now: float) -> int:
        """How many requests may begin here now."""
        if now < self.free_at:
            return 0
        return int(not self.probing) if self.failures else self.limiter.room

    def works(self, now: float) -> None:
        """It answered."""
        self.answered_at = now
        self.failures = self._strikes = 0

    def rests(self, until: float) -> None:
        """It asked not to be asked before `until`."""
        self.free_at = max(self.free_at, until)

    def strike(self, now: float, began: float, most: int) -> None:
        """A request that began at `began` failed; the `most`-th in a row sets it aside.

        What was sent before it was last set aside tells nothing new.
        """
        if began < self.free_at:
            return
        self._strikes += 1
        if self._strikes >= most or self.failures:
            self._strikes = 0
            self.failures += 1
            self.free_at = now + min(_LONGEST_ASIDE_S, self._aside_s * 2.0 ** (self.failures - 1))

    def leave(self) -> None:
        """It will never answer these requests."""
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

    def room(self, now: float) -> int:
        """How many requests may begin now."""
        return sum(max(0, place.room(now)) for place in self.places)

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
