"""Finds where a JSON value ends in a byte stream, and decodes it.

The scanner only counts brackets and skips strings; the parser then decides, once, whether the bytes are JSON.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from json.scanner import make_scanner
from typing import TYPE_CHECKING, Any, Final, cast

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "END",
    "NOT_JSON",
    "EndMark",
    "Frame",
    "RawText",
    "Scanner",
    "as_error",
    "decode",
    "salvage",
    "scan_once",
    "whole",
]

_DONE: Final = "[DONE]"
_NO_TEXT: Final = "the server reported an error without saying which"

scan_once: Callable[[str, int], tuple[Any, int]] = make_scanner(cast("Any", json.JSONDecoder()))
"""Maps `(text, index)` to the value there and the index after it: json.loads without its overhead."""
NOT_JSON = (ValueError, RecursionError, StopIteration)
"""Bad syntax, bytes that are not UTF-8, integers of thousands of digits; deep nesting; no value."""

# A complete string, opening brackets, closing brackets, or the start of a string that extends beyond the buffer.
_OUTSIDE = re.compile(rb'"(?:[^"\\\n]++|\\[^\n])*+"|[{\[]++|[}\]]++|"')
_IN_STRING = re.compile(rb'["\\\n]')


class EndMark:
    """The type of END, the `[DONE]` that closes an OpenAI-compatible stream."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "END"


END: Final = EndMark()


@dataclass(frozen=True, slots=True)
class RawText:
    """A line that is not JSON, or a truncated JSON value."""

    text: str


Frame = dict[str, Any] | list[Any] | RawText | EndMark


class Scanner:
    """Finds where a JSON object or array ends, examining each byte once however the bytes arrive."""

    __slots__ = ("depth", "in_string", "position")

    def __init__(self) -> None:
        self.position = 0
        self.depth = 0
        self.in_string = False

    def scan(self, buffer: bytearray) -> int:
        """The index just after the value at the start of `buffer`; 0 if the value extends beyond it.

        Negative if a newline inside a string shows that it is not JSON: minus the newline's index.
        """
        while True:
            if self.in_string:
                found = _IN_STRING.search(buffer, self.position)
                if found is None:
                    self.position = len(buffer)
                    return 0
                mark = buffer[found.start()]
                if mark == 0x0A:
                    return -found.start()
                if mark == 0x22:
                    self.in_string = False
                elif found.end() == len(buffer):  # the escaped character has not arrived yet
                    self.position = found.start()
                    return 0
                elif buffer[found.end()] != 0x0A:
                    self.position = found.end() + 1
                    continue
                self.position = found.end()
            else:
                found = _OUTSIDE.search(buffer, self.position)
                if found is None:
                    self.position = len(buffer)
                    return 0
                self.position = found.end()
                mark, length = buffer[found.start()], found.end() - found.start()
                if mark == 0x22:
                    self.in_string = length == 1
                elif mark in b"{[":
                    self.depth += length
                elif self.depth > length:
                    self.depth -= length
                else:  # the value ends at one of these brackets
                    self.position = found.start() + max(1, self.depth)
                    self.depth = 0
                    return self.position


def decode(data: bytes | bytearray) -> str:
    """Decode UTF-8, without trailing whitespace; invalid bytes become U+FFFD, and no ASCII is ever lost."""
    return data.decode("utf-8", "replace").rstrip(" \t\r\n")


def whole(text: str) -> Frame | None:
    """`text` as one object, array or `[DONE]`, with only whitespace after it; None for anything else."""
    if text.startswith(_DONE):
        return END if not text[len(_DONE) :].strip(" \t\r") else None
    if not text.startswith(("{", "[")):
        return None
    try:
        value, end = scan_once(text, 0)
    except NOT_JSON:
        return None
    return value if not text[end:].strip(" \t\r\n") else None


def salvage(broken: bytearray) -> list[Frame]:
    """A value that never ended, as text; lines in it that are complete objects become frames.

    A server that breaks off inside a line may still report the reason in the next.
    """
    frames: list[Frame] = []
    text: list[str] = []
    for line in [*decode(broken).split("\n"), None]:
        value: Frame | None = None
        if line is not None and line.startswith(("{", "data:", _DONE)):
            value = whole(line.removeprefix("data:").lstrip(" "))
        if line is not None and not isinstance(value, (dict, EndMark)):
            text.append(line)
            continue
        rest = "\n".join(text).rstrip()
        text.clear()
        if rest:
            frames.append(RawText(rest))
        if value is not None:
            frames.append(value)
    return frames


def as_error(data: bytes) -> dict[str, Any]:
    """The data of an error event (JSON, text or nothing) as `{"error": ...}`."""
    text = decode(data).lstrip()
    try:
        value = json.loads(text)
    except NOT_JSON:
        value = text
    return value if isinstance(value, dict) and "error" in value else {"error": value or _NO_TEXT}
