"""Right-to-left text, such as Arabic and Hebrew: its detection and its HTML.

A block's direction is that of its first letter, as with HTML's `dir="auto"`. It is set explicitly, and only if it is
right to left: with "auto" the browser would decide separately for each paragraph of a list.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from markdown_it.token import Token

__all__ = ["from_right", "is_from_right", "top_blocks"]

_FIRST_TAG: Final = re.compile(r"<(p|h[1-6]|ul|ol|blockquote|table)\b")
_CODE: Final = re.compile(r"<(pre|code)\b(?! style=\"background:none\")")


def is_from_right(text: str) -> bool:
    """Whether the first letter of `text` belongs to a right-to-left script."""
    if text.isascii():
        return False
    for character in text:
        kind = unicodedata.bidirectional(character)
        if kind in ("R", "AL"):
            return True
        if kind == "L":
            return False
    return False


def top_blocks(tokens: Iterable[Token]) -> Iterator[tuple[Sequence[Token], bool]]:
    """The top-level blocks, each with whether it is right-to-left."""
    block: list[Token] = []
    for token in tokens:
        block.append(token)
        if token.level == 0 and token.nesting <= 0:
            first = next((each for each in block if each.type == "inline"), None)
            yield block, first is not None and is_from_right(first.content)
            block = []
    if block:
        yield block, False


def from_right(block: Sequence[Token], blocks: Callable[[Sequence[Token]], str]) -> str:
    """The HTML, rendered by `blocks`, of a right-to-left block; code in it stays left-to-right."""
    for token in block:
        if token.type in ("th_open", "td_open"):
            token.attrs.setdefault("style", "text-align:right")
    return _FIRST_TAG.sub(r'<\1 dir="rtl"', _CODE.sub(r'<\1 dir="ltr"', blocks(block)), count=1)
