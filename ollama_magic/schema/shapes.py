"""Turns any kind of schema into a Shape, which has the JSON schema to send and parses the answer.

The root must be an object, so a list is sent as `{"items": [...]}` and any other value as `{"value": ...}`.
"""

from __future__ import annotations

import json
import re
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from ..errors import OllamaMagicError, SettingsError
from .find import json_values
from .kinds import Compiler, type_name
from .records import typed_dict
from .short import parse_short
from .validate import Mismatch, lookup, place, require, shown

__all__ = ["SchemaMismatch", "Shape", "schema_for"]

_HINT: Final = (
    "A schema is a pydantic model, a dataclass, a TypedDict, a JSON schema, list[...] of one, "
    'or a text like "name: str, year: int, tags: list[str]".'
)
_TYPES: Final = frozenset({"string", "integer", "number", "boolean", "null", "array", "object"})
_KEYWORDS: Final = ("type", "properties", "$ref", "enum", "const", "anyOf", "oneOf", "allOf", "items", "prefixItems")
_BY_NAME: Final = ("properties", "$defs", "definitions", "patternProperties")
_SUBSCHEMAS: Final = ("items", "additionalProperties", "not", "contains", "if", "then", "else", "propertyNames")


class SchemaMismatch(OllamaMagicError):
    """The answer does not match the schema, even when asked again; `partial` is the answer as received."""


@dataclass(frozen=True, slots=True)
class Shape:
    """The required form of an answer. `json_schema` is sent as the format; its root is an object."""

    json_schema: dict[str, Any]
    name: str
    """A name of letters, digits and underscores, which /v1 requires with a schema."""
    wrapped: str = ""
    """The field that wraps the value, if the value is not an object; else ""."""
    _judge: Callable[[Any, str], Any] = field(default=lambda value, path: value, repr=False)

    def parse(self, text: str) -> Any:
        """The typed value in an answer: the first JSON value that matches, also in a fence or between sentences.

        Raises Mismatch, a ValueError whose message says in one line what is wrong.
        """
        reason: Mismatch | None = None
        try:
            for value in json_values(text):
                try:
                    return self.convert(value)
                except Mismatch as error:
                    reason = error if reason is None or isinstance(value, dict) else reason
        except Mismatch as error:
            reason = reason or error
        raise reason or Mismatch("there is no JSON in the answer")

    def convert(self, value: Any) -> Any:
        """The typed value of parsed JSON, wrapped or not. Raises Mismatch."""
        if self.wrapped and isinstance(value, dict) and self.wrapped in value:
            value = value[self.wrapped]
        elif self.wrapped == "items" and isinstance(value, dict):
            raise Mismatch(f"items: missing, got {shown(value)}")
        try:
            return self._judge(value, self.wrapped)
        except RecursionError:
            raise Mismatch("nested too deeply") from None


def schema_for(spec: Any, namespace: Mapping[str, Any] | None = None) -> Shape:
    """The Shape of a pydantic model, dataclass, type, JSON schema (a dict or its text), or short form.

    `namespace` has the variables that a short form may name. Raises SettingsError for anything that is not a schema.
    """
    if isinstance(spec, Shape):
        return spec
    if isinstance(spec, str):
        spec = _read_text(spec, namespace)
    if isinstance(spec, Mapping):
        if not (spec and all(isinstance(name, str) and _is_type(each) for name, each in spec.items())):
            return _user_shape(spec)
        spec = typed_dict(dict(spec))  # {"name": str, "year": int}
    if isinstance(spec, list) and len(spec) == 1:
        spec = list[spec[0]]
    if spec is None or spec is Any or spec is object:
        raise SettingsError(f"{spec!r} is not a schema: it says nothing", hint=_HINT)
    if not _is_type(spec):
        raise SettingsError(
            f"{_short(spec)} is not a schema: its type is {type(spec).__name__}", hint=_of_instance(spec) + _HINT
        )
    compiler = Compiler()
    kind = compiler.kind(spec)
    return _shape(kind.schema, {"$defs": compiler.defs} if compiler.defs else {}, _name(spec), kind.judge)


# ---- what may describe a schema --------------------------------------------------------------------------------


def _read_text(text: str, namespace: Mapping[str, Any] | None) -> Any:
    if not text.lstrip().startswith("{"):
        return parse_short(text, namespace)
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        try:
            return parse_short(text, namespace)  # {name: str}
        except SettingsError:
            raise SettingsError(f"The schema is neither JSON ({error}) nor a list of fields", hint=_HINT) from None


def _is_type(spec: Any) -> bool:
    """Whether `spec` looks like a type, as far as can be told without compiling it."""
    if isinstance(spec, type) or typing.get_origin(spec) is not None or hasattr(spec, "__supertype__"):
        return True
    return type(spec).__name__ in ("TypeAdapter", "TypeAliasType")


def _of_instance(spec: Any) -> str:
    kind = type(spec)
    is_record = hasattr(kind, "model_fields") or hasattr(kind, "__dataclass_fields__")
    return f"Give the class itself: {kind.__name__}. " if is_record else ""


def _short(spec: object) -> str:
    try:
        text = " ".join(repr(spec).split())
    except Exception:  # a failing repr must not hide the error
        return "(cannot be shown)"
    return text if len(text) <= 60 else text[:59] + "…"


def _name(spec: Any) -> str:
    text = re.sub(r"\W+", "_", type_name(spec), flags=re.ASCII).strip("_")
    return text[:60] or "answer"


# ---- JSON schemas given by users -------------------------------------------------------------------------------


def _user_shape(spec: Mapping[str, Any]) -> Shape:
    try:
        schema: dict[str, Any] = json.loads(json.dumps(spec))
    except (TypeError, ValueError, RecursionError) as error:
        raise SettingsError(f"The schema is not valid JSON: {error}", hint=_HINT) from None
    if not any(word in schema for word in _KEYWORDS):
        raise SettingsError(f"The JSON schema says nothing: it has none of {', '.join(_KEYWORDS[:6])}", hint=_HINT)
    _check(schema, schema, "")
    check = _further_check(schema)

    def judge(value: Any, path: str) -> Any:
        require(value, schema, schema, path)
        check(value)
        return value

    defs: dict[str, Any] = {word: schema[word] for word in ("$defs", "definitions") if word in schema}
    body = {key: value for key, value in schema.items() if key not in defs}
    title = schema.get("title")
    name = _name(title) if isinstance(title, str) else "answer"
    return _shape(body, defs, name, judge)


def _check(schema: Any, root: Mapping[str, Any], path: str) -> None:
    """Raise SettingsError for the first invalid part of a schema."""
    where = f" at {path}" if path else ""
    if not isinstance(schema, Mapping):
        if not isinstance(schema, bool):
            raise SettingsError(f"The JSON schema has {shown(schema)}{where}, where a schema must stand", hint=_HINT)
        return
    kinds = schema.get("type", [])
    for kind in [kinds] if isinstance(kinds, str) else kinds if isinstance(kinds, list) else [kinds]:
        if not isinstance(kind, str) or kind not in _TYPES:
            raise SettingsError(
                f"The JSON schema has the type {shown(kind)}{where}", hint=f"Types are {', '.join(sorted(_TYPES))}."
            )
    for reference in (schema.get("$ref"), schema.get("$dynamicRef"), schema.get("$recursiveRef")):
        if not isinstance(reference, str):
            continue
        try:
            lookup(reference, root)
        except LookupError:
            raise SettingsError(
                f"The JSON schema refers to {reference}{where}, which is not in it",
                hint="References lead to $defs of the same schema; nothing is fetched.",
            ) from None
    for word, wanted in (("enum", list), ("required", list), ("properties", dict), ("anyOf", list), ("pattern", str)):
        if word in schema and not isinstance(schema[word], wanted):
            raise SettingsError(f"The JSON schema has {word}: {shown(schema[word])}{where}", hint=_HINT)
    if isinstance(schema.get("pattern"), str):
        try:
            re.compile(schema["pattern"])
        except re.error as error:
            raise SettingsError(f"The JSON schema has a pattern that is none{where}: {error}", hint=_HINT) from None
    for word in _BY_NAME:
        for name, inner in (schema.get(word) or {}).items():
            _check(inner, root, f"{path}/{word}/{name}")
    for word in ("anyOf", "oneOf", "allOf", "prefixItems"):
        for number, inner in enumerate(schema.get(word) or []):
            _check(inner, root, f"{path}/{word}/{number}")
    for word in _SUBSCHEMAS:
        if word in schema:
            _check(schema[word], root, f"{path}/{word}")


def _further_check(schema: dict[str, Any]) -> Callable[[Any], None]:
    """A check of the keywords that validate.py ignores, by jsonschema, if it is installed (nbformat requires it)."""
    try:
        from jsonschema.validators import validator_for
    except ImportError:
        return lambda value: None
    from jsonschema.exceptions import (
        SchemaError,
        ValidationError,
        best_match,
    )

    kind = validator_for(schema)
    try:
        kind.check_schema(schema)
    except SchemaError as error:
        raise SettingsError(f"The JSON schema is none: {' '.join(error.message.split())[:200]}", hint=_HINT) from None
    validator = kind(schema)

    def check(value: Any) -> None:
        error = best_match(validator.iter_errors(value))
        if isinstance(error, ValidationError):
            path = error.json_path.removeprefix("$").removeprefix(".")
            raise Mismatch(f"{place(path)}{error.message[:200]}")

    return check


# ---- the schema to send ----------------------------------------------------------------------------------------


def _shape(schema: dict[str, Any], definitions: dict[str, Any], name: str, judge: Callable[[Any, str], Any]) -> Shape:
    reference = schema.get("$ref")
    target = lookup(reference, {**schema, **definitions}) if isinstance(reference, str) else schema
    kinds = target.get("type", []) if isinstance(target, Mapping) else []
    if kinds == "object" or (not kinds and isinstance(target, Mapping) and "properties" in target):
        # Some servers require the root to state its own type.
        return Shape({**target, **definitions}, name, "", judge)
    wrapped = "items" if kinds == "array" else "value"
    inner = _moved(schema, f"#/properties/{wrapped}")
    outer = {"type": "object", "properties": {wrapped: inner}, "required": [wrapped]}
    return Shape({**outer, **_moved(definitions, f"#/properties/{wrapped}")}, name, wrapped, judge)


def _moved(value: Any, where: str) -> Any:
    """A schema whose references to its own root are adjusted for its new location `where`."""
    if isinstance(value, list):
        return [_moved(each, where) for each in value]
    if not isinstance(value, dict):
        return value
    return {
        key: where + each[1:]
        if key == "$ref" and isinstance(each, str) and not each.startswith(("#/$defs/", "#/definitions/"))
        else _moved(each, where)
        for key, each in value.items()
    }
