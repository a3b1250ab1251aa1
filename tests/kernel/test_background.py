"""`%%ollama --bg` in a real ipykernel: it streams into its own place while other cells run, and ends as told."""

from __future__ import annotations

import threading

import pytest

from tests.kernel.harness import Kernel

pytestmark = [pytest.mark.kernel, pytest.mark.slow]


@pytest.fixture(scope="module")
def started(server, tmp_path_factory):
    with Kernel(str(tmp_path_factory.mktemp("notebook")), {"OLLAMA_HOST": server.url}) as kernel:
        kernel.run("from ollama_magic.session import current; import ollama_magic, threading, time")
        yield kernel


@pytest.fixture
def kernel(started, fake):
    yield started
    if "Stopped" in started.run("%ollama jobs stop all").shown():
        fake.disconnected.wait(5)
    fake.disconnected.clear()


def number_of(cell):
    return cell.shown().partition("Job ")[2].partition(",")[0]


def test_it_returns_at_once_and_streams_while_another_cell_holds_the_main_thread(kernel, fake, gate):
    held = threading.Event()
    fake.says("first words ").waits_for(gate).says("then more ").waits_for(held).says("and the end")
    cell = kernel.run("%%ollama llama3.2 --bg --out later\ntell me")
    assert cell.reply["status"] == "ok"
    assert "later is bound when it ends" in cell.shown()
    kernel.wait_for_text(cell, "first words")
    busy = kernel.start("print('busy')\nwhile True:\n    sum(range(1000))")
    kernel.wait_for_text(busy, "busy")
    gate.set()
    kernel.wait_for_text(cell, "then more")
    held.set()
    kernel.wait_for_text(cell, "and the end")
    kernel.wait_for_text(cell, "later is bound.")
    assert not busy.idle
    kernel.interrupt()
    kernel.finish(busy)
    [output] = cell.outputs
    assert output["output_type"] == "display_data"
    assert output["data"]["text/markdown"].strip() == "first words then more and the end"
    assert "first words" not in busy.shown()
    assert "first words then more and the end stop" in kernel.run("print(f'{later.text} {later.reason}')").shown()


def test_an_interrupt_does_not_stop_it_and_jobs_stop_does(kernel, fake, gate):
    fake.says("half an ans").waits_for(gate).says("wer")
    cell = kernel.run("%%ollama llama3.2 --bg --out half\ntell me")
    kernel.wait_for_text(cell, "half an ans")
    busy = kernel.start("print('busy')\ntime.sleep(60)")
    kernel.wait_for_text(busy, "busy")
    kernel.interrupt()
    kernel.finish(busy)
    assert busy.reply["ename"] == "KeyboardInterrupt"
    assert "running" in kernel.run("%ollama jobs").shown()
    assert not fake.disconnected.is_set()
    assert "Stopped: job" in kernel.run(f"%ollama jobs stop {number_of(cell)}").shown()
    assert fake.disconnected.wait(5)  # the command waited for it; the server may see it a moment later
    kernel.wait_for_text(cell, "half an ans")
    kernel.wait_for_text(cell, "stopped")
    assert "stopped 'half an ans'" in kernel.run("print(f'{half.reason} {half.text!r}')").shown()
    assert "Nothing was running" in kernel.run("%ollama jobs stop all").shown()


@pytest.mark.parametrize(
    "again", ["%%ollama llama3.2 --bg\nagain", "%%ollama llama3.2\nagain", "%%ollama --nonsense\nx"]
)
def test_running_the_cell_again_stops_what_went_on_in_it(kernel, fake, gate, again):
    fake.says("the old one").waits_for(gate).then().says("the new one")
    first = kernel.run("%%ollama llama3.2 --bg\ntell me", cell_id="cell-1")
    kernel.wait_for_text(first, "the old one")
    second = kernel.run(again, cell_id="cell-1")
    assert fake.disconnected.wait(5)
    if "nonsense" not in again:
        kernel.wait_for_text(second, "the new one")
    elsewhere = kernel.run("%%ollama llama3.2 --bg\nanother", cell_id="cell-2")
    kernel.wait_for_text(elsewhere, "the new one")


def test_errors_are_shown_in_the_cell_and_not_raised(kernel, fake):
    fake.says("some ").fails_midstream("the runner died").then().fails(500, '{"error":"no more memory"}', times=9)
    cell = kernel.run("%%ollama llama3.2 --bg --out kept\nq")
    assert cell.reply["status"] == "ok"
    kernel.wait_for_text(cell, "failed in the middle")
    [output] = cell.outputs
    assert "some" in output["data"]["text/markdown"]
    assert "some" in output["data"]["text/plain"]
    other = kernel.run("%%ollama llama3.2 --bg --out kept\nq")
    kernel.wait_for_text(other, "no more memory")
    assert len(other.outputs) == 1
    assert "'some '" in kernel.run("print(repr(kept.text))").shown()
    assert "failed" in kernel.run("%ollama jobs").shown()


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("%%ollama llama3.2 --bg --schema nosuchtype\nq", "there is no such variable"),
        ("%%ollama llama3.2 --bg -a nosuch\nq", "nosuch"),
        ("%%ollama llama3.2 --bg --tools nosuch\nq", "There is no function"),
        ("%%ollama llama3.2 --bg --confirm --tools note\nq", "nobody to ask"),
        ("%%ollama llama3.2 --bg --tools slow\nq", "own event loop"),
        ("%%ollama llama3.2 --bg\n \n", "no prompt"),
    ],
)
def test_what_cannot_be_done_is_said_before_anything_is_sent(kernel, fake, code, words):
    kernel.run(
        "def note(n: int):\n    'Note.'\n    return threading.current_thread().name\nasync def slow():\n    'S.'"
    )
    cell = kernel.run(code)
    assert cell.reply["status"] == "error"
    assert words in cell.shown()
    assert not fake.recorded


def test_tools_run_in_the_background_thread(kernel, fake):
    kernel.run("def note(n: int):\n    'Note.'\n    return threading.current_thread().name")
    fake.calls_tool("note", n=1).then().says("Noted.")
    cell = kernel.run("%%ollama llama3.2 --bg --tools note --out a\nq")
    kernel.wait_for_text(cell, "a is bound.")
    assert "ollama_magic worker" in kernel.run("print(a.tool_results[0].text)").shown()


def test_it_is_recorded_in_its_thread(kernel, fake):
    fake.says("Forty-two.").then().says("As I said.")
    cell = kernel.run("%%ollama llama3.2 --bg -i talk --out a\nWhat is it?")
    kernel.wait_for_text(cell, "a is bound.")
    kernel.run("%%ollama llama3.2 -c\nReally?")
    contents = [message["content"] for message in fake.recorded[-1].json["messages"]]
    assert contents == ["What is it?", "Forty-two.", "Really?"]


def test_code_is_shown_and_put_into_a_cell_only_when_asked(kernel, fake):
    fake.says("```python\nprint(6 * 7)\n```\n")
    cell = kernel.run("%%ollama llama3.2 --bg -f code\nq")
    kernel.wait_for_text(cell, "%ollama jobs code")
    after = kernel.run("1 + 1")
    assert not cell.reply["payload"]
    assert not after.reply["payload"]
    offered = kernel.run(f"%ollama jobs code {number_of_code(cell)}")
    [payload] = offered.reply["payload"]
    assert payload["text"] == "print(6 * 7)"


def number_of_code(cell):
    return cell.shown().partition("jobs code ")[2].split("<")[0].strip()


def test_show_goes_on_live_in_another_cell(kernel, fake, gate):
    fake.says("first words ").waits_for(gate).says("and the end")
    cell = kernel.run("%%ollama llama3.2 --bg\ntell me")
    kernel.wait_for_text(cell, "first words")
    shown = kernel.run(f"%ollama jobs show {number_of(cell)}")
    kernel.wait_for_text(shown, "first words")
    gate.set()
    for each in (cell, shown):
        kernel.wait_for_text(each, "and the end")
        kernel.until(lambda each=each: "in the background" not in each.shown())
        assert len(each.outputs) == 1
    later = kernel.run("%ollama jobs show")
    kernel.wait_for_text(later, "first words and the end")


def test_waiting_for_a_job(kernel, fake, gate):
    fake.says("slow").waits_for(gate)
    cell = kernel.run("%%ollama llama3.2 --bg --out x\nq")
    kernel.wait_for_text(cell, "slow")
    waiting = kernel.start("print('waiting')\n%ollama jobs wait")
    kernel.wait_for_text(waiting, "waiting")
    kernel.interrupt()
    assert kernel.finish(waiting).reply["status"] == "error"
    waiting = kernel.start("%ollama jobs wait")
    gate.set()
    kernel.finish(waiting)
    assert "done" in waiting.shown()
    assert "'slow'" in kernel.run("print(repr(x.text))").shown()


def test_what_captures_output_does_not_capture_it(kernel, fake, gate):
    fake.says("mine ").waits_for(gate).says("to the end")
    cell = kernel.run("%%ollama llama3.2 --bg\nq")
    kernel.wait_for_text(cell, "mine")
    busy = kernel.start("%%capture got\nwhile True:\n    time.sleep(.01)")
    kernel.until(lambda: any(m["msg_type"] == "execute_input" for m in busy.messages))
    gate.set()
    kernel.wait_for_text(cell, "mine to the end")
    kernel.interrupt()
    kernel.finish(busy)


def test_sixty_four_at_once(kernel, fake, gate):
    fake.says("one ").waits_for(gate).says("of many")
    kernel.run("for n in range(64):\n    get_ipython().run_cell_magic('ollama', 'llama3.2 --bg', f'question {n}')")
    kernel.until(lambda: fake.open_streams == 64)
    gate.set()
    assert (
        "64"
        in kernel.run(
            "%ollama jobs wait all\nprint(sum(t.name == 'ollama_magic worker' for t in threading.enumerate()) + 64)"
        ).shown()
    )
    kernel.until(lambda: fake.open_streams == 0)


def test_words_of_the_command(kernel, fake):
    assert "cannot place 'stp', did you mean 'stop'" in kernel.run("%ollama jobs stp").shown()
    assert "no job 999" in kernel.run("%ollama jobs show 999").shown()


def test_a_notebook_that_is_run_by_a_program_has_the_answer_after_a_wait(fake, tmp_path):
    nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    fake.says("one ", "two")
    ask = f"%%ollama llama3.2 --bg --host {fake.url} --out a\nq"
    cells = ["%load_ext ollama_magic", ask, "%ollama jobs wait", "print(a.text)"]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(each) for each in cells])
    nbclient.NotebookClient(notebook, resources={"metadata": {"path": str(tmp_path)}}).execute()
    [output] = notebook.cells[1].outputs
    assert output["data"]["text/markdown"].strip() == "one two"
    assert notebook.cells[3].outputs[0]["text"] == "one two\n"
