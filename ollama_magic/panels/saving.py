"""When the conversation is written into the notebook's output: at once, and less often the longer it is.

All of it is written each time, so a long one would cost more and more; the pause between two writes grows with it.
"""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING, Final

from ..render.transcript import transcript_bundle

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..render.bundle import Bundle
    from ..render.transcript import Said
    from .outlet import Outlet
    from .turns import Entry

__all__ = ["Saving"]

_RATE: Final = 60_000
"""Characters a second that writing may cost."""
_LEAST_S: Final = 0.5


class Saving:
    """Keeps the transcript: `put` writes it into the panel's output."""

    def __init__(
        self,
        outlet: Outlet,
        panel: str,
        put: Callable[[Bundle], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._outlet, self._panel, self._put, self._clock = outlet, panel, put, clock
        self._lock = threading.Lock()
        self._turns: list[Said] = []
        self._written: list[Said] = []
        self._free_at = 0.0
        self._waiting = False
        self._told = False

    def tell_too(self) -> None:
        """From now on tell the front end what the output is: a page that was reloaded does not update it any more."""
        with self._lock:
            self._told = True
            data = transcript_bundle(self._written, self._panel)[0]
            self._outlet.post("transcript", data=data)

    def keep(self, entries: Sequence[Entry]) -> None:
        """These are the turns that have ended; written now, or when it is time."""
        with self._lock:
            self._turns = [entry.said for entry in entries]
            left = self._free_at - self._clock()
            wait = left > 0 and not self._waiting
            self._waiting = self._waiting or wait
        if wait:
            self._outlet.start(self._later(left))
        elif left <= 0:
            self.flush()

    def flush(self) -> None:
        """Write what is not written yet."""
        with self._lock:
            same = len(self._turns) == len(self._written)
            if same and all(a is b for a, b in zip(self._turns, self._written, strict=True)):
                return
            self._written = self._turns
            bundle = transcript_bundle(self._turns, self._panel)
            size = sum(len(text) for text in bundle[0].values())
            self._free_at = self._clock() + max(_LEAST_S, size / _RATE)
            self._put(bundle)
            if self._told:
                self._outlet.post("transcript", data=bundle[0])

    async def _later(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        with self._lock:
            self._waiting = False
        self.flush()
