"""Converts typed values back to JSON types: for results of tools, and for tables of records."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Mapping
from datetime import date, datetime, time
from typing import Any, Final

__all__ = ["as_plain"]

_DEEPEST: Final = 100


def as_plain(value: Any, _depth: int = 0) -> Any:
    """`value` as dicts, lists, strings, numbers, booleans and None.

    Raises TypeError for what JSON cannot express, ValueError for circular or too deeply nested values.
    """
    if value is None or isinstance(value, str | bool | int | float):
        return value.value if isinstance(value, enum.Enum) else value
    if _depth > _DEEPEST:
        raise ValueError("nested too deeply, or inside itself")
    if isinstance(value, enum.Enum):
        return as_plain(value.value, _depth + 1)
    if isinstance(value, date | datetime | time):
        return value.isoformat()
    if hasattr(type(value), "model_dump") and hasattr(type(value), "model_fields"):  # pydantic
        return value.model_dump(mode="json")
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {each.name: as_plain(getattr(value, each.name), _depth + 1) for each in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {_key(key): as_plain(inner, _depth + 1) for key, inner in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return as_plain(value._asdict(), _depth + 1)
    if isinstance(value, list | tuple):
        return [as_plain(inner, _depth + 1) for inner in value]
    if isinstance(value, set | frozenset):
        return sorted((as_plain(inner, _depth + 1) for inner in value), key=lambda each: (str(type(each)), str(each)))
    if type(value).__module__.partition(".")[0] == "numpy" and getattr(value, "shape", None) == ():
        return value.item()
    raise TypeError(f"a {type(value).__name__} has no form in JSON")


def _key(key: Any) -> str:
    if isinstance(key, str):
        return key.value if isinstance(key, enum.Enum) else key
    if isinstance(key, bool | int | float | date | enum.Enum) or key is None:
        return str(as_plain(key))
    raise TypeError(f"a {type(key).__name__} cannot be a name in JSON")
