"""Describes built-in containers, and whatever has no better renderer, as indented literals cut to size.

The repr of a container is never called: it is traversed, and only as far as is shown, so that the cost does not grow
with its size. Every cut says how much was left out.
"""

from __future__ import annotations

import dataclasses
import enum
import itertools
import types
from typing import Final

from .items import Items, items_of
from .parts import Described
from .safely import kinds_of, own_text, type_name
from .tokens import estimate, head

__all__ = ["describe_plain", "describe_scalar", "one_line"]

_WIDTH: Final = 100
_SHORT: Final = 24


@dataclasses.dataclass(frozen=True)
class _Size:
    """Limits: items per container, characters per text, levels of nesting."""

    items: int
    characters: int
    depth: int


_SIZES: Final = (
    _Size(300, 2000, 8),
    _Size(100, 800, 6),
    _Size(40, 300, 5),
    _Size(20, 150, 4),
    _Size(10, 80, 3),
    _Size(5, 60, 2),
    _Size(3, 30, 1),
)


def describe_plain(value: object, budget: int) -> Described:
    """Describe a container, a dataclass or any object within `budget` tokens, with the largest limits that fit."""
    text, note = "", ""
    for size in _SIZES:
        writer = _Writer(size, room=budget * 8)
        text = writer.write(value)
        note = writer.note()
        if not writer.overflow and estimate(text) <= budget:
            return Described(text, note=note, block="\n" in text)
    text = head(text, max(0, budget - 3)) + " ..."
    return Described(text, note=note or "cut to fit", block="\n" in text)


def describe_scalar(value: object, budget: int) -> Described:
    """Describe a number, a date or None by its str()."""
    text = (
        _integer(value) if isinstance(value, int) and not isinstance(value, enum.Enum | bool) else own_text(value, str)
    )
    short = head(text, budget)
    return Described(short, note="" if short == text else f"the first {len(short):,} of {len(text):,} characters")


def one_line(value: object, characters: int = 80) -> str:
    """A value on one line of at most `characters`, at a bounded cost; for a table cell or a list item."""
    writer = _Writer(_Size(6, characters, 2), room=2000)
    text = value if isinstance(value, str) else writer.write(value)
    text = " ".join(text[: characters * 4].split())
    return text if len(text) <= characters else text[: characters - 1] + "…"


def _integer(value: int) -> str:
    # By default Python refuses to convert integers of more than 4,300 digits.
    return own_text(int(value)) if value.bit_length() < 10_000 else f"<an int of {value.bit_length():,} bits>"


class _Writer:
    """Writes one value. `room`: characters after which it gives up (`overflow`), because the limits are too large."""

    def __init__(self, size: _Size, room: int) -> None:
        self._size = size
        self._room = room
        self._within: set[int] = set()
        self._cut: list[str] = []
        self.overflow = False

    def note(self) -> str:
        """What was cut: the first three places, and how many more."""
        more = f" and in {len(self._cut) - 3} more places" if len(self._cut) > 3 else ""
        return "; ".join(self._cut[:3]) + more

    def write(self, value: object, depth: int = 0, indent: int = 0) -> str:
        """`value` as text; lines after the first are indented by at least `indent`."""
        if self._room <= 0:
            self.overflow = True
            return "..."
        try:
            parts = items_of(value)
            if parts is not None and id(value) not in self._within and (depth <= self._size.depth or not parts.total):
                self._within.add(id(value))
                try:
                    return self._container(value, parts, depth, indent)
                finally:
                    self._within.discard(id(value))
            if parts is None:
                text = self._leaf(value)
            elif id(value) in self._within:
                text = f"<{type_name(value)} that contains itself>"
            else:
                text = f"<{type_name(value)} of {parts.total:,} items>"
                self._cut.append(f"{parts.total:,} items of a {type_name(value)} left out")
        except Exception as error:  # user-defined containers may raise anywhere
            text = f"<{type_name(value)}: {type(error).__name__} when asked for its items>"
        self._room -= len(text)
        return text

    def _container(self, value: object, parts: Items, depth: int, indent: int) -> str:
        opening, closing, total = parts.opening, parts.closing, parts.total
        shown: list[str] = []
        labelled = False
        for label, item in itertools.islice(parts.items, self._size.items):
            label = f"{one_line_repr(label)}: " if parts.keys else label
            labelled = labelled or bool(label)
            shown.append(label + self.write(item, depth + 1, indent + 1))
            if self.overflow:
                break
        if total > len(shown):
            what = f"{total - len(shown):,} more of {total:,} items"
            shown.append(f"... {what}")
            self._cut.append(f"{what} of a {type_name(value)} left out")
        self._room -= len(shown) * 2
        line = opening + ", ".join(shown) + ("," if opening == "(" and total == 1 else "") + closing
        if len(line) + indent <= _WIDTH and "\n" not in line:
            return line
        if not labelled and all(len(item) <= _SHORT and "\n" not in item for item in shown[:-1]):
            shown = _filled(shown, indent + 1)
        margin = "\n" + " " * (indent + 1)
        return opening + margin + ("," + margin).join(shown) + "\n" + " " * indent + closing

    def _leaf(self, value: object) -> str:
        limit = self._size.characters
        if isinstance(value, str | bytes | bytearray | memoryview) and len(value) > limit:
            self._cut.append(f"{len(value) - limit:,} of {len(value):,} {_unit(value)} of a text left out")
            start = value[:limit] if isinstance(value, str) else bytes(value[:limit])
            return f"{start!r}... ({len(value):,} {_unit(value)})"
        if isinstance(value, int) and not isinstance(value, enum.Enum | bool) and type(value).__repr__ is int.__repr__:
            text = _integer(value)
        else:
            text = summary(value) or own_text(value)
        if len(text) <= limit:
            return text
        self._cut.append(f"{len(text) - limit:,} of {len(text):,} characters of a {type_name(value)} left out")
        return text[:limit] + "..."


def _filled(items: list[str], indent: int) -> list[str]:
    """Short items joined to lines of about _WIDTH characters."""
    lines = [items[0]]
    for item in items[1:]:
        if indent + len(lines[-1]) + len(item) + 2 <= _WIDTH:
            lines[-1] += ", " + item
        else:
            lines.append(item)
    return lines


def _unit(value: object) -> str:
    return "characters" if isinstance(value, str) else "bytes"


def one_line_repr(value: object) -> str:
    """A short repr of a mapping's key."""
    if isinstance(value, str):
        return repr(value if len(value) <= 120 else value[:119] + "…")
    return one_line(value, 120)


def summary(value: object) -> str:
    """A placeholder for a table, a large array or a function inside a container; "" for anything else."""
    for package, name in kinds_of(value):
        if (package, name) in (("pandas", "DataFrame"), ("polars", "DataFrame")):
            rows, columns = value.shape  # type: ignore[attr-defined]
            return f"<{package} DataFrame, {rows:,} rows × {columns:,} columns>"
        if (package, name) in (("pandas", "Series"), ("polars", "Series")):
            return f"<{package} Series, {len(value):,} values, {value.dtype}>"  # type: ignore[arg-type,attr-defined]
        if (package, name) == ("numpy", "ndarray") and value.size > 20:  # type: ignore[attr-defined]
            return f"<ndarray, shape {value.shape}, {value.dtype}>"  # type: ignore[attr-defined]
    if isinstance(value, types.FunctionType | types.BuiltinFunctionType | types.MethodType):
        return f"<function {value.__qualname__}>"
    return ""
