"""One column of a comparison while its answer streams: its phase, and the end of its text.

Pure. So that a repaint costs the same from the first second to the last, a lane shows about its allotted bytes of HTML;
earlier pieces are dropped, and the complete answer follows when all are done.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ollama_magic.events import Notice, Progress, Restart, Start, Text, Thinking
from ollama_magic.render.blocks import Splitter
from ollama_magic.render.bundle import body_html, notices_html, tail_html, thinking_html
from ollama_magic.render.columns import Column, cell_html, foot, head_html
from ollama_magic.render.footer import progress_line, rate_line, seconds
from ollama_magic.render.forms import LIVE_FORM
from ollama_magic.render.look import MARK, PHASE, div
from ollama_magic.render.text import ControlFilter, clean, one_line

if TYPE_CHECKING:
    from ollama_magic.events import Answer, Event
    from ollama_magic.render.columns import Columns

__all__ = ["Lane"]

_PIECE: Final = 80
"""The fewest characters of a finished piece: shorter ones would be dropped sooner, and cost more markup."""
_THINKING_SHOWN: Final = 200


class Lane:
    """A column's live state. `shown`: bytes of HTML for its text, exceeded by up to half while a piece is written."""

    def __init__(self, column: Column, board: Columns, shown: int, now: float) -> None:
        self._column, self._shown = column, shown
        self._hidden = board.hidden
        self._form = LIVE_FORM.get(board.form, board.form)
        self.tokens = 0
        self._begun = now
        self._first = self._latest = 0.0
        self._progress: tuple[Progress, float] = (Progress("waiting"), now)
        self._thinking, self._words = "", 0
        self._notices: list[str] = []
        self._over = False
        self._clear()

    def _clear(self) -> None:
        self.is_cut = False
        """Whether it shows only the end of its text."""
        self._filter = ControlFilter()
        self._splitter = Splitter(_PIECE, 0, lines=self._form != "markdown", least_forced=self._shown // 2)
        self._done: list[str] = []  # the HTML of finished pieces

    def take(self, event: Event, now: float) -> None:
        """Process one event."""
        if isinstance(event, Text | Thinking):
            if not self.tokens:
                self._first = now
            self.tokens += 1
            self._latest = now
        if isinstance(event, Text):
            chunks = self._splitter.feed(self._filter.feed(event.text))
            self._done += [body_html(chunk.markdown, self._form) for chunk in chunks]
        elif isinstance(event, Thinking):
            self._words += event.text.count(" ")
            self._thinking = (self._thinking + event.text)[-_THINKING_SHOWN:]
        elif isinstance(event, Start):
            if not self._column.title:
                self._column = Column(self._column.letter, one_line(event.model, 80))
        elif isinstance(event, Notice):
            self._notices.append(event.text)
        elif isinstance(event, Restart):
            self._notices.append(event.reason)
            self._clear()
        elif isinstance(event, Progress):
            same = self._progress[0].phase == event.phase
            self._progress = (event, self._progress[1] if same else now)

    def ended(self, answer: Answer, error: str) -> None:
        """End the column, with its answer and error."""
        self._over = True
        self._column = Column(self._column.letter, self._column.title, answer, error)

    def phase(self, now: float) -> str:
        """The current phase: what is waited for, or the token rate."""
        if self._over:
            return "done"
        if not self.tokens:
            return progress_line(self._progress[0], now - self._progress[1])
        if self._hidden:  # the speed can reveal the model
            return "writing…"
        rate = rate_line(self.tokens, self._latest - self._first, now - self._latest)
        thinking = f"thinking… {self._words:,} words · " if not self._splitter.length and self._words else ""
        first, since = seconds(self._first - self._begun), seconds(now - self._begun)
        return f"{thinking}{rate} · first token {first} · {since}"

    def html(self, now: float) -> str:
        """The HTML of its cell."""
        parts = [] if self._hidden else [notices_html(self._notices)]
        if self._words and not self._splitter.length:
            parts.append(thinking_html("Thinking…", "… " + self._thinking))
        parts += self._end()
        parts += self._result() if self._over else [self._phase_html(now)]
        return cell_html(head_html(self._column, hidden=self._hidden), "".join(parts), live=True)

    def _end(self) -> list[str]:
        """The finished pieces that fit, and the unfinished tail."""
        tail = tail_html(self._splitter.tail, self._form)
        size = sum(map(len, self._done)) + len(tail)
        # Drop the first piece only if at least half of `shown` remains without it.
        while self._done and size - len(self._done[0]) >= self._shown // 2:
            size -= len(self._done.pop(0))
            self.is_cut = True
        return [*self._done, tail]

    def _phase_html(self, now: float) -> str:
        live = "" if self.tokens else ' role="status" aria-live="polite"'
        return div(PHASE, self.phase(now), attributes=live)

    def _result(self) -> list[str]:
        column, parts = self._column, []
        if column.error:
            why = "This one failed; why is shown after the pick." if self._hidden else clean(column.error)
            parts.append(div(f"{MARK};white-space:pre-wrap", why))
        told = "done" if self._hidden else foot(column) or ("failed" if column.error else "done")
        return [*parts, div(PHASE, told)]
