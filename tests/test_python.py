"""`ask` and `Chat`: answers, conversations and events in Python, outside IPython and inside a running event loop."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ollama_magic import Chat, ask, session
from ollama_magic.context import PromptError
from ollama_magic.errors import Incomplete, SettingsError
from ollama_magic.events import Done, Start, Text, ToolRequest, ToolResult
from ollama_magic.schema import SchemaMismatch
from tests.fake_models import model_entry
from tests.questions import MODEL

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ollama_magic.session import Session
    from tests.fake_ollama import FakeOllama

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010804000000b51c0c020000000b4944415478da6364f80f00010501010027"
    "18e3660000000049454e44ae426082"
)


@pytest.fixture(autouse=True)
def kernel(fake: FakeOllama, monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    """A process that has asked nothing yet."""
    monkeypatch.setenv("OLLAMA_HOST", fake.url)
    monkeypatch.setenv("OLLAMA_MODEL", MODEL)
    fresh = session.Session()
    monkeypatch.setattr(session, "_session", fresh)
    yield fresh
    monkeypatch.undo()


def sent(fake: FakeOllama) -> list[tuple[str, str]]:
    return [(each["role"], each["content"]) for each in fake.recorded[-1].json["messages"]]


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


# ---- ask -------------------------------------------------------------------------------------------------------


def test_it_waits_and_shows_nothing(fake: FakeOllama, kernel: Session, capsys: pytest.CaptureFixture[str]) -> None:
    fake.says("fo", "ur")
    answer = ask("2 + 2?", system="Be brief.", temperature=0, max_tokens=5)
    assert str(answer) == "four"
    assert answer.complete
    assert sent(fake) == [("system", "Be brief."), ("user", "2 + 2?")]
    body = fake.recorded[-1].json
    assert (body["model"], body["temperature"], body["max_tokens"]) == (MODEL, 0, 5)
    assert kernel.last is answer
    assert capsys.readouterr() == ("", "")


def test_options_of_the_model_in_both_ways(fake: FakeOllama) -> None:
    ask("Hi", "llama3.2", top_k=3, options={"min_p": 0.5, "num_ctx": 2048})
    body = fake.recorded[-1].json
    assert body["model"] == "llama3.2"
    assert body["options"] == {"top_k": 3, "min_p": 0.5, "num_ctx": 2048}


def test_braces_are_left_alone(fake: FakeOllama) -> None:
    ask("{fake}")
    assert sent(fake) == [("user", "{fake}")]


@dataclass
class Person:
    name: str
    year: int


def test_a_schema_gives_a_value(fake: FakeOllama) -> None:
    fake.says('{"name": "Ada", "year": 1815}')
    assert ask("Who?", schema=Person).value == Person("Ada", 1815)


def test_a_list_of_records_has_a_table(fake: FakeOllama) -> None:
    fake.says('{"items": [{"name": "Ada", "year": 1815}]}')
    value = ask("Who?", schema=list[Person]).value
    assert value == [Person("Ada", 1815)]
    assert list(value.df.columns) == ["name", "year"]


def test_a_value_is_that_of_the_last_round(fake: FakeOllama) -> None:
    fake.says('{"year": 1}').calls_tool("add", a=1, b=1).then().says('{"year": 2}')
    assert ask("When?", schema="year: int", tools=[add]).value == {"year": 2}


def test_what_never_fits_raises_and_keeps_the_text(fake: FakeOllama, kernel: Session) -> None:
    fake.says("soon")
    with pytest.raises(SchemaMismatch) as caught:
        ask("When?", schema="year: int")
    assert caught.value.partial == "soon"
    assert kernel.last is not None
    assert (kernel.last.text, kernel.last.value) == ("soon", None)


def test_json_that_is_none_is_kept_as_text(fake: FakeOllama) -> None:
    fake.says("sorry, no")
    answer = ask("When?", format="json")
    assert fake.recorded[-1].json["response_format"] == {"type": "json_object"}
    assert (answer.text, answer.value) == ("sorry, no", None)


@pytest.mark.parametrize("several", [True, False])
def test_tools_run_here(fake: FakeOllama, several: bool) -> None:
    fake.says("Well.").calls_tool("add", a=2, b=40).then().says("42")
    answer = ask("2 + 40?", tools=[add] if several else add)  # type: ignore[arg-type]  # one alone is taken too
    assert answer.text == "Well.\n\n42"
    assert [result.text for result in answer.tool_results] == ["42"]


def test_pictures_from_bytes_and_files(fake: FakeOllama) -> None:
    fake.models.append(model_entry("eyes:1b", capabilities=("completion", "vision")))
    Path("dot.png").write_bytes(PNG)
    ask("What?", "eyes:1b", images=[PNG, "dot.png", Path("dot.png")], api="native")
    assert len(fake.recorded[-1].json["messages"][0]["images"]) == 3
    ask("What?", "eyes:1b", images="dot.png", api="native")
    assert len(fake.recorded[-1].json["messages"][0]["images"]) == 1


@pytest.mark.parametrize("given", [b"GIF but no", 5, "nowhere.png"])
def test_what_is_no_picture_is_refused(fake: FakeOllama, given: Any) -> None:
    with pytest.raises(PromptError):
        ask("What?", images=[given])
    assert not fake.recorded


def test_an_error_has_what_all_rounds_said(fake: FakeOllama, kernel: Session) -> None:
    fake.says("First.").calls_tool("add", a=1, b=1).then().says("It ", "is ").drops_after(1)
    with pytest.raises(Incomplete) as caught:
        ask("1 + 1?", tools=[add])
    assert caught.value.partial == "First.\n\nIt "
    assert kernel.last is not None
    assert kernel.last.text == caught.value.partial


def test_a_setting_that_is_none_is_refused(fake: FakeOllama) -> None:
    with pytest.raises(SettingsError, match="mode cannot be 'moon'"):
        ask("Hi", mode="moon")
    assert not fake.recorded


# ---- Chat ------------------------------------------------------------------------------------------------------


def test_a_conversation_goes_on(fake: FakeOllama) -> None:
    fake.says("one").then().says("two").then().says("three")
    chat = Chat(system="Be brief.")
    assert (chat("first").text, chat("second", temperature=0).text) == ("one", "two")
    assert sent(fake) == [("system", "Be brief."), ("user", "first"), ("assistant", "one"), ("user", "second")]
    assert len(chat.turns) == 2
    assert chat.name in repr(chat)
    assert "2 turns" in repr(chat)
    other = Chat()
    assert other.name != chat.name
    assert other.turns == ()


def test_a_name_is_shared_with_ask_and_the_cells(fake: FakeOllama, kernel: Session) -> None:
    fake.says("one").then().says("two")
    ask("first", thread="talk")
    Chat("talk")("second")
    assert [role for role, _ in sent(fake)] == ["user", "assistant", "user"]
    assert kernel.threads.names() == ["talk"]
    assert kernel.thread == "talk"


def test_reasoning_is_kept_but_not_sent_back(fake: FakeOllama) -> None:
    fake.thinks("Hm.").says("one").then().says("two")
    chat = Chat(api="native")
    assert chat("first").thinking == "Hm."
    chat("second")
    assert "thinking" not in fake.recorded[-1].json["messages"][1]


def test_its_events_as_they_come(fake: FakeOllama) -> None:
    fake.says("Well.").calls_tool("add", a=1, b=1).then().says("T", "wo")
    chat = Chat(tools=[add])
    events = list(chat.stream("1 + 1?"))
    wanted = (Start, Text, ToolRequest, ToolResult, Done)
    names = [type(event).__name__ for event in events if isinstance(event, wanted)]
    assert names == ["Start", "Text", "ToolRequest", "ToolResult", "Text", "Text", "Done"]
    [turn] = chat.turns
    assert turn.complete
    assert [message.role for message in turn.replies] == ["assistant", "tool", "assistant"]


def left_early(chat: Chat) -> str:
    seen = ""
    for event in chat.stream("first"):
        if isinstance(event, Text):
            seen += event.text
            break
    return seen


def test_leaving_early_hangs_up_and_keeps_the_turn_as_stopped(fake: FakeOllama, kernel: Session) -> None:
    import threading

    gate = threading.Event()
    fake.says("half an ans").waits_for(gate).says("wer").then().says("two")
    chat = Chat()
    assert left_early(chat) == "half an ans"
    assert fake.disconnected.wait(5)
    assert kernel.last is not None
    assert kernel.last.reason == "stopped"
    [turn] = chat.turns
    assert not turn.complete
    gate.set()
    chat("second")
    assert sent(fake) == [("user", "first"), ("assistant", "half an ans"), ("user", "second")]


def test_a_stream_that_fails_keeps_what_came(fake: FakeOllama) -> None:
    fake.says("half ", "way").drops_after(1)
    chat = Chat()
    with pytest.raises(Incomplete):
        list(chat.stream("first"))
    [turn] = chat.turns
    assert turn.reason == "incomplete"


def test_a_failure_that_brought_nothing_changes_nothing(fake: FakeOllama, kernel: Session) -> None:
    fake.fails(400, '{"error": "no"}')
    chat = Chat()
    with pytest.raises(Exception, match="no"):
        chat("first")
    assert chat.turns == ()
    assert kernel.last is None


INSIDE = """
import asyncio
from ollama_magic import Chat
from ollama_magic.events import Text

async def main():
    loop, seen = asyncio.get_running_loop(), []

    async def later(a: int) -> int:
        await asyncio.sleep(0)
        seen.append(asyncio.get_running_loop() is loop)
        return a

    chat = Chat(tools=[later])
    first = chat("first").text
    texts = [event.text for event in chat.stream("second") if isinstance(event, Text)]
    await asyncio.sleep(0)
    return first, texts, seen[0]

print(asyncio.run(main()))
"""


@pytest.mark.slow
def test_inside_a_running_event_loop(fake: FakeOllama) -> None:
    """A notebook's cells run in one; async tools run on it. In a process of its own: asyncio is patched for good."""
    fake.calls_tool("later", a=1).then().says("one").then().says("two")
    root = Path(__file__).parent.parent
    done = subprocess.run([sys.executable, "-c", INSIDE], capture_output=True, text=True, cwd=root, timeout=30)
    assert (done.stdout, done.returncode) == ("('one', ['two'], True)\n", 0), done.stderr
