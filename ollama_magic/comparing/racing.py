"""All runs of a comparison at once: their events on one queue, and what each came to.

The runs know nothing of each other: one that fails ends alone. They are begun together, so that each one's time to
the first token includes what it had to wait for the others; where a server ran them one after another, that is said.
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
"""How many run at the same time."""
_OVERLAP_S: Final = 0.02
_LONG_S: Final = 0.1


@dataclass(frozen=True, slots=True)
class Contestant:
    """A run about to begin: what sets it apart, and its settings."""

    variant: Variant
    settings: Settings


@dataclass(frozen=True, slots=True)
class Times:
    """When a run was begun, brought its first token and ended, on one clock.

    `host`: the Ollama of one's own that was asked; "" for the cloud and the built-in engine, which have no such queue.
    """

    began: float
    first: float | None
    ended: float
    host: str


@dataclass(frozen=True, slots=True)
class Ended:
    """A run is over. `error` is what went wrong with it."""

    times: Times
    error: Exception | None = None


async def race(
    session: Session, question: Question, contestants: Sequence[Contestant]
) -> AsyncGenerator[tuple[int, Event | Ended], None]:
    """The events of all runs as they come, each with the number of its run; an Ended is the last of each.

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
        except Exception as raised:  # whatever it is, it stays in its own column
            error = raised
        queue.put_nowait((number, Ended(Times(began, first, time.monotonic(), host), error)))

    async def all_of_them() -> None:
        limiter = Limiter(min(AT_ONCE, len(contestants)), adapt=False)
        try:
            # The client tries again what may heal, as for any cell.
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
        if variant.repeat > 1:  # each repeat is kept as an answer of its own
            wanted = replace(wanted, options={**wanted.options, "repeat": variant.repeat})
        recall = Recall(session.cache(settings), wanted, settings, session.kept)
        source = remembered(source, recall, refresh=question.cache == "refresh")
    async with aclosing(source) as events:
        async for event in events:
            assert not hasattr(event, "deliver")  # a comparison has no tools
            yield event


def in_turn(times: Iterable[Times]) -> str:
    """The server that seems to have run one after another what was asked at once; "" where none did.

    Two of different models may also lie apart by themselves, where one is slow to begin.
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
