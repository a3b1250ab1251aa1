"""A streaming answer in a notebook: the first token is painted immediately, then at most ten repaints a second.

Pure: the clock and the sink are injected. There are two modes, as a cell may hold more than this answer:

- The cell holds only this answer: finished chunks are frozen in outputs of their own, and only the live tail is
  repainted. At the end one output replaces them all.
- Otherwise: a single output, repainted completely, at intervals that grow with its size.

A repaint waits until there is enough new text for the size of the last one (`_WORTH` times the text at most), or until
the reader has waited long enough; and painting may take only a share of the time.
"""

from __future__ import annotations

import time
from html import escape
from typing import TYPE_CHECKING, Protocol

from ollama_magic.events import Notice, Progress, Restart, Start, Text, Thinking, ToolRequest, ToolResult
from ollama_magic.render.blocks import Chunk, Splitter
from ollama_magic.render.bundle import Bundle, answer_bundle, body_html, notices_html, tail_html, thinking_html
from ollama_magic.render.footer import progress_line, rate_line
from ollama_magic.render.forms import LIVE_FORM
from ollama_magic.render.look import PHASE, PRE_TEXT, div, wrap
from ollama_magic.render.pace import drawn_next
from ollama_magic.render.text import ControlFilter
from ollama_magic.render.tokenflow import TokenFlow
from ollama_magic.render.tooling import result_html
from ollama_magic.units import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ollama_magic.errors import OllamaMagicError
    from ollama_magic.events import Answer, Event

__all__ = ["LiveView", "Sink", "ViewSettings"]

_WORTH = 64  # the most characters of HTML to repaint for a character of new text
_PATIENCE = 0.2  # seconds before a repaint for less text than that; more if `_RATE` demands it
_RATE = 25_000  # characters a second that such repaints may send; twice that if all of the text is repainted
_MAX_LIVE = 400_000  # characters; of a longer answer only the end is shown until it is complete
_THINKING_SHOWN = 400


class ViewSettings(Protocol):
    """The settings that a view needs."""

    @property
    def format(self) -> str: ...
    @property
    def render(self) -> str: ...
    @property
    def quiet(self) -> bool: ...


class Sink(Protocol):
    """Where outputs go. `update` changes the last one added."""

    def add(self, bundle: Bundle) -> None: ...
    def update(self, bundle: Bundle) -> None: ...
    def replace_all(self, bundle: Bundle) -> None: ...
    def clear(self) -> None: ...


class LiveView:
    """Shows one answer in a notebook while it streams, and leaves a single output."""

    def __init__(
        self,
        sink: Sink,
        settings: ViewSettings,
        *,
        whole_cell: bool,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sink, self._clock, self._whole = sink, clock, whole_cell
        self._format, self._quiet, self._once = settings.format, settings.quiet, settings.render == "once"
        self._form = LIVE_FORM.get(settings.format, settings.format)
        self._filter = ControlFilter()
        self._splitter = Splitter(lines=self._form != "markdown")
        self._chunks: list[Chunk] = []  # finished, not yet painted
        self._flow: TokenFlow | None = None  # only if probabilities were requested
        self._frozen: list[str] = []  # with a single output: the HTML of the finished chunks
        self._notices: list[str] = []
        self._tools: list[str] = []  # HTML of tool results not yet in a frozen output
        self._thinking = ""
        self._words = 0
        self._tokens = 0
        self._progress: tuple[Progress, float] | None = None
        self._first = self._latest = 0.0
        self._painted = False  # anything has been painted
        self._urgent = False  # the first token is not painted yet
        self._open = False  # the last output may still be updated
        self._next = 0.0
        self._last = 0.0
        self._last_size = 0
        self._unpainted = 0
        self._changed = False
        self._phase_shown = ""

    def show(self, events: Sequence[Event]) -> None:
        """Take new events, none for a tick of the clock, and repaint if it is time to."""
        now = self._clock()
        for event in events:
            self._take(event, now)
        if not self._once and self._is_due(now):
            self._paint(now)

    def finish(self, answer: Answer, error: OllamaMagicError | None = None) -> None:
        """Leave the final output. The caller raises `error`; here only the marks of the answer show it."""
        nothing = not (answer.text.strip() or answer.thinking.strip() or answer.tool_calls or answer.notices)
        if error is not None and nothing and (self._whole or not self._painted):
            if self._painted:
                self._sink.clear()
            return
        bundle = answer_bundle(answer, self._format, quiet=self._quiet)
        if not self._painted:
            self._sink.add(bundle)
        elif self._whole:
            self._sink.replace_all(bundle)
        else:
            self._sink.update(bundle)

    # ---- events ------------------------------------------------------------------------------------------------

    def _take(self, event: Event, now: float) -> None:
        if isinstance(event, Text):
            self._arrived(now, len(event.text))
            self._chunks += self._splitter.feed(self._filter.feed(event.text))
            if self._flow is not None:
                self._flow.feed(event.text, event.probabilities)
        elif isinstance(event, Thinking):
            self._arrived(now, len(event.text) if not self._splitter.length else 0)
            goes_on = self._thinking[-1:].strip() and event.text[:1].strip()  # continues the previous word
            self._words += len(event.text.split()) - bool(goes_on)
            joined = self._thinking + event.text
            self._thinking = joined[-_THINKING_SHOWN:] if len(joined) > 4 * _THINKING_SHOWN else joined
        elif isinstance(event, Notice):
            self._notices.append(event.text)
            self._changed = True
        elif isinstance(event, Progress):
            started = self._progress[1] if self._progress and self._progress[0].phase == event.phase else now
            self._progress = (event, started)
            self._changed = True
        elif isinstance(event, ToolRequest):
            self._progress = (Progress("calling " + ", ".join(call.name for call in event.calls)), now)
            self._changed = True
            if self._flow is not None:
                self._flow.end_turn()
        elif isinstance(event, ToolResult):
            self._tools.append(result_html(event))
            self._progress = (Progress("reading the result"), now)
            self._changed = True
        elif isinstance(event, Restart):
            self._splitter = Splitter(lines=self._form != "markdown")
            self._chunks.clear()
            self._frozen.clear()
            self._flow = TokenFlow() if self._flow is not None else None
            self._notices.append(event.reason)
            self._changed = True
        elif isinstance(event, Start):
            if event.request.top_logprobs is not None and self._format not in ("html", "math"):
                self._flow = TokenFlow()
            self._changed = True

    def _arrived(self, now: float, size: int) -> None:
        if not self._tokens:
            self._first = now
            self._urgent = True
        self._tokens += 1
        self._latest = now
        self._progress = None
        self._unpainted += size
        self._changed = True

    # ---- timing ------------------------------------------------------------------------------------------------

    def _is_due(self, now: float) -> bool:
        if self._urgent:
            return True
        if now < self._next:
            return False
        if not self._changed:
            # Only time has passed, which matters to a phase that counts seconds.
            return self._painted and now >= self._last + 1 and self._phase(now) != self._phase_shown
        if self._unpainted * _WORTH >= self._last_size or not self._unpainted:
            return True
        rate = _RATE if self._whole else 2 * _RATE
        return now >= self._last + max(_PATIENCE, self._last_size / rate)

    def _phase(self, now: float) -> str:
        if self._progress:
            return progress_line(self._progress[0], now - self._progress[1])
        if not self._tokens:
            return "waiting…"
        return rate_line(self._tokens, self._latest - self._first, now - self._latest)

    # ---- painting ----------------------------------------------------------------------------------------------

    def _paint(self, now: float) -> None:
        begun = self._clock()
        messages = 1
        if self._splitter.length > _MAX_LIVE:
            body = self._huge()
        else:
            done = self._finished()
            if done and self._whole:
                self._put(self._head() + done)
                self._open = False
                self._notices.clear()
                self._tools.clear()
                self._words = 0
                messages = 2
            elif done:
                self._frozen.append(done)
            body = "".join(self._frozen) + self._tail()
        self._chunks.clear()
        phase = self._phase(now)
        # Only waiting is announced to a screen reader; a speed that changes ten times a second is not.
        live = "" if self._tokens else ' role="status" aria-live="polite"'
        size = self._put(self._head() + body + div(PHASE, phase, attributes=live))
        spent = self._clock() - begun
        self._last, self._last_size, self._phase_shown = now, size, phase
        self._next = drawn_next(now, spent, messages=messages)
        self._unpainted, self._changed, self._urgent = 0, False, False

    def _put(self, html: str) -> int:
        html = wrap(html)
        # A front end without HTML cannot update an output either: it gets the text at the end.
        bundle: Bundle = ({"text/html": html, "text/plain": " "}, {})
        if self._open:
            self._sink.update(bundle)
        else:
            self._sink.add(bundle)
        self._painted = self._open = True
        return len(html)

    def _head(self) -> str:
        notices = notices_html(self._notices) + "".join(self._tools)
        if not self._words:
            return notices
        words = counted(self._words, "word")
        if self._splitter.length:
            return notices + thinking_html(f"Thinking · {words}", "shown when the answer is whole")
        return notices + thinking_html(f"Thinking… {words}", "… " + self._thinking[-_THINKING_SHOWN:])

    def _finished(self) -> str:
        if self._flow is not None:
            return self._flow.take()
        return "".join(body_html(chunk.markdown, self._form) for chunk in self._chunks)

    def _tail(self) -> str:
        if self._flow is not None:
            return self._flow.tail
        return tail_html(self._splitter.tail, self._form)

    def _huge(self) -> str:
        self._frozen.clear()
        end = escape(self._splitter.tail.text[-2_000:], quote=False)
        note = f"{self._splitter.length // 1000:,} kB so far; here is the end, the whole follows when it is complete"
        return f'{div(PHASE, note)}<pre style="{PRE_TEXT}">{end}</pre>'
