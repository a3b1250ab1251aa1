"""N jobs under a concurrency limit: taken lazily, retried where that may help, yielded as they complete.

    async with aclosing(run_many(rows, work, limiter=Limiter())) as outcomes:
        async for outcome in outcomes:
            ...

Strategy: the generator itself is the scheduler. It takes an item only when there is room for it, so a million of them
are never held in memory, and it takes none while its consumer is busy. It starts one job at a time, with an iteration
of the event loop between two: so the first request is sent while the second is prepared, not when all of them are. A
failed job that is to be retried waits in a heap and holds no slot. When nothing more is left to start, requests still
queued at a slow server are cancelled and sent to an idle one. Closing the generator cancels the running jobs and waits
until they have released their resources.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import math
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable
from typing import TYPE_CHECKING, Any, Final, Generic

from ..errors import Busy, OllamaMagicError, Stalled, Unreachable
from .healing import PATIENT, Try, wait_after
from .hosts import Hosts
from .jobs import Item, Job, Outcome, Slot, T

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator

    from ..retry import Retry
    from .hosts import Place
    from .limiter import Limiter

__all__ = ["run_many"]

_AHEAD: Final = 4
"""Items of an async iterable are read ahead by the limit divided by this."""


async def run_many(
    items: Iterable[Item] | AsyncIterable[Item],
    work: Callable[[Item, Slot], Coroutine[Any, Any, T]],
    *,
    limiter: Limiter,
    hosts: Hosts | None = None,
    retry: Retry = PATIENT,
    ends: Callable[[Exception], bool] = lambda _: False,
) -> AsyncGenerator[Outcome[Item, T], None]:
    """Run `work` for each item, as concurrently as `limiter` allows on each of `hosts`; yields outcomes as they end.

    `healing` says what is retried; `work` should not retry by itself: give its client `Retry(tries=1)`. A server that
    cannot be reached is set aside and probed later; once all of them are given up, which is soon if none ever
    answered, everything ends. So it does at an error for which `ends` is true: an item that has not started gets that
    error as its outcome, with 0 attempts, and so does a retry still waiting. Other exceptions of `work` are outcomes
    as well.
    """
    many: _Many[Item, T] = _Many(work, hosts or Hosts(), limiter, retry, ends)
    feeding = many.feed(items)
    try:
        async for outcome in many.outcomes():
            yield outcome
    finally:
        await many.close(feeding)


class _Many(Generic[Item, T]):
    def __init__(
        self,
        work: Callable[[Item, Slot], Coroutine[Any, Any, T]],
        hosts: Hosts,
        limiter: Limiter,
        retry: Retry,
        ends: Callable[[Exception], bool],
    ) -> None:
        self._work, self._hosts, self._retry, self._ends = work, hosts, retry, ends
        hosts.begin(limiter)
        self._loop = asyncio.get_running_loop()
        self._count = itertools.count()
        self._source: Iterator[Item] | None = None
        self._taken: deque[Item] = deque()
        self._wanted = asyncio.Event()
        self._exhausted = False
        self._failure: BaseException | None = None
        self._later: list[tuple[float, int, Job[Item]]] = []
        self._running: dict[asyncio.Task[T], Job[Item]] = {}
        self._ended: deque[tuple[Job[Item], asyncio.Task[T]]] = deque()
        self._over: Exception | None = None
        self._idle_since = math.inf
        """Since when there has been nothing new to start."""
        self._wake: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    # ---- items -------------------------------------------------------------------------------------------------

    def feed(self, items: Iterable[Item] | AsyncIterable[Item]) -> asyncio.Task[None] | None:
        """Set the source of items; for an async iterable, returns the task that reads it."""
        if isinstance(items, AsyncIterable):
            return self._loop.create_task(self._take(aiter(items)))
        self._source = iter(items)
        return None

    async def _take(self, items: AsyncIterator[Item]) -> None:
        try:
            while True:
                await self._wanted.wait()
                self._taken.append(await anext(items))
                # Read a few ahead: one at a time, each would wait for an iteration of a busy event loop.
                if len(self._taken) >= max(1, self._hosts.room(self._loop.time()), self._hosts.limit // _AHEAD):
                    self._wanted.clear()
                self._wake_up()
        except StopAsyncIteration:
            pass
        except Exception as error:
            self._failure = error
        finally:
            self._exhausted = True
            self._wake_up()
            if isinstance(items, AsyncGenerator):
                await items.aclose()

    def _next(self, now: float) -> Job[Item] | None:
        """The next job to start, None if there is none now."""
        if self._later and self._later[0][0] <= now:
            return heapq.heappop(self._later)[2]
        if self._source is not None and not self._exhausted:
            try:
                return Job(next(self._count), next(self._source))
            except StopIteration:
                self._exhausted = True
            except Exception as error:  # raised once the running jobs have ended
                self._exhausted, self._failure = True, error
        if not self._exhausted:
            self._wanted.set()
        return Job(next(self._count), self._taken.popleft()) if self._taken else None

    # ---- the scheduler -----------------------------------------------------------------------------------------

    async def outcomes(self) -> AsyncGenerator[Outcome[Item, T], None]:
        while True:
            done = self._take_ended()
            now = self._loop.time()
            began = self._begin(now)
            for outcome in done:
                yield outcome
            if self._over is not None:
                for job in self._rest():
                    yield Outcome(job.index, job.item, error=self._over, attempts=job.attempts)
            if self._ended:
                continue
            if began:
                await asyncio.sleep(0)
                continue
            if self._exhausted and not (self._running or self._later or self._taken):
                if self._failure is not None:
                    raise self._failure
                return
            await self._wait(now)

    def _begin(self, now: float) -> bool:
        """Start a job if there is one and room for it; returns whether it did."""
        place = None if self._over is not None else self._hosts.pick(now)
        job = None if place is None else self._next(now)
        if place is None or job is None:
            return False
        if job.moves_to is None:
            self._idle_since = math.inf
        if job.moves_to is not None and job.moves_to.room(now) > 0:
            place = job.moves_to
        elif job.place is place:  # it failed there: prefer another server
            place = self._hosts.pick(now, avoid=place.name) or place
        job.place, job.began, job.moves_to = place, now, None
        job.attempts += 1
        job.entered = place.begins(now)
        job.probes = place.probing = place.failures > 0
        task = self._loop.create_task(self._work(job.item, Slot(place.name, job.attempts, job.begun)))
        self._running[task] = job
        task.add_done_callback(self._note)
        return True

    def _move(self, now: float) -> float:
        """Cancel a request that is queued at a slow server, to move it to an idle one; returns when to check again.

        One at a time; while more items may come, only once none has come for the idle server's mean time; and none
        once everything is ending.
        """
        if self._over is not None or not self._hosts.several:
            return math.inf
        last: dict[Place, asyncio.Task[T]] = {}  # self._running is in starting order
        for task, job in self._running.items():
            if job.moves_to is not None:
                return math.inf
            if job.place is not None and not job.stays:
                last[job.place] = task
        found = self._hosts.overdue(now, last)
        if found is None:
            return math.inf
        when, slow, quick = found
        self._idle_since = min(self._idle_since, now)
        if not self._exhausted:
            when = max(when, self._idle_since + quick.usual_s)
        if when > now:
            return when
        job = self._running[last[slow]]
        job.moves_to, job.stays = quick, True
        last[slow].cancel()
        return math.inf

    def _note(self, task: asyncio.Task[T]) -> None:
        self._ended.append((self._running.pop(task), task))
        self._wake_up()

    def _rest(self) -> Iterator[Job[Item]]:
        """The jobs that will not be started any more."""
        while self._later:
            yield heapq.heappop(self._later)[2]
        while (job := self._next(math.inf)) is not None:
            yield job

    async def _wait(self, now: float) -> None:
        """Wait until a job ends, an item arrives or something falls due after `now`; what is already due lacks room."""
        due = min((at for at, *_ in self._later[:1] if at > now), default=math.inf)
        due = min(due, self._hosts.wakes_at(now), self._move(now))
        if due < math.inf:
            self._timer = self._loop.call_at(due, self._wake_up)
        self._wake = self._loop.create_future()
        try:
            await self._wake
        finally:
            self._wake = None
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

    def _wake_up(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    # ---- results -----------------------------------------------------------------------------------------------

    def _take_ended(self) -> list[Outcome[Item, T]]:
        found = []
        while self._ended:
            job, task = self._ended.popleft()
            error = OllamaMagicError("it was stopped before its end") if task.cancelled() else task.exception()
            if error is not None and not isinstance(error, Exception):
                raise error
            place, now = job.place, self._loop.time()
            assert place is not None
            if job.moves_to is not None and task.cancelled():
                again: float | None = 0.0
                job.attempts -= 1
            else:
                again = None if error is None else self._again(job, place, error, now)
            place.ends(now, job.entered, refused=isinstance(error, Busy | Stalled))
            place.probing = place.probing and not job.probes
            if error is None:
                place.works(now, now - job.began)
            if again is not None:
                heapq.heappush(self._later, (now + again, job.index, job))
                continue
            value = None if error is not None else task.result()
            seconds = now - job.began
            found.append(Outcome(job.index, job.item, value, error, job.attempts, place.name, seconds))
        return found

    def _again(self, job: Job[Item], place: Place, error: Exception, now: float) -> float | None:
        """Seconds until the job is retried, None for never; also decides whether everything ends."""
        wait = wait_after(error, Try(place, job.began, now, job.attempts), self._hosts, self._retry)
        if wait is None and self._over is None:
            gone = isinstance(error, Unreachable) and self._hosts.gone(self._retry.tries)
            self._over = error if gone or self._ends(error) else None
        return wait

    async def close(self, feeding: asyncio.Task[None] | None) -> None:
        """Cancel the running tasks and wait until they have ended."""
        tasks: list[asyncio.Task[Any]] = [*self._running, *([feeding] if feeding is not None else [])]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.gather(*tasks, return_exceptions=True)
