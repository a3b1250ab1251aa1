"""Reading an answer in the caller's thread: calls that are asked about, and what is kept of an answer."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from ollama_magic.answering import Reading, Stopped
from ollama_magic.errors import Unsupported
from ollama_magic.question import Question, Transcript
from ollama_magic.session import Session
from ollama_magic.tools import tools_from
from tests.questions import MODEL

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.fake_ollama import FakeOllama


class Kernel:
    """One question with a tool that notes its calls."""

    def __init__(self, fake: FakeOllama) -> None:
        self.session = Session()
        self.settings = self.session.settings({"host": fake.url, "model": MODEL, "api": "native"})
        self.called: list[int] = []

    def note(self, n: int) -> str:
        """Note a number."""
        self.called.append(n)
        return "noted"

    def reading(self, ask_user: Callable[[str], str] | None = None, *, confirm: bool = True) -> Reading:
        question = Question("Go", tools=tuple(tools_from({}, [self.note])), transcript=Transcript("talk"))
        return Reading(self.session, question, self.settings, confirm=confirm, ask_user=ask_user)


@pytest.fixture
def kernel(fake: FakeOllama) -> Kernel:
    return Kernel(fake)


def read(reading: Reading) -> list[Any]:
    with closing(reading.batches()) as batches:
        return [event for events in batches for event in events]


@pytest.mark.parametrize(
    ("replies", "called"), [("yy", [1, 2]), ("ny", [2]), (["", "no"], []), (["all"], [1, 2]), (["what", "Y "], [2])]
)
def test_calls_are_made_as_allowed(fake: FakeOllama, kernel: Kernel, replies: Any, called: list[int]) -> None:
    fake.calls_tool("note", n=1).calls_tool("note", n=2).then().says("Done.")
    answers, asked = iter(replies), []

    def ask_user(text: str) -> str:
        asked.append(text)
        return next(answers)

    reading = kernel.reading(ask_user)
    read(reading)
    answer = reading.keep(None)
    assert kernel.called == called
    assert asked[0].startswith("Call note(n=1)?")
    assert [result.failed for result in answer.tool_results] == [n not in called for n in (1, 2)]
    assert answer.text == "Done."


@pytest.mark.parametrize("error", [NotImplementedError("no stdin"), EOFError()])
def test_where_nobody_can_be_asked_it_says_so(fake: FakeOllama, kernel: Kernel, error: Exception) -> None:
    fake.says("Well.").calls_tool("note", n=1)

    def ask_user(text: str) -> str:
        raise error

    reading = kernel.reading(ask_user)
    with pytest.raises(Unsupported, match="nothing can be typed in here") as caught:
        read(reading)
    assert not kernel.called
    assert reading.keep(caught.value).text == "Well."
    assert caught.value.partial == "Well."


def test_input_is_that_of_the_cell(fake: FakeOllama, kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    fake.calls_tool("note", n=1).then().says("Done.")
    monkeypatch.setattr("builtins.input", lambda text: "y")
    read(kernel.reading())
    assert kernel.called == [1]


def test_a_call_that_is_interrupted_is_not_sent_back_without_its_result(fake: FakeOllama, kernel: Kernel) -> None:
    fake.says("Let me see.").calls_tool("note", n=1)

    def ask_user(text: str) -> str:
        raise KeyboardInterrupt

    reading = kernel.reading(ask_user)
    with pytest.raises(KeyboardInterrupt):
        read(reading)
    answer = reading.keep(Stopped())
    assert (answer.text, answer.reason) == ("Let me see.", "stopped")
    history = kernel.session.threads.history("talk")
    assert [(message.role, message.content) for message in history] == [("user", "Go"), ("assistant", "Let me see.")]
    assert not any(message.tool_calls for message in history)
