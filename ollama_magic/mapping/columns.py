"""The columns that answers become: one with the text, or one for each field of a schema. Pure.

A column's kind is one of "text", "integer", "number", "truth" and "any"; frames.py has the types of each library.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Literal

from ..errors import SettingsError
from ..schema import Mismatch, as_plain
from .template import is_missing

if TYPE_CHECKING:
    from ..schema import Shape

__all__ = ["ERROR", "Columns", "Kind", "Reading", "columns_for"]

Kind = Literal["text", "integer", "number", "truth", "any"]

ERROR: Final = "error"
"""The column that says what went wrong, in each result."""
_ANSWER: Final = "answer"
_KINDS: Final[dict[str, Kind]] = {"string": "text", "integer": "integer", "number": "number", "boolean": "truth"}


@dataclass(frozen=True)
class Columns:
    """The columns of an answer, with the kind of each; `fields` are those of the schema, in the same order."""

    names: tuple[str, ...]
    kinds: tuple[Kind, ...]
    fields: tuple[str, ...] = ()
    shape: Shape | None = None

    @cached_property
    def empty(self) -> tuple[None, ...]:
        """What stands in them where there is no answer: always the same tuple."""
        return tuple([None] * len(self.names))

    def read(self, text: str) -> tuple[Any, ...]:
        """The values of an answer. Raises Mismatch where it is not what the schema asks for."""
        if self.shape is None:
            return (text,)
        value = _plain(self.shape.parse(text))
        if not self.fields:
            return (value,)
        if not isinstance(value, Mapping):
            raise Mismatch(f"it is no object but {type(value).__name__}")
        return tuple(None if is_missing(found := value.get(field)) else found for field in self.fields)


class Reading:
    """Reads an answer into columns, and has its `values` then."""

    __slots__ = ("_columns", "values")

    def __init__(self, columns: Columns) -> None:
        self._columns = columns
        self.values: tuple[Any, ...] = ()

    def parse(self, text: str) -> None:
        """Read `text`. Raises Mismatch where it is not what the schema asks for."""
        self.values = self._columns.read(text)


def columns_for(shape: Shape | None, into: str | None) -> Columns:
    """The columns for a schema or without one; `into` names the one there is, or goes before each of several.

    Raises SettingsError where one would be called as the column of errors is.
    """
    if shape is None:
        found = Columns((into or _ANSWER,), ("text",))
    else:
        properties = shape.json_schema.get("properties", {})
        if shape.wrapped or not properties:
            kind = _kind(properties.get(shape.wrapped, {}))
            found = Columns((into or _ANSWER,), (kind,), (), shape)
        else:
            fields = tuple(properties)
            names = tuple(f"{into}_{field}" if into else field for field in fields)
            found = Columns(names, tuple(_kind(properties[field]) for field in fields), fields, shape)
    if ERROR in found.names:
        raise SettingsError(
            f"A column of answers cannot be called {ERROR!r}: that is where it says what went wrong",
            hint=f"Name it otherwise, or put into={'...'!r} before the fields of the schema.",
        )
    return found


def _kind(schema: Any) -> Kind:
    """The kind of a field; one that may also be null is of the kind it else is."""
    if not isinstance(schema, Mapping):
        return "any"
    inner = schema.get("anyOf")
    if isinstance(inner, list):
        kinds = {_kind(each) for each in inner if not (isinstance(each, Mapping) and each.get("type") == "null")}
        return kinds.pop() if len(kinds) == 1 else "any"
    kind = schema.get("type")
    if isinstance(kind, list):
        named = [each for each in kind if each != "null"]
        kind = named[0] if len(named) == 1 else None
    return _KINDS.get(kind, "any") if isinstance(kind, str) else "any"


def _plain(value: Any) -> Any:
    try:
        return as_plain(value)
    except (TypeError, ValueError):
        return value
