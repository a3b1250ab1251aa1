"""Tokens put to the text that they wrote.

Servers tell the probability of everything a model writes, and hand on less than that as text: tags around thinking, a
call of a tool, the end and white space at the edges are left out. A character may take several tokens, and a token's
text may come in a later chunk than its probability, or in an earlier one. So tokens and text are two streams, and here
they are put together again.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .events import TokenProbability

__all__ = ["Piece", "Placer", "placed"]

_WAITING = 400
"""Characters that may wait for a token that fits them, before they are taken as they are."""
_LONGEST_CHARACTER = 8
"""Characters of the text that tokens without any bytes of their own are believed to have written."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of the text and the tokens that wrote it: one; several for a character of several tokens; none where
    nobody told a probability."""

    text: str
    tokens: tuple[TokenProbability, ...] = ()

    @property
    def logprob(self) -> float | None:
        """The natural-log probability of the piece as a whole; None where nobody told."""
        return sum(token.logprob for token in self.tokens) if self.tokens else None


class Placer:
    """Text and tokens go in as they come, pieces come out as soon as they are certain. No text is ever lost.

    Tokens that wrote nothing of the text are left out.
    """

    def __init__(self) -> None:
        self.rest = ""
        """Text that waits for its tokens."""
        self._tokens: deque[TokenProbability] = deque()

    def feed(self, text: str, tokens: Iterable[TokenProbability] = ()) -> list[Piece]:
        """Take more of both; the pieces that are now certain."""
        self.rest += text
        self._tokens.extend(tokens)
        return self._place(final=False)

    def close(self) -> list[Piece]:
        """The last pieces, when no more comes, such as at the end of a turn. More may be fed after it."""
        pieces = self._place(final=True)
        if self.rest:
            pieces.append(Piece(self.rest))
        self.rest = ""
        self._tokens.clear()
        return pieces

    def _place(self, *, final: bool) -> list[Piece]:
        pieces: list[Piece] = []
        while self.rest and self._tokens:
            token = self._tokens[0]
            if not token.raw and token.token and self.rest.startswith(token.token):
                self._take(len(token.token), 1, pieces)
            elif not (token.token or token.raw):
                self._tokens.popleft()  # a control token
            elif token.raw or "\ufffd" in token.token:
                if not self._character(pieces, final=final):
                    break
            elif not final and token.token.startswith(self.rest):
                break  # the rest of its text is still to come
            elif not self._find_again(pieces, final=final):
                break
        return pieces

    def _take(self, length: int, count: int, pieces: list[Piece]) -> None:
        """The next `length` characters are the work of the next `count` tokens."""
        pieces.append(Piece(self.rest[:length], tuple(self._tokens.popleft() for _ in range(count))))
        self.rest = self.rest[length:]

    def _character(self, pieces: list[Piece], *, final: bool) -> bool:
        """Place the tokens at the front, which are parts of characters. False: more must come first."""
        data = b""
        parts = 0
        for token in self._tokens:
            if not (token.raw or "\ufffd" in token.token):
                break
            parts += 1
            data += token.raw or token.token.encode()
            text = _decoded(data)
            if text and self.rest.startswith(text):
                self._take(len(text), parts, pieces)
                return True
            if text and not final and text.startswith(self.rest):
                return False
        after = self._tokens[parts].token if parts < len(self._tokens) else ""
        if not after and not final:
            return False
        # Their bytes do not tell: what stands before the next token must be theirs.
        length = self.rest.find(after, 0, _LONGEST_CHARACTER + len(after)) if after else len(self.rest)
        if 0 < length <= _LONGEST_CHARACTER:
            self._take(length, parts, pieces)
        elif length < 0 and not final and len(self.rest) <= _LONGEST_CHARACTER:
            return False
        else:
            for _ in range(parts):
                self._tokens.popleft()
        return True

    def _find_again(self, pieces: list[Piece], *, final: bool) -> bool:
        """Neither fits the other: find where they do. False: more must come first."""
        bare = self._tokens[0].token.lstrip()
        if bare and self.rest.startswith(bare) and not self.rest[:1].isspace():
            self._take(len(bare), 1, pieces)  # the server took off the white space in front
            return True
        tokens = list(islice(self._tokens, 2 * _WAITING))
        for skipped in range(len(tokens)):
            if skipped and _fits(self.rest, tokens[skipped:]):
                for _ in range(skipped):
                    self._tokens.popleft()
                return True
            found = self.rest.find(tokens[skipped].token, 1) if len(tokens[skipped].token) > 1 else -1
            if 0 < found < _WAITING and _fits(self.rest[found:], tokens[skipped:]):
                for _ in range(skipped):
                    self._tokens.popleft()
                self._take(found, 0, pieces)
                return True
        if not final and len(self.rest) < _WAITING:
            return False
        self._tokens.popleft()
        return True


def _fits(text: str, tokens: Sequence[TokenProbability]) -> bool:
    """Whether `text` begins with the first of `tokens`, and goes on with the next as far as both are there."""
    first = tokens[0].token.lstrip() if not text[:1].isspace() else tokens[0].token
    if not first or not text.startswith(first):
        return False
    rest = text[len(first) :]
    after = tokens[1].token if len(tokens) > 1 else ""
    return not rest or not after or rest.startswith(after) or after.startswith(rest) or "\ufffd" in after


def _decoded(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return ""


def placed(text: str, probabilities: Iterable[TokenProbability]) -> list[Piece]:
    """The whole of `text` in pieces, each with the tokens that wrote it."""
    placer = Placer()
    return [*placer.feed(text, probabilities), *placer.close()]
