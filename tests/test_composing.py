"""From a cell's text and line to a Question: what is put in, and what is refused before anything is sent."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ollama_magic.composing import DEFAULT_THREAD, compose
from ollama_magic.context import PromptError
from ollama_magic.errors import SettingsError
from ollama_magic.events import Message
from ollama_magic.parsing import parse_cell_line
from ollama_magic.session import Session
from ollama_magic.threads import Turn

if TYPE_CHECKING:
    from ollama_magic.question import Question


@dataclass
class Person:
    name: str
    year: int


class Shop:
    item = Person


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def schemas() -> Any:
    return list[Person]


NAMESPACE = {
    "Person": Person,
    "shop": Shop(),
    "add": add,
    "schemas": schemas,
    "fields": {"type": "object", "properties": {"name": {"type": "string"}}},
    "name": "Ada",
    "names": ["Ada", "Bob"],
    "broken": {},
    "In": [],
}


@pytest.fixture
def session() -> Session:
    return Session()


def composed(session: Session, line: str = "", prompt: str = "Hi", cell: str = "", run: str = "") -> Question:
    parsed = parse_cell_line(line)
    return compose(session, prompt, parsed.how, session.settings(parsed.values), NAMESPACE, cell=cell, run=run)


# ---- the prompt ------------------------------------------------------------------------------------------------


def test_variables_are_put_in_and_counted(session: Session) -> None:
    question = composed(session, prompt="About {name}, {names[1]} and {nothing}")
    assert question.prompt == "About Ada, Bob and {nothing}"
    assert [name for name, _ in question.included] == ["name", "names[1]"]
    assert all(tokens > 0 for _, tokens in question.included)


def test_raw_puts_nothing_in(session: Session) -> None:
    question = composed(session, "--raw", prompt="{name} {namse}")
    assert question.prompt == "{name} {namse}"
    assert not question.included
    assert not question.notices


@pytest.mark.parametrize(
    ("prompt", "meant"),
    [("{Name}", "name"), ("{namess}", "names"), ("{schema}", "schemas"), ("{persn}", "Person")],
)
def test_a_likely_slip_is_told(session: Session, prompt: str, meant: str) -> None:
    question = composed(session, prompt=prompt)
    assert question.prompt == prompt
    [notice] = question.notices
    assert f"did you mean {meant!r}?" in notice


@pytest.mark.parametrize("word", ["year", "title", "x", "n", "i", "in", "main", "game", "item", "shape", "token"])
def test_other_braces_are_nobodys_business(session: Session, word: str) -> None:
    assert not composed(session, prompt=f"A template: {{{word}}}").notices


def test_attachments_follow_the_prompt(session: Session) -> None:
    Path("notes.txt").write_text("remember the milk")
    question = composed(session, "-a names -a notes.txt", prompt="What?")
    assert question.prompt.startswith("What?\n\n")
    assert question.prompt.index("Bob") < question.prompt.index("remember the milk")
    assert [name for name, _ in question.included] == ["names", "notes.txt"]


def test_an_unknown_attachment_is_refused_with_the_nearest_name(session: Session) -> None:
    with pytest.raises(PromptError, match="nmaes") as caught:
        composed(session, "-a nmaes")
    assert "names" in str(caught.value)


# ---- the schema ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "text", "value"),
    [
        ("Person", '{"name": "Ada", "year": 1815}', Person("Ada", 1815)),
        ("shop.item", '{"name": "Ada", "year": 1815}', Person("Ada", 1815)),
        ("list[Person]", '{"items": [{"name": "Ada", "year": 1815}]}', [Person("Ada", 1815)]),
        ("schemas()", '{"items": []}', []),
        ("dict[str, Person]", '{"a": {"name": "Ada", "year": 1}}', {"a": Person("Ada", 1)}),
        ("Person | None", '{"value": null}', None),
        pytest.param("fields", '{"name": "Ada"}', {"name": "Ada"}, marks=pytest.mark.slow),  # imports jsonschema
        ("name: str, year: int", '{"name": "Ada", "year": 1815}', {"name": "Ada", "year": 1815}),
        ("name: str", '{"name": "Ada"}', {"name": "Ada"}),
        ("list[name: str]", '{"items": [{"name": "Ada"}]}', [{"name": "Ada"}]),
        ("list[str]", '{"items": ["a"]}', ["a"]),
        ("who: Person", '{"who": {"name": "Ada", "year": 1}}', {"who": Person("Ada", 1)}),
        ("int", '{"value": 3}', 3),
        ("{'type': 'object', 'properties': {'a': {'type': 'integer'}}}", '{"a": 1}', {"a": 1}),
        ("[Person]", '{"items": []}', []),
    ],
)
def test_what_a_schema_may_be(session: Session, wanted: str, text: str, value: object) -> None:
    shape = composed(session, f'--schema "{wanted}"').shape
    assert shape is not None
    assert shape.parse(text) == value


def test_a_schema_as_json(session: Session) -> None:
    wanted = '{"type": "object", "properties": {"a": {"type": "boolean", "default": true}}}'
    shape = composed(session, f"--schema '{wanted}'").shape
    assert shape is not None
    assert shape.parse('{"a": false}') == {"a": False}


@pytest.mark.parametrize("wanted", ["Persn", "list[Persn]", "name", "names", "broken", "add", "name: strr", "{", "1"])
def test_what_is_no_schema_is_refused(session: Session, wanted: str) -> None:
    with pytest.raises(SettingsError):
        composed(session, f'--schema "{wanted}"')


def test_the_nearest_type_is_named(session: Session) -> None:
    with pytest.raises(SettingsError, match="Person"):
        composed(session, "--schema Persn")


def test_a_schema_that_raises_says_so(session: Session) -> None:
    with pytest.raises(PromptError, match="KeyError"):
        composed(session, "--schema \"broken['x']\"")


# ---- tools, cache ----------------------------------------------------------------------------------------------


def test_tools_are_described_and_never_replayed(session: Session) -> None:
    question = composed(session, "--tools add --cache")
    assert [tool.name for tool in question.tools] == ["add"]
    assert question.cache == "off"
    assert "not kept or replayed" in question.notices[0]
    assert not composed(session, "--tools add").notices
    assert composed(session, "--cache").cache == "use"


def test_an_unknown_tool_is_refused(session: Session) -> None:
    with pytest.raises(SettingsError, match="ad"):
        composed(session, "--tools ad")


# ---- conversations ---------------------------------------------------------------------------------------------


def said(session: Session, thread: str, text: str, cell: str = "") -> None:
    session.threads.record(thread, Turn(Message("user", text), (Message("assistant", "Yes."),), cell))
    session.thread = thread


def test_without_a_thread_a_cell_stands_alone(session: Session) -> None:
    said(session, "talk", "Earlier")
    question = composed(session)
    assert question.transcript is None
    assert not question.history


@pytest.mark.parametrize(("line", "name"), [("-c", "talk"), ("-i talk", "talk"), ("-c -i other", "other")])
def test_which_thread_it_is(session: Session, line: str, name: str) -> None:
    said(session, "talk", "Earlier", "a")
    question = composed(session, line, cell="b", run="r")
    assert question.transcript is not None
    assert (question.transcript.name, question.transcript.cell, question.transcript.run) == (name, "b", "r")
    assert [message.content for message in question.history] == (["Earlier", "Yes."] if name == "talk" else [])


def test_the_thread_of_those_who_name_none(session: Session) -> None:
    question = composed(session, "-c")
    assert question.transcript is not None
    assert question.transcript.name == DEFAULT_THREAD


def test_its_own_turn_is_no_history_of_a_cell(session: Session) -> None:
    said(session, "talk", "First", "a")
    said(session, "talk", "Second", "b")
    assert [message.content for message in composed(session, "-c", cell="b").history] == ["First", "Yes."]
    assert not composed(session, "-c", cell="a").history


def test_a_new_one_has_no_history(session: Session) -> None:
    said(session, "talk", "Earlier")
    question = composed(session, "-c --new")
    assert not question.history
    assert question.transcript is not None
    assert question.transcript.new
    assert session.threads.turns("talk")  # until there is an answer


@pytest.mark.parametrize("line", ["-i 'a b'", "-i 'a b' --new"])
def test_a_bad_name_is_refused_before_anything_is_sent(session: Session, line: str) -> None:
    with pytest.raises(SettingsError, match="cannot be called"):
        composed(session, line)
