"""The conversation: streamed, stopped, asked again; nothing is lost whatever fails."""

from __future__ import annotations

import base64
import json
import threading
from typing import TYPE_CHECKING, Any

import pytest

from tests.panels.page import Page

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ollama_magic.session import Session
    from tests.fake_ollama import FakeOllama

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


def asked(fake: FakeOllama) -> list[dict[str, Any]]:
    """The messages of the last question that the server got."""
    questions = [each.json for each in fake.recorded if each.method == "POST"]
    messages: list[dict[str, Any]] = questions[-1]["messages"]
    return messages


def test_an_answer_streams_and_ends_whole(page: Page, session: Session, fake: FakeOllama) -> None:
    gate = threading.Event()
    fake.thinks("Let me ", "see.").says("Hello ", "**you**").waits_for(gate).says(
        ", $x^2$.\n\n```python\nprint(1)\n```\n"
    )
    assert page.say("send", prompt="Hi") == {}
    page.until(lambda p: "<strong>you</strong>" in p.turns[-1]["tail_html"])
    turn = page.turns[-1]
    assert turn["thinking"] == {"words": 3, "tail": "Let me see."}
    assert turn["can_retry"] is False
    gate.set()
    turn = page.ended()
    assert (turn["state"], turn["user"], turn["model"]) == ("done", "Hi", "llama3.2:latest")
    assert turn["text"] == "Hello **you**, $x^2$.\n\n```python\nprint(1)\n```\n"
    assert "<strong>you</strong>" in turn["html"]
    assert "Let me see." in turn["thinking_html"]
    assert turn["has_code"] is True
    assert "llama3.2:latest · local /v1" in turn["footer"]
    assert session.last is not None
    assert session.last.text == turn["text"]
    assert [each.user.content for each in session.threads.turns("main")] == ["Hi"]


def test_the_conversation_goes_on_and_the_settings_go_with_it(page: Page, session: Session, fake: FakeOllama) -> None:
    fake.says("one").then().says("two")
    page.say("set", name="system", value="Be brief.")
    page.say("set", name="temperature", value="0.5")
    page.ask("first")
    page.ask("second")
    assert [(m["role"], m["content"]) for m in asked(fake)] == [
        ("system", "Be brief."),
        ("user", "first"),
        ("assistant", "one"),
        ("user", "second"),
    ]
    assert fake.recorded[-1].json["temperature"] == 0.5
    assert [turn["user"] for turn in page.turns] == ["first", "second"]
    assert [turn["can_retry"] for turn in page.turns][-1] is True


def test_variables_files_and_pictures_go_along(session: Session, fake: FakeOllama) -> None:
    namespace: Mapping[str, Any] = {"city": "Oslo", "rows": [1, 2, 3]}
    fake.models[0]["capabilities"] = ["completion", "vision"]
    fake.says("ok")
    with Page(session, namespace=lambda: namespace) as page:
        about = [{"name": "dot.png", "type": "image/png"}]
        turn = page.ask("Where is {city}?", [PNG], attach=["rows"], pictures=about)
        content = asked(fake)[-1]["content"]
        text = next(part["text"] for part in content if part["type"] == "text")
        assert text.startswith("Where is Oslo?")
        assert "[1, 2, 3]" in text
        assert base64.b64encode(PNG).decode() in json.dumps(content)
        # The page shows what was typed, not what became of it.
        assert (turn["user"], turn["attached"], turn["pictures"]) == ("Where is {city}?", ["rows"], 1)
        # And asking again looks again.
        namespace["city"] = "Rome"  # type: ignore[index]
        assert page.say("retry", turn=turn["id"]) == {}
        page.ended()
        content = asked(fake)[-1]["content"]
        assert next(part["text"] for part in content if part["type"] == "text").startswith("Where is Rome?")
        assert base64.b64encode(PNG).decode() in json.dumps(content)


def test_what_cannot_be_sent_is_told_before_anything_is(session: Session, fake: FakeOllama) -> None:
    with Page(session, namespace=lambda: {"city": "Oslo"}) as page:
        for prompt, more, field in (
            ("", {}, "prompt"),
            (" \n ", {}, "prompt"),
            ("{city.nothing}", {}, "prompt"),
            ("Hi", {"attach": ["no_such_thing"]}, "prompt"),
            ("Hi", {"buffers": [b"no picture"], "pictures": [{"name": "a.txt"}]}, "pictures"),
        ):
            error = page.say("send", prompt=prompt, **more)  # type: ignore[arg-type]
            assert error["field"] == field, prompt
        assert page.turns == []
        fake.says("fine")
        assert page.ask("Hi")["state"] == "done"  # and the panel goes on
    assert sum(each.method == "POST" for each in fake.recorded) == 1


@pytest.mark.slow
def test_stop_closes_the_socket_and_keeps_what_had_come(page: Page, session: Session, fake: FakeOllama) -> None:
    fake.says("Half an ", "answer").stalls_after(2).then().says("whole")
    page.say("send", prompt="Hi")
    page.until(lambda p: "answer" in p.turns[-1]["tail_html"])
    assert page.say("send", prompt="more")["message"] == "An answer is being written here"
    assert page.say("clear")["message"] == "An answer is being written here"
    assert page.say("thread", name="other")["message"] == "An answer is being written here"
    assert page.say("stop") == {}
    turn = page.ended()
    assert fake.disconnected.wait(5)
    assert (turn["state"], turn["text"]) == ("stopped", "Half an answer")
    assert turn["marks"] == ["stopped — this is what had arrived"]
    assert page.say("retry", turn=turn["id"]) == {}
    assert page.ended()["text"] == "whole"
    assert len(page.turns) == 1
    assert [each.reason for each in session.threads.turns("main")] == ["stop"]


def test_stop_before_the_first_word(page: Page, session: Session, fake: FakeOllama) -> None:
    fake.stalls_before_headers()
    page.say("send", prompt="Hi")
    page.until(lambda p: "connecting" in p.turns[-1]["phase"] or "waiting" in p.turns[-1]["phase"])
    page.say("stop")
    turn = page.ended()
    assert (turn["state"], turn["marks"]) == ("stopped", ["stopped — nothing had arrived"])
    assert session.threads.names() == []


def test_a_server_that_dies_in_the_middle(page: Page, session: Session, fake: FakeOllama) -> None:
    fake.says("The first ", "half").drops_after(2, reset=True).then().says("all of it")
    turn = page.ask("Hi")
    assert turn["state"] == "failed"
    assert turn["text"] == "The first half"
    assert turn["error"]["message"]
    assert turn["error"]["hint"]
    assert "incomplete" in turn["marks"][0]
    assert session.threads.turns("main")[0].reason == "incomplete"
    page.say("retry", turn=turn["id"])
    assert page.ended()["text"] == "all of it"


def test_a_model_that_is_not_there(page: Page, session: Session, fake: FakeOllama) -> None:
    fake.says("here I am")
    page.say("use", model="lama3.2")
    turn = page.ask("Hi")
    assert turn["state"] == "failed"
    assert "lama3.2" in turn["error"]["message"]
    assert "llama3.2" in turn["error"]["hint"]
    assert session.threads.names() == []
    page.say("use", model="llama3.2")
    page.say("retry", turn=turn["id"])
    assert page.ended()["text"] == "here I am"
    assert [turn["user"] for turn in page.turns] == ["Hi"]


def test_the_last_question_is_asked_anew_and_gives_way(page: Page, session: Session, fake: FakeOllama) -> None:
    fake.says("one").then().says("two").then().says("TWO").then().says("three")
    page.ask("first")
    second = page.ask("second")
    assert page.say("edit", turn=page.turns[0]["id"], prompt="x")["message"] == "Only the last turn can be asked again"
    assert page.say("edit", turn=second["id"], prompt=" ")["field"] == "prompt"
    assert page.say("edit", turn=second["id"], prompt="SECOND") == {}
    assert page.ended()["text"] == "TWO"
    assert [m["content"] for m in asked(fake)] == ["first", "one", "SECOND"]
    assert [turn["user"] for turn in page.turns] == ["first", "SECOND"]
    page.ask("third")
    assert [m["content"] for m in asked(fake)] == ["first", "one", "SECOND", "TWO", "third"]
    assert len(session.threads.turns("main")) == 3


def test_a_second_try_that_fails_leaves_the_first_answer(page: Page, session: Session, fake: FakeOllama) -> None:
    fake.says("good").then().fails(500, '{"error": "broken"}', times=9)
    turn = page.ask("Hi")
    page.say("edit", turn=turn["id"], prompt="Hi, and more")
    page.until(lambda p: p.count("notice") == 1)
    back = page.ended()
    assert (back["id"], back["text"], back["user"]) == (turn["id"], "good", "Hi")
    notice = page.shown("notice")
    assert notice["kind"] == "error"
    assert "The earlier answer is kept." in notice["text"]
    assert notice["draft"] == "Hi, and more"
    assert [each.user.content for each in session.threads.turns("main")] == ["Hi"]


def test_a_second_try_that_is_stopped_at_once_leaves_the_first_answer(page: Page, fake: FakeOllama) -> None:
    fake.says("good").then().stalls_before_headers()
    turn = page.ask("Hi")
    page.say("retry", turn=turn["id"])
    page.until(lambda p: p.turns[-1]["id"] != turn["id"])
    page.say("stop")
    page.until(lambda p: p.turns[-1]["id"] == turn["id"])
    assert page.ended()["text"] == "good"
    assert page.shown("notice")["draft"] == ""
