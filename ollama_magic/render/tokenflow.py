"""The token view of an answer while it streams: finished chunks, and a tail that is repainted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ollama_magic.placing import Piece, Placer
from ollama_magic.render.tokens import TOKENS_SHEET, TOKENS_STYLE, pieces_html

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ollama_magic.events import TokenProbability

__all__ = ["TokenFlow"]

_CHUNK: Final = 100
_GROWTH: Final = 0.11
_FORCED: Final = 4


class TokenFlow:
    """Turns text and tokens into HTML of finished chunks, with alternatives, and of the tail, with colours only.

    A chunk ends after a newline once it has 100 pieces, or a ninth of those before it if that is more, so that the
    number of chunks grows with the logarithm of the text; at four times that size it ends anywhere.
    """

    def __init__(self) -> None:
        self._placer = Placer()
        self._pieces: list[Piece] = []  # of the tail
        self._seen = 0  # how many of them were examined
        self._cut = 0  # pieces in finished chunks
        self._break = False  # an empty line precedes the next text
        self._done: list[str] = []

    def feed(self, text: str, tokens: Iterable[TokenProbability]) -> None:
        """Add text and tokens."""
        if self._break and text:
            self._pieces.append(Piece("\n\n"))
            self._break = False
        self._pieces += self._placer.feed(text, tokens)
        size = max(_CHUNK, int(self._cut * _GROWTH))
        for place in range(self._seen, len(self._pieces)):
            count = place + 1
            if count >= size and (self._pieces[place].text.endswith("\n") or count >= size * _FORCED):
                self._finish(count)
                break
        else:
            self._seen = len(self._pieces)

    def end_turn(self) -> None:
        """End a turn with tool calls: remaining tokens without text belonged to those."""
        self._pieces += self._placer.close()
        self._break = bool(self._pieces or self._cut)

    def take(self) -> str:
        """The HTML of the chunks finished since the last call."""
        done, self._done = "".join(self._done), []
        return done

    @property
    def tail(self) -> str:
        """The HTML of the rest; text still without its probabilities is at its end."""
        waiting = [Piece(self._placer.rest)] if self._placer.rest else []
        html = pieces_html([*self._pieces, *waiting], titles=())
        return f'<div style="{TOKENS_STYLE}">{html}</div>' if html else ""

    def _finish(self, count: int) -> None:
        sheet = "" if self._cut else TOKENS_SHEET
        html = pieces_html(self._pieces[:count], titles=range(count))
        self._done.append(f'{sheet}<div class="ollama-tokens" style="{TOKENS_STYLE}">{html}</div>')
        del self._pieces[:count]
        self._cut += count
        self._seen = 0
