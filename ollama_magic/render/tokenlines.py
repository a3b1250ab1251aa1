"""The token view in a terminal: tokens are printed as they arrive, in black on a tint, stronger for less probable ones.

Both colours are set, so that it is readable on any background.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from rich.text import Text as RichText

from ollama_magic.events import Restart, Text
from ollama_magic.placing import Piece, Placer
from ollama_magic.render.tokens import LEGEND, NAMES, STEPS, step, visible

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console

    from ollama_magic.events import ToolRequest

__all__ = ["TINTS", "TokenLines", "legend_rich", "tokens_rich"]

TINTS: Final = ("", "#fdeedd", "#fbd9b4", "#f8bd80", "#f29b45", "#e07a14")


def legend_rich() -> RichText:
    """The legend of the colours, within 80 columns."""
    text = RichText(f"\n{LEGEND}\n")
    for level, name in enumerate(NAMES):
        text.append(" " if level else "").append(f" {name} " if level else name, _style(level))
    return text


def _style(level: int) -> str:
    return f"black on {TINTS[level]}{' underline' if level == len(STEPS) else ''}" if level else ""


def tokens_rich(pieces: Iterable[Piece]) -> RichText:
    """Pieces as coloured text; the least probable are underlined."""
    text = RichText()
    for piece in pieces:
        level = 0 if piece.logprob is None else step(math.exp(min(piece.logprob, 0.0)))
        style = _style(level)
        for line in piece.text.replace("\r\n", "\n").splitlines(keepends=True):
            body = line.rstrip("\n")
            written = "".join(visible(character, edges=False) for character in body)
            text.append(written + ("⏎" if level and body != line else ""), style)
            text.append("\n" if body != line else "")
    return text


class TokenLines:
    """Prints the tokens of one answer as they arrive."""

    def __init__(self, console: Console) -> None:
        self._console, self._placer = console, Placer()
        self.begun = False
        self._last = ""

    def take(self, event: Text | ToolRequest | Restart) -> None:
        """Print the tokens that the event completes."""
        if isinstance(event, Text):
            self._print(self._placer.feed(event.text, event.probabilities))
        else:
            self.finish()

    def finish(self) -> None:
        """Print the rest, to the end of its line."""
        self._print(self._placer.close())
        if self._last and not self._last.endswith("\n"):
            self._console.print()
        self._last = ""

    def _print(self, pieces: list[Piece]) -> None:
        if pieces:
            self.begun = True
            self._last = pieces[-1].text
            self._console.print(tokens_rich(pieces), end="", soft_wrap=True)
