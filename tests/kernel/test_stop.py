"""The Stop button's side in a real ipykernel, this test being the page: what it needs, what it does, what it leaves."""

from __future__ import annotations

import pytest

from tests.kernel.harness import Kernel

pytestmark = [pytest.mark.kernel, pytest.mark.slow]

VIEW = "application/vnd.jupyter.widget-view+json"


@pytest.fixture(scope="module")
def started(server, tmp_path_factory):
    pytest.importorskip("anywidget")
    with Kernel(str(tmp_path_factory.mktemp("notebook")), {"OLLAMA_HOST": server.url}) as kernel:
        if not kernel.supports_subshells():
            pytest.skip("this ipykernel handles no messages while a cell runs")
        kernel.page = kernel.subshell()
        yield kernel


@pytest.fixture
def kernel(started, fake):
    started.comms.clear()
    return started


def button_of(kernel):
    """The comm of the button's widget, when it has been opened."""

    def opened():
        return [
            comm
            for comm, messages in kernel.comms.items()
            if messages[0]["content"]["data"]["state"].get("_model_module") == "anywidget"
        ]

    kernel.until(opened)
    [comm] = opened()
    return comm


def kinds(cell):
    return [kind for output in cell.outputs for kind in output.get("data", {})]


def streaming(kernel, fake, gate, code="%%ollama llama3.2 --out half\ntell me"):
    """A cell in the middle of its answer, and its button's comm."""
    fake.says("half an ans").waits_for(gate).says("wer")
    cell = kernel.start(code, cell_id="cell-1")
    kernel.wait_for_text(cell, "half an ans")
    return cell, button_of(kernel)


def page_is_there(kernel, cell, button):
    """The page says so, more than once, as it does: the first time may be before the kernel listens."""
    for _ in range(9):
        kernel.send(button, {"here": True}, kernel.page)
        try:
            return kernel.until(lambda: VIEW in kinds(cell), 3.0)
        except AssertionError:
            continue
    raise AssertionError("the button was not shown")


def test_a_click_stops_the_answer_as_an_interrupt_does(kernel, fake, gate):
    cell, button = streaming(kernel, fake, gate)
    assert VIEW not in kinds(cell)  # not before it was heard that a click would be, too
    page_is_there(kernel, cell, button)
    assert not cell.idle
    kernel.send(button, {"stop": True}, kernel.page)
    assert fake.disconnected.wait(5)
    kernel.finish(cell)
    assert cell.reply["status"] == "error"
    assert cell.reply["ename"] == "Stopped"
    assert "half an ans" in cell.shown()
    assert "stopped" in cell.shown()
    assert "Traceback" not in cell.shown()
    assert VIEW not in kinds(cell)
    assert [output["output_type"] for output in cell.outputs] == ["display_data", "error"]
    kernel.until(lambda: not kernel.comms)
    assert "stopped 'half an ans'" in kernel.run("print(f'{half.reason} {half.text!r}')").shown()


def test_cells_queued_behind_it_are_dropped_as_after_an_interrupt(kernel, fake, gate):
    cell, button = streaming(kernel, fake, gate)
    behind = kernel.start("print('next')")
    page_is_there(kernel, cell, button)
    kernel.send(button, {"stop": True}, kernel.page)
    kernel.finish(cell)
    assert kernel.finish(behind).reply["status"] == "aborted"


@pytest.mark.parametrize("end", ["whole", "interrupt", "error"])
def test_however_the_answer_ends_nothing_of_the_button_stays(kernel, fake, gate, end):
    fake.says("some text ").waits_for(gate)
    if end == "error":
        fake.fails_midstream("the runner died")
    cell = kernel.start("%%ollama llama3.2\ntell me", cell_id="cell-1")
    kernel.wait_for_text(cell, "some text")
    button = button_of(kernel)
    page_is_there(kernel, cell, button)
    kernel.interrupt() if end == "interrupt" else gate.set()
    kernel.finish(cell)
    kernel.until(lambda: not kernel.comms)  # its layout, too
    assert VIEW not in kinds(cell)
    assert [output["output_type"] for output in cell.outputs] == ["display_data"] + ["error"] * (end != "whole")
    alive = kernel.run("import ipywidgets; print(ipywidgets.Widget.get_manager_state()['state'])")
    assert "{}" in alive.shown()


def test_where_messages_wait_for_the_cell_there_is_no_button(kernel, fake, gate):
    cell, button = streaming(kernel, fake, gate)
    kernel.send(button, {"here": True})  # to the main shell, as with subshells switched off
    kernel.send(button, {"stop": True})
    gate.set()
    kernel.finish(cell)
    assert cell.reply["status"] == "ok"
    assert "half an answer" in cell.shown()
    assert not any(VIEW in message["content"].get("data", {}) for message in cell.messages)


def test_a_late_click_stops_nothing(kernel, fake, gate):
    fake.says("the first ").waits_for(gate).says("one")
    cell = kernel.start("%%ollama llama3.2\none", cell_id="cell-1")
    kernel.wait_for_text(cell, "the first")
    old = button_of(kernel)
    page_is_there(kernel, cell, old)
    gate.set()
    kernel.finish(cell)
    gate.clear()
    kernel.until(lambda: not kernel.comms)
    fake.says("the second ").waits_for(gate).says("two")
    cell = kernel.start("%%ollama llama3.2\ntwo", cell_id="cell-1")
    kernel.wait_for_text(cell, "the second")
    kernel.send(old, {"stop": True}, kernel.page)
    kernel.send(old, {"here": True}, kernel.page)
    page_is_there(kernel, cell, button_of(kernel))  # after them, and in order
    gate.set()
    kernel.finish(cell)
    assert cell.reply["status"] == "ok"
    assert "the second two" in cell.shown()


@pytest.mark.parametrize(
    ("code", "cell_id"),
    [
        ("%%ollama llama3.2\nq", ""),  # nbclient, papermill: nobody is there to click
        ("get_ipython().run_cell_magic('ollama', 'llama3.2', 'q')", "cell-1"),  # outputs of others stand there
    ],
)
def test_no_widget_is_opened_where_no_button_can_stand(kernel, fake, gate, code, cell_id):
    fake.says("half an ans").waits_for(gate).says("wer")
    cell = kernel.start(code, cell_id=cell_id)
    kernel.wait_for_text(cell, "half an ans")
    # The phase line counts the silence: by then a button would have been tried.
    kernel.wait_for_text(cell, "3 s")
    gate.set()
    kernel.finish(cell)
    assert not [m for m in cell.messages if m["msg_type"].startswith("comm")]


def test_a_short_answer_imports_and_opens_nothing(server, fake, tmp_path):
    fake.says("short")
    with Kernel(str(tmp_path), {"OLLAMA_HOST": server.url}) as kernel:
        kernel.finish(kernel.start("%%ollama llama3.2\nq", cell_id="cell-1"))
        assert (
            "False False"
            in kernel.run("import sys; print('anywidget' in sys.modules, 'ipywidgets' in sys.modules)").shown()
        )


def test_a_widget_made_in_a_cell_is_not_handled_while_another_runs_unless_it_is_freed(kernel, fake):
    """The fact that `freed` leans on; when this fails for a newer ipykernel, it may not be needed any more."""
    kernel.run(
        "import ipywidgets, time\nfrom ollama_magic.render.freed import free\n"
        "plain, freed = ipywidgets.Text(), ipywidgets.Text()"
    )
    found = kernel.run("print(hasattr(plain.comm, '_reply_subshell_for'), free(freed))").shown()
    if "True True" not in found:
        pytest.skip("this ipykernel sends a widget's messages where the front end says")
    kernel.run(
        "heard = []\nfor w in (plain, freed):\n    w.on_msg(lambda w, content, buffers: heard.append(content))\n"
        "names = {'plain': plain.comm.comm_id, 'freed': freed.comm.comm_id}"
    )
    names = {m["content"]["comm_id"] for ms in kernel.comms.values() for m in ms[:1]}
    ids = {name: kernel.run(f"print(names['{name}'])").shown().strip() for name in ("plain", "freed")}
    assert set(ids.values()) <= names
    busy = kernel.start("while 'freed' not in heard:\n    time.sleep(.01)\nprint(heard)")
    kernel.until(lambda: any(m["msg_type"] == "execute_input" for m in busy.messages))
    kernel.send(ids["plain"], "plain", kernel.page)
    kernel.send(ids["freed"], "freed", kernel.page)
    assert "['freed']" in kernel.finish(busy).shown()
    kernel.until(lambda: "plain" in kernel.run("print(heard)").shown())
