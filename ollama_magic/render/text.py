"""Making a model's text safe to pass on as text: no control sequences, nothing that cannot be encoded."""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING

from ollama_magic.errors import strip_control

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["ControlFilter", "clean", "distinct", "host_of", "one_line"]

_MAX_HELD = 256
_NUMBER = re.compile(r"\A\d+ · ")
# The start of an escape sequence that is not complete: CSI without its final byte, OSC or DCS without its terminator.
_UNFINISHED = re.compile(
    r"(?:(?:\x1b\[|\x9b)[0-?]*[ -/]*|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\n\x80-\x9f]*\x1b?|\x1b[ -/]*)\Z"
)


def clean(text: str) -> str:
    """`text` without control sequences, bidirectional overrides and lone surrogates; tabs and newlines stay."""
    text = strip_control(text)
    try:
        text.encode()
    except UnicodeEncodeError:
        # A JSON string may contain a lone surrogate; a message to a front end cannot.
        text = text.encode("utf-8", "replace").decode()
    return text


def one_line(text: str, limit: int = 200) -> str:
    """`text` cleaned, as one line of at most `limit` characters."""
    line = " ".join(clean(text).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def distinct(names: Sequence[str], limit: int) -> dict[str, str]:
    """Each name as one line of at most `limit` characters, all different.

    Names that are too long lose their end, or their middle if several have the same beginning, apart from a leading
    number ("1 · "). Those that are still equal get a number at the end, which may exceed the limit.
    """
    beginnings = [_beginning(name, limit) for name in names]
    found: dict[str, str] = {}
    taken: set[str] = set()
    for name, beginning in zip(names, beginnings, strict=True):
        short = one_line(name, limit)
        if beginning and beginnings.count(beginning) > 1:
            short = _without_middle(name, limit)
        numbered = (f"{short} ({number})" for number in itertools.count(2))
        found[name] = next(each for each in itertools.chain([short], numbered) if each not in taken)
        taken.add(found[name])
    return found


def _beginning(name: str, limit: int) -> str:
    """The part of a name that is compared if it is too long; "" if it is not."""
    line = one_line(name, len(name))
    return "" if len(line) <= limit else _NUMBER.sub("", line)[: limit * 2 // 3]


def _without_middle(text: str, limit: int) -> str:
    line = one_line(text, len(text))
    tail = (limit - 1) // 2
    return line if len(line) <= limit else f"{line[: limit - 1 - tail]}…{line[-tail:]}"


def host_of(url: str) -> str:
    """The host of a URL, "" if it has none. Never raises."""
    match = re.match(r"[a-z][a-z0-9+.-]*://(?:[^/?#]*@)?([^/?#:]+)", url, re.IGNORECASE)
    return match.group(1) if match else ""


class ControlFilter:
    """`clean` for streamed text: a control sequence split between two pieces is still recognised."""

    def __init__(self) -> None:
        self._held = ""

    def feed(self, piece: str) -> str:
        """Add a piece; returns the text that can be passed on."""
        text = self._held + piece
        self._held = ""
        match = _UNFINISHED.search(text, max(0, len(text) - _MAX_HELD))
        if match:
            self._held = text[match.start() :]
            text = text[: match.start()]
        return clean(text) if text else ""

    def close(self) -> str:
        """The text that was still held back."""
        held, self._held = self._held, ""
        return clean(held)
