"""Notebook functions as tools: found by name, described to the model, called with its arguments.

A tool runs in the caller's thread, so that an interrupt reaches it; any failure becomes a result that the model can
read. Only an interrupt, GeneratorExit, and the cancellation of an async tool are raised.
"""

from __future__ import annotations

import asyncio
import difflib
import functools
import inspect
import itertools
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from .errors import SettingsError, strip_control
from .events import Message, ToolCall
from .schema import Mismatch, as_plain, function_schema
from .schema.functions import bind, tool_name

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence

__all__ = ["LONGEST_RESULT", "Outcome", "Tool", "refused", "run_tool", "tools_from"]

LONGEST_RESULT: Final = 8000
"""How many characters of a result a model is shown by default."""

_MOST_YIELDED: Final = 1000


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that a model may call. `schema` describes it to the model."""

    name: str
    function: Callable[..., Any] = field(repr=False)
    schema: Mapping[str, Any] = field(repr=False)
    is_async: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of one call: `text` is for the model, `value` what the function returned (None if it failed), `error`
    why it failed, or ""."""

    call: ToolCall
    text: str
    value: Any = field(default=None, repr=False)
    error: str = ""

    @property
    def failed(self) -> bool:
        """Whether the call failed."""
        return bool(self.error)

    @property
    def message(self) -> Message:
        """The message that reports it to the model."""
        return Message("tool", self.text, tool_name=self.call.name, tool_call_id=self.call.id)


# ---- which tools -----------------------------------------------------------------------------------------------


def tools_from(namespace: Mapping[str, Any], names: Sequence[str | Tool | Callable[..., Any]]) -> list[Tool]:
    """The tools that `names` refer to: functions, their names, `object.method`, or the name of a list of functions.

    Raises SettingsError for what is unknown (with the nearest name) or not callable, and for two functions with one
    name. No function is called.
    """
    found: dict[str, Tool] = {}
    for wanted in names:
        for function in _functions(namespace, wanted):
            name = tool_name(function)
            if name in found and not _same(found[name].function, function):
                raise SettingsError(
                    f"Two tools are called {name}", hint="A model tells them apart by name only: rename one of them."
                )
            found[name] = Tool(name, function, function_schema(function, name=name), _is_async(function))
    return list(found.values())


def _functions(namespace: Mapping[str, Any], wanted: object) -> Iterator[Callable[..., Any]]:
    value = _looked_up(namespace, wanted.strip()) if isinstance(wanted, str) else wanted
    shown = wanted if isinstance(wanted, str) else "What was given"
    if isinstance(value, Tool):
        value = value.function
    several = list(value) if isinstance(value, list | tuple | set) else [value]
    for each in several:
        function = each.function if isinstance(each, Tool) else each
        if not callable(function):
            raise SettingsError(
                f"{shown} cannot be a tool: it is of type {type(each).__name__}",
                hint=f"Tools are functions{_known(namespace)}",
            )
        yield function


def _looked_up(namespace: Mapping[str, Any], name: str) -> Any:
    root, *rest = name.split(".")
    if root not in namespace:
        near = difflib.get_close_matches(root, _callables(namespace), n=1)
        meant = f"Did you mean {near[0]}? " if near else ""
        raise SettingsError(f"There is no function {name!r}", hint=f"{meant}Tools are functions{_known(namespace)}")
    value = namespace[root]
    for part in rest:
        try:
            value = getattr(value, part)
        except Exception as error:  # a property may raise anything
            raise SettingsError(
                f"{name!r} cannot be looked up: {type(error).__name__}: {error}",
                hint="Name a function, or a method as in `object.method`.",
            ) from None
    return value


def _callables(namespace: Mapping[str, Any]) -> list[str]:
    return [name for name, value in namespace.items() if not name.startswith("_") and inspect.isroutine(value)]


def _known(namespace: Mapping[str, Any]) -> str:
    names = _callables(namespace)
    return (
        f" of this notebook: {', '.join(names[:8])}{', ...' if len(names) > 8 else ''}." if names else "; define one."
    )


def _same(one: Any, other: Any) -> bool:
    # Each access to a bound method creates a new, equal object; but the == of other objects may do anything.
    return one is other or (inspect.ismethod(one) and inspect.ismethod(other) and one == other)


def _is_async(function: Any) -> bool:
    while isinstance(function, functools.partial):
        function = function.func
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)


# ---- calling them ----------------------------------------------------------------------------------------------


def run_tool(
    tools: Tool | Sequence[Tool],
    call: ToolCall,
    *,
    run_async: Callable[[Awaitable[Any]], Any],
    describe: Callable[[Any], str] = repr,
    longest: int = LONGEST_RESULT,
) -> Outcome:
    """Call the tool that `call` names, in this thread, and return its outcome, also if it fails.

    `run_async` runs the awaitable of an async tool; `describe` makes text of a value that JSON cannot encode; `longest`
    limits the text, in characters. Raises KeyboardInterrupt, GeneratorExit and asyncio.CancelledError only.
    """
    among = [tools] if isinstance(tools, Tool) else list(tools)
    tool = next((each for each in among if each.name == call.name), None)
    if tool is None:
        return _failure(call, f"there is no tool {call.name!r}; there are: {', '.join(each.name for each in among)}")
    try:
        made = bind(tool.function, call.arguments)
    except Mismatch as error:
        return _failure(call, f"{tool.name} was not called: {error}")
    try:
        value = made()
        if inspect.isawaitable(value):
            value = run_async(value)
        elif inspect.isasyncgen(value):
            value = run_async(_first_of(value))
        if inspect.isgenerator(value):
            value = list(itertools.islice(value, _MOST_YIELDED))
    except (KeyboardInterrupt, GeneratorExit, asyncio.CancelledError):
        raise
    except BaseException as error:  # SystemExit too: a tool must not end the kernel
        return _failure(call, f"{type(error).__name__}: {_words(error)}{_line_of(error, tool)}")
    return Outcome(call, _bounded(_text(value, describe), longest), value)


def refused(call: ToolCall) -> Outcome:
    """The outcome of a call that the user did not allow."""
    return _failure(call, "the user did not allow this call; do not try it again, answer without it")


def _failure(call: ToolCall, error: str) -> Outcome:
    error = _bounded(strip_control(error), LONGEST_RESULT)
    return Outcome(call, f"Error: {error}", error=error)


async def _first_of(values: Any) -> list[Any]:
    found = []
    async for each in values:
        found.append(each)
        if len(found) >= _MOST_YIELDED:
            break
    await values.aclose()
    return found


def _words(error: BaseException) -> str:
    try:
        return str(error) or "no message"
    except Exception:  # its __str__ fails
        return "(its message cannot be read)"


def _line_of(error: BaseException, tool: Tool) -> str:
    """The line of the tool's own code that `error` came through, for a message; "" if it is not known."""
    code = getattr(inspect.unwrap(tool.function), "__code__", None)
    trace, line = error.__traceback__, 0
    while trace is not None:
        if trace.tb_frame.f_code is code:
            line = trace.tb_lineno - trace.tb_frame.f_code.co_firstlineno + 1
        trace = trace.tb_next
    return f" (line {line} of {tool.name})" if line else ""


def _text(value: Any, describe: Callable[[Any], str]) -> str:
    if isinstance(value, str):
        return str(value)
    if value is None:
        return "Done; it returned nothing."
    try:
        return json.dumps(as_plain(value), ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        pass
    try:
        return describe(value)
    except Exception as error:  # a failing repr must not hide that the call succeeded
        return f"Done; the {type(value).__name__} that it returned cannot be shown ({type(error).__name__})."


def _bounded(text: str, longest: int) -> str:
    if len(text) <= longest:
        return text
    return f"{text[:longest]}\n[cut here: the first {longest:,} of {len(text):,} characters]"
