"""A uniform view of the items of containers, dict views, dataclasses and plain objects, for traversal."""

from __future__ import annotations

import array
import collections
import dataclasses
import enum
import functools
import types
from collections.abc import ItemsView, KeysView, Mapping, Set, ValuesView
from typing import TYPE_CHECKING, Any, Final

from .safely import kinds_of, own_text, type_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["CONTAINERS", "Items", "Verbatim", "items_of"]

_SEQUENCES: Final = (list, tuple, collections.deque, collections.UserList, array.array, ValuesView, KeysView, ItemsView)
CONTAINERS: Final = (Mapping, Set, *_SEQUENCES)
"""Types whose repr is never called, because it would be as long as the container."""

_SORTED, _SORTED_MIXED = 10_000, 1_000
"""Larger sets are shown in iteration order, to bound the cost of sorting."""
_SECRET_WORDS: Final = ("KEY", "TOKEN", "SECRET", "PASSW", "CREDENTIAL")


class Verbatim:
    """Text whose repr has no quotes."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


@dataclasses.dataclass(frozen=True)
class Items:
    """Brackets, the number of items, and the items: (label, item), the label a str such as `name=`, or ""."""

    opening: str
    closing: str
    total: int
    items: Iterator[tuple[str, object]]
    keys: bool = False
    """Whether the labels are the keys of a mapping, of any type, instead of text."""


def items_of(value: object) -> Items | None:
    """The items of `value`; None if it has none, or a repr of its own. Raises whatever its code raises."""
    name = type_name(value)
    if isinstance(value, Mapping):
        brackets = ("{", "}") if type(value) is dict else (f"{name}({{", "})")
        return Items(*brackets, len(value), _pairs(value), keys=True)
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return _labelled(value, zip(value._fields, value, strict=False), len(value))
    if isinstance(value, _SEQUENCES):
        brackets = ("(", ")") if isinstance(value, tuple) else ("[", "]")
        if type(value) not in (list, tuple):
            brackets = (f"{name}{brackets[0]}" if isinstance(value, tuple) else f"{name}([", brackets[1])
            brackets = (brackets[0], "])" if brackets[0].endswith("([") else ")")
        return Items(*brackets, len(value), (("", item) for item in value))
    if isinstance(value, Set) and not isinstance(value, enum.EnumType):
        if len(value) == 0 and type(value) is set:
            return None  # its repr is right: {} would be a dict
        brackets = ("{", "}") if type(value) is set else (f"{name}({{", "})")
        return Items(*brackets, len(value), (("", item) for item in _ordered(value)))
    if isinstance(value, functools.partial):
        held = [("", value.func), *(("", item) for item in value.args), *value.keywords.items()]
        return _labelled(value, held, len(held))
    fields = _fields(value)
    return None if fields is None else _labelled(value, fields, len(fields))


def _labelled(value: object, pairs: Iterable[tuple[str, object]], total: int) -> Items:
    items = ((f"{label}=" if label else "", item) for label, item in pairs)
    return Items(f"{type_name(value)}(", ")", total, items)


def _pairs(value: Mapping[Any, Any]) -> Iterator[tuple[Any, object]]:
    """Keys and values, with credentials masked."""
    environment = any(name == "_Environ" for _, name in kinds_of(value))
    for key in value:
        secret = isinstance(key, str) and (
            key == "OLLAMA_API_KEY" or (environment and any(word in key.upper() for word in _SECRET_WORDS))
        )
        yield key, Verbatim("***") if secret else value[key]


def _ordered(items: Set[Any]) -> Iterable[Any]:
    if len(items) > _SORTED:
        return items
    kinds = {type(item) for item in items}
    if kinds in ({str}, {int}, {float}) and all(item == item for item in items):
        return sorted(items)
    # Mixed types, or a type without a total order, such as sets or floats with nan.
    return items if len(items) > _SORTED_MIXED else sorted(items, key=_rank)


def _rank(item: object) -> tuple[str, str]:
    if isinstance(item, Set | tuple):
        return type_name(item), " ".join(sorted("/".join(_rank(each)) for each in list(item)[:100]))
    return type_name(item), item[:200] if isinstance(item, str) else own_text(item)[:200]


def _fields(value: object) -> list[tuple[str, object]] | None:
    """The fields of a dataclass or a plain object by name; None if the object has a repr or str of its own."""
    if isinstance(value, type | types.ModuleType | enum.Enum | BaseException) or callable(value):
        return None
    kind = type(value)
    if dataclasses.is_dataclass(kind):
        # The generated repr has __wrapped__. A handwritten one may exist to hide something.
        if kind.__repr__ is not object.__repr__ and not hasattr(kind.__repr__, "__wrapped__"):
            return None
        return [(f.name, getattr(value, f.name, Verbatim("<not set>"))) for f in dataclasses.fields(kind) if f.repr]
    plain = kind.__repr__ is object.__repr__ and kind.__str__ is object.__str__
    if not plain and kind is not types.SimpleNamespace:
        return None
    held = getattr(value, "__dict__", None)
    if type(held) is not dict:
        return None
    return [(name, item) for name, item in held.items() if isinstance(name, str) and not name.startswith("_")]
