"""Saves the conversation in the notebook, through the page or as an output of the cell.

A page that can write into its notebook is sent each turn once, as soon as it has ended. Otherwise the complete
transcript is written as an output of the cell: immediately while it is short, since a kernel that runs a notebook
without a page may end right after its last cell. A longer transcript costs more to write, so writes are then separated
by a pause that grows with its length.
"""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING, Final

from ..render.transcript import FRAME, pieces_of, transcript_bundle

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..render.bundle import Bundle
    from ..render.transcript import Said
    from .outlet import Outlet
    from .turns import Entry

__all__ = ["Saving"]

_RATE: Final = 60_000
"""Characters per second that may be written on average."""
_LEAST_S: Final = 0.5
_SMALL: Final = 60_000
"""Characters up to which a transcript is written immediately, even if a page might do it."""
_GRACE_S: Final = 3.0
"""How long a longer transcript waits for a page."""
_PAGE: Final = 40
"""Turns in one message."""


class Saving:
    """Keeps the transcript: `put` writes it into the panel's output."""

    def __init__(
        self,
        outlet: Outlet,
        panel: str,
        put: Callable[[Bundle], None],
        clock: Callable[[], float] = time.monotonic,
        grace_s: float = _GRACE_S,
    ) -> None:
        self._outlet, self._panel, self._put, self._clock, self._grace_s = outlet, panel, put, clock, grace_s
        self._lock = threading.RLock()
        self._turns: list[Said] = []
        self._written: list[Said] = []
        self._given: list[dict[str, str]] = []
        """What was sent to the pages that write it themselves."""
        self._pages: dict[str, bool] = {}
        """All views so far, and whether each writes into its notebook."""
        self._free_at = 0.0
        self._waiting = False

    def meet(self, view: str) -> None:
        """Register a page. Until it says that it writes into its notebook, the output is written here."""
        with self._lock:
            self._pages.setdefault(view, False)

    def leave_to(self, view: str) -> None:
        """Leave saving to that page: it is sent all turns now, and later each one that ends."""
        with self._lock:
            self._give()
            self._pages[view] = True
            self._given = pieces_of(self._turns)
            self._post(0, view)

    def keep(self, entries: Sequence[Entry]) -> None:
        """Save `entries`, the turns that have ended: now, or when the next write is due."""
        with self._lock:
            self._turns = [entry.said for entry in entries]
            self._give()
            left = 0.0
            if self._size() > _SMALL:
                hopes = not self._pages and not self._written
                left = self._grace_s if hopes else self._free_at - self._clock()
            wait = left > 0 and not self._waiting
            self._waiting = self._waiting or wait
        if wait:
            self._outlet.start(self._later(left))
        elif left <= 0:
            self._flush()

    def close(self) -> None:
        """Write what the output does not contain yet: the pages are about to lose it."""
        with self._lock:
            self._pages.clear()
        self._flush()

    def _flush(self) -> None:
        with self._lock:
            if (self._pages and all(self._pages.values())) or _same(self._turns, self._written):
                return
            self._written = self._turns
            bundle = transcript_bundle(self._turns, self._panel)
            self._free_at = self._clock() + max(_LEAST_S, sum(map(len, bundle[0].values())) / _RATE)
            self._put(bundle)

    async def _later(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        with self._lock:
            self._waiting = False
        self._flush()

    def _give(self) -> None:
        """Send the pages that save it what they do not have yet."""
        if not any(self._pages.values()):
            return
        had, self._given = self._given, pieces_of(self._turns)
        same = [a is b for a, b in zip(had, self._given, strict=False)]
        keep = same.index(False) if False in same else len(same)
        if keep < max(len(had), len(self._given)):
            self._post(keep)

    def _post(self, keep: int, to: str = "") -> None:
        total = len(self._given)
        for start in range(keep, max(total, keep + 1), _PAGE):
            pieces = self._given[start : start + _PAGE]
            self._outlet.post("transcript", to, keep=start, total=total, pieces=pieces, frame=FRAME)

    def _size(self) -> int:
        return sum(len(text) for turn in self._turns for text in turn.kinds.values())


def _same(some: Sequence[Said], others: Sequence[Said]) -> bool:
    return len(some) == len(others) and all(a is b for a, b in zip(some, others, strict=True))
