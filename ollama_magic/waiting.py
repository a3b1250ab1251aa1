"""What runs beside an answer: the stall timeout, the poll of the server's state, and closing that always completes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from .events import READING, Progress

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine
    from typing import Any

__all__ = ["POLL_S", "Phases", "Silence", "close_surely", "start_closing"]

POLL_S = 1.0
"""Seconds between two polls of what the server is doing."""
_HELD_S = 0.5

_closing: set[asyncio.Task[None]] = set()


def start_closing(closing: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    """Run `closing` as a task that is not cancelled with the caller and not garbage-collected before it ends."""
    task = asyncio.get_running_loop().create_task(closing)
    _closing.add(task)
    task.add_done_callback(_closing.discard)
    return task


async def close_surely(closing: Coroutine[Any, Any, None]) -> None:
    """Wait for `closing`; if the waiting is cancelled, the closing continues."""
    await asyncio.shield(start_closing(closing))


class Silence:
    """Closes an answer when the server is silent for `limit` seconds; `broke` says whether it did.

    Only the time between `begins` and `ends` counts, not what the reader spends itself. Both are called for every
    token, so they do not restart a timer each time: a single timer checks, and rearms itself for the time left.
    """

    def __init__(self, limit: float | None, close: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self.broke = False
        self.limit = limit
        self._close = close
        self._loop = asyncio.get_running_loop()
        self._since = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def begins(self) -> None:
        """The reader starts to wait for the server."""
        self._since = self._loop.time()
        if self._timer is None and self.limit is not None:
            self._timer = self._loop.call_later(self.limit, self._look)

    def ends(self) -> None:
        """Data arrived."""
        self._since = 0.0

    def shorten(self, limit: float) -> None:
        """Lower the limit to `limit` seconds, if it is higher."""
        if self.limit is None or limit < self.limit:
            self.stop()
            self.limit = limit

    def stop(self) -> None:
        """Cancel the timer, until waiting starts again."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer = None
        if not self._since or self.limit is None:
            return  # the reader is busy; the next `begins` restarts the timer
        left = self._since + self.limit - self._loop.time()
        if left > 0:
            self._timer = self._loop.call_later(left, self._look)
        else:
            self.broke = True
            start_closing(self._close())


class Phases:
    """Reports what is being waited for, each change once: "connecting", "loading model" or "reading prompt".

    A server is silent until the first token. So once a request is sent, `is_loaded` is polled every second for whether
    the model is in memory. Ollama v0.33 delays that response while it loads the model; older versions list the model
    from the start of loading, so "reading prompt" is reported a little early.
    """

    def __init__(self, put: Callable[[Progress], None], is_loaded: Callable[[], Awaitable[bool | None]]) -> None:
        self._put = put
        self._is_loaded = is_loaded
        self._phase = ""
        self._out = False
        self._timer: asyncio.TimerHandle | None = None
        self._poll: asyncio.Task[None] | None = None
        self.tell(Progress("connecting"))

    def tell(self, progress: Progress) -> None:
        """Report progress before the request is sent."""
        self._out = False
        self._say(progress)

    def sent(self) -> None:
        """The request was sent."""
        self._out = True
        self._say(Progress(READING))
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(POLL_S, self._begin)

    def stop(self) -> None:
        """Stop polling: the first byte has arrived, or never will."""
        if self._timer is not None:
            self._timer.cancel()
        if self._poll is not None:
            self._poll.cancel()

    def _say(self, progress: Progress) -> None:
        if progress.phase != self._phase:
            self._phase = progress.phase
            self._put(progress)

    def _begin(self) -> None:
        self._poll = start_closing(self._ask())

    async def _ask(self) -> None:
        while True:
            asked = asyncio.ensure_future(self._is_loaded())
            try:
                await asyncio.wait({asked}, timeout=_HELD_S)
                if not asked.done() and self._out:
                    self._say(Progress("loading model"))
                # No second poll meanwhile: each delayed request costs the server resources.
                loaded = await asked
            finally:
                asked.cancel()
            if loaded is None:
                return
            if self._out:
                self._say(Progress(READING if loaded else "loading model"))
            await asyncio.sleep(POLL_S)
