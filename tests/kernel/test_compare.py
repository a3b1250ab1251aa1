"""Comparisons in a real ipykernel: columns that grow in one output, picks, votes, and what an interrupt closes."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.fake_models import model_entry
from tests.kernel.harness import Cell, Kernel

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator

    from tests.fake_ollama import FakeOllama

pytestmark = [pytest.mark.kernel, pytest.mark.slow]


@pytest.fixture(scope="module")
def started(server: FakeOllama, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    server.models.append(model_entry("qwen3:8b"))
    folder = tmp_path_factory.mktemp("comparing")
    env = {"OLLAMA_HOST": server.url, "OLLAMA_MAGIC_CACHE_DIR": str(folder / "kept")}
    with Kernel(str(folder), env) as kernel:
        yield kernel


@pytest.fixture
def kernel(started: Kernel, fake: FakeOllama) -> Kernel:
    return started


def html(cell: Cell) -> str:
    (output,) = cell.outputs
    text: str = output["data"]["text/html"]
    return text


def plain(cell: Cell) -> str:
    return cell.shown("text/plain")


def test_columns_grow_side_by_side_in_one_output(kernel: Kernel, fake: FakeOllama, gate: threading.Event) -> None:
    fake.voice("llama3.2").says("first of a, ").waits_for(gate).says("rest of a")
    fake.voice("qwen3:8b").says("first of b, ").waits_for(gate).says("rest of b")
    cell = kernel.start("%%ollama --compare llama3.2,nosuch:1b,qwen3:8b --out runs\ntell me")
    for text in ("first of a", "first of b", "model &#x27;nosuch:1b&#x27; not found"):
        kernel.wait_for_text(cell, text)
    assert len(cell.outputs) == 1
    assert "rest of" not in html(cell)
    gate.set()
    kernel.finish(cell)
    assert cell.reply["status"] == "ok"
    for text in ("first of a, rest of a", "first of b, rest of b", "ModelNotFound", "first token", "in all"):
        assert text in html(cell)
    (output,) = cell.outputs
    assert {"text/html", "text/plain", "text/markdown"} == set(output["data"])
    assert [each["title"] for each in output["metadata"]["ollama_magic"]["compared"]] == [
        "llama3.2",
        "nosuch:1b",
        "qwen3:8b",
    ]
    updates = [each for each in cell.messages if each["msg_type"] == "update_display_data"]
    assert len(updates) >= 2
    after = kernel.run("print(runs, runs.rows[1]['error'][:13], __import__('ollama_magic').last.text)")
    assert "Runs(3 runs, 2 whole) ModelNotFound first of a, rest of a" in after.shown()


def test_an_interrupt_closes_all_sockets_and_keeps_what_had_arrived(
    kernel: Kernel, fake: FakeOllama, gate: threading.Event
) -> None:
    for model in ("llama3.2", "qwen3:8b", "smollm2:135m"):
        fake.voice(model).says(f"half of {model}").waits_for(gate).says("never")
    fake.voice("qwen3:8b").forget()
    fake.voice("qwen3:8b").says("all of it")
    cell = kernel.start("%%ollama --compare llama3.2,qwen3:8b,smollm2:135m --out runs\ntell me")
    for text in ("half of llama3.2", "half of smollm2:135m", "all of it", "· complete"):
        kernel.wait_for_text(cell, text)
    kernel.until(lambda: fake.open_streams == 2)
    began = kernel.interrupt()
    kernel.finish(cell)
    kernel.until(lambda: fake.open_streams == 0)
    assert time.monotonic() - began < 2
    assert cell.reply["ename"] == "StoppedRuns"
    shown = plain(cell)
    assert shown.count("stopped — this is what had arrived") == 2
    assert "half of llama3.2" in shown
    assert "all of it" in shown
    assert "never" not in cell.raw()
    assert "Stopped: 1 of 3 answers came whole." in cell.shown()
    after = kernel.run("print([answer.reason for answer in runs], __import__('ollama_magic').last.text)")
    assert "['stopped', 'stop', 'stopped'] all of it" in after.shown()
    assert "True" in kernel.run("print(__import__('ollama_magic').last_runs is runs)").shown()


def test_all_that_fail_fail_the_cell_and_each_says_why(kernel: Kernel) -> None:
    kernel.run("runs = 'as before'")
    cell = kernel.run("%%ollama --compare nosuch:1b,neither:2b --out runs\nHello")
    assert cell.reply["ename"] == "ModelNotFound"
    assert "nosuch:1b" in cell.outputs[0]["data"]["text/plain"]
    assert "neither:2b" in cell.outputs[0]["data"]["text/plain"]
    assert "as before" in kernel.run("print(runs)").shown()


def test_blind_hides_all_names_until_one_is_picked(kernel: Kernel, fake: FakeOllama) -> None:
    fake.voice("llama3.2").says("I am a poet.")
    fake.voice("qwen3:8b").says("I am a cook.")
    kernel.run("%ollama votes clear")
    asked = "%%ollama --compare llama3.2,qwen3:8b --blind --out best -i kitchen\nWho are you?"
    cell = kernel.finish(kernel.start(asked, cell_id="the-cell"))
    sent = json.dumps([each["content"] for each in cell.messages if "data" in each["content"]])
    for name in ("llama3.2", "qwen3", "tok/s"):
        assert name not in sent
    assert "poet" in sent
    assert "Names and times are shown after the pick: %ollama pick A or B" in plain(cell)
    again = kernel.run("best")
    assert "poet" in again.shown()
    assert "llama3.2" not in again.raw()
    shown = plain(cell)
    chosen = "A" if shown.index("cook") < shown.index("poet") else "B"
    picked = kernel.run(f"%ollama pick {chosen.lower()}")
    assert f"Picked {chosen}: qwen3:8b." in picked.shown()
    assert "Counted" in picked.shown()
    (update,) = [each for each in picked.messages if each["msg_type"] == "update_display_data"]
    (output,) = cell.outputs
    assert update["content"]["transient"]["display_id"] == output["transient"]["display_id"]
    assert f"{chosen} · qwen3:8b · ✓ picked" in update["content"]["data"]["text/plain"]
    assert "llama3.2" in update["content"]["data"]["text/plain"]
    after = kernel.run("print(best.text, '|', __import__('ollama_magic').last.text)")
    assert "I am a cook. | I am a cook." in after.shown()
    fake.says("Soup.")
    kernel.run("%%ollama qwen3:8b -i kitchen\nWhat is there?")
    assert [each["content"] for each in fake.recorded[-1].json["messages"]] == [
        "Who are you?",
        "I am a cook.",
        "What is there?",
    ]
    # Another pick of the same comparison is a change of mind.
    kernel.run(f"%ollama pick {'B' if chosen == 'A' else 'A'}")
    votes = plain(kernel.run("%ollama votes"))
    assert "From 1 pick, 0 blind" in votes  # the names were known by then
    row = next(line.split() for line in votes.splitlines() if line.startswith("llama3.2"))
    assert row[-2:] == ["1", "1"]
    kernel.run("%%ollama qwen3:8b -i kitchen\nAnd now?")
    assert [each["content"] for each in fake.recorded[-1].json["messages"]] == [
        "Who are you?",
        "I am a poet.",
        "And now?",
    ]


def buttons_of(kernel: Kernel) -> list[str]:
    """The comms of all buttons that are open, the oldest first."""
    return [
        comm
        for comm, messages in kernel.comms.items()
        if messages[0]["content"]["data"]["state"].get("_anywidget_id", "").endswith("PickWidget")
    ]


def told(kernel: Kernel, comm: str) -> list[dict[str, Any]]:
    """What the kernel said to the page of some buttons."""
    datas = [message["content"]["data"] for message in kernel.comms[comm]]
    return [data["content"] for data in datas if data.get("method") == "custom"]


def compared(kernel: Kernel, fake: FakeOllama, line: str, cell_id: str) -> tuple[Cell, str]:
    """A comparison that has run, and its buttons' comm."""
    before = buttons_of(kernel)
    fake.voice("llama3.2").forget().says("I am a poet.")
    fake.voice("qwen3:8b").forget().says("I am a cook.")
    cell = kernel.run(f"%%ollama --compare llama3.2,qwen3:8b {line}\nWho are you?", cell_id)
    kernel.until(lambda: len(buttons_of(kernel)) == len(before) + 1)
    return cell, buttons_of(kernel)[-1]


def test_a_button_under_a_column_does_what_pick_does(kernel: Kernel, fake: FakeOllama) -> None:
    pytest.importorskip("anywidget")
    kernel.run("%ollama votes clear")
    cell, buttons = compared(kernel, fake, "--blind --out best -i study", "the-cell")
    later, others = compared(kernel, fake, "", "another-cell")
    assert set(cell.outputs[-1]["data"]) == {"text/html", "text/plain", "text/markdown"}
    assert len(cell.outputs) == 1  # nothing is shown of a widget
    kernel.send(buttons, {"here": True})
    kernel.until(lambda: told(kernel, buttons))
    [places] = told(kernel, buttons)
    assert places["letters"] == ["A", "B"]
    for letter in "AB":
        assert f'{places["board"]}-{letter}"></div></td>' in html(cell)
    for nonsense in ({"keep": "C"}, {"keep": 1}, {"keep": ["A"]}, "A", None, {}):
        kernel.send(buttons, nonsense)  # type: ignore[arg-type]
    shown = plain(cell)
    chosen = "A" if shown.index("cook") < shown.index("poet") else "B"
    kernel.send(buttons, {"keep": chosen})
    kernel.until(lambda: "✓ picked" in plain(cell))
    assert f"{chosen} · qwen3:8b · ✓ picked" in plain(cell)
    assert "llama3.2" in plain(cell)
    assert "Counted: see %ollama votes." in plain(cell)
    assert "-keep" not in html(cell)
    kernel.until(lambda: buttons not in kernel.comms)
    assert "I am a cook. True" in kernel.run("print(best.text, __import__('ollama_magic').last is best)").shown()
    assert "From 1 pick, 1 blind" in plain(kernel.run("%ollama votes"))
    fake.says("Soup.")
    kernel.run("%%ollama qwen3:8b -i study\nWhat is there?")
    assert fake.recorded[-1].json["messages"][1]["content"] == "I am a cook."
    # Each board has its own, and the command takes away those of the last one.
    assert "✓" not in plain(later)
    kernel.run("%ollama pick B")
    assert "B · qwen3:8b · ✓ picked" in plain(later)
    kernel.until(lambda: others not in kernel.comms)


def test_a_button_says_how_code_gets_into_the_next_cell(kernel: Kernel, fake: FakeOllama) -> None:
    pytest.importorskip("anywidget")
    cell, buttons = compared(kernel, fake, "-f code", "the-cell")
    kernel.send(buttons, {"keep": "B"})
    kernel.until(lambda: "✓ picked" in plain(cell))
    assert "%ollama pick B puts its code into the next cell." in plain(cell)
    kernel.until(lambda: buttons not in kernel.comms)


def test_there_are_buttons_only_for_a_page_and_for_answers(kernel: Kernel, fake: FakeOllama) -> None:
    pytest.importorskip("anywidget")
    fake.voice("llama3.2").says("I am a poet.")
    count = len(buttons_of(kernel))
    cell = kernel.run("%%ollama --compare llama3.2,nosuch:1b\nWho are you?")  # as nbconvert sends it
    assert "-keep" not in html(cell)
    kernel.run("%%ollama --compare nosuch:1b,nosuch:2b\nWho are you?", "cell-1")
    assert len(buttons_of(kernel)) == count
    kernel.run("%%ollama --compare llama3.2,nosuch:1b\nWho are you?", "cell-2")
    kernel.until(lambda: len(buttons_of(kernel)) == count + 1)
    kernel.send(buttons_of(kernel)[-1], {"here": True})
    kernel.until(lambda: told(kernel, buttons_of(kernel)[-1]))
    assert told(kernel, buttons_of(kernel)[-1])[0]["letters"] == ["A"]


def test_only_the_last_comparisons_have_buttons(kernel: Kernel, fake: FakeOllama) -> None:
    pytest.importorskip("anywidget")
    fake.says("x")
    for _ in range(22):
        kernel.run("%%ollama llama3.2 -n 2\nHello", "cell-1")
    kernel.until(lambda: len(buttons_of(kernel)) == 20)


@pytest.mark.parametrize("cell_id", ["cell-1", ""], ids=["a notebook", "a front end without cell ids"])
def test_another_pick_takes_the_place_of_the_first_in_the_thread(
    kernel: Kernel, fake: FakeOllama, cell_id: str
) -> None:
    fake.voice("llama3.2").says("the first")
    fake.voice("qwen3:8b").says("the other")
    kernel.run("%%ollama --compare llama3.2,qwen3:8b -i picks --new\nHello", cell_id)
    kernel.run("%ollama pick A")
    kernel.run("%%ollama llama3.2 -i picks\nAnd then?", cell_id and "cell-2")
    kernel.run("%ollama pick B")
    history = plain(kernel.run("%ollama history picks"))
    assert history.count("Hello") == 1
    assert "the other" in history
    assert "the first" not in history


def test_a_failed_column_is_no_answer_to_pick(kernel: Kernel, fake: FakeOllama) -> None:
    fake.says("x")
    kernel.run("%%ollama --compare llama3.2,nobody\nHello")
    assert "One of A." in kernel.run("%ollama pick B").shown()
    kernel.run("%%ollama --compare nobody,neither\nHello")
    assert "No column of the last comparison has one: run it again." in kernel.run("%ollama pick B").shown()


def test_votes_are_written_and_forgotten(kernel: Kernel, fake: FakeOllama, tmp_path: Any) -> None:
    fake.says("x")
    kernel.run("%ollama votes clear")
    kernel.run("%%ollama llama3.2 --sweep temperature=0,1\nHello")
    kernel.run("%ollama pick B")
    kernel.run(f"%ollama votes export {tmp_path / 'votes.json'}")
    (vote,) = json.loads((tmp_path / "votes.json").read_text())
    assert (vote["winner"], vote["others"], vote["blind"]) == (
        "llama3.2 · temperature=1",
        ["llama3.2 · temperature=0"],
        False,
    )
    kernel.run(f"%ollama votes export {tmp_path / 'votes.csv'}")
    assert (
        (tmp_path / "votes.csv")
        .read_text()
        .splitlines()[1]
        .endswith(",llama3.2 · temperature=1,llama3.2 · temperature=0,0")
    )
    assert "Forgotten: 1 vote." in kernel.run("%ollama votes clear").shown()
    assert "Nothing has been picked yet" in kernel.run("%ollama votes").shown()


def test_a_vote_for_a_mode_is_one_for_the_model_that_answered_there(kernel: Kernel, fake: FakeOllama) -> None:
    fake.says("x")
    kernel.run("%ollama votes clear")
    kernel.run("%%ollama --compare local,qwen3:8b\nHello")
    assert "Picked A: local." in kernel.run("%ollama pick A").shown()
    assert "local/llama3.2:latest" in plain(kernel.run("%ollama votes"))


def test_a_diff_of_two_columns(kernel: Kernel, fake: FakeOllama) -> None:
    fake.voice("llama3.2").says("The sky is blue.")
    fake.voice("qwen3:8b").says("The sea is blue.")
    kernel.run("%%ollama --compare llama3.2,qwen3:8b\nHello")
    cell = kernel.run("%ollama diff A B")
    assert ">sky</del>" in html(cell)
    assert "[-sky-]{+sea+}" in plain(cell)
    wrong = kernel.run("%ollama diff A")
    assert "there are A, B" in wrong.shown()
    assert "no run 'C'" in kernel.run("%ollama pick C").shown()


def test_other_words_of_the_line_hold_for_all(kernel: Kernel, fake: FakeOllama) -> None:
    fake.says('{"n": 4}')
    kernel.run("x = 2")
    cell = kernel.run('%%ollama llama3.2 -n 2 --schema "n: int" --out runs -q -t 0\nTwice {x}?')
    assert [each.json["messages"][0]["content"] for each in fake.recorded if each.path.endswith("completions")] == [
        "Twice 2?"
    ] * 2
    assert "tok/s" not in html(cell)
    assert html(cell).count("Asked with x ~1 tokens.") == 1
    assert (
        "[4, 4] 0.0"
        in kernel.run("print([answer.value['n'] for answer in runs], runs[0].request.options['temperature'])").shown()
    )
    dry = kernel.run("%%ollama llama3.2 --sweep seed=1,2 --dry-run\nHello")
    assert "2 runs" in plain(dry)
    assert '"seed": 1' in plain(dry)
    assert len([each for each in fake.recorded if each.path.endswith("completions")]) == 2


def test_shown_once_at_the_end_where_that_is_asked(kernel: Kernel, fake: FakeOllama) -> None:
    fake.says("x")
    kernel.run("%ollama config render once")
    cell = kernel.run("%%ollama --compare llama3.2,qwen3:8b\nHello")
    kernel.run("%ollama config render default")
    assert [each["msg_type"] for each in cell.messages if "data" in each["content"]] == ["display_data"]
