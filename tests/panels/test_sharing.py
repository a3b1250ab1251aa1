"""Conversations that cells, Python and other panels take part in; and what goes from a panel into the notebook."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ollama_magic.answering import Reading, answer_into
from ollama_magic.composing import compose
from ollama_magic.events import Message
from ollama_magic.parsing import How
from ollama_magic.session import Session
from ollama_magic.threads import Turn
from tests.panels.page import Page

if TYPE_CHECKING:
    from tests.fake_ollama import FakeOllama


class Silent:
    """A cell whose output nobody looks at."""

    def show(self, events: object) -> None:
        pass

    def finish(self, answer: object, error: object = None) -> None:
        pass


def run_cell(session: Session, prompt: str, cell: str, run: str, thread: str = "main") -> None:
    """What `%%ollama -i THREAD` does."""
    settings = session.settings()
    question = compose(session, prompt, How(thread=thread), settings, {}, cell=cell, run=run)
    answer_into(Silent(), Reading(session, question, settings))


def asked(fake: FakeOllama) -> list[dict[str, Any]]:
    """The messages of the last question that the server got."""
    questions = [each.json for each in fake.recorded if each.method == "POST"]
    messages: list[dict[str, Any]] = questions[-1]["messages"]
    return messages


def test_cells_and_panel_share_a_conversation(page: Page, session: Session, fake: FakeOllama) -> None:
    fake.says("one").then().says("two").then().says("three").then().says("again")
    run_cell(session, "from a cell", "cell-1", "run-1")
    assert [(turn["user"], turn["text"]) for turn in page.turns] == [("from a cell", "one")]
    assert "llama3.2:latest · local" in page.turns[0]["footer"]  # as in the cell
    page.ask("from the panel")
    assert [m["content"] for m in asked(fake)] == ["from a cell", "one", "from the panel"]
    run_cell(session, "from a cell again", "cell-2", "run-2")
    assert [turn["user"] for turn in page.turns] == ["from a cell", "from the panel", "from a cell again"]
    # The last one is the cell's, and can be asked again here; braces in it are no variables.
    page.say("edit", turn=page.turns[-1]["id"], prompt="{page} again")
    page.until(lambda p: p.turns[-1]["text"] == "again")
    assert [turn.cell for turn in session.threads.turns("main")][0::2] == ["cell-1", "cell-2"]
    # Running an earlier cell drops what followed, and the page follows.
    run_cell(session, "from a cell", "cell-1", "run-3")
    assert [turn["user"] for turn in page.turns] == ["from a cell"]
    session.threads.reset("main")
    assert page.turns == []


def test_a_turn_without_a_cell_of_its_own_is_replaced_all_the_same(
    page: Page, session: Session, fake: FakeOllama
) -> None:
    fake.says("new")
    answered = (Message("assistant", "old"),)
    loop = [Turn(Message("user", f"q{n}"), answered, "cell-1", "run-1") for n in range(3)]
    for turns in ([Turn(Message("user", "from Python"), answered)], loop):
        session.threads.put("main", turns, overwrite=True)
        before = [turn["user"] for turn in page.turns]
        page.say("retry", turn=page.turns[-1]["id"])
        page.until(lambda p: p.turns[-1]["text"] == "new")
        page.ended()
        assert [turn["user"] for turn in page.turns] == before
        assert [turn.user.content for turn in session.threads.turns("main")] == before
        assert session.threads.turns("main")[-1].replies[0].content == "new"


def test_a_cell_that_answers_in_between_disturbs_nothing(page: Page, session: Session, fake: FakeOllama) -> None:
    gate = threading.Event()
    fake.says("slow ").waits_for(gate).says("answer").then().says("quick")
    page.say("send", prompt="panel")
    page.until(lambda p: "slow" in p.turns[-1]["tail_html"])
    run_cell(session, "cell", "cell-1", "run-1")
    gate.set()
    page.until(lambda p: len(p.turns) == 2 and p.turns[-1]["can_retry"])
    assert [(turn["user"], turn["text"]) for turn in page.turns] == [("cell", "quick"), ("panel", "slow answer")]
    assert [turn.user.content for turn in session.threads.turns("main")] == ["cell", "panel"]


def test_two_panels_on_one_conversation_and_on_two(page: Page, session: Session, fake: FakeOllama) -> None:
    gate = threading.Event()
    fake.says("A").waits_for(gate).says("A").then().says("B").waits_for(gate).says("B").then().says("C")
    with Page(session) as other:
        assert other.say("thread", name="second") == {}
        page.say("send", prompt="to main")
        page.until(lambda p: "A" in p.turns[-1]["tail_html"])
        other.say("send", prompt="to second")
        other.until(lambda p: "B" in p.turns[-1]["tail_html"])
        gate.set()
        assert (page.ended()["text"], other.ended()["text"]) == ("AA", "BB")
        assert [turn["user"] for turn in page.turns] == ["to main"]
        assert {each["name"]: each["turns"] for each in page.shown("threads")["threads"]} == {"main": 1, "second": 1}
        assert other.say("thread", name="main") == {}
        assert [turn["text"] for turn in other.turns] == ["AA"]
        page.ask("more")
        other.until(lambda p: len(p.turns) == 2 and p.turns[-1]["text"] == "C")


def test_threads_are_named_begun_and_cleared(page: Page, session: Session, fake: FakeOllama) -> None:
    fake.says("ok")
    assert page.say("thread", name="a b")["field"] == "name"
    page.ask("Hi")
    assert page.say("thread", name="draft-2") == {}
    assert (page.turns, page.shown("threads")["current"]) == ([], "draft-2")
    page.ask("there")
    assert session.thread == "draft-2"
    assert page.say("clear") == {}
    assert page.turns == []
    assert session.threads.names() == ["main"]
    assert page.say("clear") == {}
    page.say("thread", name="main")
    assert [turn["user"] for turn in page.turns] == ["Hi"]


def test_insert_and_export(page: Page, fake: FakeOllama) -> None:
    fake.says("Try:\n\n```python\nprint(1)\n```\n").then().says("No code, but <img src=x onerror=alert(1)>.")
    assert page.say("export", form="markdown")["message"] == "There is nothing to export yet"
    turn = page.ask("code?")
    page.say("insert", turn=turn["id"])
    assert page.shown("cells")["cells"] == [{"type": "code", "source": "print(1)"}]
    assert page.shown("cells")["to"] == "v1"  # one view inserts, not all
    page.say("insert", turn=turn["id"], **{"as": "markdown"})
    assert page.shown("cells")["cells"][0]["type"] == "markdown"
    turn = page.ask("text?")
    page.say("insert", turn=turn["id"])
    [cell] = page.shown("cells")["cells"]
    assert cell["type"] == "markdown"
    assert "<img" not in cell["source"]
    assert "<img" not in turn["html"]
    assert page.say("insert", turn="t999")["message"] == "That turn is gone"
    for form, name in (("markdown", "main.md"), ("json", "main.json"), ("ipynb", "main.ipynb")):
        assert page.say("export", form=form) == {}
        assert page.shown("file")["name"] == name
        assert "print(1)" in page.shown("file")["text"]
    assert "pdf" in page.say("export", form="pdf")["message"]


def test_the_notebooks_own_names_are_offered(session: Session) -> None:
    namespace = {
        "df": [1],
        "_hidden": 1,
        "json": json,
        "run_cell": run_cell,
        "Page": Page,
        "Zed": 2,
        "In": [],
        "alpha": 3,
    }
    with Page(session, namespace=lambda: namespace) as page:
        page.say("variables")
        offered = page.shown("variables")["variables"]
    assert [(each["name"], each["kind"]) for each in offered] == [("alpha", "int"), ("df", "list"), ("Zed", "int")]


@pytest.mark.slow
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4)), max_size=25))
@settings(max_examples=60, deadline=None)
def test_the_page_follows_the_thread_whatever_happens_to_it(steps: list[tuple[int, int]]) -> None:
    session = Session()
    page = Page(session)
    for number, (what, which) in enumerate(steps):
        turn = Turn(
            Message("user", f"q{number}"), (Message("assistant", "a"),), f"cell-{which}" if which else "", f"r{number}"
        )
        if what < 2:
            session.threads.record("main", turn)
        elif what == 2:
            session.threads.put("main", [turn] * which, overwrite=True)
        elif "main" in session.threads.names():
            session.threads.reset("main")
        kept = session.threads.turns("main") if "main" in session.threads.names() else ()
        assert [each["user"] for each in page.turns] == [each.user.content for each in kept]
    assert len({each["id"] for each in page.turns}) == len(page.turns)
    page.controller.close()
