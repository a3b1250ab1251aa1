"""Runs the notebook's own async functions from blocking code, on the loop that they belong to."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, TypeVar

from .loop import shared

if TYPE_CHECKING:
    from collections.abc import Awaitable, Coroutine

__all__ = ["run_on_this_thread"]

T = TypeVar("T")


def run_on_this_thread(awaitable: Awaitable[T]) -> T:
    """The result of `awaitable`, run on the calling thread's event loop, which is re-entered if it is running.

    The notebook's own async functions are bound to the kernel's loop: on another one their locks and connections
    fail. Re-entering needs nest_asyncio2, which does not support uvloop; there the bridge's loop is used, and if no
    loop is running, a new one. An interrupt cancels it.
    """

    async def waited() -> T:
        return await awaitable

    try:
        running = asyncio.get_running_loop()
    except RuntimeError:
        return _to_the_end(asyncio.new_event_loop(), waited(), close=True)
    import nest_asyncio2

    try:
        # Otherwise every later asyncio.run in the process would leave its loop open.
        nest_asyncio2.apply(running, run_close_loop=True)
    except ValueError:  # uvloop, whose loop cannot be entered twice
        return shared().run(waited())
    return _to_the_end(running, waited(), close=False)


def _to_the_end(loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, T], *, close: bool) -> T:
    task = loop.create_task(coroutine)
    try:
        return loop.run_until_complete(task)
    except BaseException:
        if not task.done():
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                loop.run_until_complete(task)
        raise
    finally:
        if close:
            loop.close()
