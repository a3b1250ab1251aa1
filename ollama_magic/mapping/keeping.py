"""Answers stored and looked up in batches, in a thread beside the event loop.

Strategy: one task works in rounds, each of them one call in a thread: first all pending answers are written, in one
transaction, then all pending lookups are done. So a lookup sees every answer that was put before it, and the caller
may forget an answer once its round is over. Rounds that only write are at least PAUSE_S apart, so an answer's write
starts that long after it came, or when the round before ends: a killed process can lose no more than that.
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
    """Stores answers in `batches` and looks them up; those stored before `since` (seconds since 1970) are ignored.

    `problem` says why it gave up, "" while it works: an unusable cache loses no answer of this run.
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
        """Store an answer; `kept` is called once every later lookup finds it, or after storing has failed."""
        self._answers.append((key, model, events))
        self._kept.append(kept)
        self._something.set()

    def look_up(self, keys: Sequence[str], found: Callable[[dict[str, tuple[Timed, ...]]], None]) -> None:
        """Call `found` with the stored answers by key, before anything stored meanwhile is reported as kept."""
        self._asked.append((keys, found))
        self._something.set()
        self._urgent.set()

    async def close(self) -> None:
        """Write what is left, and end."""
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
            except Exception as error:  # whatever it is, every pending lookup still gets its callback
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
