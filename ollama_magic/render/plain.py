"""Neither a notebook nor a terminal: the text goes to standard output as it arrives."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, TextIO

from ollama_magic.events import Answer, Notice, Restart, Text, ToolResult
from ollama_magic.render.bundle import answer_text, form_of
from ollama_magic.render.footer import footer_line, marks
from ollama_magic.render.preview import Preview, preview_text
from ollama_magic.render.tables import Card, Table, card_text, table_text
from ollama_magic.render.text import ControlFilter, clean, one_line
from ollama_magic.render.tooling import result_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ollama_magic.errors import OllamaMagicError
    from ollama_magic.events import Event
    from ollama_magic.render.live import ViewSettings

__all__ = ["PlainView", "print_value", "write_text"]


def write_text(stream: TextIO, text: str) -> None:
    """Write `text`, with `?` for characters that the stream's encoding lacks."""
    try:
        stream.write(text)
    except UnicodeEncodeError:
        encoding = getattr(stream, "encoding", None) or "ascii"
        stream.write(text.encode(encoding, "replace").decode(encoding))
    stream.flush()


class PlainView:
    """Streams the answer's text, then writes its marks and footer."""

    def __init__(self, settings: ViewSettings, stream: TextIO | None = None) -> None:
        self._stream = stream if stream is not None else sys.stdout
        self._form, self._quiet = settings.format, settings.quiet
        # JSON is indented once it is complete.
        self._once = settings.render == "once" or settings.format == "json"
        self._filter = ControlFilter()
        self._wrote = ""  # the last thing written

    def show(self, events: Sequence[Event]) -> None:
        """Write the new text."""
        if self._once:
            return
        texts: list[str] = []
        for event in events:
            if isinstance(event, Text):
                texts.append(event.text)
            elif isinstance(event, Notice | Restart | ToolResult):
                self._write(self._filter.feed("".join(texts)))
                texts.clear()
                self._write(f"{self._break()}{_line(event)}\n")
        self._write(self._filter.feed("".join(texts)))

    def finish(self, answer: Answer, error: OllamaMagicError | None = None) -> None:
        """Write the rest of the text, the marks and the footer."""
        if self._once:
            if not (error is not None and not answer.text and not answer.thinking and not answer.notices):
                self._write(answer_text(answer, self._form, quiet=self._quiet) + "\n")
            return
        self._write(self._filter.close())
        self._write(self._break())
        if error is not None and not answer.text:
            return
        for mark in marks(answer):
            self._write(f"[{mark}]\n")
        footer = "" if self._quiet else footer_line(answer)
        if footer:
            self._write(f"\n{footer}\n")

    def _break(self) -> str:
        return "\n" if self._wrote and not self._wrote.endswith("\n") else ""

    def _write(self, text: str) -> None:
        if text:
            write_text(self._stream, text)
            self._wrote = text


def _line(event: Notice | Restart | ToolResult) -> str:
    if isinstance(event, ToolResult):
        return result_line(event)
    return one_line(event.text if isinstance(event, Notice) else event.reason, 400)


def print_value(value: Answer | Table | Card | Preview | OllamaMagicError | str, stream: TextIO | None = None) -> None:
    """Print an answer, table, card, preview, error or text as plain text."""
    if isinstance(value, Answer):
        text = answer_text(value, form_of(value))
    elif isinstance(value, Table):
        text = table_text(value)
    elif isinstance(value, Card):
        text = card_text(value)
    elif isinstance(value, Preview):
        text = preview_text(value)
    else:
        text = clean(value if isinstance(value, str) else f"{type(value).__name__}: {value}")
    write_text(stream if stream is not None else sys.stdout, text + "\n")
