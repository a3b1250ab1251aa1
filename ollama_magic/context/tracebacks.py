"""Describes exceptions for a model: type and message, the relevant frames, no variable values.

No local paths either: a cell is "In[3]" or "a cell", a library's file is relative to the import path. So the text is
the same in every kernel.
"""

from __future__ import annotations

import itertools
import linecache
import os
import re
import sys
import traceback
from typing import TYPE_CHECKING, Final

from .parts import Described
from .safely import own_text
from .tokens import cut, estimate

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["describe_exception"]

_FRAMES: Final = 8
_CHAIN: Final = 3
_OWN: Final = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_MACHINERY = re.compile(r"[/\\](?:IPython|ipykernel|traitlets|runpy\.py|asyncio|tornado)(?:[/\\]|$)")
_CELL = re.compile(r"<ipython-input-(\d+)-|[/\\]ipykernel_\d+[/\\]|^<(?:stdin|string)>$")


def describe_exception(error: BaseException, budget: int) -> Described:
    """Describe `error` with its causes, outermost and last frames, and notes, within `budget` tokens."""
    chain = _chain(error)
    for frames in (_FRAMES, 4, 2, 1, 0):
        blocks = [_one(each, frames) for each in chain]
        text = "\n".join(
            f"{joint}{block}" if joint else block for (block, _), joint in zip(blocks, _joints(chain), strict=True)
        )
        left_out = sum(count for _, count in blocks)
        note = f"{left_out:,} frames left out" if left_out else ""
        if estimate(text) + 8 <= budget:
            return Described(f"```\n{text}\n```", note=note, block=True)
        if frames == 1:
            chain = chain[-1:]
    text, _ = cut(text, max(0, budget - 8))
    return Described(f"```\n{text}\n```", note="traceback and message cut", block=True)


def _chain(error: BaseException) -> list[BaseException]:
    """The error and its nearest causes, the earliest first."""
    found: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and len(found) < _CHAIN and all(current is not each for each in found):
        found.append(current)
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
    return found[::-1]


def _joints(chain: list[BaseException]) -> list[str]:
    """The text before each error of the chain."""
    words = [""]
    for earlier, later in itertools.pairwise(chain):
        direct = later.__cause__ is earlier
        words.append(
            "\nThis was the direct cause of:\n" if direct else "\nWhile handling this, another error happened:\n"
        )
    return words


def _one(error: BaseException, frames: int) -> tuple[str, int]:
    """One error without its causes, with at most `frames` frames; and the number of frames left out."""
    message = own_text(error, _message).rstrip("\n")
    found = _frames(error.__traceback__)
    shown = found if len(found) <= frames else [*found[: frames > 1], *found[len(found) - frames + (frames > 1) :]]
    left_out = len(found) - len(shown)
    lines = ["Traceback (most recent call last):"] if shown else []
    for place, (where, line) in enumerate(shown):
        lines.append(f"  {where}")
        if line:
            lines.append(f"    {line}")
        if left_out and place == (0 if frames > 1 else -1):
            lines.append(f"  ... {left_out:,} more frames ...")
    return "\n".join([*lines, message]), left_out


def _message(error: BaseException) -> str:
    """Type, message and notes; for a syntax error also the location."""
    if isinstance(error, SyntaxError):
        text = "".join(traceback.format_exception_only(error))
        return re.sub(r'File "([^"]*)"', lambda found: _place(found[1]), text)
    text = "".join(traceback.format_exception_only(error))
    if isinstance(error, BaseExceptionGroup):
        inner = "\n".join(f"  - {_message(each).rstrip()}" for each in error.exceptions[:5])
        return f"{text}{inner}"
    return text


def _frames(trace: TracebackType | None) -> list[tuple[str, str]]:
    """(location, source line) of each frame that belongs neither to this package nor to the notebook's machinery."""
    found = []
    for frame, number in traceback.walk_tb(trace):
        name = frame.f_code.co_filename
        if name.startswith(_OWN) or _MACHINERY.search(name):
            continue
        line = linecache.getline(name, number, frame.f_globals).strip()
        found.append((f"{_place(name)}, line {number}, in {frame.f_code.co_name}", line[:200]))
    return found


def _place(name: str) -> str:
    if cell := _CELL.search(name):
        return f"In[{cell[1]}]" if cell[1] else "a cell"
    roots = [root for root in sys.path if root and name.startswith(root.rstrip("/\\") + os.sep)]
    if roots:
        return name[len(max(roots, key=len).rstrip("/\\")) + 1 :]
    return os.path.basename(name)
