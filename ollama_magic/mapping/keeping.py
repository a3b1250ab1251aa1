"""Answers kept and looked up beside the event loop, many at a time.

Strategy: one task works in rounds, each of them one call in a thread: first everything to be kept is written, in one
transaction, then everything asked for is looked up. So what a round looks up sees all that was kept before, and what
was kept may be forgotten here once its round is over. Rounds that only write are at least PAUSE_S apart, so an answer
is on its way to the file after that at the latest: this is what a process that is killed can lose.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from ..cache import CacheError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..cache.batches import Batches
    from ..cache.codec import Timed

__all__ = ["PAUSE_S", "Keeper"]

PAUSE_S: Final = 0.05


class Keeper:
    """Keeps answers in `batches` and looks them up; those kept before `since` do not count.

    `problem` says why it gave up, "" while it works: a cache that cannot be used costs no answer.
    """

    def __init__(self, batches: Batches, *, since: float = 0.0) -> None:
        self.problem = ""
        self._batches, self._since = batches, since
        self._answers: list[tuple[str, str, Sequence[Timed]]] = []
        self._kept: list[Callable[[], None]] = []
        self._asked: list[tuple[Sequence[str], Callable[[dict[str, tuple[Timed, ...]]], None]]] = []
        self._something, self._urgent = asyncio.Event(), asyncio.Event()
        self._closing = False
        self._task = asyncio.get_running_loop().create_task(self._run())

    def keep(self, key: str, model: str, events: Sequence[Timed], kept: Callable[[], None]) -> None:
        """Keep an answer; `kept` is called when lookups that begin from then on find it."""
        self._answers.append((key, model, events))
        self._kept.append(kept)
        self._something.set()

    def look_up(self, keys: Sequence[str], found: Callable[[dict[str, tuple[Timed, ...]]], None]) -> None:
        """Call `found` with the answers that there are, before anything kept meanwhile is reported as kept."""
        self._asked.append((keys, found))
        self._something.set()
        self._urgent.set()

    async def close(self) -> None:
        """Write what is left."""
        self._closing = True
        self._something.set()
        self._urgent.set()
        await self._task

    async def _run(self) -> None:
        while not (self._closing and not self._something.is_set()):
            await self._something.wait()
            self._something.clear()
            self._urgent.clear()
            if self._answers or self._asked:
                await self._round()
            if not self._closing:
                with suppress(TimeoutError):
                    async with asyncio.timeout(PAUSE_S):
                        await self._urgent.wait()
        await asyncio.to_thread(self._batches.close)

    async def _round(self) -> None:
        answers, self._answers = self._answers, []
        kept, self._kept = self._kept, []
        asked, self._asked = self._asked, []
        results: list[dict[str, tuple[Timed, ...]]] = [{} for _ in asked]
        if not self.problem:
            try:
                results = await asyncio.to_thread(self._work, answers, [keys for keys, _ in asked])
            except Exception as error:  # whatever it is, those that wait for what is looked up are not let down
                self.problem = str(error) if isinstance(error, CacheError) else f"{type(error).__name__}: {error}"
        for (_, found), result in zip(asked, results, strict=True):
            found(result)
        for each in kept:
            each()

    def _work(
        self, answers: Sequence[tuple[str, str, Sequence[Timed]]], asked: Sequence[Sequence[str]]
    ) -> list[dict[str, tuple[Timed, ...]]]:
        self._batches.put_all(answers)
        return [self._batches.get_all(keys, since=self._since) for keys in asked]
