"""Threads: the history sent is what the notebook shows; trimming; export and import."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import nbformat
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from ollama_magic.errors import SettingsError
from ollama_magic.events import Image, Message, ToolCall
from ollama_magic.threads import IMAGE_TOKENS, Threads, Turn, export, fit, import_json
from tests.tables import folded


def turn(prompt: str, answer: str = "", cell: str = "", **others: Any) -> Turn:
    replies = (Message("assistant", answer, thinking="hm"),) if answer else ()
    return Turn(Message("user", prompt), replies, cell, **others)


def texts(messages: tuple[Message, ...]) -> str:
    return " ".join(message.content for message in messages)


def ask(threads: Threads, cell: str, prompt: str, run: str = "", reason: str = "stop", name: str = "t") -> str:
    """What one cell does: send the history, record its turn. The answer is the prompt in capitals."""
    sent = texts(threads.history(name, cell, prompt=prompt, run=run))
    threads.record(name, turn(prompt, prompt.upper(), cell, run=run, reason=reason))
    return sent


# ---- what is sent ----------------------------------------------------------------------------------------------


def test_cells_run_one_after_the_other() -> None:
    threads = Threads()
    assert ask(threads, "1", "a") == ""
    assert ask(threads, "2", "b") == "a A"
    assert ask(threads, "3", "c") == "a A b B"
    assert threads.names() == ["t"]


def test_running_a_cell_again_replaces_its_turn_and_drops_what_followed() -> None:
    threads = Threads()
    for cell, prompt in (("1", "a"), ("2", "b"), ("3", "c")):
        ask(threads, cell, prompt)
    assert texts(threads.history("t", "2")) == "a A"
    recorded = threads.record("t", turn("edited", "EDITED", "2"))
    assert (recorded.number, recorded.dropped) == (2, 1)
    assert recorded.replaced is not None
    assert recorded.replaced.user.content == "b"
    assert ask(threads, "3", "c") == "a A edited EDITED"


def test_cells_run_out_of_order_are_sent_in_the_order_of_their_running() -> None:
    threads = Threads()
    for cell in "312":
        ask(threads, cell, f"p{cell}")
    assert texts(threads.history("t", "4")) == "p3 P3 p1 P1 p2 P2"
    assert ask(threads, "3", "p3") == ""
    assert texts(threads.history("t", "4")) == "p3 P3"


def test_a_thread_stays_as_it_was_until_something_was_shown() -> None:
    threads = Threads()
    ask(threads, "1", "a")
    ask(threads, "2", "b")
    threads.history("t", "1")  # asked again, and the server was down
    assert texts(threads.history("t", "3")) == "a A b B"


def test_an_interrupted_turn_is_kept_as_it_was_shown() -> None:
    threads = Threads()
    threads.record("t", turn("a", "half an ans", "1", reason="stopped"))
    assert texts(threads.history("t", "2")) == "a half an ans"
    assert not threads.turns("t")[0].complete


def test_a_turn_that_showed_nothing_is_kept_but_not_sent() -> None:
    threads = Threads()
    threads.record("t", turn("a", "", "1", reason="stopped"))
    assert threads.history("t", "2") == ()
    assert len(threads.turns("t")) == 1


def test_several_turns_of_one_run_stay_together_and_go_together() -> None:
    threads = Threads()
    ask(threads, "0", "z")
    assert [ask(threads, "1", prompt, run="r1") for prompt in "ab"] == ["z Z", "z Z a A"]
    ask(threads, "2", "c")
    assert [ask(threads, "1", prompt, run="r2") for prompt in "ab"] == ["z Z", "z Z a A"]
    assert texts(threads.history("t", "2")) == "z Z a A b B"


def test_in_a_terminal_turns_are_appended_as_the_screen_shows_them() -> None:
    threads = Threads()
    assert [ask(threads, "", "more") for _ in range(3)] == ["", "more MORE", "more MORE more MORE"]


def test_in_a_terminal_a_second_try_replaces_an_answer_that_was_cut_off() -> None:
    threads = Threads()
    ask(threads, "", "a")
    ask(threads, "", "b", reason="stopped")
    assert ask(threads, "", "b", reason="incomplete") == "a A"
    assert ask(threads, "", "b") == "a A"
    assert ask(threads, "", "c", reason="stopped") == "a A b B"
    assert ask(threads, "", "d") == "a A b B c C", "another question is no second try"


def test_new_begins_again_once_something_was_shown() -> None:
    threads = Threads()
    ask(threads, "1", "a")
    recorded = threads.record("t", turn("b", "B", "2"), new=True)
    assert (recorded.number, recorded.replaced, recorded.dropped) == (1, None, 1)
    assert texts(threads.history("t", "3")) == "b B"


def test_reasoning_is_left_out_unless_the_model_needs_it() -> None:
    threads = Threads()
    ask(threads, "1", "a")
    assert {each.thinking for each in threads.history("t", "2")} == {""}
    assert threads.history("t", "2", thinking=True)[1].thinking == "hm"
    assert threads.turns("t")[0].replies[0].thinking == "hm"


CALLED = Message("assistant", "Let me see.", tool_calls=(ToolCall("f", {}), ToolCall("g", {})))
RESULT = Message("tool", "1", tool_name="f")


@folded(
    ("replies", "sent"),
    [
        ((CALLED, RESULT, RESULT, Message("assistant", "Two.")), "q Let me see. 1 1 Two."),
        ((CALLED, RESULT, RESULT), "q Let me see. 1 1"),
        ((CALLED, RESULT), "q Let me see."),
        ((CALLED,), "q Let me see."),
        ((replace(CALLED, content=""),), ""),
        ((CALLED, RESULT, RESULT, replace(CALLED, content=""), RESULT), "q Let me see. 1 1"),
    ],
)
def test_a_call_that_was_interrupted_before_its_results_is_not_sent(replies: tuple[Message, ...], sent: str) -> None:
    threads = Threads()
    threads.record("t", Turn(Message("user", "q"), replies, "1"))
    history = threads.history("t", "2")
    assert texts(history) == sent
    calls = sum(len(message.tool_calls) for message in history)
    assert calls == sum(message.role == "tool" for message in history)


# ---- names -----------------------------------------------------------------------------------------------------


@folded("name", ["", "a b", "-x", "../x", "a\nb", "x" * 65, ".x"])
def test_names_that_would_not_survive_a_line_are_refused(name: str) -> None:
    threads = Threads()
    for use in (lambda: threads.history(name), lambda: threads.record(name, turn("a")), lambda: threads.put(name, [])):
        with pytest.raises(SettingsError, match="cannot be called"):
            use()


def test_a_thread_that_is_not_there() -> None:
    threads = Threads()
    with pytest.raises(SettingsError, match="no thread 'x'") as caught:
        threads.reset("x")
    assert "None has begun" in caught.value.hint
    ask(threads, "1", "a", name="höhe-1.2")
    with pytest.raises(SettingsError) as caught:
        threads.turns("x")
    assert "höhe-1.2" in caught.value.hint


def test_reset_gives_back_what_it_forgot() -> None:
    threads = Threads()
    ask(threads, "1", "a")
    gone = threads.reset("t")
    assert threads.names() == []
    threads.put("u", gone)
    assert texts(threads.history("u")) == "a A"
    with pytest.raises(SettingsError, match="a thread 'u' already, with 1 turns"):
        threads.put("u", [])
    assert threads.turns("u") == gone
    threads.put("u", [], overwrite=True)
    assert threads.turns("u") == ()


# ---- against a simple model ------------------------------------------------------------------------------------


class NotebookMachine(RuleBasedStateMachine):
    """A notebook of four cells and two threads. The model is what a reader would note: (cell, prompt, answer)."""

    def __init__(self) -> None:
        super().__init__()
        self.threads = Threads()
        self.shown: dict[str, list[tuple[str, str, str]]] = {"x": [], "y": []}

    @rule(
        name=st.sampled_from("xy"), cell=st.sampled_from("1234"), prompt=st.sampled_from("ab"),
        end=st.sampled_from(["whole", "stopped", "nothing", "failed"]),
    )  # fmt: skip
    def run_cell(self, name: str, cell: str, prompt: str, end: str) -> None:
        shown = self.shown[name]
        cells = [each for each, _, _ in shown]
        before = shown[: cells.index(cell)] if cell in cells else shown
        sent = [(message.role, message.content) for message in self.threads.history(name, cell, prompt=prompt)]
        assert sent == [pair for _, asked, said in before if said for pair in (("user", asked), ("assistant", said))]
        if end == "failed":
            return
        answer = {"whole": "Yes.", "stopped": "Ye", "nothing": ""}[end]
        reason = "stop" if end == "whole" else "stopped"
        recorded = self.threads.record(name, turn(prompt, answer, cell, reason=reason))
        assert recorded.dropped == max(0, len(shown) - len(before) - 1)
        self.shown[name] = [*before, (cell, prompt, answer)]

    @rule(name=st.sampled_from("xy"))
    def reset(self, name: str) -> None:
        if name in self.threads.names():
            self.threads.reset(name)
        self.shown[name] = []

    @rule(name=st.sampled_from("xy"))
    def carry(self, name: str) -> None:
        if name in self.threads.names():
            text = export(name, self.threads.turns(name), "json")
            self.threads.put(*import_json(text), overwrite=True)

    @invariant()
    def a_cell_has_one_turn(self) -> None:
        for name in self.threads.names():
            turns = self.threads.turns(name)
            assert [(each.cell, each.user.content) for each in turns] == [shown[:2] for shown in self.shown[name]]


NotebookMachine.TestCase.settings = settings(max_examples=40, stateful_step_count=25, deadline=None, derandomize=True)
TestNotebook = pytest.mark.slow(NotebookMachine.TestCase)


# ---- what fits -------------------------------------------------------------------------------------------------


def words(text: str) -> int:
    return len(text.split())


HISTORY = (
    Message("system", "s " * 10),
    Message("user", "a " * 10),
    Message("assistant", tool_calls=(ToolCall("f", {"x": 1}),)),
    Message("tool", "t " * 10),
    Message("assistant", "A " * 10),
    Message("user", "b " * 10),
    Message("assistant", "B " * 10),
    Message("user", "c " * 10),
)


@folded(("budget", "dropped"), [(1000, 0), (90, 4), (60, 4), (59, 6), (10, 6), (0, 6)])
def test_the_oldest_turns_go_first_and_whole(budget: int, dropped: int) -> None:
    kept, gone = fit(HISTORY, budget, words)
    assert gone == HISTORY[1 : 1 + dropped]
    assert kept == (HISTORY[0], *HISTORY[1 + dropped :])


def test_pictures_cost_what_they_cost() -> None:
    pictured = Message("user", "a", images=(Image(b"x"),))
    messages = (pictured, Message("assistant", "b"), Message("user", "c"))
    assert fit(messages, IMAGE_TOKENS, words) == (messages[2:], messages[:2])
    assert fit(messages, IMAGE_TOKENS + 30, words) == (messages, ())


def test_nothing_fits_into_nothing() -> None:
    assert fit((), 0, words) == ((), ())


@pytest.mark.slow
@given(st.lists(st.sampled_from(["system", "user", "assistant", "tool"])), st.integers(0, 200))
def test_trimming_loses_no_message_and_keeps_turns_whole(roles: list[Any], budget: int) -> None:
    messages = tuple(Message(role, f"m{number}") for number, role in enumerate(roles))
    kept, gone = fit(messages, budget, words)
    assert sorted((*kept, *gone), key=messages.index) == list(messages)
    assert all(message.role != "system" for message in gone)
    rest = [message for message in kept if message.role != "system"]
    assert not gone or rest[0].role == "user"


# ---- files -----------------------------------------------------------------------------------------------------

RICH = (
    Turn(
        Message("user", "What is\n{x} in `it`?", images=(Image(b"\x89PNG", "image/png"),)),
        (
            Message("assistant", "", thinking="hm", tool_calls=(ToolCall("f", {"x": [1, "é"]}, "id1"),)),
            Message("tool", "```\n3\n```", tool_name="f", tool_call_id="id1"),
            Message("assistant", "**Three**\n<script>alert(1)</script>"),
        ),
        cell="a1b2-c3",
        model="llama3.2",
    ),
    Turn(Message("user", "And?"), (Message("assistant", "An"),), "a1b2-c3", reason="stopped"),
    Turn(Message("user", "So?"), (), "not valid!", reason="incomplete"),
)


def test_json_holds_everything() -> None:
    text = export("my", RICH, "json")
    assert import_json(text) == ("my", RICH)
    body = json.loads(text)
    assert (body["format"], body["version"]) == ("ollama_magic thread", 1)


# Another thread of the process may draw a random number meanwhile, which Hypothesis takes for one of a strategy.
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Do not use the `random` module")
@given(
    st.lists(
        st.builds(
            Turn,
            st.builds(Message, st.just("user"), st.text(), images=st.lists(st.builds(Image, st.binary())).map(tuple)),
            st.lists(st.builds(Message, st.sampled_from(["assistant", "tool"]), st.text(), st.text())).map(tuple),
            cell=st.text(),
            model=st.text(),
        ),
        max_size=3,
    )
)
@settings(max_examples=25)
def test_any_thread_comes_back_and_is_a_valid_notebook(turns: list[Turn]) -> None:
    assert import_json(export("t", turns, "json")) == ("t", tuple(turns))
    nbformat.validate(nbformat.reads(export("t", turns, "ipynb"), as_version=4))
    assert export("t", turns, "markdown").startswith("# Thread t\n")


def test_a_notebook_to_go_on_with() -> None:
    text = export("my", RICH, "ipynb")
    book = nbformat.reads(text, as_version=nbformat.NO_CONVERT)
    nbformat.validate(book)
    assert (book.nbformat, book.nbformat_minor) == (4, 5)
    load, pictures, first, second, third = book.cells
    assert load.source == "%load_ext ollama_magic"
    assert pictures.attachments["image1"]["image/png"] == "iVBORw=="
    assert first.source == "%%ollama -i my --raw\nWhat is\n{x} in `it`?", "what was expanded is not expanded again"
    assert second.source == "%%ollama -i my\nAnd?"
    assert first.id == "a1b2-c3", "so that running it replaces its turn"
    assert len({cell.id for cell in book.cells}) == len(book.cells)
    assert list(first.outputs[0].data) == ["text/plain"], "a model's HTML must not be live in the page"
    assert first.outputs[0].data["text/plain"].endswith("<script>alert(1)</script>")
    assert "(stopped here)" in second.outputs[0].data["text/plain"]
    assert "before the first word" in third.outputs[0].data["text/plain"]


def test_who_shows_answers_decides_how_the_notebook_shows_them() -> None:
    text = export("my", RICH[1:2], "ipynb", present=lambda text: {"text/markdown": text.replace("<", "&lt;")})
    assert json.loads(text)["cells"][1]["outputs"][0]["data"] == {"text/markdown": "An\n\n(stopped here)"}


def test_markdown_to_read() -> None:
    text = export("my", RICH, "markdown")
    assert text == (
        "# Thread my\n\n## 1. Prompt\n\n> What is\n> {x} in `it`?\n\n*(with a picture, image/png, 4 bytes)*\n\n"
        '## 1. Answer of llama3.2\n\nCalls:\n\n```\nf({"x": [1, "é"]})\n```\n\n'
        "Result of `f`:\n\n````\n```\n3\n```\n````\n\n"
        "**Three**\n<script>alert(1)</script>\n\n## 2. Prompt\n\n> And?\n\n## 2. Answer\n\nAn\n\n*(stopped here)*\n\n"
        "## 3. Prompt\n\n> So?\n\n## 3. Answer\n\n*(cut off here, before the first word)*\n"
    )


def test_another_kind_of_file() -> None:
    with pytest.raises(SettingsError, match="exported as 'pdf'") as caught:
        export("my", RICH, "pdf")
    assert "markdown, json, ipynb" in caught.value.hint


GOOD = json.loads(export("my", RICH, "json"))


def changed(**values: Any) -> str:
    return json.dumps({**GOOD, **values})


BAD_FILES = {
    "cut off": (export("my", RICH, "json")[:200], "cut off"),
    "empty": ("", "cut off"),
    "a notebook": ('{"cells": []}', "no exported thread"),
    "newer": (changed(version=2), "version 2; this ollama_magic reads version 1"),
    "older": (changed(version=None), "version None"),
    "no turns": (changed(turns=None), "no name or no turns"),
    "no name": (changed(name=3), "no name or no turns"),
    "a turn that is none": (changed(turns=[GOOD["turns"][0], 5]), "turn 2 is not there"),
    "no question": (changed(turns=[{"replies": []}]), "the question of turn 1"),
    "a role": (changed(turns=[{"user": {"role": "boss"}}]), "the question of turn 1 has the role 'boss'"),
    "a number": (changed(turns=[{"user": {"role": "user", "content": 5}}]), "content of the question of turn 1"),
    "replies": (changed(turns=[{"user": {"role": "user"}, "replies": {}}]), "replies of turn 1 is not a list"),
    "a picture": (
        changed(turns=[{"user": {"role": "user", "images": [{"data": "é"}]}}]),
        "an image of the question of turn 1 is not base64",
    ),
    "a call": (
        changed(turns=[{"user": {"role": "user"}, "replies": [{"role": "assistant", "tool_calls": [{}]}]}]),
        "reply 1 of turn 1",
    ),
}


@folded(("text", "reason"), BAD_FILES.values(), ids=BAD_FILES)
def test_a_file_that_is_broken_says_where(text: str, reason: str) -> None:
    with pytest.raises(SettingsError, match=reason) as caught:
        import_json(text)
    assert caught.value.hint
