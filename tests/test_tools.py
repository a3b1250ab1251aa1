"""Tools: found by name, called with what a model gives; failures are results, interrupts are not."""

from __future__ import annotations

import asyncio
import functools
import signal
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from ollama_magic.errors import SettingsError
from ollama_magic.events import ToolCall
from ollama_magic.schema import schema_for
from ollama_magic.tools import Outcome, Tool, refused, run_tool, tools_from
from tests.tables import folded

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator


def add(a: int, b: int = 1) -> int:
    """Add two numbers."""
    return a + b


async def later(a: int) -> int:
    """The same, later."""
    await asyncio.sleep(0)
    return a


class Shop:
    def price(self, name: str) -> int:
        return len(name)

    @property
    def closed(self) -> Any:
        raise RuntimeError("nobody there")


NAMESPACE = {"add": add, "later": later, "shop": Shop(), "kit": [add, later], "x": 5, "_hidden": add}


def call(function: Any, /, *, describe: Any = repr, longest: int = 8000, **arguments: Any) -> Outcome:
    tools = tools_from({}, [function])
    asked = ToolCall(tools[0].name, arguments, "id1")
    return run_tool(tools, asked, run_async=asyncio.run, describe=describe, longest=longest)


# ---- which tools -----------------------------------------------------------------------------------------------


@folded(
    ("wanted", "names"),
    [
        (["add"], ["add"]),
        ([" add ", "later"], ["add", "later"]),
        (["kit"], ["add", "later"]),
        (["add", "kit", add], ["add", "later"]),
        (["shop.price"], ["price"]),
        (["shop.price", "shop.price"], ["price"]),
        ([add, functools.partial(later, 3)], ["add", "later"]),
        ([], []),
    ],
)
def test_tools_are_found(wanted: list[Any], names: list[str]) -> None:
    tools = tools_from(NAMESPACE, wanted)
    assert [tool.name for tool in tools] == names
    assert [tool.schema["function"]["name"] for tool in tools] == names


def test_async_ones_are_known_as_such() -> None:
    class Slow:
        async def __call__(self) -> None: ...

    tools = tools_from(NAMESPACE, ["add", "later", functools.partial(later, 1), Slow()][:2])
    assert [tool.is_async for tool in tools] == [False, True]
    assert tools_from({}, [Slow()])[0].is_async
    assert tools_from({}, [functools.partial(later, 1)])[0].is_async


def test_a_tool_may_stand_for_itself() -> None:
    tool = tools_from(NAMESPACE, ["add"])[0]
    assert tools_from({"mine": tool, "all": [tool]}, [tool, "mine", "all"]) == [tool]


@pytest.mark.parametrize(
    ("wanted", "reason", "hint"),
    [
        ("ad", "no function 'ad'", "Did you mean add?"),
        ("zzz", "no function 'zzz'", "add, later"),
        ("x", "x cannot be a tool: it is of type int", "add, later"),
        ("shop.cost", "'shop.cost' cannot be looked up: AttributeError", "object.method"),
        ("shop.closed", "RuntimeError: nobody there", "object.method"),
        ("", "no function ''", "Tools are functions"),
        (5, "What was given cannot be a tool: it is of type int", "Tools are"),
        (lambda x: x, "<lambda> cannot be a tool", "def"),
        (type, "does not tell its parameters", "small function"),
    ],
)
def test_what_is_no_tool_is_refused(wanted: Any, reason: str, hint: str) -> None:
    with pytest.raises(SettingsError, match=reason) as caught:
        tools_from(NAMESPACE, [wanted])
    assert hint in caught.value.hint


def test_two_tools_of_one_name() -> None:
    other = functools.wraps(add)(lambda a: a)
    with pytest.raises(SettingsError, match="Two tools are called add"):
        tools_from(NAMESPACE, ["add", other])


def test_without_any_function_there_is_a_hint_too() -> None:
    with pytest.raises(SettingsError) as caught:
        tools_from({}, ["f"])
    assert "define one" in caught.value.hint


# ---- results ---------------------------------------------------------------------------------------------------


@dataclass
class Point:
    x: int


def test_a_result_goes_back_to_the_call_it_answers() -> None:
    outcome = call(add, a="2", b=3)
    assert (outcome.text, outcome.value, outcome.failed) == ("5", 5, False)
    message = outcome.message
    assert (message.role, message.content, message.tool_name, message.tool_call_id) == ("tool", "5", "add", "id1")


@folded(
    ("value", "text"),
    [
        ("plain é", "plain é"),
        (None, "Done; it returned nothing."),
        ([1, "é", None, True], '[1, "é", null, true]'),
        ({"a": Point(1)}, '{"a": {"x": 1}}'),
        ({3: {2, 1}}, '{"3": [1, 2]}'),
        (pd.DataFrame({"a": [1]}), "described"),
        (float("nan"), "NaN"),
        (object, "described"),
    ],
)
def test_a_result_becomes_text(value: Any, text: str) -> None:
    def give() -> Any:
        return value

    assert call(give, describe=lambda value: "described").text == text


def test_a_result_is_bounded() -> None:
    def much() -> str:
        return "x" * 10_000

    assert call(much, longest=10).text == "x" * 10 + "\n[cut here: the first 10 of 10,000 characters]"
    assert len(call(much).value) == 10_000, "the value itself is whole"


def test_a_result_that_is_inside_itself_or_cannot_be_shown() -> None:
    def loop() -> Any:
        found: list[Any] = []
        found.append(found)
        return found

    class Odd:
        def __repr__(self) -> str:
            raise RuntimeError("no")

    def odd() -> Any:
        return Odd()

    assert call(loop).text == "[[...]]"
    assert call(odd).text == "Done; the Odd that it returned cannot be shown (RuntimeError)."
    assert not call(odd).failed


def test_generators_give_a_list_even_without_end() -> None:
    def numbers() -> Iterator[int]:
        number = 0
        while True:
            yield number
            number += 1

    async def letters() -> AsyncIterator[str]:
        for letter in "ab":
            yield letter

    assert call(numbers).value == list(range(1000))
    assert call(letters).value == ["a", "b"]


def test_async_tools_run_where_the_caller_says() -> None:
    def gives_a_coroutine() -> Any:
        return later(7)

    assert call(later, a=3).value == 3
    assert call(gives_a_coroutine).value == 7


# ---- failures --------------------------------------------------------------------------------------------------


def test_a_tool_that_raises_tells_the_model_what_and_where() -> None:
    def divide(a: int) -> float:
        """Divide."""

        return a / 0

    outcome = call(divide, a=1)
    assert outcome.failed
    assert outcome.text == "Error: ZeroDivisionError: division by zero (line 4 of divide)"
    assert outcome.message.role == "tool"


def test_other_failures_are_results_too() -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    def leave() -> None:
        sys.exit(3)

    def mute() -> None:
        raise Mute

    def empty() -> None:
        raise ValueError

    async def slow() -> None:
        raise TimeoutError("too slow")

    def deep() -> None:
        deep()

    def red() -> None:
        raise ValueError("\x1b[31mred\x1b[0m")

    def picky() -> None:
        schema_for("a: int").parse("{}")

    def halfway() -> Iterator[int]:
        yield 1
        raise OSError("gone")

    assert call(leave).error == "SystemExit: 3 (line 2 of leave)"
    assert call(mute).error == "Mute: (its message cannot be read) (line 2 of mute)"
    assert call(empty).error == "ValueError: no message (line 2 of empty)"
    assert call(slow).error == "TimeoutError: too slow (line 2 of slow)"
    assert call(deep).error.startswith("RecursionError: maximum recursion depth exceeded")
    assert call(red).error == "ValueError: red (line 2 of red)"
    assert call(picky).error == "Mismatch: a: missing (line 2 of picky)"
    assert call(halfway).error == "OSError: gone (line 3 of halfway)"


@folded(
    ("name", "arguments", "error"),
    [
        ("ad", {}, "there is no tool 'ad'; there are: add"),
        ("add", {}, "add was not called: a: missing"),
        ("add", {"a": "x"}, 'add was not called: a: expected an integer, got "x"'),
        ("add", {"a": 1, "c": 2}, 'add was not called: "c" is not a parameter; there are a, b'),
    ],
)
def test_a_call_that_makes_no_sense_is_told_to_the_model(name: str, arguments: dict[str, Any], error: str) -> None:
    outcome = run_tool(tools_from(NAMESPACE, ["add"]), ToolCall(name, arguments, "7"), run_async=asyncio.run)
    assert (outcome.error, outcome.text, outcome.message.tool_call_id) == (error, f"Error: {error}", "7")


def test_one_tool_alone_will_do() -> None:
    tool = tools_from(NAMESPACE, ["add"])[0]
    assert isinstance(tool, Tool)
    assert run_tool(tool, ToolCall("add", {"a": 1}), run_async=asyncio.run).value == 2


def test_a_call_that_the_user_did_not_allow() -> None:
    outcome = refused(ToolCall("add", {}, "7"))
    assert outcome.failed
    assert outcome.message.tool_call_id == "7"
    assert "did not allow" in outcome.text


def test_a_tool_that_never_returns_is_interrupted() -> None:
    def endless() -> None:
        while True:
            time.sleep(0.001)

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.02)
    try:
        with pytest.raises(KeyboardInterrupt):
            call(endless)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_the_cancelling_of_an_async_tool_passes_through() -> None:
    async def cancelled() -> None:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        call(cancelled)
