"""Terminal output: finished blocks are printed once, and only the open block is repainted in place.

A single live display of the complete answer would show only its first screenful, at ten times the cost.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any, TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markdown import Markdown
from rich.syntax import Syntax
from rich.text import Text as RichText

from ollama_magic.events import (
    Answer,
    Notice,
    Progress,
    Request,
    Restart,
    Start,
    Text,
    Thinking,
    ToolRequest,
    ToolResult,
)
from ollama_magic.placing import placed
from ollama_magic.render.blocks import Chunk, Splitter
from ollama_magic.render.bundle import answer_text, form_of, pretty_json
from ollama_magic.render.footer import footer_line, marks, progress_line, rate_line
from ollama_magic.render.forms import LIVE_FORM
from ollama_magic.render.highlight import known_language
from ollama_magic.render.markdown import parser
from ollama_magic.render.pace import drawn_next
from ollama_magic.render.plain import write_text
from ollama_magic.render.preview import Preview, preview_rich
from ollama_magic.render.tables import Card, Table, card_rich, table_rich
from ollama_magic.render.text import ControlFilter, clean, one_line
from ollama_magic.render.tokenlines import TokenLines, legend_rich, tokens_rich
from ollama_magic.render.tooling import result_line

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from markdown_it.token import Token

    from ollama_magic.errors import OllamaMagicError
    from ollama_magic.events import Event
    from ollama_magic.render.live import ViewSettings

__all__ = ["TerminalView", "console_for", "print_value", "terminal_markdown"]


class _Forgiving:
    """A stream that writes `?` for characters that its encoding lacks."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        write_text(self._stream, text)
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def console_for(stream: TextIO | None = None, **options: Any) -> Console:
    """A console on `stream` (default: standard output) that does not fail on any character."""
    return Console(file=_Forgiving(stream if stream is not None else sys.stdout), highlight=False, **options)  # type: ignore[arg-type]


def terminal_markdown(text: str) -> Markdown:
    """`text` for a terminal: raw HTML is shown as text, a link with its URL, maths as its source."""
    view = Markdown("", hyperlinks=False, code_theme="ansi_dark")
    view.parsed = parser().parse(text)
    _adapt(view.parsed)
    return view


def _adapt(tokens: Sequence[Token]) -> None:
    for token in tokens:
        if token.children:
            _adapt(token.children)
        if token.type == "fence":
            token.info = known_language(token.info)
        elif token.type == "math_block":
            token.type, token.tag, token.info, token.content = "fence", "code", "", token.content.strip("\n") + "\n"
        elif token.type in ("math_inline", "math_display"):
            token.type, token.tag = "code_inline", "code"


class TerminalView:
    """Shows one answer in a terminal."""

    def __init__(
        self, settings: ViewSettings, console: Console | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._console = console if console is not None else console_for()
        self._format = settings.format
        self._form = LIVE_FORM.get(settings.format, settings.format)
        self._quiet, self._once = settings.quiet, settings.render == "once"
        self._clock = clock
        self._filter = ControlFilter()
        self._splitter = Splitter(size=1, growth=0, lines=self._form != "markdown")
        self._json = ""
        self._live: Live | None = None
        self._progress: tuple[Progress, float] | None = None
        self._tokens = 0
        self._first = self._latest = self._next = 0.0
        self._words = 0
        self._blocks = 0
        self._lines: TokenLines | None = None  # only if probabilities were requested

    def show(self, events: Sequence[Event]) -> None:
        """Take new events, none for a tick of the clock; print finished blocks and repaint the rest."""
        try:
            now = self._clock()
            text = "".join(self._take(event, now) for event in events)
            if not self._once:
                self._update(self._filter.feed(text), now)
        except BaseException:
            # Also for an interrupt: a live display left running would keep the cursor hidden.
            self._stop()
            raise

    def finish(self, answer: Answer, error: OllamaMagicError | None = None) -> None:
        """Print the rest, the marks of the answer, and the footer."""
        self._stop()
        if self._lines is not None:
            self._lines.finish()
        elif self._once or self._form == "json":
            self._print_whole(answer)
        else:
            for chunk in (*self._splitter.feed(self._filter.close()), self._splitter.tail):
                self._print_chunk(chunk)
            if self._form != "markdown" and not self._splitter.tail.text.endswith("\n") and self._splitter.length:
                self._console.print()
        if error is not None and not answer.text:
            return
        if self._shows_tokens(answer) and self._console.color_system:
            self._console.print(legend_rich())
        for mark in marks(answer):
            self._console.print(RichText(f"[{mark}]", style="yellow"))
        footer = "" if self._quiet else footer_line(answer)
        if footer:
            self._console.print(RichText(f"\n{footer}", style="dim"))

    def _shows_tokens(self, answer: Answer) -> bool:
        return bool(answer.probabilities) and self._format not in ("html", "math")

    def _wants_tokens(self, request: Request) -> bool:
        return request.top_logprobs is not None and not self._once and self._format not in ("html", "math")

    def _take(self, event: Event, now: float) -> str:
        """Process an event; returns its text if it is part of the answer and not yet printed."""
        if isinstance(event, Text | Thinking):
            if not self._tokens:
                self._first, self._next = now, 0.0
            self._tokens += 1
            self._latest, self._progress = now, None
        if self._lines is not None and isinstance(event, Text | ToolRequest | Restart):
            self._stop()  # no live display below a line that is still being written
            self._lines.take(event)
            if isinstance(event, Text):
                return ""
        if isinstance(event, Start) and self._wants_tokens(event.request):
            self._lines = TokenLines(self._console)
        if isinstance(event, Text):
            return event.text
        if isinstance(event, Thinking):
            self._words += event.text.count(" ")
        elif isinstance(event, Notice) and not self._once:
            self._console.print(RichText(one_line(event.text, 400), style="dim"))
        elif isinstance(event, ToolResult) and not self._once:
            self._console.print(RichText(result_line(event), style="dim"))
        elif isinstance(event, Restart):
            self._json = ""
            if not self._once:
                self._console.print(RichText(one_line(event.reason, 400), style="dim"))
        elif isinstance(event, Progress):
            started = self._progress[1] if self._progress and self._progress[0].phase == event.phase else now
            self._progress = (event, started)
        return ""

    def _update(self, text: str, now: float) -> None:
        if self._form == "json":
            self._json += text
        else:
            for chunk in self._splitter.feed(text):
                self._print_chunk(chunk)
        if now < self._next or (self._lines is not None and self._lines.begun):
            return
        begun = self._clock()
        if self._live is None and self._console.is_terminal:
            self._live = Live(console=self._console, transient=True, auto_refresh=False, vertical_overflow="crop")
            self._live.start()
        if self._live is not None:
            self._live.update(self._open_block(now), refresh=True)
        self._next = drawn_next(now, self._clock() - begun)

    def _open_block(self, now: float) -> RenderableType:
        """The end of the open block, as much as fits, and the phase line."""
        tail = self._splitter.tail
        text = self._json or tail.markdown
        phase = RichText(self._phase(now), style="dim")
        if not text.strip():
            return phase
        room = max(3, self._console.height - 4)
        lines = text[-room * self._console.width :].splitlines()[-room:]
        # Text cut off at the top has lost its opening fence or list marker, and is shown as is.
        whole = len(lines) == text.count("\n") + (not text.endswith("\n"))
        view = terminal_markdown(text) if whole and self._form == "markdown" else RichText("\n".join(lines))
        return Group(view, phase)

    def _phase(self, now: float) -> str:
        if self._progress:
            return progress_line(self._progress[0], now - self._progress[1])
        if not self._tokens:
            return "waiting…"
        rate = rate_line(self._tokens, self._latest - self._first, now - self._latest)
        return f"thinking… {self._words:,} words · {rate}" if not self._splitter.length and not self._json else rate

    def _print_chunk(self, chunk: Chunk) -> None:
        if self._form != "markdown":
            self._console.print(RichText(chunk.text), end="", soft_wrap=True)
        elif chunk.text.strip():
            self._print_markdown(chunk.markdown)

    def _print_markdown(self, text: str) -> None:
        if self._blocks:
            self._console.print()
        self._blocks += 1
        self._console.print(terminal_markdown(text))

    def _print_whole(self, answer: Answer) -> None:
        if self._once:
            for notice in answer.notices:
                self._console.print(RichText(one_line(notice, 400), style="dim"))
        text = clean(answer.text).strip("\n")
        pretty = pretty_json(text) if self._form == "json" else None
        if self._shows_tokens(answer):
            self._console.print(tokens_rich(placed(answer.text, answer.probabilities)), soft_wrap=True)
        elif pretty is not None:
            self._console.print(Syntax(pretty, "json", theme="ansi_dark", background_color="default", word_wrap=True))
        elif self._form == "markdown" and text:
            self._print_markdown(text)
        elif text:
            self._console.print(RichText(text), soft_wrap=True)

    def _stop(self) -> None:
        """Remove the live display and restore the cursor."""
        live, self._live = self._live, None
        if live is not None:
            live.stop()


def print_value(
    value: Answer | Table | Card | Preview | OllamaMagicError | str, console: Console | None = None
) -> None:
    """Print an answer, table, card, preview, error or text."""
    console = console if console is not None else console_for()
    if isinstance(value, Answer):
        console.print(RichText(answer_text(value, form_of(value))), soft_wrap=True)
    elif isinstance(value, Table):
        console.print(table_rich(value))
    elif isinstance(value, Card):
        console.print(card_rich(value))
    elif isinstance(value, Preview):
        console.print(preview_rich(value))
    elif isinstance(value, str):
        console.print(RichText(clean(value)))
    else:
        console.print(RichText(clean(f"{type(value).__name__}: {value}"), style="red"))
