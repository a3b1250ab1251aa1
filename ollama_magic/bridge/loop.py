"""An event loop on its own thread, and how a blocking cell reads from what runs there.

Strategy: the client lives on that loop; a cell consumes its events from a queue **in the main thread** and renders
there. So a kernel interrupt, which only ever reaches the main thread, takes effect at once, no loop is re-entered,
and it works the same under ipykernel, uvloop, a terminal, nbconvert and a plain script.
"""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import os
import queue
import threading
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from .dropped import heeding

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
    from types import TracebackType

__all__ = ["Bridge", "Job", "Worker", "shared", "this_thread"]

T = TypeVar("T")

_TICK_S = 0.2
_CLOSE_S = 2.0


class _End:
    """The sentinel after the last value in a job's queue."""


_END = _End()


class Job(Generic[T]):
    """One asynchronous generator running on the bridge, its values passed through a queue.

    It starts when the first batch is requested. A context manager: leaving it stops the generator and waits until it
    has released its resources.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, factory: Callable[[], AsyncGenerator[T, None]]) -> None:
        self.error: BaseException | None = None
        self.gather_s = 0.0
        """Seconds to let values accumulate before the next batch; 0 delivers each at once."""
        self.cut = False
        """Whether the generator was stopped before its own end; valid once it is done."""
        self._queue: queue.SimpleQueue[T | _End] = queue.SimpleQueue()
        self._done = threading.Event()
        self._loop = loop
        self._task: asyncio.Task[None] | None = None
        self._factory = factory
        self._begun = False
        self._stopped = False

    def _start(self) -> None:
        if self._stopped:
            self._end()
            return
        self._task = self._loop.create_task(self._pump())
        # Not in _pump's own `finally`: a task cancelled before its first step never enters it.
        self._task.add_done_callback(self._end)

    async def _pump(self) -> None:
        try:
            async with aclosing(self._factory()) as values:
                async for value in values:
                    self._queue.put(value)
        except asyncio.CancelledError:
            self.cut = True
        except BaseException as error:  # passed to the waiting thread, whatever it is
            self.error = error

    def _end(self, task: asyncio.Task[None] | None = None) -> None:
        self.cut = self.cut or task is None or task.cancelled()  # it may never have started to run
        self._task = None  # so it is deallocated on this thread, which gets no interrupts
        self._done.set()
        self._queue.put(_END)

    @property
    def done(self) -> bool:
        """Whether the generator has ended and released its resources."""
        return self._done.is_set()

    def batches(self, tick_s: float = _TICK_S) -> Iterator[list[T]]:
        """Lists of values as they arrive, an empty list if none did in `tick_s` seconds; ends with the generator.

        Raises what the generator raised, after all values before it, and interrupts that Python would drop.
        """
        try:
            # Started inside the `try`: an interrupt between the two would leave it running unattended.
            self._begun = True
            self._loop.call_soon_threadsafe(self._start)
            with heeding() as raise_dropped:
                for batch in self._take(tick_s):
                    yield batch
                    raise_dropped()
        finally:
            self.stop()
        if self.error is not None:
            raise self.error

    def _take(self, tick_s: float) -> Iterator[list[T]]:
        ended = False
        while not ended:
            if self.gather_s:
                self._done.wait(self.gather_s)
            batch: list[T] = []
            try:
                item = self._queue.get(timeout=tick_s)
                while not isinstance(item, _End):
                    batch.append(item)
                    item = self._queue.get_nowait()
                ended = True
            except queue.Empty:
                pass
            if batch or not ended:
                yield batch

    def stop(self, wait_s: float = _CLOSE_S) -> bool:
        """Cancel the generator and wait until it has released its resources; False if not within `wait_s` seconds.

        May be called from any thread. The reader's batches end, and `cut` tells it why. A generator that has not
        started never will.
        """
        stopped, self._stopped = self._stopped, self._stopped or not self._done.is_set()
        if not self._begun:
            return True
        if self._stopped and not stopped:
            self._loop.call_soon_threadsafe(lambda: self._task and self._task.cancel())
        return self._done.wait(wait_s)

    def __enter__(self) -> Job[T]:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.stop()


class Bridge:
    """An event loop running on a daemon thread."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="ollama_magic", daemon=True)
        self._thread.start()

    def stream(self, factory: Callable[[], AsyncGenerator[T, None]]) -> Job[T]:
        """A Job for the generator that `factory` makes; it starts with the first batch."""
        return Job(self._loop, factory)

    def submit(self, coroutine: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
        """Start a coroutine and return its future immediately."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    def run(self, coroutine: Coroutine[Any, Any, T], timeout_s: float | None = None) -> T:
        """The coroutine's result. An interrupt, or TimeoutError after `timeout_s`, cancels it."""
        if threading.current_thread() is self._thread:
            coroutine.close()
            raise RuntimeError("a blocking call was made on ollama_magic's own event loop: await the async form there")
        future = self.submit(coroutine)
        try:
            return future.result(timeout_s)
        except BaseException:
            future.cancel()
            raise

    def close(self) -> None:
        """Cancel all tasks, close the loop and end the thread."""
        if self._loop.is_closed():
            return
        try:
            self.submit(_cancel_all()).result(_CLOSE_S)
        except concurrent.futures.TimeoutError:
            pass  # a task that does not end must not keep the process alive
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_CLOSE_S)
        if not self._thread.is_alive():
            self._loop.close()


class Worker:
    """Runs `work` on a daemon thread, which ends with the process at the latest. `work` handles its own errors."""

    def __init__(self, work: Callable[[], None]) -> None:
        self._done = threading.Event()
        self._work = work
        threading.Thread(target=self._run, name="ollama_magic worker", daemon=True).start()

    def _run(self) -> None:
        try:
            self._work()
        finally:
            self._done.set()

    @property
    def done(self) -> bool:
        """Whether the work has ended."""
        return self._done.is_set()

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until the work has ended; False if not within `seconds`. An interrupt ends the waiting."""
        return self._done.wait(seconds)


def this_thread() -> int:
    """The identifier of the calling thread."""
    return threading.get_ident()


async def _cancel_all() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    # This closes the transport's connection pool, whose generator ends with the loop.
    await asyncio.get_running_loop().shutdown_asyncgens()


_bridge: Bridge | None = None
_owner = 0
_lock = threading.Lock()


def shared() -> Bridge:
    """The process's bridge, created on first use; a forked child, which lacks the thread, gets its own."""
    global _bridge, _owner
    with _lock:
        if _bridge is None or _owner != os.getpid():
            _bridge, _owner = Bridge(), os.getpid()
            atexit.register(_close_at_exit, _bridge, _owner)
        return _bridge


def _close_at_exit(bridge: Bridge, owner: int) -> None:
    if owner == os.getpid():
        bridge.close()
