"""What a notebook does with prompts and answers, for real on the embedded engine: values, threads, tools, replay."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pydantic
import pytest

from ollama_magic import Chat, ask
from ollama_magic.embedded import engine
from ollama_magic.embedded.weights import ensure
from ollama_magic.errors import PromptTooLong
from ollama_magic.events import Message, ToolCall
from ollama_magic.layers import environment_layer, resolve
from ollama_magic.threads import Turn

from .real import REAL
from .templates import TOOL_TEMPLATE, copy_with_template

if TYPE_CHECKING:
    from pathlib import Path

    from ollama_magic.session import Session

pytestmark = [*REAL, pytest.mark.usefixtures("cold")]

built_in = pytest.mark.skipif("OLLAMA_MAGIC_GGUF" in os.environ, reason="is about the built-in model")


@pytest.fixture
def cold(here: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same answers each time."""
    monkeypatch.setenv("OLLAMA_MAGIC_TEMPERATURE", "0")
    monkeypatch.setenv("OLLAMA_MAGIC_SEED", "1")


class Town(pydantic.BaseModel):
    """A town of some country."""

    name: str = pydantic.Field(max_length=40)
    people: int = pydantic.Field(ge=0, le=100_000_000)


@dataclass
class Animal:
    name: str
    legs: int


def test_a_pydantic_value() -> None:
    answer = ask("The capital of France: its name, and how many people live there.", schema=Town, max_tokens=100)
    assert isinstance(answer.value, Town)
    assert answer.value.name
    assert answer.complete


def test_a_dataclass_and_a_list_with_its_table() -> None:
    one = ask("An animal with its number of legs.", schema=Animal, max_tokens=100).value
    assert isinstance(one, Animal)
    shape = {
        "type": "array",
        "items": {
            "type": "object",
            "properties": {"name": {"type": "string", "maxLength": 20}, "legs": {"type": "integer", "maximum": 100}},
            "required": ["name", "legs"],
            "additionalProperties": False,
        },
        "minItems": 2,
        "maxItems": 3,
    }
    several = ask("Three animals with their number of legs.", schema=shape, max_tokens=300).value
    assert 2 <= len(several) <= 3
    assert list(several.df.columns) == ["name", "legs"]
    assert len(several.df) == len(several)


def test_a_conversation_of_three_turns_is_really_sent() -> None:
    chat = Chat("talk", max_tokens=12)
    said: list[tuple[str, str]] = []
    for prompt in ("Count: one, two, three,", "Go on.", "Go on again."):
        answer = chat(prompt)
        assert answer.request is not None
        said.append(("user", prompt))
        assert [(message.role, message.content) for message in answer.request.messages] == said
        said.append(("assistant", answer.text))
    assert len(chat.turns) == 3


def test_a_replay_without_the_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = ensure(resolve(environment_layer()), lambda progress: None)
    monkeypatch.setenv("OLLAMA_MAGIC_CACHE_DIR", str(tmp_path))  # the user's own answers are not a test's
    (tmp_path / weights.path.name).symlink_to(weights.path)
    first = ask("Say something.", cache="use", max_tokens=12)
    engine.stop()
    again = ask("Say something.", cache="use", max_tokens=12)
    assert again.text == first.text
    assert again.surface == "replayed"
    assert engine._state.engine is None


def add(a: int, b: int) -> int:
    """Add two whole numbers.

    Args:
        a: the first
        b: the second
    """
    return a + b


@built_in
def test_tools_end_well_whatever_a_small_model_does() -> None:
    answer = ask("Use add to compute 2 + 40.", tools=[add], max_tokens=100, rounds=2)
    assert answer.complete
    assert len(answer.tool_results) == len(answer.tool_calls)
    assert any("cannot call tools" in notice for notice in answer.notices)


@built_in
def test_a_round_trip_of_a_tool_where_the_template_allows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, here: Session
) -> None:
    weights = tmp_path / "with-tools.gguf"
    copy_with_template(ensure(resolve(environment_layer()), lambda progress: None).path, weights, TOOL_TEMPLATE)
    monkeypatch.setenv("OLLAMA_MAGIC_GGUF", str(weights))
    for number, (a, b) in enumerate([(1, 2), (5, 6), (10, 3), (7, 7)]):  # so small a model learns it by examples
        call = ToolCall("add", {"a": a, "b": b}, f"call_{number}")
        replies = (
            Message("assistant", tool_calls=(call,)),
            Message("tool", str(a + b), tool_name="add", tool_call_id=call.id),
            Message("assistant", f"It is {a + b}."),
        )
        here.threads.record("sums", Turn(Message("user", f"What is {a} + {b}?"), replies))
    answer = ask("What is 2 + 40?", tools=[add], thread="sums", max_tokens=60, rounds=3)
    weights.unlink()
    assert [(call.name, dict(call.arguments)) for call in answer.tool_calls] == [("add", {"a": 2, "b": 40})]
    assert [result.text for result in answer.tool_results] == ["42"]
    assert "42" in answer.text
    assert not answer.notices


def test_a_prompt_that_is_far_too_long_is_refused_with_a_way_out() -> None:
    with pytest.raises(PromptTooLong) as caught:
        ask("The cat sat on the mat. " * 1000)
    assert caught.value.hint
