"""One run of a map, in the caller's thread: rows out to the engine, results back into the type the rows came as."""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from ..answering import Stopped
from ..bridge import shared
from ..cache import Keys
from ..errors import SettingsError, Unreachable
from ..events import Message
from ..render.bar import Bar
from ..units import counted
from .columns import ERROR
from .engine import Ask, Engine, Need, Told, is_hopeless
from .frames import joined, source_of
from .preparing import prepare
from .template import Template

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from .columns import Columns
    from .frames import Result, Source
    from .preparing import How, Prepared

__all__ = ["MapStopped", "last_map", "run_rows", "template_for"]

_GATHER_S: Final = 0.02
_WINDOW: Final = 1024
"""How far an iterable may be read ahead of the first row that has no answer yet."""
_NOT_ASKED: Final = "not asked: it was stopped before"

_last: Any = None


class MapStopped(Stopped):
    """A map was stopped by an interrupt. Its answers are in `ollama_magic.last_map` if `held`, and on disk if `kept`.

    `problem` says why they are not on disk though they should be.
    """

    def __init__(self, done: int, total: int | None, *, held: bool, kept: bool = True, problem: str = "") -> None:
        of = f"{done:,} of " if total is not None else ""
        rows = counted(done if total is None else total, "row")
        told = [
            f"Stopped: {of}{rows} {'is' if done == 1 else 'are'} answered{' and kept' if kept and not problem else ''}."
        ]
        told += ["They are in ollama_magic.last_map."] if held else []
        told += ["Run it again to ask only the rest."] if kept and not problem else []
        told += [f"They were not kept. {problem}"] if problem else []
        super().__init__(" ".join(told))

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


def last_map() -> Any:
    """The result of the last map of a frame or list in this kernel, even if it was stopped; None if there was none."""
    return _last


def run_rows(data: Any, prompt: str, how: How, *, progress: bool) -> Any:
    """The rows of `data` with the answers to `prompt`; see `map`."""
    source = source_of(data)
    template = template_for(prompt, source.columns, how.columns)
    run = _Run(source, template, prepare(how), Bar(source.count, shown=progress))
    return run.all() if source.build is not None else run.each()


def template_for(prompt: str, names: Sequence[str] | None, columns: Columns) -> Template:
    """The template for rows with columns of these `names`, None if they are not known yet.

    Raises SettingsError for an unknown or ambiguous column, and if the answers would replace one that the prompt uses.
    """
    if not isinstance(prompt, str):
        raise SettingsError(
            f"The prompt is not a text but {type(prompt).__name__}", hint="Write one such as 'Classify: {text}'."
        )
    template = Template(prompt, names)
    if ERROR in template.names:
        raise SettingsError(
            f"The prompt asks about a column {ERROR!r}, in which the result says what went wrong with a row",
            hint="Rename yours first, for instance frame.rename(columns={'error': 'message'}).",
        )
    for name in template.names:
        if names is not None and names.count(name) > 1:
            raise SettingsError(f"The data frame has two columns {name!r}", hint="Rename one of them.")
    for name in columns.names:
        if name in template.names:
            raise SettingsError(
                f"The answers would replace the column {name!r}, which the prompt asks about",
                hint="Name the answers' column with into=, such as into='answer'.",
            )
    return template


class _Run:
    """One run of a map, in the caller's thread."""

    def __init__(self, source: Source, template: Template, prepared: Prepared, bar: Bar) -> None:
        self._source, self._template, self._prepared, self._bar = source, template, prepared, bar
        self._columns = prepared.plan.columns
        self._name = template.names[0]
        self._rows: Iterator[Any] = source.rows(template.names)
        self._taken, self._given, self._answered = 0, 0, 0
        keeps = prepared.plan.batches is not None
        self._keys = Keys(prepared.request, prepared.digest) if keeps else None
        self._engine: Engine | None = None
        self._broken: Exception | None = None
        if prepared.notice:
            warnings.warn(prepared.notice, stacklevel=4)

    # ---- results -----------------------------------------------------------------------------------------------

    def all(self) -> Any:
        """All rows with their answers, in the type they came as."""
        global _last
        assert self._source.build is not None
        assert self._source.count is not None
        results: list[Result | None] = [None] * self._source.count
        failure: Exception | None = None
        stopped = False
        try:
            with self._bar, closing(self._told({})) as told:
                for each in told:
                    results[each.index] = self._result(each)
                    failure = failure or each.failure
                    self._unread.popleft()
        except KeyboardInterrupt:
            stopped = True
            for each in self._unread:
                results[each.index] = self._result(each)
        self._answered = sum(each is not None and each[0] is not self._columns.empty for each in results)
        if not self._answered and not stopped and _is_for_all(failure):
            assert failure is not None
            raise failure
        whole = [each or (self._columns.empty, _NOT_ASKED) for each in results]
        _last = found = self._source.build(whole, self._columns, self._name)
        if stopped:
            raise self._stopped() from None
        return found

    def each(self) -> Generator[dict[str, Any], None, None]:
        """The rows with their answers, in order, as they arrive."""
        items: dict[int, Any] = {}
        ready: dict[int, Told] = {}
        try:
            with self._bar, closing(self._told(items)) as told:
                for each in told:
                    ready[each.index] = each
                    while (first := ready.pop(self._given, None)) is not None:
                        result = self._result(first)
                        if not self._answered and _is_for_all(first.failure):
                            assert first.failure is not None
                            raise first.failure
                        self._given += 1
                        yield joined(items.pop(first.index), self._name, result, self._columns)
        except KeyboardInterrupt:
            raise self._stopped() from None

    def _stopped(self) -> MapStopped:
        problem = self._engine.problem if self._engine is not None else ""
        held = self._source.build is not None
        return MapStopped(self._answered, self._source.count, held=held, kept=self._keys is not None, problem=problem)

    def _result(self, told: Told) -> Result:
        values = told.values
        self._answered += values is not None
        self._bar.step(failed=bool(told.error), kept=values is not None and not told.asked)
        return self._columns.empty if values is None else values, told.error or None

    def _told(self, items: dict[int, Any]) -> Generator[Told, None, None]:
        """Results in order of arrival; rows of an iterable are held in `items` until they are joined with theirs."""
        held = items if self._source.build is None else None
        needs: list[Need] = []
        with shared().stream(self._run) as job:
            for batch in job.batches():
                if not batch:
                    self._bar.idle(self._waits_for())
                for each in batch:
                    if isinstance(each, Need):
                        needs.append(each)
                    else:
                        job.gather_s = _GATHER_S
                        if held is not None:
                            self._unread.popleft()
                        yield each
                while needs and (held is None or self._taken - self._given < _WINDOW):
                    self._feed(needs.pop(), held)
        self._warn()
        if self._broken is not None:
            raise self._broken

    def _warn(self) -> None:
        """Warn about what no row's error says: answers that were not stored, servers that were replaced by others."""
        assert self._engine is not None
        caller = 4 if self._source.build is None else 6  # the frame to blame: for an iterable, the one that reads it
        if self._engine.problem:
            warnings.warn(f"The answers were not kept. {self._engine.problem}", stacklevel=caller)
        aside = self._engine.hosts.aside
        if len(aside) < len(self._prepared.plan.settings):
            for host, problem in aside.items():
                warnings.warn(
                    f"{host} was set aside, and the others were asked in its place: {problem}", stacklevel=caller
                )

    def _waits_for(self) -> str:
        """The servers that do not answer, if none does; else ""."""
        settings = self._prepared.plan.settings
        if self._engine is None or not self._engine.hosts.waited_for:
            return ""
        return ", ".join(name or (each.host.display if each.host else "the server") for name, each in settings.items())

    @property
    def _unread(self) -> deque[Told]:
        return deque() if self._engine is None else self._engine.unread

    def _run(self) -> Any:
        self._engine = Engine(self._prepared.plan)
        return self._engine.run()

    # ---- rows --------------------------------------------------------------------------------------------------

    def _feed(self, need: Need, held: dict[int, Any] | None) -> None:
        asks: list[Ask] = []
        while len(asks) < need.count:
            try:
                item = next(self._rows)
            except StopIteration:
                break
            except Exception as error:  # raised once the rows before it have been returned
                self._broken = error
                break
            if held is not None:
                held[self._taken] = item
            asks.append(self._ask(item))
            self._taken += 1
        need.deliver(asks, more=len(asks) == need.count)

    def _ask(self, item: Any) -> Ask:
        row = item
        if not isinstance(item, Mapping):
            if len(self._template.names) > 1:
                names = ", ".join(self._template.names)
                return Ask(self._taken, None, error=f"a {type(item).__name__} has no columns {names}")
            row = {self._name: item}
        try:
            text = self._template.fill(row)
        except ValueError as error:
            return Ask(self._taken, None, error=str(error))
        empty = self._prepared.request
        request = replace(empty, messages=(*empty.messages[:-1], Message("user", text)))
        return Ask(self._taken, request, "" if self._keys is None else self._keys.of(text))


def _is_for_all(failure: Exception | None) -> bool:
    """Whether every row would fail in the same way."""
    return failure is not None and (isinstance(failure, Unreachable) or is_hopeless(failure))
