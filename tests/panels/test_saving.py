"""What a panel leaves in the notebook, and what that costs; who is told of changes, and for how long."""

from __future__ import annotations

import gc
import threading
from typing import TYPE_CHECKING, Any

import pytest

from ollama_magic.errors import Unsupported
from ollama_magic.events import Message
from ollama_magic.listening import Listeners
from ollama_magic.panels import open_panel
from ollama_magic.panels.outlet import Outlet
from ollama_magic.panels.saving import Saving
from ollama_magic.panels.turns import Entry
from ollama_magic.render.transcript import Said, transcript_bundle
from ollama_magic.threads import Turn
from tests.panels.page import Page

if TYPE_CHECKING:
    from ollama_magic.session import Session
    from tests.fake_ollama import FakeOllama

HOSTILE = "<img src=x onerror=alert(1)> <script>alert(1)</script> [x](javascript:alert(1)) \x1b[2J"


def entry(number: int, text: str) -> Entry:
    return Entry.of(f"t{number}", Turn(Message("user", f"q{number}"), (Message("assistant", text),)), None)


def test_nothing_of_a_question_or_an_answer_is_live_in_the_notebook() -> None:
    asked = Entry.of("t1", Turn(Message("user", HOSTILE), (Message("assistant", HOSTILE, thinking=HOSTILE),)), None)
    data, metadata = transcript_bundle([asked.said], "p1")
    assert metadata == {"ollama_magic": {"panel": "p1", "transcript": True}}
    for kind in ("text/html", "text/markdown"):
        assert "<img" not in data[kind]
        assert "<script" not in data[kind]
    assert 'href="javascript' not in data["text/html"]
    assert "](javascript" not in data["text/markdown"]
    assert "\x1b" not in "".join(data.values())


def test_a_turn_is_told_with_all_that_belongs_to_it() -> None:
    said = Said("Two\nlines", "df, a picture", "<p>yes</p>", "yes", ("stopped",), "llama3.2 · local")
    data, _ = transcript_bundle([said, said], "p1")
    assert data["text/plain"].startswith(
        "> Two\n> lines\n> (with df, a picture)\n\nyes\n[stopped]\nllama3.2 · local\n\n>"
    )
    assert data["text/markdown"].startswith("> Two\n> lines\n\nyes\n\n>")
    assert data["text/html"].count("<p>yes</p>") == 2


@pytest.mark.slow
def test_a_long_conversation_is_written_less_often_and_never_left_out() -> None:
    now = [0.0]
    written: list[Any] = []
    outlet = Outlet(lambda message: None)
    saving = Saving(outlet, "p1", written.append, clock=lambda: now[0])
    entries: list[Entry] = []
    for number in range(500):
        entries.append(entry(number, "word " * 200))
        now[0] += 2.0  # an answer every two seconds
        saving.keep(entries)
    outlet.close()
    cost = sum(len(text) for bundle in written for text in bundle[0].values())
    assert cost < 1_000 * 60_000  # characters: so much a second at most
    assert 50 < len(written) < 400
    saving.close()
    assert "q499" in written[-1][0]["text/plain"]
    count = len(written)
    saving.close()  # nothing new
    assert len(written) == count


def test_a_short_conversation_is_written_when_a_turn_has_ended_and_not_later() -> None:
    """The kernel of a notebook that is run without a page may end in the next moment."""
    written: list[Any] = []
    saving = Saving(Outlet(lambda message: None), "p1", written.append, clock=lambda: 0.0)
    entries: list[Entry] = []
    for number in range(3):
        entries.append(entry(number, "word"))
        saving.keep(entries)
        assert f"q{number}" in written[-1][0]["text/plain"]
    assert len(written) == 3


class Notebook:
    """What the panel's pages write into the notebook, and what the kernel does."""

    def __init__(self, grace_s: float = 0.0) -> None:
        self.messages: list[dict[str, Any]] = []
        self.written: list[Any] = []
        self.pieces: list[dict[str, str]] = []
        self.outlet = Outlet(self._take)
        self.put = threading.Event()
        self.saving = Saving(self.outlet, "p1", self._put, grace_s=grace_s)

    def _put(self, bundle: Any) -> None:
        self.written.append(bundle[0])
        self.put.set()

    def _take(self, message: dict[str, Any]) -> None:
        self.messages.append(message)
        assert message["keep"] <= len(self.pieces)
        self.pieces[message["keep"] :] = message["pieces"]
        assert len(self.pieces) <= message["total"]

    @property
    def data(self) -> dict[str, str]:
        """The output as a page puts it together."""
        frame = self.messages[-1]["frame"]
        kinds = {kind: [piece[kind] for piece in self.pieces] for kind in self.pieces[0]}
        return {kind: frame[kind][0] + frame[kind][1].join(texts) + frame[kind][2] for kind, texts in kinds.items()}


def test_a_page_that_writes_its_notebook_is_given_every_turn_once() -> None:
    notebook = Notebook()
    entries = [entry(number, "word " * 40) for number in range(100)]
    notebook.saving.meet("v1")
    notebook.saving.leave_to("v1")
    assert "kept here" in notebook.data["text/plain"]
    for count in range(1, 101):
        notebook.saving.keep(entries[:count])
    assert notebook.data == transcript_bundle([each.said for each in entries], "p1")[0]
    whole = sum(map(len, notebook.data.values()))
    given = sum(len(text) for message in notebook.messages for piece in message["pieces"] for text in piece.values())
    assert given < 1.1 * whole
    assert notebook.written == []  # no output is rendered again and again
    notebook.saving.keep([*entries[:98], entry(100, "another")])  # a turn of long ago was asked again
    assert "q98" not in notebook.data["text/plain"]
    assert notebook.data["text/plain"].endswith("another")
    notebook.saving.keep([])
    assert notebook.data == transcript_bundle([], "p1")[0]
    notebook.outlet.close()


def test_a_page_that_comes_later_is_given_all_of_it() -> None:
    notebook = Notebook()
    entries = [entry(number, "word") for number in range(100)]
    for view in ("v1", "v2"):
        notebook.saving.keep(entries)
        notebook.saving.meet(view)
        before = len(notebook.messages)
        notebook.saving.leave_to(view)
        new = notebook.messages[before:]
        assert {message["to"] for message in new} == {view}
        assert [len(message["pieces"]) for message in new] == [40, 40, 20]
    notebook.outlet.close()


def test_one_page_that_cannot_write_has_it_written_by_the_kernel() -> None:
    notebook = Notebook()
    notebook.saving.meet("v1")
    notebook.saving.meet("v2")
    notebook.saving.leave_to("v1")
    notebook.saving.keep([entry(1, "to both")])
    assert "to both" in notebook.data["text/plain"]
    assert "to both" in notebook.written[-1]["text/plain"]
    notebook.outlet.close()


def test_what_the_pages_wrote_is_in_the_output_too_when_the_panel_closes() -> None:
    notebook = Notebook()
    notebook.saving.meet("v1")
    notebook.saving.leave_to("v1")
    notebook.saving.keep([entry(1, "said")])
    assert notebook.written == []
    notebook.saving.close()
    assert notebook.written == [notebook.data]


def test_a_long_thread_waits_for_a_page_that_writes_it_and_no_longer() -> None:
    entries = [entry(number, "word " * 200) for number in range(60)]
    unseen, seen = Notebook(grace_s=0.01), Notebook(grace_s=0.01)
    seen.saving.keep(entries)
    seen.saving.meet("v1")
    seen.saving.leave_to("v1")
    unseen.saving.keep(entries)
    assert unseen.put.wait(10)
    assert "q59" in unseen.written[-1]["text/plain"]
    assert not seen.put.is_set()  # its time was over before
    assert "q59" in seen.data["text/plain"]
    for each in (seen, unseen):
        each.outlet.close()


@pytest.mark.slow
def test_what_came_too_early_is_written_a_little_later(session: Session, fake: FakeOllama) -> None:
    written: list[Any] = []

    def keeper(outlet: Outlet) -> Saving:
        return Saving(outlet, "p1", lambda bundle: (written.append(bundle), outlet.post("written")))

    fake.says("word " * 13_000).then().says("answer")
    with Page(session, keeper=keeper) as page:
        page.ask("first")
        page.until(lambda p: p.count("written") == 1)
        page.ask("second")  # within the pause after the first
        page.until(lambda p: p.count("written") == 2)
    assert "> second" in written[-1][0]["text/plain"]


def test_closing_writes_what_was_waiting_and_a_new_panel_what_is_there(session: Session, fake: FakeOllama) -> None:
    written: list[Any] = []

    def keeper(outlet: Outlet) -> Saving:
        return Saving(outlet, "p1", written.append)

    fake.says("answer")
    page = Page(session, keeper=keeper)
    page.ask("first")
    page.ask("second")
    page.controller.close()
    assert "> second" in written[-1][0]["text/plain"]
    written.clear()
    with Page(session, keeper=keeper):
        assert "> first" in written[0][0]["text/plain"]


def test_a_terminal_and_a_script_say_that_they_have_no_panel(session: Session) -> None:
    with pytest.raises(Unsupported) as raised:
        open_panel(session, None)
    assert "notebook" in raised.value.message
    assert "JupyterLab" in raised.value.hint


# ---- listeners -------------------------------------------------------------------------------------------------


def test_listeners_are_told_and_hurt_nobody(session: Session) -> None:
    heard: list[tuple[str, str]] = []

    def broken(what: str, name: str) -> None:
        raise RuntimeError(what)

    def fine(what: str, name: str) -> None:
        heard.append((what, name))

    session.listen(broken)
    session.listen(fine)
    session.set(temperature=0.5)
    session.threads.put("main", [Turn(Message("user", "q"))])
    session.threads.record("main", Turn(Message("user", "r")))
    session.threads.reset("main")
    session.changed("models")
    session.forget()
    told = [
        ("settings", ""),
        ("threads", "main"),
        ("threads", "main"),
        ("threads", "main"),
        ("models", ""),
        ("settings", ""),
    ]
    assert heard == told


def test_a_listener_is_not_kept_alive() -> None:
    class Panel:
        def __init__(self) -> None:
            self.heard = 0

        def hear(self, what: str, name: str) -> None:
            self.heard += 1

    listeners, first, second = Listeners(), Panel(), Panel()
    listeners.add(first.hear)
    listeners.add(second.hear)
    del first
    gc.collect()
    listeners.tell("settings")
    listeners.tell("settings")
    assert second.heard == 2
    assert len(listeners._references) == 1
