"""Converts Python types to JSON schemas, and JSON values to typed ones.

Supports the basic types, date, time and datetime, Literal, Enum, unions, lists, tuples, sets and dicts, dataclasses,
TypedDict and NamedTuple, also recursive ones. All other types are left to pydantic, if it is installed.
Schemas are inlined, since Ollama drops references in tool parameters; recursive and pydantic types keep $defs.
"""

from __future__ import annotations

import collections.abc as abc
import enum
import re
import types
import typing
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import TYPE_CHECKING, Any, Final

from ..errors import SettingsError
from .plain import as_plain
from .pydantics import is_pydantic, pydantic_kind
from .records import Field, Record, is_record, record_of
from .validate import Mismatch, accepts, member, place, require, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["ANYTHING", "Compiler", "Kind", "as_plain", "type_name"]

ANYTHING: Final = ["string", "number", "boolean", "null", "array", "object"]
"""The `type` of an arbitrary value: llama.cpp takes a schema without `type` for an object."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One type: its schema, and `judge(value, path)`, which returns the typed value or raises Mismatch."""

    schema: dict[str, Any]
    judge: Callable[[Any, str], Any]


def type_name(spec: object) -> str:
    """A short name of a type, for messages."""
    if isinstance(spec, type) and typing.get_origin(spec) is None:
        return spec.__name__
    return re.sub(r"(?:[\w<>]+\.)+(\w+)", r"\1", str(spec))


_SCALARS: Final[dict[Any, tuple[dict[str, Any], Callable[[Any], Any]]]] = {
    str: ({"type": "string"}, str),
    int: ({"type": "integer"}, int),
    float: ({"type": "number"}, float),
    bool: ({"type": "boolean"}, bool),
    type(None): ({"type": "null"}, lambda value: value),
    None: ({"type": "null"}, lambda value: value),
    date: ({"type": "string", "format": "date"}, date.fromisoformat),
    time: ({"type": "string", "format": "time"}, time.fromisoformat),
    datetime: ({"type": "string", "format": "date-time"}, datetime.fromisoformat),
    Any: ({"type": ANYTHING}, lambda value: value),
    object: ({"type": ANYTHING}, lambda value: value),
    dict: ({"type": "object"}, lambda value: value),
    abc.Mapping: ({"type": "object"}, lambda value: value),
    list: ({"type": "array"}, lambda value: value),
    abc.Sequence: ({"type": "array"}, lambda value: value),
    tuple: ({"type": "array"}, tuple),
}


class Compiler:
    """Creates Kinds; `defs` collects the definitions that their schemas refer to as `#/$defs/...`."""

    def __init__(self) -> None:
        self.defs: dict[str, Any] = {}
        self._open: dict[Any, str] = {}
        self._referred: set[str] = set()
        self._done: dict[Any, Kind] = {}

    def kind(self, spec: Any) -> Kind:
        """The Kind of a type. Raises SettingsError for one that no schema can express."""
        origin, arguments = typing.get_origin(spec), typing.get_args(spec)
        if not is_pydantic(spec):
            if hasattr(spec, "__supertype__"):  # NewType
                return self.kind(spec.__supertype__)
            if type(spec).__name__ == "TypeAliasType":  # `type X = ...`
                return self.kind(spec.__value__)
            if _is_scalar(spec):
                schema, build = _SCALARS[spec]
                return _leaf(dict(schema), build)
            if origin is typing.Annotated and all(isinstance(each, str) for each in spec.__metadata__):
                inner = self.kind(spec.__origin__)
                return Kind({**inner.schema, "description": " ".join(spec.__metadata__)}, inner.judge)
            if origin is typing.Literal:
                return _choice(
                    [(each.value if isinstance(each, enum.Enum) else each, each) for each in arguments], spec
                )
            if origin in (typing.Union, types.UnionType):
                kinds = [self.kind(each) for each in _merged(arguments)]
                return self._union(kinds) if len(kinds) > 1 else kinds[0]
            if isinstance(spec, type) and issubclass(spec, enum.Enum):
                return _choice([(each.value, each) for each in spec], spec)
            if is_record(spec):
                return self._record(spec)
            if (found := self._collection(origin or spec, arguments)) is not None:
                return found
        return Kind(*pydantic_kind(spec, self.defs))

    def _union(self, kinds: list[Kind]) -> Kind:
        schema = {"anyOf": [kind.schema for kind in kinds]}

        def judge(value: Any, path: str) -> Any:
            first: Mismatch | None = None
            for kind in kinds:
                try:
                    return kind.judge(value, path)
                except Mismatch as error:
                    first = first or error
            require(value, schema, {"$defs": self.defs}, path)
            raise first or Mismatch(f"{place(path)}nothing may stand here")

        return Kind(schema, judge)

    def _collection(self, origin: Any, arguments: tuple[Any, ...]) -> Kind | None:
        if origin in (list, abc.Sequence, abc.Iterable, abc.Collection, abc.MutableSequence) and len(arguments) <= 1:
            return self._list_of(arguments[0] if arguments else Any, list)
        if origin in (set, frozenset, abc.Set) and len(arguments) <= 1:
            return self._list_of(arguments[0] if arguments else Any, frozenset if origin is frozenset else set)
        if origin is tuple and len(arguments) == 2 and arguments[1] is Ellipsis:
            return self._list_of(arguments[0], tuple)
        if origin is tuple:
            return self._row([self.kind(each) for each in arguments])
        if origin in (dict, abc.Mapping, abc.MutableMapping) and len(arguments) == 2 and arguments[0] is str:
            return self._mapping(arguments[1])
        return None

    def _list_of(self, item: Any, build: Callable[[list[Any]], Any]) -> Kind:
        inner = self.kind(item)
        schema: dict[str, Any] = (
            {"type": "array"} if item in (Any, object) else {"type": "array", "items": inner.schema}
        )
        if build in (set, frozenset):
            schema["uniqueItems"] = True

        def judge(value: Any, path: str) -> Any:
            require(value, {"type": "array"}, {}, path)
            items = _gathered((inner, each, f"{path}[{number}]") for number, each in enumerate(value))
            try:
                return build(items)
            except TypeError:
                raise Mismatch(f"{place(path)}an item cannot stand in a set, got {shown(value)}") from None

        return Kind(schema, judge)

    def _row(self, kinds: list[Kind]) -> Kind:
        bounds = {"minItems": len(kinds), "maxItems": len(kinds)}
        schema = {"type": "array", "prefixItems": [kind.schema for kind in kinds], **bounds}

        def judge(value: Any, path: str) -> Any:
            require(value, {"type": "array", **bounds}, {}, path)
            pairs = zip(kinds, value, strict=True)
            return tuple(_gathered((kind, each, f"{path}[{number}]") for number, (kind, each) in enumerate(pairs)))

        return Kind(schema, judge)

    def _mapping(self, item: Any) -> Kind:
        inner = self.kind(item)

        def judge(value: Any, path: str) -> Any:
            require(value, {"type": "object"}, {}, path)
            items = _gathered((inner, each, member(path, name)) for name, each in value.items())
            return dict(zip(value, items, strict=True))

        free = item in (Any, object)
        return Kind({"type": "object", "additionalProperties": True if free else inner.schema}, judge)

    # ---- records -----------------------------------------------------------------------------------------------

    def _record(self, spec: Any) -> Kind:
        if spec in self._done:
            return self._done[spec]
        if spec in self._open:  # recursive
            name = self._open[spec]
            self._referred.add(name)
            return Kind({"$ref": f"#/$defs/{name}"}, lambda value, path: self._done[spec].judge(value, path))
        name = spec.__name__
        while name in self.defs or name in self._open.values():
            name += "_"
        self._open[spec] = name
        record = record_of(spec)
        fields = [(field, self._field(field, record)) for field in record.fields]
        schema: dict[str, Any] = {"type": "object"}
        if record.description:
            schema["description"] = record.description
        schema["properties"] = {field.name: kind.schema for field, kind in fields}
        schema["required"] = [field.name for field in record.fields if field.required]
        if name in self._referred:
            self.defs[name] = schema
            schema = {"$ref": f"#/$defs/{name}"}
        done = self._done[spec] = Kind(schema, _record_judge(record, fields))
        del self._open[spec]
        return done

    def _field(self, field: Field, record: Record) -> Kind:
        try:
            kind = self.kind(field.type)
        except SettingsError as error:
            raise SettingsError(f"{record.name}.{field.name}: {error.message}", hint=error.hint) from None
        if field.description:
            return Kind({**kind.schema, "description": field.description}, kind.judge)
        return kind


def _record_judge(record: Record, fields: list[tuple[Field, Kind]]) -> Callable[[Any, str], Any]:
    def judge(value: Any, path: str) -> Any:
        require(value, {"type": "object"}, {}, path)
        missing = [
            f"{member(path, field.name)}: missing" for field, _ in fields if field.required and field.name not in value
        ]
        there = [(field, kind) for field, kind in fields if field.name in value]
        items = _gathered(((kind, value[field.name], member(path, field.name)) for field, kind in there), missing)
        try:
            return record.build({field.name: item for (field, _), item in zip(there, items, strict=True)})
        except Exception as error:  # the class's own validation: whatever it raises is about the value
            raise Mismatch(f"{place(path)}{record.name} refuses it: {type(error).__name__}: {error}") from error

    return judge


def _gathered(parts: Iterable[tuple[Kind, Any, str]], lines: Iterable[str] = ()) -> list[Any]:
    """The typed values of all parts. Raises Mismatch with all mismatches, not only the first."""
    found: list[Any] = []
    misfits = list(lines)
    for kind, value, path in parts:
        try:
            found.append(kind.judge(value, path))
        except Mismatch as error:
            misfits += error.lines
    if misfits:
        raise Mismatch(*misfits)
    return found


def _merged(arguments: tuple[Any, ...]) -> list[Any]:
    """The members of a union, with its literals merged: one enum is easier for a model than several."""
    literals = [each for each in arguments if typing.get_origin(each) is typing.Literal]
    if len(literals) < 2:
        return list(arguments)
    one = typing.Literal[tuple(value for each in literals for value in typing.get_args(each))]  # type: ignore[valid-type]
    return [one if each is literals[0] else each for each in arguments if each not in literals[1:]]


def _is_scalar(spec: Any) -> bool:
    try:
        return spec in _SCALARS
    except TypeError:  # not hashable
        return False


def _leaf(schema: dict[str, Any], build: Callable[[Any], Any]) -> Kind:
    def judge(value: Any, path: str) -> Any:
        require(value, schema, {}, path)
        return build(value)

    return Kind(schema, judge)


def _choice(pairs: list[tuple[Any, Any]], spec: Any) -> Kind:
    """The Kind of a choice from `pairs` of JSON and Python values."""
    values = [value for value, _ in pairs]
    if not values or not all(isinstance(value, str | int | float | None) for value in values):
        raise SettingsError(
            f"{type_name(spec)} has values that are no JSON",
            hint="Use texts, numbers, true, false and None, of which a model can choose one.",
        )
    names = {str: "string", bool: "boolean", int: "integer", float: "number"}
    kinds = {names.get(type(value), "") for value in values}
    schema = {"type": kinds.pop(), "enum": values} if len(kinds) == 1 and "" not in kinds else {"enum": values}

    def judge(value: Any, path: str) -> Any:
        require(value, schema, {}, path)
        return next(python for each, python in pairs if accepts(value, {"const": each}, {}))

    return Kind(schema, judge)
