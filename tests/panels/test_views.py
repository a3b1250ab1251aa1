"""Views that come and go, a panel that is closed, and much of everything."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from ollama_magic.events import Message
from ollama_magic.threads import Turn
from tests.panels.page import Page

if TYPE_CHECKING:
    from ollama_magic.session import Session
    from tests.fake_ollama import FakeOllama


def test_a_view_that_comes_later_sees_all_of_it(page: Page, fake: FakeOllama) -> None:
    gate = threading.Event()
    fake.says("A first block of text.\n\n" * 60, "and the tail").waits_for(gate).says(".")
    page.say("send", prompt="Hi")
    page.until(lambda p: "and the tail" in p.turns[-1]["tail_html"])
    page.controller.take({"id": 1, "view": "v2", "do": "hello"})
    late = page.shown("conversation")
    assert late["to"] == "v2"
    [turn] = late["turns"]
    assert turn["html"].count("A first block") + turn["tail_html"].count("A first block") == 60
    assert "and the tail" in turn["tail_html"]
    gate.set()
    assert page.ended()["html"].count("A first block") == 60


def test_the_last_view_that_goes_stops_everything(session: Session, fake: FakeOllama) -> None:
    fake.says("Half").stalls_after(1)
    gate = threading.Event()
    fake.offers("tiny", 1000).pull_waits_for(gate, at=500)
    with Page(session, grace_s=0.01) as page:
        page.say("send", prompt="Hi")
        page.say("pull", name="tiny")
        page.until(lambda p: "Half" in p.turns[-1]["tail_html"])
        page.say("gone")
        assert page.count("who") == 1
        assert page.ended()["state"] == "stopped"
        page.until(lambda p: p.shown("pulls")["pulls"][0]["state"] == "stopped")
        assert fake.disconnected.wait(5)
        page.say("hello")  # a page that comes back finds all of it
        assert page.turns[-1]["text"] == "Half"
    gate.set()


def test_a_view_that_was_moved_stops_nothing(session: Session, fake: FakeOllama) -> None:
    gate = threading.Event()
    fake.says("Half").waits_for(gate).says(" and half")
    with Page(session, grace_s=0.01) as page:
        page.say("send", prompt="Hi")
        page.until(lambda p: "Half" in p.turns[-1]["tail_html"])
        page.say("gone")
        page.say("here")
        # What follows in the bridge's queue is behind the grace: a test that asks and gets an answer is later.
        page.say("test")
        page.until(lambda p: p.shown("connection")["verdict"]["state"] == "ok")
        gate.set()
        assert page.ended()["text"] == "Half and half"


def test_closing_the_panel_closes_the_socket(session: Session, fake: FakeOllama) -> None:
    fake.says("Half").stalls_after(1)
    page = Page(session)
    page.say("hello")
    page.say("send", prompt="Hi")
    page.until(lambda p: "Half" in p.turns[-1]["tail_html"])
    page.controller.close()
    assert fake.disconnected.wait(5)
    assert session.threads.turns("main")[0].reason == "stopped"  # and what had come is kept


@pytest.mark.slow
def test_five_hundred_turns_are_sent_once(session: Session, fake: FakeOllama) -> None:
    turns = [Turn(Message("user", f"question {n}"), (Message("assistant", f"answer **{n}**"),)) for n in range(500)]
    session.threads.put("main", turns)
    fake.says("the last")
    with Page(session) as page:
        assert [turn["user"] for turn in page.turns] == [f"question {n}" for n in range(500)]
        assert page.count("conversation") > 1  # in pages
        before, count = len(page.raw()), len(page.messages)
        page.ask("one more")
        new = page.messages[count:]
        assert len(page.raw()) - before < 30_000  # of the 500 nothing was sent again
        assert all(len(message["turns"]) == 1 for message in new if message.get("show") == "conversation")
        assert len(page.turns) == 501


@pytest.mark.slow
def test_a_long_answer_costs_in_proportion_to_its_length(page: Page, fake: FakeOllama) -> None:
    words = [f"word{n} " if n % 12 else f"word{n}.\n\n" for n in range(5_000)]
    fake.says(*words)
    before = len(page.raw())
    turn = page.ask("Much, please")
    length = len("".join(words))
    assert turn["text"] == "".join(words)
    assert len(page.raw()) - before < 6 * length  # each piece when it is done, once more as a whole, and the tails


@pytest.mark.slow
def test_a_flood_is_gathered_into_few_messages(page: Page, fake: FakeOllama) -> None:
    fake.says(*["x "] * 4_000)
    page.ask("Quick")
    assert page.count("delta") < 100


def test_a_gigantic_answer_is_shown_when_it_is_whole(page: Page, fake: FakeOllama) -> None:
    fake.says(*["word " * 2_000] * 50)
    before = len(page.raw())
    turn = page.ask("All of it")
    assert len(turn["text"]) == 500_000
    assert turn["html"].startswith("<pre")
    assert len(page.raw()) - before < 4 * 500_000


def test_a_panel_that_is_closed_while_it_puts_the_question_together_asks_nothing(
    session: Session, fake: FakeOllama
) -> None:
    class Closing:
        def __repr__(self) -> str:
            page.controller.close()
            return "closed"

    page = Page(session, namespace=lambda: {"it": Closing()})
    page.controller.take({"id": 1, "do": "send", "prompt": "{it!r}"})
    assert page.controller.outlet.closed  # by the variable, on its way into the prompt
    assert fake.recorded == []
    assert not page.turns
