"""Awaits long, blocking work that reports its progress and can be cancelled."""

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
"""Blocking; called with a progress callback, and an event that is set when the result is no longer wanted."""


async def in_thread(work: Work[Result], progress: Report, running: dict[threading.Event, threading.Thread]) -> Result:
    """Run `work` in a thread and return or raise what it does. `progress` is called in this event loop.

    When cancelled, sets the event and waits up to 5 s for `work` to end. The thread is in `running` until it ends.
    A daemon thread, not asyncio.to_thread: the interpreter joins the latter before it runs atexit handlers.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Result] = loop.create_future()
    gave_up = threading.Event()

    def tell(call: Callable[[], object]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop was closed: nothing awaits the result
            loop.call_soon_threadsafe(call)

    def report(state: Progress) -> None:
        tell(lambda: None if gave_up.is_set() else progress(state))

    def run() -> None:
        try:
            result = work(report, gave_up)
        except BaseException as error:
            failure = error  # `error` is unbound by the time the callback runs
            tell(lambda: done.set_exception(failure))
        else:
            tell(lambda: done.set_result(result))
        finally:
            running.pop(gave_up, None)

    thread = threading.Thread(target=run, name="ollama_magic embedded start", daemon=True)
    running[gave_up] = thread
    thread.start()
    try:
        await asyncio.wait([done])  # unlike `await done`, does not cancel it when cancelled
    except asyncio.CancelledError:
        gave_up.set()
        await asyncio.wait([done], timeout=5.0)
        if done.done():
            done.exception()  # retrieved, so asyncio does not warn about it
        raise
    return done.result()
