"""Waits in an event loop for work that blocks, is long, tells how far it is, and can be given up."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import TypeVar

from ..events import Progress

__all__ = ["Report", "Work", "in_thread"]

Result = TypeVar("Result")
Report = Callable[[Progress], None]
Work = Callable[[Report, threading.Event], Result]
"""Blocking; called with where to tell its progress, and an event that is set when nobody wants it any more."""


async def in_thread(work: Work[Result], progress: Report, running: dict[threading.Event, threading.Thread]) -> Result:
    """What `work` returns or raises. `progress` is called in this event loop.

    When cancelled, sets the event and waits up to 5 s for `work` to end. Meanwhile it stands in `running`.
    A daemon thread, not asyncio.to_thread: for those the interpreter waits before it runs what atexit knows of.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Result] = loop.create_future()
    gave_up = threading.Event()

    def tell(call: Callable[[], object]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop was closed: nobody waits any more
            loop.call_soon_threadsafe(call)

    def report(state: Progress) -> None:
        tell(lambda: None if gave_up.is_set() else progress(state))

    def run() -> None:
        try:
            result = work(report, gave_up)
        except BaseException as error:
            failure = error  # `error` is gone by the time it is told
            tell(lambda: done.set_exception(failure))
        else:
            tell(lambda: done.set_result(result))
        finally:
            running.pop(gave_up, None)

    thread = threading.Thread(target=run, name="ollama_magic embedded start", daemon=True)
    running[gave_up] = thread
    thread.start()
    try:
        await asyncio.wait([done])  # unlike `await done`, leaves it alone when cancelled
    except asyncio.CancelledError:
        gave_up.set()
        await asyncio.wait([done], timeout=5.0)
        if done.done():
            done.exception()  # seen, so nothing warns of it
        raise
    return done.result()
