"""N pieces of work under a limit: taken lazily, tried again where that may help, handed out as they end.

    async with aclosing(run_many(rows, work, limiter=Limiter())) as outcomes:
        async for outcome in outcomes:
            ...

Strategy: the generator itself is the scheduler. It takes an item only when there is room for it, so a million of them
are never held, and it takes none while its reader is busy. It begins one at a time, with a turn of the loop between
two: so the first request is sent while the second is prepared, and not once all of them are. A piece of work that
failed and may heal waits in a heap, without occupying its slot. Closing the generator cancels what runs and waits
until it has closed what it held.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import math
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from ..errors import Busy, OllamaMagicError, Stalled, Unreachable
from .healing import PATIENT, Try, wait_after
from .hosts import Hosts

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator

    from ..retry import Retry
    from .hosts import Place
    from .limiter import Limiter

__all__ = ["Outcome", "Slot", "run_many"]

_AHEAD: Final = 4
"""Of items that have to be awaited, so many-th a part of the limit is taken ahead."""

Item = TypeVar("Item")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Slot:
    """What a piece of work may use: the server it goes to ("" where there is only one), and which try this is."""

    host: str = ""
    attempt: int = 1


@dataclass(frozen=True, slots=True)
class Outcome(Generic[Item, T]):
    """What came of one item: its `value`, or the `error` of its last try. `seconds` are those of the last try."""

    index: int
    item: Item
    value: T | None = None
    error: Exception | None = None
    attempts: int = 1
    host: str = ""
    seconds: float = 0.0


class _Job(Generic[Item]):
    """One item on its way."""

    __slots__ = ("attempts", "began", "entered", "index", "item", "place", "probes")

    def __init__(self, index: int, item: Item) -> None:
        self.index, self.item = index, item
        self.attempts = 0
        self.began = 0.0
        self.entered = 0.0
        self.place: Place | None = None
        self.probes = False
        """Whether this try is the one that tells whether a server is there again."""


async def run_many(
    items: Iterable[Item] | AsyncIterable[Item],
    work: Callable[[Item, Slot], Coroutine[Any, Any, T]],
    *,
    limiter: Limiter,
    hosts: Hosts | None = None,
    retry: Retry = PATIENT,
    ends: Callable[[Exception], bool] = lambda _: False,
) -> AsyncGenerator[Outcome[Item, T], None]:
    """Run `work` for each item, as many at once as `limiter` allows for each of `hosts`; outcomes as they end.

    `healing` says what is tried again; `work` should not do so itself: give its client `Retry(tries=1)`. A server that
    cannot be reached is set aside and tried again; when that is so of all of them everything ends, soon where none
    ever answered. An error that `ends` is true of ends everything too: what has not begun gets that error as its
    outcome, with 0 attempts. Other exceptions of `work` are outcomes as well.
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
        self._later: list[tuple[float, int, _Job[Item]]] = []
        self._running: set[asyncio.Task[T]] = set()
        self._ended: deque[tuple[_Job[Item], asyncio.Task[T]]] = deque()
        self._over: Exception | None = None
        self._wake: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    # ---- items -------------------------------------------------------------------------------------------------

    def feed(self, items: Iterable[Item] | AsyncIterable[Item]) -> asyncio.Task[None] | None:
        """Where items come from; a task where they have to be awaited."""
        if isinstance(items, AsyncIterable):
            return self._loop.create_task(self._take(aiter(items)))
        self._source = iter(items)
        return None

    async def _take(self, items: AsyncIterator[Item]) -> None:
        try:
            while True:
                await self._wanted.wait()
                self._taken.append(await anext(items))
                # A few ahead: one at a time, each would wait for a turn of a loop that is busy with all the others.
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

    def _next(self, now: float) -> _Job[Item] | None:
        """What is to be done next, None where there is nothing now."""
        if self._later and self._later[0][0] <= now:
            return heapq.heappop(self._later)[2]
        if self._source is not None and not self._exhausted:
            try:
                return _Job(next(self._count), next(self._source))
            except StopIteration:
                self._exhausted = True
            except Exception as error:  # raised when what runs has ended
                self._exhausted, self._failure = True, error
        if not self._exhausted:
            self._wanted.set()
        return _Job(next(self._count), self._taken.popleft()) if self._taken else None

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
        """Begin one if there is room for it; whether there was one."""
        place = None if self._over is not None else self._hosts.pick(now)
        job = None if place is None else self._next(now)
        if place is None or job is None:
            return False
        if job.place is place:  # it failed there: rather somewhere else
            place = self._hosts.pick(now, avoid=place.name) or place
        job.place, job.began = place, now
        job.attempts += 1
        job.entered = place.limiter.began()
        place.asked += 1
        job.probes = place.probing = place.failures > 0
        task = self._loop.create_task(self._work(job.item, Slot(place.name, job.attempts)))
        self._running.add(task)
        task.add_done_callback(lambda task: self._note(job, task))
        return True

    def _note(self, job: _Job[Item], task: asyncio.Task[T]) -> None:
        self._running.discard(task)
        self._ended.append((job, task))
        self._wake_up()

    def _rest(self) -> Iterator[_Job[Item]]:
        """What is not begun any more."""
        while self._later:
            yield heapq.heappop(self._later)[2]
        while (job := self._next(math.inf)) is not None:
            yield job

    async def _wait(self, now: float) -> None:
        """Until something ended, came in or, after `now`, is due: what was due by then waits for room alone."""
        due = min((at for at, *_ in self._later[:1] if at > now), default=math.inf)
        due = min(due, self._hosts.wakes_at(now))
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

    # ---- what came of it ---------------------------------------------------------------------------------------

    def _take_ended(self) -> list[Outcome[Item, T]]:
        found = []
        while self._ended:
            job, task = self._ended.popleft()
            error = OllamaMagicError("it was stopped before its end") if task.cancelled() else task.exception()
            if error is not None and not isinstance(error, Exception):
                raise error
            place, now = job.place, self._loop.time()
            assert place is not None
            again = None if error is None else self._again(job, place, error, now)
            place.limiter.ended(job.entered, refused=isinstance(error, Busy | Stalled))
            place.probing = place.probing and not job.probes
            if error is None:
                place.works(now)
            if again is not None:
                heapq.heappush(self._later, (now + again, job.index, job))
                continue
            value = None if error is not None else task.result()
            seconds = now - job.began
            found.append(Outcome(job.index, job.item, value, error, job.attempts, place.name, seconds))
        return found

    def _again(self, job: _Job[Item], place: Place, error: Exception, now: float) -> float | None:
        """Seconds until the work is tried again, None for never."""
        wait = wait_after(error, Try(place, job.began, now, job.attempts), self._hosts, self._retry)
        if wait is None and self._over is None:
            gone = isinstance(error, Unreachable) and self._hosts.gone(self._retry.tries)
            self._over = error if gone or self._ends(error) else None
        return wait

    async def close(self, feeding: asyncio.Task[None] | None) -> None:
        """Cancel what runs, and wait until it has ended."""
        tasks: list[asyncio.Task[Any]] = [*self._running, *([feeding] if feeding is not None else [])]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.gather(*tasks, return_exceptions=True)
