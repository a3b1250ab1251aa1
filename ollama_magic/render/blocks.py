"""Splits a growing Markdown text into finished chunks and a live tail.

A chunk ends before a line that certainly starts a new block: after a blank line, outside fences and lists. If there is
no such line for long, the cut is forced: at the end of a line, else at a space, else anywhere; a fence that is open
there is closed in the chunk and reopened in the next, so that each can be rendered independently.

The cuts depend only on the text, not on how it arrives.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["Chunk", "Splitter"]

_HEAD = 16
_FORCED = 4
_LEAST_FORCED = 6_000
_ITEM = re.compile(r"(?:[-*+]|\d{1,9}[.)])(?:[ \t]|$)")
_FENCE = re.compile(r"([ \t]*(?:(?:[-*+]|\d{1,9}[.)])[ \t]+)?)(`{3,}(?=[^`]*$)|~{3,})(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Chunk:
    """A slice of the text, and the lines that complete it if a fence was cut."""

    text: str
    opening: str = ""
    closing: str = ""

    @property
    def markdown(self) -> str:
        """The chunk as Markdown that can be rendered independently."""
        return f"{self.opening}{self.text}{self.closing}"


@dataclass(frozen=True, slots=True)
class _Fence:
    indent: str
    marker: str
    info: str
    here: bool = True  # opened in the current chunk

    def opening(self) -> str:
        return f"{self.marker}{self.info}\n"

    def closing(self, text: str) -> str:
        return ("" if text.endswith("\n") or not text else "\n") + (self.indent if self.here else "") + self.marker


class Splitter:
    """Turns text into finished chunks; `tail` is the rest.

    A chunk has at least about `size` characters, or `growth` times the characters already cut if that is more, so that
    the number of chunks grows with the logarithm of the text. With `lines`, any line may end a chunk (for text that is
    not Markdown). A cut is forced at four times that size, but not below `least_forced` characters.
    """

    def __init__(
        self, size: int = 1_000, growth: float = 0.11, *, lines: bool = False, least_forced: int = _LEAST_FORCED
    ) -> None:
        self._base, self._growth, self._lines, self._least = size, growth, lines, least_forced
        self._live = ""
        self._scan = 0  # start of the first line in _live that has not been scanned
        self._cut = 0
        self._fence: _Fence | None = None
        self._in_list = False
        self._after_blank = False
        self._opening = ""  # reopens the fence that continues in _live
        self._inside_line = False  # _live begins within a line

    @property
    def length(self) -> int:
        """Characters so far."""
        return self._cut + len(self._live)

    @property
    def tail(self) -> Chunk:
        """The text that is not in a finished chunk yet."""
        return Chunk(self._live, self._opening)

    def feed(self, text: str) -> list[Chunk]:
        """Add text; returns the chunks that it finishes."""
        self._live += text
        chunks: list[Chunk] = []
        while True:
            size = max(self._base, int(self._cut * self._growth))
            limit = max(size * _FORCED, self._least)
            # All decisions use only the window, so that they do not depend on how much has arrived beyond it.
            window = self._live[:limit]
            full = len(window) == limit
            newline = window.find("\n", self._scan)
            head = window[self._scan : self._scan + _HEAD]
            known = newline >= 0 or len(head) == _HEAD or full
            if known and self._scan >= size and (self._lines or self._starts_block(head)):
                chunks.append(self._split(self._scan))
            elif newline >= 0:
                self._look_at(window[self._scan : newline + 1])
                self._scan = newline + 1
            elif full:
                chunks.append(self._split(self._forced_place(window)))
            else:
                return chunks

    def _starts_block(self, head: str) -> bool:
        """Whether a line that begins with `head` certainly starts a new block at the top level."""
        if not self._after_blank or self._fence or not head or head[0].isspace():
            return False
        return not (self._in_list and _ITEM.match(head))

    def _look_at(self, line: str) -> None:
        """Update the state from a complete line."""
        if self._inside_line:
            self._inside_line = False
            return
        stripped = line.strip()
        if self._lines:
            return
        if self._fence:
            marker = self._fence.marker
            if stripped.startswith(marker) and not stripped.strip(marker[0]):
                self._fence = None
                self._after_blank = False
            return
        if not stripped:
            self._after_blank = True
            return
        match = _FENCE.match(line.rstrip("\n"))
        if match:
            self._fence = _Fence(" " * len(match.group(1)), match.group(2), match.group(3))
        if _ITEM.match(line.lstrip()):
            self._in_list = True
        elif self._after_blank and not line[0].isspace():
            self._in_list = False
        self._after_blank = False

    def _forced_place(self, window: str) -> int:
        least = len(window) // 2
        if self._scan >= least:
            return self._scan
        space = window.rfind(" ", least)
        return space + 1 if space >= 0 else len(window)

    def _split(self, place: int) -> Chunk:
        text, opening, fence = self._live[:place], self._opening, self._fence
        chunk = Chunk(text, opening, fence.closing(text) if fence else "")
        self._live = self._live[place:]
        self._cut += place
        self._inside_line = place > self._scan or (self._inside_line and place == self._scan == 0)
        self._scan = max(0, self._scan - place)
        if fence:
            self._fence = _Fence(fence.indent, fence.marker, fence.info, here=False)
        self._opening = fence.opening() if fence else ""
        return chunk
