"""Answers side by side while they arrive: one output for all of them, repainted within the budget of one answer.

The first token of each is shown at once; then about ten repaints a second for all together, and fewer where a repaint
would cost more bytes than the new text is worth. So that its size stays what it is, a column shows the end of its
answer while others are still being written; the whole of each follows when all are done.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final, Protocol

from ollama_magic import render
from ollama_magic.events import Answer, Notice, Progress, Restart, Start, Text, Thinking
from ollama_magic.render.blocks import Splitter
from ollama_magic.render.bundle import body_html, notices_html, tail_html, thinking_html
from ollama_magic.render.columns import Column, Columns, cell_html, columns_bundle, foot, grid_html, head_html
from ollama_magic.render.footer import progress_line, rate_line, seconds
from ollama_magic.render.forms import LIVE_FORM
from ollama_magic.render.look import MARK, PHASE, div, wrap
from ollama_magic.render.text import ControlFilter, clean, one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ollama_magic.errors import OllamaMagicError
    from ollama_magic.events import Event
    from ollama_magic.render.bundle import Bundle
    from ollama_magic.render.live import Sink

__all__ = ["RaceView", "Racing", "race_view"]

_INTERVAL: Final = 0.1
_WORTH: Final = 64  # bytes of repaint for a character of new text, shared by all columns
_PATIENCE: Final = 0.2
_RATE: Final = 25_000  # bytes a second beyond which patience grows: what one answer may cost
_SHARE: Final = 4  # rendering may take a quarter of the time
_SHOWN: Final = 4_000  # characters of all columns together
_LEAST_SHOWN: Final = 400
_PIECE: Final = 200
_THINKING_SHOWN: Final = 200


class RaceView(Protocol):
    """Shows several answers at once."""

    def show(self, batch: Sequence[tuple[int, Event]]) -> None:
        """Take events, each with the number of its column; an empty batch is a tick of the clock."""

    def end(self, number: int, answer: Answer, error: str) -> None:
        """One answer is over; `error` is "" where it is whole."""

    def finish(self, board: Columns) -> None:
        """Leave what is kept. Called again, that is shown in the place of what was kept before."""


def race_view(
    shell: Any,
    board: Columns,
    *,
    once: bool = False,
    whole_cell: bool = False,
    stop: Callable[[], object] | None = None,
) -> RaceView:
    """The view for what `board` will be; `once`: nothing is shown before the end. `shell` as for `view_for`.

    With `stop`, which a click then calls from another thread, there is a Stop button in a cell that is all ours
    (`whole_cell`), where there can be one.
    """
    place = render.place_of(shell)
    if place == "jupyter":
        from ollama_magic.render.jupyter import JupyterSink

        view = Racing(JupyterSink(), board, once=once, whole_cell=whole_cell)
        return view if stop is None or once or not whole_cell else _Stoppable(view, shell, stop)
    from ollama_magic.render.racing_text import PlainRace, TerminalRace

    return TerminalRace(board, once=once) if place == "terminal" else PlainRace()


class Racing:
    """The view of a notebook: one output, updated."""

    def __init__(
        self,
        sink: Sink,
        board: Columns,
        *,
        once: bool = False,
        whole_cell: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sink, self._board, self._once, self._clock = sink, board, once, clock
        self._whole = whole_cell
        form = LIVE_FORM.get(board.form, board.form)
        shown = max(_LEAST_SHOWN, _SHOWN // max(1, len(board.columns)))
        now = clock()
        self._lanes = [_Lane(column, form, shown, board, now) for column in board.columns]
        self._next = self._last = 0.0
        self._last_size = 0
        self._painted = self._changed = self._urgent = False
        self._phases = ""

    def show(self, batch: Sequence[tuple[int, Event]]) -> None:
        """Take what arrived, and repaint if it is time to."""
        now = self._clock()
        for number, event in batch:
            lane = self._lanes[number]
            self._urgent |= isinstance(event, Text | Thinking) and not lane.tokens
            lane.take(event, now)
            self._changed = True
        if not self._once and self._is_due(now):
            self._paint(now)

    def end(self, number: int, answer: Answer, error: str) -> None:
        """One answer is over."""
        self._lanes[number].ended(answer, error)
        self._changed = True

    def finish(self, board: Columns) -> None:
        """Leave the one output that is kept."""
        if self._painted and self._whole:
            self._sink.replace_all(columns_bundle(board))
            self._whole = False  # what is shown after a pick is an update, from another cell
        elif self._painted:
            self._sink.update(columns_bundle(board))
        else:
            self._sink.add(columns_bundle(board))
        self._painted = True

    def _is_due(self, now: float) -> bool:
        if self._urgent or not self._painted:
            return True
        if now < self._next:
            return False
        if not self._changed:  # only the clock has moved: phases count seconds
            return now >= self._last + 1 and self._phases != "".join(lane.phase(now) for lane in self._lanes)
        unpainted = sum(lane.unpainted for lane in self._lanes)
        if not unpainted or unpainted * _WORTH >= self._last_size * len(self._lanes):
            return True
        return now >= self._last + max(_PATIENCE, self._last_size / _RATE)

    def _paint(self, now: float) -> None:
        begun = self._clock()
        cells = [lane.html(now) for lane in self._lanes]
        html = wrap(notices_html(self._board.notices) + grid_html(cells, self._board.across, live=True))
        # A front end without HTML has nothing to update either: it gets the text at the end.
        bundle: Bundle = ({"text/html": html, "text/plain": " "}, {})
        if self._painted:
            self._sink.update(bundle)
        else:
            self._sink.add(bundle)
        self._painted = True
        self._last, self._last_size = now, len(html)
        self._next = now + max(_INTERVAL, (self._clock() - begun) * _SHARE)
        self._changed = self._urgent = False
        self._phases = "".join(lane.phase(now) for lane in self._lanes)


class _Stoppable:
    """A view with a Stop button beside it, for as long as anything streams."""

    def __init__(self, view: Racing, shell: Any, stop: Callable[[], object]) -> None:
        self._view = view
        self._button: render.View | None = render.with_stop_button(_Unseen(), shell, stop)

    def show(self, batch: Sequence[tuple[int, Event]]) -> None:
        self._view.show(batch)
        if self._button is not None:
            self._button.show([event for _, event in batch])

    def end(self, number: int, answer: Answer, error: str) -> None:
        self._view.end(number, answer, error)

    def finish(self, board: Columns) -> None:
        self._view.finish(board)
        button, self._button = self._button, None
        if button is not None:
            button.finish(Answer(""))


class _Unseen:
    """The view that the button stands beside: the columns are shown by themselves."""

    def show(self, events: Sequence[Event]) -> None:
        pass

    def finish(self, answer: Answer, error: OllamaMagicError | None = None) -> None:
        pass


class _Lane:
    """One column while its answer is being written."""

    def __init__(self, column: Column, form: str, shown: int, board: Columns, now: float) -> None:
        self._column, self._form, self._shown, self._board = column, form, shown, board
        self.tokens = 0
        self.unpainted = 0
        self._begun = now
        self._first = self._latest = 0.0
        self._progress: tuple[Progress, float] = (Progress("waiting"), now)
        self._thinking, self._words = "", 0
        self._notices: list[str] = []
        self._over = False
        self._clear()

    def _clear(self) -> None:
        self._filter = ControlFilter()
        self._splitter = self._new_splitter()
        self._done: list[tuple[int, str]] = []  # the HTML of finished pieces, with the length of their text
        self._done_length = 0

    def _new_splitter(self) -> Splitter:
        return Splitter(_PIECE, 0, lines=self._form != "markdown", least_forced=self._shown)

    def take(self, event: Event, now: float) -> None:
        """Learn from an event."""
        if isinstance(event, Text | Thinking):
            if not self.tokens:
                self._first = now
            self.tokens += 1
            self._latest = now
        if isinstance(event, Text):
            self.unpainted += len(event.text)
            for chunk in self._splitter.feed(self._filter.feed(event.text)):
                self._keep(len(chunk.text), body_html(chunk.markdown, self._form))
        elif isinstance(event, Thinking):
            self._words += event.text.count(" ")
            self._thinking = (self._thinking + event.text)[-_THINKING_SHOWN:]
        elif isinstance(event, Start):
            self._column = self._named(event.model)
        elif isinstance(event, Notice):
            self._notices.append(event.text)
        elif isinstance(event, Restart):
            self._notices.append(event.reason)
            self._clear()
        elif isinstance(event, Progress):
            same = self._progress[0].phase == event.phase
            self._progress = (event, self._progress[1] if same else now)

    def ended(self, answer: Answer, error: str) -> None:
        """It is over."""
        self._over = True
        column = self._column
        self._column = Column(column.letter, column.title, answer, error)

    def _named(self, model: str) -> Column:
        column = self._column
        return column if column.title else Column(column.letter, one_line(model, 80))

    def _keep(self, length: int, html: str) -> None:
        self._done.append((length, html))
        self._done_length += length
        while len(self._done) > 1 and self._done_length - self._done[0][0] >= self._shown:
            self._done_length -= self._done.pop(0)[0]

    def phase(self, now: float) -> str:
        """What it is at: what is waited for, or how fast it goes."""
        if self._over:
            return "done"
        since = seconds(now - self._begun)
        if not self.tokens:
            return progress_line(self._progress[0], now - self._progress[1])
        rate = rate_line(self.tokens, self._latest - self._first, now - self._latest)
        if self._board.hidden:
            return "writing…"
        thinking = f"thinking… {self._words:,} words · " if not self._splitter.length and self._words else ""
        return f"{thinking}{rate} · first token {seconds(self._first - self._begun)} · {since}"

    def html(self, now: float) -> str:
        """Its cell."""
        self.unpainted = 0
        hidden = self._board.hidden
        column = self._column
        parts = [] if hidden else [notices_html(self._notices)]
        if self._words and not self._splitter.length:
            parts.append(thinking_html("Thinking…", "… " + self._thinking))
        if self._splitter.length > self._done_length + len(self._splitter.tail.text):
            parts.append(div(PHASE, "… the whole follows when all are done"))
        parts += [html for _, html in self._done]
        parts.append(tail_html(self._splitter.tail, self._form))
        if self._over:
            if column.error:
                why = "This one failed; why is shown after the pick." if hidden else clean(column.error)
                parts.append(div(f"{MARK};white-space:pre-wrap", why))
            parts.append(div(PHASE, "done" if hidden else foot(column) or ("failed" if column.error else "done")))
        else:
            live = "" if self.tokens else ' role="status" aria-live="polite"'
            parts.append(div(PHASE, self.phase(now), attributes=live))
        return cell_html(head_html(column, hidden=hidden), "".join(parts), live=True)
