"""Answers side by side while they stream: one output for all of them, at the traffic of a single answer.

The first token of each is shown at once. After that all together have a budget of bytes per second, about what one
answer at 100 tokens a second takes: each repaint is followed by a pause proportional to its size. To keep the pauses
short, the columns share a small number of bytes, so each shows only the end of its answer (see `lanes`).
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final, Protocol

from ollama_magic import render
from ollama_magic.events import Answer, Text, Thinking
from ollama_magic.render.bundle import notices_html
from ollama_magic.render.columns import columns_bundle, grid_html
from ollama_magic.render.lanes import Lane
from ollama_magic.render.look import PHASE, div, wrap
from ollama_magic.render.pace import drawn_next

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ollama_magic.errors import OllamaMagicError
    from ollama_magic.events import Event
    from ollama_magic.render.bundle import Bundle
    from ollama_magic.render.columns import Columns
    from ollama_magic.render.live import Sink

__all__ = ["RaceView", "Racing", "race_view"]

_LONGEST: Final = 1.0
"""The longest pause in seconds for the byte budget."""
_SAVED: Final = 0.3
"""Seconds of unused budget that can be saved up: first tokens come in bursts."""
_RATE: Final = 9_500
"""Bytes of HTML per second. Each message adds a few hundred."""
_SHOWN: Final = 2_400
"""Bytes of HTML for the text of all columns together."""
_LEAST_SHOWN: Final = 200
_ENDS: Final = "The end of each so far; the whole follows when all are done."


class RaceView(Protocol):
    """Shows several answers concurrently."""

    def show(self, batch: Sequence[tuple[int, Event]]) -> None:
        """Process events, each with the number of its column; an empty batch is a clock tick."""

    def end(self, number: int, answer: Answer, error: str) -> None:
        """End one column; `error` is "" if its run did not fail."""

    def finish(self, board: Columns) -> None:
        """Show the final output. Called again, the new output replaces the earlier one."""


def race_view(
    shell: Any,
    board: Columns,
    *,
    once: bool = False,
    whole_cell: bool = False,
    stop: Callable[[], object] | None = None,
) -> RaceView:
    """The view for `board`, still empty; `once`: nothing is shown before the end. `shell` as for `view_for`.

    With `stop`, a cell that is entirely ours (`whole_cell`) gets a Stop button, if the front end has widgets; a click
    calls `stop` from another thread.
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
        shown = max(_LEAST_SHOWN, _SHOWN // max(1, len(board.columns)))
        now = clock()
        self._lanes = [Lane(column, board, shown, now) for column in board.columns]
        self._next = self._last = 0.0
        self._paid = 0.0  # the time at which the budget covers everything sent
        self._painted = self._changed = self._urgent = False
        self._phases = ""

    def show(self, batch: Sequence[tuple[int, Event]]) -> None:
        """Process events, and repaint if due."""
        now = self._clock()
        for number, event in batch:
            lane = self._lanes[number]
            self._urgent |= isinstance(event, Text | Thinking) and not lane.tokens
            lane.take(event, now)
            self._changed = True
        if not self._once and self._is_due(now):
            self._paint(now)

    def end(self, number: int, answer: Answer, error: str) -> None:
        """End one column."""
        self._lanes[number].ended(answer, error)
        self._changed = True

    def finish(self, board: Columns) -> None:
        """Show the one output that is kept."""
        if self._painted and self._whole:
            self._sink.replace_all(columns_bundle(board))
            self._whole = False  # after a pick it is an update, from another cell
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
        if not self._changed:  # only time has passed: phases count seconds
            return now >= self._last + 1 and self._phases != "".join(lane.phase(now) for lane in self._lanes)
        return True

    def _paint(self, now: float) -> None:
        begun = self._clock()
        cells = [lane.html(now) for lane in self._lanes]
        are_cut = any(lane.is_cut for lane in self._lanes)
        grid = grid_html(cells, self._board.across, live=True, steady=are_cut)
        html = wrap(notices_html(self._board.notices) + grid + (div(PHASE, _ENDS) if are_cut else ""))
        # A front end without HTML cannot update outputs either: it gets the text at the end.
        bundle: Bundle = ({"text/html": html, "text/plain": " "}, {})
        if self._painted:
            self._sink.update(bundle)
        else:
            self._sink.add(bundle)
        self._painted = True
        self._last = now
        self._paid = min(max(self._paid, now - _SAVED) + len(html) / _RATE, now + _LONGEST)
        self._next = max(self._paid, drawn_next(now, self._clock() - begun))
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
    """An empty view for the Stop button to accompany: the columns are shown separately."""

    def show(self, events: Sequence[Event]) -> None:
        pass

    def finish(self, answer: Answer, error: OllamaMagicError | None = None) -> None:
        pass
