"""Validates a JSON value against a JSON schema: one readable line for each mismatch. Pure.

Supports the keywords common in structured output: type, enum, const, properties, required, additionalProperties, items,
prefixItems, anyOf, oneOf, allOf, not, internal $ref, the usual limits, and the formats date, time and date-time.
Other keywords are ignored here; shapes.py checks those of a user's JSON schema.
"""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime, time
from typing import Any, Final

__all__ = [
    "MOST_PROBLEMS",
    "Mismatch",
    "accepts",
    "joined",
    "lookup",
    "member",
    "place",
    "problems",
    "require",
    "shown",
]

MOST_PROBLEMS: Final = 3
"""The maximum number of mismatches named in one message."""

_LONGEST_VALUE: Final = 60
_NAMES: Final = {
    "string": "a string",
    "integer": "an integer",
    "number": "a number",
    "boolean": "true or false",
    "null": "null",
    "array": "a list",
    "object": "an object",
}
_FORMATS: Final = {
    "date": ("a date such as 2024-12-31", date.fromisoformat),
    "time": ("a time such as 23:59:00", time.fromisoformat),
    "date-time": ("a date and time such as 2024-12-31T23:59:00", datetime.fromisoformat),
}
_LIMITS: Final[dict[str, tuple[str, Callable[[float, float], bool]]]] = {
    "minimum": ("at least", operator.ge),
    "maximum": ("at most", operator.le),
    "exclusiveMinimum": ("more than", operator.gt),
    "exclusiveMaximum": ("less than", operator.lt),
}


class Mismatch(ValueError):
    """A value does not match the schema. `lines` say where and why; the message has the first few of them."""

    def __init__(self, *lines: str) -> None:
        super().__init__(joined(lines))
        self.lines = lines


def require(value: object, schema: Any, root: Mapping[str, Any], path: str = "") -> None:
    """Raise Mismatch unless `value` matches `schema`, whose references are looked up in `root`."""
    try:
        found = list(problems(value, schema, root, path))
    except RecursionError:
        raise Mismatch(f"{place(path)}nested too deeply") from None
    if found:
        raise Mismatch(*found)


def accepts(value: object, schema: Any, root: Mapping[str, Any]) -> bool:
    """Whether `value` matches `schema`."""
    return next(problems(value, schema, root), None) is None


def joined(lines: Sequence[str]) -> str:
    """The first few mismatches on one line, and the number of others."""
    rest = len(lines) - MOST_PROBLEMS
    return "; ".join(lines[:MOST_PROBLEMS]) + (f"; and {rest} more" if rest > 0 else "")


def place(path: str) -> str:
    """`path` as the start of a line; "" for the root."""
    return f"{path}: " if path else ""


def shown(value: object) -> str:
    """`value` as short JSON, for a message."""
    try:
        text = json.dumps(value, ensure_ascii=False, default=str)
    except (ValueError, TypeError, RecursionError):
        text = f"a {type(value).__name__}"
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 1] + "…"


def lookup(reference: str, root: Mapping[str, Any]) -> Any:
    """The target of a `$ref` inside `root`. Raises LookupError if it does not exist or is circular."""
    seen = set()
    while True:
        if not (reference == "#" or reference.startswith("#/")) or reference in seen:
            raise LookupError(reference)
        seen.add(reference)
        found: Any = root
        for part in reference[1:].split("/")[1:]:
            part = part.replace("~1", "/").replace("~0", "~")
            if isinstance(found, Mapping) and part in found:
                found = found[part]
            elif isinstance(found, list) and part.isdecimal() and int(part) < len(found):
                found = found[int(part)]
            else:
                raise LookupError(reference)
        if not (isinstance(found, Mapping) and isinstance(found.get("$ref"), str)):
            return found
        reference = found["$ref"]


def problems(value: object, schema: Any, root: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """The mismatches of `value`, one line each; none if it matches."""
    if not isinstance(schema, Mapping):
        if schema is False:
            yield f"{place(path)}nothing may stand here, got {shown(value)}"
        return
    if isinstance(schema.get("$ref"), str):
        yield from problems(value, lookup(schema["$ref"], root), root, path)
    if not _right_type(value, schema) or not _listed(value, schema):
        yield f"{place(path)}expected {_expected(schema, root)}, got {shown(value)}"
        return
    yield from _combined(value, schema, root, path)
    if isinstance(value, dict):
        yield from _in_object(value, schema, root, path)
    elif isinstance(value, list):
        yield from _in_list(value, schema, root, path)
    elif isinstance(value, str):
        yield from _in_text(value, schema, path)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield from _in_number(value, schema, path)


# ---- the keywords ----------------------------------------------------------------------------------------------


def _types(schema: Mapping[str, Any]) -> list[str]:
    kinds = schema.get("type", [])
    return [kinds] if isinstance(kinds, str) else list(kinds)


def _is(value: object, kind: str) -> bool:
    if kind == "integer":
        return (isinstance(value, int) and not isinstance(value, bool)) or (
            isinstance(value, float) and value.is_integer()
        )
    if kind == "number":
        return isinstance(value, int | float) and not isinstance(value, bool)
    python = {"string": str, "boolean": bool, "null": type(None), "array": list, "object": dict}.get(kind)
    return python is not None and isinstance(value, python)


def _right_type(value: object, schema: Mapping[str, Any]) -> bool:
    kinds = _types(schema)
    return not kinds or any(_is(value, kind) for kind in kinds)


def _same(one: object, other: object) -> bool:
    # In JSON, true is not 1.
    return one == other and isinstance(one, bool) == isinstance(other, bool)


def _listed(value: object, schema: Mapping[str, Any]) -> bool:
    if "const" in schema and not _same(value, schema["const"]):
        return False
    return "enum" not in schema or any(_same(value, each) for each in schema["enum"])


def _expected(schema: Any, root: Mapping[str, Any]) -> str:
    """What `schema` expects, in words."""
    if isinstance(schema, Mapping) and isinstance(schema.get("$ref"), str):
        schema = lookup(schema["$ref"], root)
    if not isinstance(schema, Mapping):
        return "something else"
    if "const" in schema:
        return shown(schema["const"])
    if "enum" in schema:
        words = [shown(each) for each in schema["enum"]]
        return words[0] if len(words) == 1 else f"one of {', '.join(words)}"
    if schema.get("format") in _FORMATS:
        return _FORMATS[schema["format"]][0]
    if kinds := _types(schema):
        return " or ".join(_NAMES.get(kind, kind) for kind in kinds)
    branches = schema.get("anyOf") or schema.get("oneOf") or []
    return " or ".join(dict.fromkeys(_expected(each, root) for each in branches)) or "something else"


def _combined(value: object, schema: Mapping[str, Any], root: Mapping[str, Any], path: str) -> Iterator[str]:
    for each in schema.get("allOf", []):
        yield from problems(value, each, root, path)
    for word in ("anyOf", "oneOf"):
        branches = schema.get(word)
        if not branches:
            continue
        found = [list(problems(value, each, root, path)) for each in branches]
        fitting = sum(not each for each in found)
        if not fitting:
            # Most likely the branch of the value's own type was meant: report the mismatches inside it.
            meant = [lines for each, lines in zip(branches, found, strict=True) if _same_kind(value, each, root)]
            yield from (
                meant[0]
                if len(meant) == 1
                else [f"{place(path)}expected {_expected({'anyOf': branches}, root)}, got {shown(value)}"]
            )
        elif word == "oneOf" and fitting > 1:
            yield f"{place(path)}fits {fitting} of the alternatives instead of one, got {shown(value)}"
    if "not" in schema and accepts(value, schema["not"], root):
        yield f"{place(path)}{shown(value)} is not allowed here"


def _same_kind(value: object, schema: Any, root: Mapping[str, Any]) -> bool:
    if isinstance(schema, Mapping) and isinstance(schema.get("$ref"), str):
        schema = lookup(schema["$ref"], root)
    return isinstance(schema, Mapping) and bool(_types(schema)) and _right_type(value, schema)


def _in_object(value: dict[str, Any], schema: Mapping[str, Any], root: Mapping[str, Any], path: str) -> Iterator[str]:
    known = schema.get("properties", {})
    for name in schema.get("required", []):
        if name not in value:
            yield f"{member(path, name)}: missing"
    others = schema.get("additionalProperties", True)
    patterns = schema.get("patternProperties", {})
    for name, inner in value.items():
        if name in known:
            yield from problems(inner, known[name], root, member(path, name))
        elif others is False and not any(re.search(pattern, name) for pattern in patterns):
            yield f"{member(path, name)}: not expected; there are {', '.join(known) or 'no fields'}"
        elif isinstance(others, Mapping) and not any(re.search(pattern, name) for pattern in patterns):
            yield from problems(inner, others, root, member(path, name))
    yield from _count(len(value), "fields", schema.get("minProperties"), schema.get("maxProperties"), path)


def member(path: str, name: str) -> str:
    """The path of a field of the object at `path`."""
    if not name.isidentifier():
        return f"{path}[{shown(name)}]"
    return f"{path}.{name}" if path else name


def _in_list(value: list[Any], schema: Mapping[str, Any], root: Mapping[str, Any], path: str) -> Iterator[str]:
    first = schema.get("prefixItems", [])
    rest = schema.get("items", True)
    for number, each in enumerate(value):
        yield from problems(each, first[number] if number < len(first) else rest, root, f"{path}[{number}]")
    yield from _count(len(value), "items", schema.get("minItems"), schema.get("maxItems"), path)
    if schema.get("uniqueItems") is True:
        written = [json.dumps(each, sort_keys=True) for each in value]
        if len(set(written)) < len(written):
            yield f"{place(path)}an item is listed twice"


def _in_text(value: str, schema: Mapping[str, Any], path: str) -> Iterator[str]:
    yield from _count(len(value), "characters", schema.get("minLength"), schema.get("maxLength"), path)
    if "pattern" in schema and not re.search(schema["pattern"], value):
        yield f"{place(path)}expected text like {schema['pattern']}, got {shown(value)}"
    if schema.get("format") in _FORMATS:
        words, read = _FORMATS[schema["format"]]
        try:
            read(value)
        except ValueError:
            yield f"{place(path)}expected {words}, got {shown(value)}"


def _in_number(value: float, schema: Mapping[str, Any], path: str) -> Iterator[str]:
    for keyword, (words, holds) in _LIMITS.items():
        limit = schema.get(keyword)
        if isinstance(limit, int | float) and not isinstance(limit, bool) and not holds(value, limit):
            yield f"{place(path)}expected {words} {limit}, got {shown(value)}"


def _count(count: int, what: str, least: Any, most: Any, path: str) -> Iterator[str]:
    if isinstance(least, int) and count < least:
        yield f"{place(path)}expected at least {least} {what}, got {count}"
    if isinstance(most, int) and count > most:
        yield f"{place(path)}expected at most {most} {what}, got {count}"
