"""Functions as tools: the schema sent to a model, and calls with the arguments it returns."""

from __future__ import annotations

import difflib
import functools
import inspect
import json
import re
import types
import typing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ..errors import SettingsError
from .docstrings import read_docstring
from .kinds import Compiler, Kind
from .validate import Mismatch, lookup, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["bind", "call_with", "function_schema", "tool_name"]

_EMPTY: Final = inspect.Parameter.empty
_BY_POSITION: Final = inspect.Parameter.POSITIONAL_ONLY


@dataclass(frozen=True, slots=True)
class _Parameter:
    name: str
    kind: Kind
    required: bool
    positional: bool


@dataclass(frozen=True, slots=True)
class _Interface:
    parameters: tuple[_Parameter, ...]
    takes_more: bool
    """Whether it has `**kwargs`."""
    defs: dict[str, Any]


def tool_name(function: Callable[..., Any]) -> str:
    """The name by which a model calls `function`. Raises SettingsError if it has no valid one, such as a lambda."""
    inner = function
    while isinstance(inner, functools.partial):
        inner = inner.func
    name = getattr(inner, "__name__", type(inner).__name__)
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_-]{0,63}", name):
        raise SettingsError(
            f"A function named {name} cannot be a tool", hint="Define it with `def` and a plain name of ASCII letters."
        )
    return str(name)


def function_schema(function: Callable[..., Any], *, name: str = "") -> dict[str, Any]:
    """The tool schema of `function`, as /api/chat and /v1 accept it, from its signature and docstring.

    A parameter whose type JSON cannot express is omitted if it has a default; otherwise SettingsError is raised.
    `self` of a bound method, `*args` and `**kwargs` are omitted.
    """
    interface = _interface(function)
    about, said = read_docstring(inspect.getdoc(_documented(function)))
    properties = {}
    for each in interface.parameters:
        schema = _inlined(each.kind.schema, interface.defs, ())
        if each.name in said:
            schema = {**schema, "description": said[each.name]}
        properties[each.name] = schema
    parameters: dict[str, Any] = {"type": "object", "properties": properties}
    parameters["required"] = [each.name for each in interface.parameters if each.required]
    if interface.defs and '"$ref"' in json.dumps(properties):
        parameters["$defs"] = interface.defs
    body = {"name": name or tool_name(function), "description": about, "parameters": parameters}
    return {"type": "function", "function": body}


def call_with(function: Callable[..., Any], arguments: Mapping[str, Any]) -> Any:
    """Call `function` with the arguments from a model; see bind. For an async function, returns the coroutine."""
    return bind(function, arguments)()


def bind(function: Callable[..., Any], arguments: Mapping[str, Any]) -> Callable[[], Any]:
    """Bind to `function` the arguments from a model, checked and converted to the types of its signature.

    Does not call it. Unambiguous values are converted ("3" for an int, a JSON string for a list). Raises Mismatch for
    missing or unknown arguments, and for wrong types.
    """
    interface = _interface(function)
    known = {each.name: each for each in interface.parameters}
    lines = [f"{name}: missing" for name, each in known.items() if each.required and name not in arguments]
    values: dict[str, Any] = {}
    for name, value in arguments.items():
        if name in known:
            try:
                values[name] = _converted(known[name].kind, value, name)
            except Mismatch as error:
                # Models write null for arguments that they omit.
                if value is not None or known[name].required:
                    lines += error.lines
        elif interface.takes_more:
            values[name] = value
        else:
            near = difflib.get_close_matches(name, known, n=1)
            there = f"did you mean {near[0]}?" if near else f"there are {', '.join(known) or 'no parameters'}"
            lines.append(f"{shown(name)} is not a parameter; {there}")
    if lines:
        raise Mismatch(*lines)
    leading = [each.name for each in interface.parameters if each.positional]
    given = [name for name in leading if name in values]
    if given != leading[: len(given)]:
        raise Mismatch(f"{given[-1]} can only be given together with those before it: {', '.join(leading)}")
    by_position = [values.pop(name) for name in given]
    return functools.partial(function, *by_position, **values)


# ---- signatures ------------------------------------------------------------------------------------------------


def _documented(function: Any) -> Any:
    while isinstance(function, functools.partial):
        function = function.func
    if inspect.isroutine(function) or inspect.isclass(function):
        return function
    return type(function).__call__ if type(function).__call__.__doc__ else function


def _interface(function: Callable[..., Any]) -> _Interface:
    name = getattr(function, "__name__", type(function).__name__)
    try:
        signature = inspect.signature(function)
    except (ValueError, TypeError):
        raise SettingsError(
            f"{name} cannot be a tool: Python does not tell its parameters",
            hint="Write a small function around it, with type hints and a docstring.",
        ) from None
    hints = _hints(function)
    compiler = Compiler()
    found: list[_Parameter] = []
    takes_more = False
    bound = function.keywords if isinstance(function, functools.partial) else {}
    for each in signature.parameters.values():
        if each.kind in (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL):
            takes_more = takes_more or each.kind is inspect.Parameter.VAR_KEYWORD
            continue
        if each.name in bound:  # fixed by the partial, not chosen by the model
            continue
        required = each.default is _EMPTY
        try:
            kind = compiler.kind(_annotation(each, hints))
        except SettingsError as error:
            if not required:
                continue
            raise SettingsError(
                f"{name} cannot be a tool: its parameter {each.name}: {error.message}",
                hint="A model can give texts, numbers, true or false, lists, dicts, dataclasses and pydantic models.",
            ) from None
        found.append(_Parameter(each.name, kind, required, each.kind is _BY_POSITION))
    return _Interface(tuple(found), takes_more, compiler.defs)


def _hints(function: Any) -> dict[str, Any]:
    while isinstance(function, functools.partial):
        function = function.func
    target = function.__init__ if inspect.isclass(function) else function
    if not (inspect.isroutine(target) or inspect.isclass(function)):
        target = type(function).__call__
    try:
        return typing.get_type_hints(target, include_extras=True)
    except (NameError, TypeError, AttributeError, SyntaxError):
        # One unresolvable name must not invalidate the others: use the annotations that are not strings.
        written = getattr(target, "__annotations__", {})
        return {name: hint for name, hint in written.items() if not isinstance(hint, str)}


def _annotation(parameter: inspect.Parameter, hints: Mapping[str, Any]) -> Any:
    """The type of one parameter, from its annotation or default. Drops None from a union if None is the default."""
    spec = hints.get(parameter.name, _EMPTY)
    if spec is _EMPTY:
        kind = type(parameter.default)
        return kind if kind in (str, int, float, bool, list, dict) else Any
    origin = typing.get_origin(spec)
    if parameter.default is None and origin in (typing.Union, types.UnionType):
        others = tuple(each for each in typing.get_args(spec) if each is not type(None))
        return typing.Union[others] if others else spec  # noqa: UP007 -- made from a tuple
    return spec


def _converted(kind: Kind, value: Any, name: str) -> Any:
    try:
        return kind.judge(value, name)
    except Mismatch:
        for meant in _meanings(value):
            try:
                return kind.judge(meant, name)
            except Mismatch:
                continue
        raise


def _meanings(value: Any) -> list[Any]:
    """Other readings of a value: models write numbers and lists as strings, and strings as numbers."""
    if isinstance(value, str):
        text = value.strip()
        try:
            return [json.loads(text.lower() if text in ("True", "False", "None") else text)]
        except (ValueError, RecursionError):
            return []
    if isinstance(value, int | float) and not isinstance(value, bool):
        return [str(value)]
    return []


def _inlined(schema: Any, defs: Mapping[str, Any], inside: tuple[str, ...]) -> Any:
    """A schema with all references inlined except recursive ones: Ollama's tool type drops references."""
    if isinstance(schema, list):
        return [_inlined(each, defs, inside) for each in schema]
    if not isinstance(schema, dict):
        return schema
    reference = schema.get("$ref")
    if isinstance(reference, str) and reference not in inside:
        own = {key: value for key, value in schema.items() if key != "$ref"}
        target = lookup(reference, {"$defs": defs})
        if not _recursive(reference, defs):
            return {**_inlined(target, defs, (*inside, reference)), **own}
    return {key: _inlined(value, defs, inside) for key, value in schema.items()}


def _recursive(reference: str, defs: Mapping[str, Any]) -> bool:
    """Whether the target of `reference` refers to itself, directly or indirectly."""
    seen: set[str] = set()
    left = [reference]
    while left:
        written = json.dumps(lookup(left.pop(), {"$defs": defs}))
        for found in re.findall(r'"\$ref": "(#/\$defs/[^"]+)"', written):
            if found == reference:
                return True
            if found not in seen:
                seen.add(found)
                left.append(found)
    return False
