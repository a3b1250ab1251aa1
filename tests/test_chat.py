"""One answer of several rounds: tools that are called, a structured answer that is mended, what ends it early."""

from __future__ import annotations

import asyncio
import threading
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import pytest

from ollama_magic.builder import AnswerBuilder
from ollama_magic.chat import MOST_ROUNDS, ToolsNeverEnd, ToolWork, converse, read_shape
from ollama_magic.errors import Incomplete
from ollama_magic.events import Done, Message, Request, Restart, Start, Text, ToolRequest, ToolResult
from ollama_magic.schema import Records, SchemaMismatch, schema_for
from tests.questions import MODEL, client

if TYPE_CHECKING:
    from ollama_magic.events import Answer
    from ollama_magic.schema import Shape
    from tests.fake_ollama import FakeOllama

TOOL = {"type": "function", "function": {"name": "add", "parameters": {"type": "object", "properties": {}}}}


def request(**how: Any) -> Request:
    return Request(MODEL, (Message("user", "2 + 40?"),), **how)


def with_tools(**how: Any) -> Request:
    return request(tools=(TOOL,), **how)


async def all_events(
    fake: FakeOllama, asked: Request, seen: list[Any], *, shape: Shape | None = None, api: str = "auto", rounds: int = 3
) -> None:
    """Read to the end into `seen`, and answer each call with the sum of its arguments."""
    async with client(fake, api=api) as asks, aclosing(converse(asks, asked, shape=shape, rounds=rounds)) as events:
        async for event in events:
            seen.append(event)
            if isinstance(event, ToolWork):
                event.deliver(ToolResult(event.call, str(sum(event.call.arguments.values()))))


def talk(fake: FakeOllama, asked: Request, **how: Any) -> tuple[list[Any], Answer]:
    seen: list[Any] = []
    asyncio.run(all_events(fake, asked, seen, **how))
    return seen, built(seen)


def built(seen: list[Any]) -> Answer:
    builder = AnswerBuilder()
    for event in seen:
        if not isinstance(event, ToolWork):
            builder.feed(event)
    return builder.answer()


def kinds(seen: list[Any], *wanted: type) -> list[str]:
    return [type(event).__name__ for event in seen if isinstance(event, wanted)]


def sent(fake: FakeOllama, at: int = -1) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = fake.recorded[at].json["messages"]
    return found


# ---- rounds of tools -------------------------------------------------------------------------------------------


def test_without_tools_it_is_one_question(fake: FakeOllama) -> None:
    fake.says("42")
    seen, answer = talk(fake, request())
    assert answer.text == "42"
    assert kinds(seen, Start, Done) == ["Start", "Done"]
    assert len(fake.recorded) == 1


@pytest.mark.parametrize("api", ["openai", "native"])
def test_results_go_back_until_the_model_answers(fake: FakeOllama, api: str) -> None:
    fake.says("Let me see.").calls_tool("add", a=2, b=40).then().calls_tool("add", a=42, b=1).then().says("43")
    seen, answer = talk(fake, with_tools(), api=api)
    assert kinds(seen, Start, ToolRequest, ToolWork, ToolResult, Done) == [
        "Start",
        *["ToolRequest", "ToolWork", "ToolResult"] * 2,
        "Done",
    ]
    assert [message["role"] for message in sent(fake)] == ["user", "assistant", "tool", "assistant", "tool"]
    assert [message["content"] for message in sent(fake)][2::2] == ["42", "43"]
    assert answer.text == "Let me see.\n\n43"
    assert [message.role for message in answer.replies] == ["assistant", "tool", "assistant", "tool", "assistant"]
    assert answer.replies[0].content == "Let me see."
    assert answer.reason == "stop"


def test_several_calls_of_one_turn_are_made_in_order_and_told_together(fake: FakeOllama) -> None:
    fake.calls_tool("add", a=1, b=1).calls_tool("add", a=2, b=2).then().says("2 and 4")
    _, answer = talk(fake, with_tools(), api="native")
    assert len(fake.recorded) == 2
    assert [message["content"] for message in sent(fake)[2:]] == ["2", "4"]
    calls = sent(fake)[1]["tool_calls"]
    assert [call["function"]["arguments"] for call in calls] == [{"a": 1, "b": 1}, {"a": 2, "b": 2}]
    assert len(answer.replies[0].tool_calls) == 2


def test_reasoning_goes_back_within_a_round_of_tools(fake: FakeOllama) -> None:
    fake.thinks("I must add.").calls_tool("add", a=1, b=1).then().says("2")
    talk(fake, with_tools(think=True), api="native")
    assert sent(fake)[1]["thinking"] == "I must add."


def test_counts_are_of_all_rounds(fake: FakeOllama) -> None:
    fake.calls_tool("add", a=1, b=1).then().says("it ", "is ", "2")
    seen, answer = talk(fake, with_tools(), api="native")
    assert kinds(seen, Done) == ["Done"]
    assert answer.stats.prompt_tokens == 22
    assert answer.stats.output_tokens == 4
    assert answer.stats.server_total_s == pytest.approx(1.8)
    first = answer.stats.first_token_s
    assert first is not None
    assert answer.stats.total_s is not None
    assert first <= answer.stats.total_s


def test_a_call_that_nobody_offered_ends_the_answer(fake: FakeOllama) -> None:
    fake.says("hm").calls_tool("add", a=1)
    seen, _ = talk(fake, request())
    assert not kinds(seen, ToolWork)
    assert kinds(seen, Done) == ["Done"]


def test_a_model_that_never_stops_asking_is_stopped(fake: FakeOllama) -> None:
    fake.says("again").calls_tool("add", a=1, b=1)
    seen: list[Any] = []
    with pytest.raises(ToolsNeverEnd, match="3 times in a row") as caught:
        asyncio.run(all_events(fake, with_tools(), seen, rounds=3))
    assert len(kinds(seen, ToolWork)) == 3
    assert len(fake.recorded) == 4
    assert caught.value.partial == "again"
    assert MOST_ROUNDS > 3


def test_a_stream_that_is_cut_in_the_second_round(fake: FakeOllama) -> None:
    fake.says("First.").calls_tool("add", a=1, b=1).then().says("It ", "is ", "2").drops_after(2)
    seen: list[Any] = []
    with pytest.raises(Incomplete):
        asyncio.run(all_events(fake, with_tools(), seen))
    answer = built(seen)
    assert not answer.complete
    assert answer.text == "First.\n\nIt is "
    assert len(fake.recorded) == 2


# ---- a structured answer ---------------------------------------------------------------------------------------

YEAR = schema_for("year: int")


def test_an_answer_that_fits_is_asked_for_once(fake: FakeOllama) -> None:
    fake.says('{"year": ', "1815}")
    _, answer = talk(fake, request(format=YEAR.json_schema), shape=YEAR)
    assert read_shape(YEAR, answer.text) == {"year": 1815}
    assert len(fake.recorded) == 1


def test_one_that_does_not_fit_is_mended_once(fake: FakeOllama) -> None:
    fake.says('{"year": "soon"}').then().says('{"year": 1815}')
    seen, answer = talk(fake, request(format=YEAR.json_schema), shape=YEAR, api="native")
    assert kinds(seen, Start, Restart, Done) == ["Start", "Restart", "Done"]
    assert answer.text == '{"year": 1815}'
    assert answer.stats.prompt_tokens == 22
    assert [message["role"] for message in sent(fake)] == ["user", "assistant", "user"]
    assert sent(fake)[1]["content"] == '{"year": "soon"}'
    assert "year" in sent(fake)[2]["content"]
    assert "did not fit" in answer.notices[0]


def test_one_that_never_fits_keeps_its_text(fake: FakeOllama) -> None:
    fake.says("soon")
    seen: list[Any] = []
    with pytest.raises(SchemaMismatch) as caught:
        asyncio.run(all_events(fake, request(), seen, shape=YEAR))
    assert caught.value.partial == "soon"
    assert built(seen).text == "soon"
    assert len(fake.recorded) == 2


def test_one_that_was_cut_off_at_its_longest_says_so(fake: FakeOllama) -> None:
    fake.says('{"year": 18').ends_with("length").then().says('{"year": 1815}')
    seen, _ = talk(fake, request(), shape=YEAR)
    [restart] = [event for event in seen if isinstance(event, Restart)]
    assert "cut off" in restart.reason


def test_tools_come_before_the_value(fake: FakeOllama) -> None:
    fake.says('{"year": 1}').calls_tool("add", a=1, b=1).then().says("no").then().says('{"year": 2}')
    seen, answer = talk(fake, with_tools(), shape=YEAR)
    assert kinds(seen, ToolWork, Restart, Done) == ["ToolWork", "Restart", "Done"]
    assert answer.replies[-1].content == '{"year": 2}'


def test_a_list_has_a_table_and_what_is_no_value_is_none() -> None:
    shape = schema_for("list[name: str]")
    value = read_shape(shape, '{"items": [{"name": "Ada"}]}')
    assert isinstance(value, Records)
    assert value == [{"name": "Ada"}]
    assert read_shape(shape, '{"items": [{"na') is None


# ---- stopped ---------------------------------------------------------------------------------------------------


def test_stopping_while_a_tool_runs_leaves_nothing_behind(fake: FakeOllama) -> None:
    fake.calls_tool("add", a=1, b=1).then().says("never")

    async def main() -> ToolWork:
        found: list[ToolWork] = []
        called = asyncio.Event()

        async def reader() -> None:
            async with client(fake) as asks, aclosing(converse(asks, with_tools())) as events:
                async for event in events:
                    if isinstance(event, ToolWork):
                        found.append(event)
                        called.set()

        before = asyncio.all_tasks()
        task = asyncio.create_task(reader())
        await called.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        found[0].deliver(ToolResult(found[0].call, "too late"))  # is no error
        await asyncio.sleep(0)
        assert asyncio.all_tasks() == before
        return found[0]

    assert asyncio.run(main()).call.name == "add"
    assert len(fake.recorded) == 1
    assert not fake.disconnected.is_set()


def test_leaving_in_mid_answer_closes_the_connection(fake: FakeOllama) -> None:
    gate = threading.Event()
    fake.calls_tool("add", a=1, b=1).then().says("It ").waits_for(gate).says("is 2")

    async def main() -> None:
        async with client(fake) as asks, aclosing(converse(asks, with_tools())) as events:
            async for event in events:
                if isinstance(event, ToolWork):
                    event.deliver(ToolResult(event.call, "2"))
                if isinstance(event, Text):
                    return

    asyncio.run(main())
    assert fake.disconnected.wait(5)
    gate.set()
