"""Aligns tokens with the text that they produced.

Servers report the probability of every token a model generates, but return less than that as text: tags around
thinking, tool calls, the end token and white space at the edges are left out. A character may take several tokens, and
a token's text may arrive in a later chunk than its probability, or in an earlier one. So tokens and text are two
streams, which are matched here.
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
"""How many characters may wait for a matching token before tokens are dropped, and how far a match is searched for."""
_LONGEST_CHARACTER = 8
"""The most characters attributed to tokens for parts of characters whose bytes do not match the text."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of the text and the tokens that produced it: one; several for characters split over tokens; none if no
    probability was reported."""

    text: str
    tokens: tuple[TokenProbability, ...] = ()

    @property
    def logprob(self) -> float | None:
        """The natural logarithm of the probability of the whole piece; None if it was not reported."""
        return sum(token.logprob for token in self.tokens) if self.tokens else None


class Placer:
    """Takes text and tokens as they arrive, and returns pieces as soon as they are certain. No text is ever lost.

    Tokens that produced none of the text are dropped.
    """

    def __init__(self) -> None:
        self.rest = ""
        """The text that waits for its tokens."""
        self._tokens: deque[TokenProbability] = deque()

    def feed(self, text: str, tokens: Iterable[TokenProbability] = ()) -> list[Piece]:
        """Take more of both, and return the pieces that are now certain."""
        self.rest += text
        self._tokens.extend(tokens)
        return self._place(final=False)

    def close(self) -> list[Piece]:
        """The last pieces, when nothing more belongs to them, as at the end of a turn. More may be fed afterwards."""
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
                break  # the rest of its text has not arrived yet
            elif not self._find_again(pieces, final=final):
                break
        return pieces

    def _take(self, length: int, count: int, pieces: list[Piece]) -> None:
        """Make a piece of the next `length` characters and the next `count` tokens."""
        pieces.append(Piece(self.rest[:length], tuple(self._tokens.popleft() for _ in range(count))))
        self.rest = self.rest[length:]

    def _character(self, pieces: list[Piece], *, final: bool) -> bool:
        """Place the tokens at the front, which are parts of characters. False if more input is needed first."""
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
        # Their bytes do not match: the text before the next token must be theirs.
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
        """Text and token do not match: find where they do again. False if more input is needed first."""
        bare = self._tokens[0].token.lstrip()
        if bare and self.rest.startswith(bare) and not self.rest[:1].isspace():
            self._take(len(bare), 1, pieces)  # the server stripped the leading white space
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
    """Whether `text` starts with the first of `tokens`, and continues with the second, as far as both are known."""
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
    """All of `text` in pieces, each with the tokens that produced it."""
    placer = Placer()
    return [*placer.feed(text, probabilities), *placer.close()]
