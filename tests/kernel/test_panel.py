"""The panel in a real ipykernel, this test being the page: messages in, messages out, and what the notebook keeps."""

from __future__ import annotations

import json

import pytest

from tests.kernel.harness import Kernel

pytestmark = [pytest.mark.kernel, pytest.mark.slow]

VIEW = "application/vnd.jupyter.widget-view+json"
KEY = "sk-typed-into-the-form-4711"


class Page:
    """One view of the panel that a cell shows."""

    def __init__(self, kernel, comm):
        self.kernel, self.comm, self.subshell = kernel, comm, ""
        self._count = 0

    def say(self, word, **content):
        self._count += 1
        message = {"id": self._count, "view": "v1", "do": word, **content}
        self.kernel.send(self.comm, message, self.subshell)
        self.kernel.until(lambda: any(m.get("ack") == message["id"] for m in self.messages))
        [ack] = [m for m in self.messages if m.get("ack") == message["id"]]
        return ack.get("error")

    @property
    def messages(self):
        heard = self.kernel.comms.get(self.comm, ())
        return [m["content"]["data"]["content"] for m in heard if m["msg_type"] == "comm_msg"]

    def shown(self, word):
        return [message for message in self.messages if message.get("show") == word]

    def wait_for(self, word, holds=bool):
        self.kernel.until(lambda: any(holds(message) for message in self.shown(word)))
        return next(message for message in reversed(self.shown(word)) if holds(message))

    def wait_for_text(self, text):
        self.wait_for("delta", lambda message: text in message["done_html"] + message["tail_html"])

    def wait_for_end(self, state="done"):
        return self.wait_for("turn", lambda message: message["turn"]["state"] == state)["turn"]


def opened(kernel, code="%ollama panel", cell_id="cell-1"):
    """The cell that shows a panel, and its page, which has said hello."""
    cell = kernel.run(code, cell_id)
    assert cell.reply["status"] == "ok", cell.shown()
    # Old widgets also say on stderr what of them is deprecated, where warnings are shown.
    [view] = [output["data"][VIEW] for output in cell.outputs if VIEW in output.get("data", {})]
    page = Page(kernel, view["model_id"])
    assert page.say("hello") is None
    return cell, page


@pytest.fixture(scope="module")
def started(server, tmp_path_factory):
    with Kernel(str(tmp_path_factory.mktemp("notebook")), {"OLLAMA_HOST": server.url}) as kernel:
        yield kernel


@pytest.fixture
def kernel(started, fake):
    started.run("from ollama_magic.session import current; current().forget()")
    started.run("[current().threads.reset(name) for name in current().threads.names()]; current().thread = ''")
    return started


def test_the_cell_shows_the_panel_and_keeps_the_conversation(kernel, fake):
    fake.says("It is **so**.")
    cell, page = opened(kernel)
    assert [output["output_type"] for output in cell.outputs] == ["display_data", "display_data"]
    assert "JupyterLab" in cell.outputs[0]["data"]["text/plain"]  # for a front end without widgets
    state = kernel.comms[page.comm][0]["content"]["data"]["state"]
    assert "export default" in state["_esm"]
    assert ".om-panel" in state["_css"]
    ours = {name for name in state if not name.startswith(("_model", "_view"))}
    assert ours == {"_anywidget_id", "_css", "_dom_classes", "_esm", "layout", "tabbable", "tooltip"}
    assert page.say("send", prompt="Is it {1 + 1}?") is None
    page.wait_for_end()
    kernel.wait_for_text(cell, "<strong>so</strong>")
    kept = cell.outputs[1]["data"]
    assert kept["text/plain"].startswith("> Is it {1 + 1}?\n\nIt is **so**.\n")
    assert kept["text/markdown"] == "> Is it {1 + 1}?\n\nIt is **so**."
    assert VIEW not in kept
    panel = page.shown("panel")[0]
    assert panel["model_id"] == page.comm
    assert cell.outputs[1]["metadata"]["ollama_magic"] == {"panel": panel["panel"], "transcript": True}


def test_a_page_is_heard_as_soon_as_its_panel_is_shown(kernel, tmp_path):
    if not kernel.supports_subshells():
        pytest.skip("this ipykernel handles no messages while a cell runs")
    kernel.run(
        "from ollama_magic.events import Message\nfrom ollama_magic.threads import Turn\n"
        "answer = (Message('assistant', '**much** `to` show\\n\\n' * 200),)\n"
        "current().threads.put('main', [Turn(Message('user', f'q{n}'), answer) for n in range(60)])"
    )
    subshell, end = kernel.subshell(), tmp_path / "end"
    wait = f"import time, pathlib\nwhile not pathlib.Path({str(end)!r}).exists(): time.sleep(0.01)"
    cell = kernel.start(f"import ollama_magic; ollama_magic.panel()\n{wait}")
    kernel.until(lambda: cell.outputs)
    page = Page(kernel, cell.outputs[0]["data"][VIEW]["model_id"])
    page.subshell = subshell
    assert page.say("hello") is None
    assert page.say("keeps") is None
    assert not cell.idle
    end.touch()
    kernel.finish(cell)
    pieces = [piece for message in page.shown("transcript") for piece in message["pieces"]]
    assert len(pieces) == 60
    assert "q59" not in cell.shown()  # a long one is left to the page that said so in time


def test_a_typed_key_is_in_no_message_no_state_and_no_history(kernel):
    _, page = opened(kernel)
    assert page.say("key", key=KEY) is None
    assert page.shown("connection")[-1]["key"]["set"] is True
    page.say("key", key=f"{KEY} {KEY}")  # refused
    page.say("set", name="temperature", value="warm")
    page.say("test")
    kernel.run("%ollama status")
    kernel.run("%ollama config")
    state = kernel.run(
        "import json, ipywidgets\nprint(json.dumps(ipywidgets.Widget.get_manager_state(), default=str))\n"
        "print(In, Out, get_ipython().get_parent())"
    ).shown()
    assert page.comm in state  # what a notebook saved with its widgets would hold
    assert KEY not in state
    assert KEY not in json.dumps(kernel.heard, default=str)
    assert (
        kernel.run(f"print(current().settings().key.reveal() == {KEY[:9]!r} + {KEY[9:]!r})").shown().strip() == "True"
    )


def test_it_streams_while_the_kernel_is_free_and_a_stop_closes_the_socket(kernel, fake, gate):
    fake.says("half an ", "answer").waits_for(gate).says(" more")
    cell, page = opened(kernel)
    page.say("send", prompt="tell me")
    page.wait_for_text("half an answer")
    assert kernel.run("print(6 * 7)").shown().strip() == "42"  # the kernel is free
    assert page.say("stop") is None
    assert fake.disconnected.wait(5)
    assert page.wait_for_end("stopped")["text"] == "half an answer"
    kernel.wait_for_text(cell, "stopped")
    assert kernel.run("print(current().last.reason)").shown().strip() == "stopped"


def test_it_streams_and_stops_while_another_cell_computes(kernel, fake, gate, tmp_path):
    if not kernel.supports_subshells():
        pytest.skip("this ipykernel handles no messages while a cell runs")
    fake.says("before ").waits_for(gate).says("and during").stalls_after(2)
    _, page = opened(kernel)
    page.say("send", prompt="tell me")
    page.wait_for_text("before")
    end = tmp_path / "end"
    busy = kernel.start(f"import time, pathlib\nwhile not pathlib.Path({str(end)!r}).exists(): time.sleep(0.01)")
    kernel.until(lambda: busy.messages)
    gate.set()
    page.wait_for_text("and during")
    page.subshell = kernel.subshell()
    assert page.say("set", name="seed", value="3") is None
    assert page.say("stop") is None
    assert fake.disconnected.wait(5)
    assert page.wait_for_end("stopped")["text"] == "before and during"
    assert not busy.idle  # all that in the middle of the cell
    end.touch()
    kernel.finish(busy)
    assert busy.shown() == ""
    page.subshell = ""
    assert page.say("set", name="seed", value="") is None


def test_a_running_cell_and_the_panel_do_not_disturb_each_other(kernel, fake, gate):
    fake.says("the panel's ").waits_for(gate).says("answer").then().says("the cell's ").waits_for(gate).says("answer")
    _, page = opened(kernel)
    page.say("send", prompt="to the panel")
    page.wait_for_text("the panel's")
    cell = kernel.start("%%ollama llama3.2\nto the cell", cell_id="cell-9")
    kernel.wait_for_text(cell, "the cell's")
    gate.set()
    kernel.finish(cell)
    assert page.wait_for_end()["text"] == "the panel's answer"
    assert "the cell's answer" in cell.shown()
    assert "panel" not in cell.shown()


def test_running_its_cell_again_closes_the_panel_and_its_stream(kernel, fake, gate):
    fake.says("half").waits_for(gate)
    _, page = opened(kernel, cell_id="cell-2")
    page.say("send", prompt="tell me")
    page.wait_for_text("half")
    cell, again = opened(kernel, cell_id="cell-2")
    assert fake.disconnected.wait(5)
    assert page.comm not in kernel.comms  # closed from the kernel's side
    [turn] = again.shown("conversation")[-1]["turns"]
    assert (turn["user"], turn["text"], turn["state"]) == ("tell me", "half", "stopped")
    kernel.wait_for_text(cell, "half")  # and the new cell's output holds it


def test_a_page_that_is_reloaded_finds_everything(kernel, fake, gate):
    fake.says("half ").waits_for(gate).says("and half")
    _, page = opened(kernel)
    page.say("send", prompt="tell me")
    page.wait_for_text("half")
    reloaded = Page(kernel, page.comm)
    reloaded._count = 100
    reloaded.say("hello")
    [turn] = reloaded.shown("conversation")[-1]["turns"]
    assert "half" in turn["tail_html"]
    gate.set()
    assert reloaded.wait_for_end()["text"] == "half and half"


def test_a_page_that_writes_its_notebook_is_given_what_to_write(kernel, fake):
    fake.says("It is **so**.")
    cell, page = opened(kernel)
    assert page.say("keeps") is None
    page.say("send", prompt="Is it?")
    [piece] = page.wait_for("transcript", lambda message: "Is it?" in message["pieces"][0]["text/plain"])["pieces"]
    assert "<strong>so</strong>" in piece["text/html"]
    assert "so" not in cell.shown()  # nothing renders it while the page shows it
    kernel.run("from ollama_magic import panels; [each.close() for each in panels._open.values()]")
    kernel.wait_for_text(cell, "<strong>so</strong>")


def test_close_and_what_the_name_gives(kernel, fake, gate):
    fake.says("half").waits_for(gate)
    cell, page = opened(kernel, "import ollama_magic\nform = ollama_magic.panel()\nform", "cell-3")
    assert len(cell.outputs) == 2  # its own value is shown already
    page.say("send", prompt="tell me")
    page.wait_for_text("half")
    kernel.run("print(form); form.close(); form.close()")
    assert fake.disconnected.wait(5)
    assert page.comm not in kernel.comms
    kernel.wait_for_text(cell, "stopped")  # what was said stays
    assert "closed" in kernel.run("print(form)").shown()
    assert (
        kernel.run("ollama_magic.panel().close()", "cell-3").reply["status"] == "ok"
    )  # the name is still the function


def test_a_captured_cell_captures_nothing_of_the_panel(kernel, fake, gate):
    fake.says("first ").waits_for(gate).says("then")
    shown, page = opened(kernel)
    page.say("send", prompt="tell me")
    page.wait_for_text("first")
    gate.set()
    cell = kernel.run(
        "%%capture caught\nimport time\nend = time.time() + 20\n"
        "while 'then' not in (current().last.text if current().last else '') and time.time() < end: time.sleep(0.01)\n"
        "time.sleep(0.2)"
    )
    assert cell.reply["status"] == "ok"
    kernel.wait_for_text(shown, "first then")
    assert kernel.run("print(len(caught.outputs))").shown().strip() == "0"


def test_a_kernel_that_ends_closes_the_socket(server, fake, gate, tmp_path):
    fake.says("half").waits_for(gate)
    with Kernel(str(tmp_path), {"OLLAMA_HOST": server.url}) as kernel:
        _, page = opened(kernel)
        page.say("send", prompt="tell me")
        page.wait_for_text("half")
        kernel.shut_down()
        assert fake.disconnected.wait(5)
