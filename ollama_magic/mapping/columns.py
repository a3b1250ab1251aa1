"""The columns that answers become: one with the text, or one for each field of a schema. Pure.

A column's kind is one of "text", "integer", "number", "truth" and "any"; frames.py maps them to each library's types.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Literal

from ..errors import SettingsError
from ..schema import Mismatch, as_plain
from ..schema.validate import lookup
from .template import is_missing

if TYPE_CHECKING:
    from ..schema import Shape

__all__ = ["ERROR", "Columns", "Kind", "Reading", "columns_for", "kind_of", "resolved"]

Kind = Literal["text", "integer", "number", "truth", "any"]

ERROR: Final = "error"
"""The column of each result that says what went wrong."""
_ANSWER: Final = "answer"
_DEEPEST: Final = 8
"""Depth to which references and alternatives are followed: a schema may be recursive."""
_KINDS: Final[dict[str, Kind]] = {"string": "text", "integer": "integer", "number": "number", "boolean": "truth"}
_BY_TYPE: Final[dict[type, Kind]] = {str: "text", int: "integer", float: "number", bool: "truth"}


@dataclass(frozen=True)
class Columns:
    """The columns of an answer, with the kind of each; `fields` are the schema's fields, in the same order."""

    names: tuple[str, ...]
    kinds: tuple[Kind, ...]
    fields: tuple[str, ...] = ()
    shape: Shape | None = None

    def schema(self, place: int) -> Any:
        """The schema of the column at index `place`; None without a schema."""
        if self.shape is None:
            return None
        properties = self.shape.json_schema.get("properties", {})
        return properties.get(self.fields[place] if self.fields else self.shape.wrapped)

    @cached_property
    def empty(self) -> tuple[None, ...]:
        """The values of a row without an answer: always the same tuple, so it can be told by identity."""
        return tuple([None] * len(self.names))

    def read(self, text: str) -> tuple[Any, ...]:
        """The values of an answer. Raises Mismatch if it does not fit the schema."""
        if self.shape is None:
            return (text,)
        value = _plain(self.shape.parse(text))
        if not self.fields:
            return (value,)
        if not isinstance(value, Mapping):
            raise Mismatch(f"it is not an object but {type(value).__name__}")
        return tuple(None if is_missing(found := value.get(field)) else found for field in self.fields)


class Reading:
    """Parses an answer into column `values`; stands in for the Shape of a request."""

    __slots__ = ("_columns", "values")

    def __init__(self, columns: Columns) -> None:
        self._columns = columns
        self.values: tuple[Any, ...] = ()

    def parse(self, text: str) -> None:
        """Read `text`. Raises Mismatch if it does not fit the schema."""
        self.values = self._columns.read(text)


def columns_for(shape: Shape | None, into: str | None) -> Columns:
    """The columns for a schema or without one; `into` names a single column, or is the prefix of several.

    Raises SettingsError if one would have the name of the error column.
    """
    if not isinstance(into, str | None):
        raise SettingsError(f"into cannot be {into!r}", hint="It is the name of the new column, such as into='label'.")
    if shape is None:
        found = Columns((into or _ANSWER,), ("text",))
    else:
        root = shape.json_schema
        properties = root.get("properties", {})
        if shape.wrapped or not properties:
            kind = kind_of(properties.get(shape.wrapped, {}), root)
            found = Columns((into or _ANSWER,), (kind,), (), shape)
        else:
            names = tuple(f"{into}_{field}" if into else field for field in properties)
            kinds = tuple(kind_of(each, root) for each in properties.values())
            found = Columns(names, kinds, tuple(properties), shape)
    if ERROR in found.names:
        raise SettingsError(
            f"A column of answers cannot be called {ERROR!r}: that column says what went wrong",
            hint=f"Choose another name, or put into={'...'!r} before the fields of the schema.",
        )
    return found


def kind_of(schema: Any, root: Mapping[str, Any], depth: int = 0) -> Kind:
    """The kind of a field, leaving null out of its alternatives. References are looked up in `root`."""
    schema = resolved(schema, root)
    for word in ("anyOf", "oneOf", "allOf"):
        inner = schema.get(word)
        if isinstance(inner, list) and depth < _DEEPEST:
            return _of_all({kind_of(each, root, depth + 1) for each in inner if not _is_null(each)})
    types = schema.get("type")
    if types is None and ("enum" in schema or "const" in schema):
        values = schema["enum"] if isinstance(schema.get("enum"), list) else [schema.get("const")]
        return _of_all({_BY_TYPE.get(type(each), "any") for each in values if each is not None})
    named = types if isinstance(types, list) else [types]
    return _of_all({_KINDS.get(str(each), "any") for each in named if each != "null"})


def resolved(schema: Any, root: Mapping[str, Any]) -> Mapping[str, Any]:
    """`schema` with references followed, and its only alternative but null; empty if it says nothing."""
    for _ in range(_DEEPEST):
        if not isinstance(schema, Mapping):
            return {}
        reference, choices = schema.get("$ref"), schema.get("anyOf")
        if isinstance(reference, str):
            try:
                schema = lookup(reference, root)
            except LookupError:
                return {}
            continue
        found = [each for each in choices if not _is_null(each)] if isinstance(choices, list) else []
        if len(found) != 1:
            return schema
        schema = found[0]
    return {}


def _is_null(schema: Any) -> bool:
    return isinstance(schema, Mapping) and schema.get("type") == "null"


def _of_all(kinds: set[Kind]) -> Kind:
    """The kind of a column for values of all these kinds."""
    if kinds == {"integer", "number"}:
        return "number"
    return kinds.pop() if len(kinds) == 1 else "any"


def _plain(value: Any) -> Any:
    """`value` as dicts, lists, strings and numbers as far as possible: a Decimal in it stays one."""
    try:
        return as_plain(value)
    except (TypeError, ValueError):
        if is_dataclass(value):
            value = {each.name: getattr(value, each.name) for each in fields(value)}
        return {name: _plain(inner) for name, inner in value.items()} if isinstance(value, Mapping) else value
