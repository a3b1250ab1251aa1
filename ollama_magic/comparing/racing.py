"""All runs of a comparison concurrently: their events on one queue, and how each ended.

The runs are independent: one that fails ends alone. Up to AT_ONCE start together, so each one's time to the first token
includes its wait for the others; where a server seems to have run them sequentially, that is reported.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from ..events import Start, Text, Thinking
from ..many import Limiter, run_many
from ..recall import Recall, remembered
from ..retry import Retry

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable, Sequence

    from ..chat import ToolWork
    from ..events import Event
    from ..many import Slot
    from ..question import Question
    from ..session import Session
    from ..settings import Settings
    from .grid import Variant

__all__ = ["AT_ONCE", "Contestant", "Ended", "Times", "in_turn", "race"]

AT_ONCE: Final = 8
"""How many run concurrently."""
_OVERLAP_S: Final = 0.02
_LONG_S: Final = 0.1


@dataclass(frozen=True, slots=True)
class Contestant:
    """A run about to start: its variant and its settings."""

    variant: Variant
    settings: Settings


@dataclass(frozen=True, slots=True)
class Times:
    """When a run began, got its first token and ended, in seconds on one monotonic clock.

    `host`: the local Ollama server that was asked; "" for the cloud and the built-in engine, which have no such queue.
    """

    began: float
    first: float | None
    ended: float
    host: str


@dataclass(frozen=True, slots=True)
class Ended:
    """The end of a run; `error` is what went wrong, None if nothing did."""

    times: Times
    error: Exception | None = None


async def race(
    session: Session, question: Question, contestants: Sequence[Contestant]
) -> AsyncGenerator[tuple[int, Event | Ended], None]:
    """The events of all runs as they arrive, each with the number of its run; the last of each run is an Ended.

    Closing it closes all connections.
    """
    queue: asyncio.Queue[tuple[int, Event | Ended] | None] = asyncio.Queue()

    async def work(number: int, slot: Slot) -> None:
        began, first, host = time.monotonic(), None, ""
        error: Exception | None = None
        try:
            async with aclosing(_events(session, question, contestants[number])) as events:
                async for event in events:
                    if first is None and isinstance(event, Text | Thinking):
                        first = time.monotonic()
                    elif isinstance(event, Start):
                        host = event.host if event.mode == "local" else ""
                    queue.put_nowait((number, event))
        except Exception as raised:  # whatever it is, it concerns this run only
            error = raised
        queue.put_nowait((number, Ended(Times(began, first, time.monotonic(), host), error)))

    async def all_of_them() -> None:
        limiter = Limiter(min(AT_ONCE, len(contestants)), adapt=False)
        try:
            # The client retries transient errors itself, as for any cell.
            running = run_many(range(len(contestants)), work, limiter=limiter, retry=Retry(tries=1))
            async with aclosing(running) as outcomes:
                async for _ in outcomes:
                    pass
        finally:
            queue.put_nowait(None)

    task = asyncio.create_task(all_of_them())
    try:
        while (item := await queue.get()) is not None:
            yield item
        await task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _events(session: Session, question: Question, contestant: Contestant) -> AsyncGenerator[Event, None]:
    variant, settings = contestant.variant, contestant.settings
    source: AsyncGenerator[Event | ToolWork, None] = session.events(replace(question, cache="off"), settings)
    if question.cache != "off":
        wanted = question.request(settings, settings.model or "")
        if variant.repeat > 1:  # each repeat is cached under its own key
            wanted = replace(wanted, options={**wanted.options, "repeat": variant.repeat})
        recall = Recall(session.cache(settings), wanted, settings, session.kept)
        source = remembered(source, recall, refresh=question.cache == "refresh")
    async with aclosing(source) as events:
        async for event in events:
            assert not hasattr(event, "deliver")  # a comparison has no tools
            yield event


def in_turn(times: Iterable[Times]) -> str:
    """The server that seems to have run concurrent requests sequentially; "" if none did.

    Two runs of different models may also be apart by chance, if one is slow to start.
    """
    by_host: dict[str, list[tuple[float, float]]] = {}
    for each in times:
        if each.first is not None and each.host:
            by_host.setdefault(each.host, []).append((each.first, each.ended))
    for host, spans in by_host.items():
        spans.sort()
        apart = all(later[0] >= earlier[1] - _OVERLAP_S for earlier, later in itertools.pairwise(spans))
        if len(spans) > 1 and apart and all(end - first >= _LONG_S for first, end in spans):
            return host
    return ""
