"""The rows in progress: looked up in the cache, asked if not found, stored. Runs on the bridge's event loop.

Strategy: the rows themselves stay in the caller's thread. When there is room, the engine emits a Need, and the caller
fills in that many prompts and delivers them; so an iterable is not read far ahead of its answers, and the row objects
are touched in no other thread. Rows with the same request are asked once.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from ..chat import converse
from ..client import Client
from ..errors import (
    EmbeddedError,
    Forbidden,
    ModelNotFound,
    OllamaMagicError,
    SettingsError,
    Unauthorized,
    UsageLimit,
)
from ..events import CUT_OFF, Done, Notice, Restart, Text, Thinking
from ..guards import Checked, cut_notice, prompt_tokens
from ..many import Hosts, run_many
from ..retry import Retry
from ..waiting import close_surely
from .columns import Reading
from .keeping import Keeper

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping, Sequence

    from ..cache.batches import Batches
    from ..cache.codec import Timed
    from ..events import Event, Request
    from ..many import Limiter, Outcome, Slot
    from ..settings import Settings
    from .columns import Columns

__all__ = ["Ask", "Engine", "Need", "Plan", "Told", "is_hopeless", "told"]

CHUNK: Final = 256
"""Rows requested from the caller at a time."""
_HOPELESS: Final = (Unauthorized, Forbidden, UsageLimit, ModelNotFound, EmbeddedError, SettingsError)
"""Errors that every other row would meet too."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is the same for all rows: the `settings` for each host, and the `model` that answers.

    `batches` None stores nothing; `refresh` ignores answers stored before `begun` (seconds since 1970).
    """

    settings: Mapping[str, Settings]
    model: str
    columns: Columns
    limiter: Limiter
    batches: Batches | None = None
    refresh: bool = False
    begun: float = field(default_factory=time.time)


@dataclass(frozen=True, slots=True)
class Ask:
    """One row's request. Equal requests have the same `key`, "" if each row is asked by itself; `error` says why it
    cannot be asked at all."""

    index: int
    request: Request | None
    key: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True)
class Told:
    """The result of one row: the values of its columns, or an error; `asked`: by a request of this run."""

    index: int
    values: tuple[Any, ...] | None
    error: str = ""
    asked: bool = False
    failure: Exception | None = None


class Need:
    """Demand for `count` more rows; `deliver` them from any thread, fewer if there are no more."""

    def __init__(self, count: int, engine: Engine) -> None:
        self.count = count
        self._engine = engine
        self._loop = asyncio.get_running_loop()

    def deliver(self, rows: Sequence[Ask], *, more: bool) -> None:
        """Hand over rows; `more` says whether others may follow."""
        self._loop.call_soon_threadsafe(self._engine.take, rows, more)


class _Question:
    """A request in flight, or answered but not yet known to be stored, and the rows that wait for it."""

    __slots__ = ("rows", "values")

    def __init__(self, row: int) -> None:
        self.rows = [row]
        self.values: tuple[Any, ...] | None = None


class Engine:
    """Runs a Plan; created and used on the event loop, except for `Need.deliver`."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self.hosts = Hosts(tuple(plan.settings))
        self._clients = {name: _RowClient(each, retry=Retry(tries=1)) for name, each in plan.settings.items()}
        self._out: asyncio.Queue[Need | Told | None] = asyncio.Queue()
        self._todo: deque[Ask] = deque()
        self._open: dict[str, _Question] = {}
        self._more, self._needing = True, False
        self._news = asyncio.Event()
        self._keeper: Keeper | None = None
        self.unread: deque[Told] = deque()
        """Results that were sent and not yet acknowledged: the reader removes each once it has handled it, so an
        interrupt cannot lose a result between the two."""
        self.problem = ""
        """Why answers are no longer stored, "" if they are."""

    async def run(self) -> AsyncGenerator[Need | Told, None]:
        """Needs and results as they arise; ends when every row has a result. Closing it closes all connections."""
        working = asyncio.create_task(self._work())
        working.add_done_callback(lambda _: self._out.put_nowait(None))
        try:
            while (each := await self._out.get()) is not None:
                yield each
            working.result()
        finally:
            working.cancel()
            await asyncio.wait([working])

    async def _work(self) -> None:
        plan = self._plan
        if plan.batches is not None:
            self._keeper = Keeper(plan.batches, since=plan.begun if plan.refresh else 0.0)
        try:
            running = run_many(self._questions(), self._ask, limiter=plan.limiter, hosts=self.hosts, ends=is_hopeless)
            async with aclosing(running) as outcomes:
                async for outcome in outcomes:
                    self._ended(outcome)
        finally:
            if self._keeper is not None:
                await close_surely(self._keeper.close())
                self.problem = self._keeper.problem

    # ---- rows in -----------------------------------------------------------------------------------------------

    async def _questions(self) -> AsyncGenerator[Ask, None]:
        count = min(CHUNK, self._plan.limiter.limit)  # at first only as many as can be sent, so that they are soon
        while True:
            if self._more and not self._needing and len(self._todo) < CHUNK // 2:
                self._needing = True
                self._out.put_nowait(Need(count, self))
                count = CHUNK
            if self._todo:
                yield self._todo.popleft()
            elif not (self._more or self._needing):
                return
            else:
                self._news.clear()
                await self._news.wait()

    def take(self, rows: Sequence[Ask], more: bool) -> None:
        """Take delivered rows; called on the event loop."""
        self._more = more
        keys = list({ask.key: None for ask in rows if ask.key})
        if self._keeper is not None and keys:
            self._keeper.look_up(keys, lambda found: self._sort(rows, found))
        else:
            self._sort(rows, {})

    def _sort(self, rows: Sequence[Ask], found: Mapping[str, tuple[Timed, ...]]) -> None:
        """Report the rows whose answers are known, and queue those that have to be asked."""
        known: dict[str, tuple[tuple[Any, ...], str] | None] = {}
        for ask in rows:
            if ask.request is None:
                self._put(Told(ask.index, None, ask.error))
                continue
            if ask.key in found and ask.key not in known:
                known[ask.key] = self._read(found[ask.key])
            if (kept := known.get(ask.key)) is not None:
                self._put(Told(ask.index, *kept))
            elif (question := self._open.get(ask.key)) is None:
                if ask.key:
                    self._open[ask.key] = _Question(ask.index)
                self._todo.append(ask)
            elif question.values is not None:
                self._put(Told(ask.index, question.values))
            else:
                question.rows.append(ask.index)
        self._needing = False
        self._news.set()

    def _read(self, events: Sequence[Timed]) -> tuple[tuple[Any, ...], str] | None:
        """The column values of a stored answer, and its notice; None if it does not fit."""
        text = "".join(event.text for _, event in events if isinstance(event, Text))
        try:
            return self._plan.columns.read(text), _notices(events)
        except Exception:  # a Mismatch, or an error of the user's own type: it is asked again, which reports it
            return None

    # ---- questions out -----------------------------------------------------------------------------------------

    async def _ask(self, ask: Ask, slot: Slot) -> tuple[tuple[Any, ...], tuple[Timed, ...]]:
        """The column values of an answer, and the events to store."""
        assert ask.request is not None
        began = time.monotonic()
        text, thinking, done = "", "", Done()
        client, columns = self._clients[slot.host], self._plan.columns
        reading = None if columns.shape is None else Reading(columns)
        async with aclosing(converse(client, ask.request, shape=reading)) as events:
            async for event in events:
                match event:
                    case Text():
                        slot.begun()
                        text += event.text
                    case Thinking():
                        slot.begun()
                        thinking += event.text
                    case Restart():
                        text = thinking = ""
                    case Done():
                        done = event
        seconds = time.monotonic() - began
        kept: list[Event] = [Thinking(thinking)] if thinking else []
        kept.append(Text(text))
        checked = Checked(ask.request, prompt_tokens(ask.request))
        if notice := await cut_notice(client, checked, done.stats):
            kept.append(Notice(notice))
        values = (text,) if reading is None else reading.values
        return values, tuple((seconds, event) for event in (*kept, done))

    def _ended(self, outcome: Outcome[Ask, tuple[tuple[Any, ...], tuple[Timed, ...]]]) -> None:
        ask, error = outcome.item, outcome.error
        question = self._open.get(ask.key) if ask.key else None
        rows = question.rows if question is not None else [ask.index]
        if outcome.value is None:
            self._open.pop(ask.key, None)
            unasked = "" if outcome.attempts else "not asked, since every row would fail like this. "
            self._tell(rows, None, unasked + told(error), error)
            return
        values, events = outcome.value
        self._tell(rows, values, _notices(events), None)
        if question is None or self._keeper is None:
            self._open.pop(ask.key, None)
            return
        question.values = values
        self._keeper.keep(ask.key, self._plan.model, events, partial(self._forget, ask.key))

    def _forget(self, key: str) -> None:
        self._open.pop(key, None)

    def _tell(self, rows: Sequence[int], values: tuple[Any, ...] | None, error: str, failure: Exception | None) -> None:
        for row in rows:
            self._put(Told(row, values, error, True, failure))

    def _put(self, told: Told) -> None:
        self.unread.append(told)
        self._out.put_nowait(told)


class _RowClient(Client):
    """Does not poll what the server is doing meanwhile: nobody reads that for a single row."""

    _tells_phases = False


def is_hopeless(error: Exception) -> bool:
    """Whether every other row would fail in the same way."""
    return isinstance(error, _HOPELESS)


def _notices(events: Sequence[Timed]) -> str:
    """The warnings about an answer: a prompt that was truncated, an answer that was cut off."""
    found = [event.text for _, event in events if isinstance(event, Notice)]
    found += [CUT_OFF for _, event in events if isinstance(event, Done) and event.reason == "length"]
    return " ".join(found)


def told(error: BaseException | None) -> str:
    """The class and message of an error in one line; "" for none."""
    if error is None:
        return ""
    message = error.message if isinstance(error, OllamaMagicError) else str(error)
    return f"{type(error).__name__}: {' '.join(message.split())}"
