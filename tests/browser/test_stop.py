"""The Stop button and background cells as they are used: in JupyterLab, in a real browser."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING

import pytest

from tests.browser.cells import cell, run, saved, wait_for_end
from tests.browser.lab import ARTEFACTS, FRONT_ENDS
from tests.fake_ollama import FakeOllama

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Page

    from tests.browser.lab import Lab

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]

STOP = "button.ollama-magic-stop"
IN_VIEW = """
(element) => {
    const box = element.getBoundingClientRect();
    const seen = element.closest('.jp-WindowedPanel-outer').getBoundingClientRect();
    return box.top >= seen.top && box.bottom <= seen.bottom;
}
"""
PARAGRAPHS = [f"Paragraph {n} has a few words, and then a few more, so that it takes some room.\n\n" for n in range(40)]


@pytest.fixture
def fake() -> Iterator[FakeOllama]:
    with FakeOllama() as server:
        yield server


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    made = threading.Event()
    yield made
    made.set()


def theme(page: Page, name: str, *, light: bool) -> None:
    page.evaluate("name => window.jupyterapp.commands.execute('apputils:change-theme', { theme: name })", name)
    page.wait_for_selector(f"body[data-jp-theme-light={str(light).lower()}]", state="attached")


def asks(fake: FakeOllama, options: str = "") -> str:
    return f"%%ollama llama3.2 --mode local --host {fake.url} {options}\nTell me."


@pytest.mark.parametrize("front_end", FRONT_ENDS)
def test_a_click_stops_the_answer_and_leaves_no_trace(
    lab: Lab, page: Page, fake: FakeOllama, gate: threading.Event, front_end: str
) -> None:
    ARTEFACTS.mkdir(exist_ok=True)
    fake.says(*PARAGRAPHS).waits_for(gate).says("never seen")
    lab.write("stop.ipynb", "%load_ext ollama_magic", asks(fake, "--out kept"), "print(kept.reason, len(kept.text))")
    lab.open(page, "stop.ipynb", front_end)
    page.evaluate("window.jupyterapp.commands.execute('@jupyter-widgets/jupyterlab-manager:saveWidgetState')")
    run(page, 0)
    run(page, 1)
    button = cell(page, 1).locator(STOP)
    button.wait_for()
    page.screenshot(path=ARTEFACTS / f"stop-button-{front_end}.png")
    cell(page, 1).get_by_text("Paragraph 39").scroll_into_view_if_needed()
    assert not cell(page, 1).get_by_text("Paragraph 0 ").evaluate(IN_VIEW)
    assert button.evaluate(IN_VIEW)  # it goes along
    page.screenshot(path=ARTEFACTS / f"stop-button-{front_end}-scrolled.png")
    if front_end == "lab":
        theme(page, "JupyterLab Dark", light=False)
        page.screenshot(path=ARTEFACTS / "stop-button-dark.png")
        theme(page, "JupyterLab Light", light=True)
    assert not fake.disconnected.is_set()
    button.click()
    assert fake.disconnected.wait(5)
    wait_for_end(page, 1)
    assert button.count() == 0
    text = cell(page, 1).locator(".jp-OutputArea").inner_text()
    assert "Paragraph 39" in text
    assert "stopped" in text
    run(page, 2)
    wait_for_end(page, 2)
    assert "stopped" in cell(page, 2).locator(".jp-OutputArea").inner_text()
    page.screenshot(path=ARTEFACTS / f"stop-done-{front_end}.png")
    notebook = saved(lab, page, "stop.ipynb")
    outputs = notebook["cells"][1]["outputs"]
    assert [output["output_type"] for output in outputs] == ["display_data", "error"]
    assert "anywidget" not in json.dumps(notebook)
    assert "widget-view" not in json.dumps(notebook)


def test_where_a_click_would_come_too_late_there_is_no_button(
    lab: Lab, page: Page, fake: FakeOllama, gate: threading.Event
) -> None:
    fake.says("The first words. ").waits_for(gate).says("The end.")
    lab.write("deaf.ipynb", "%load_ext ollama_magic", asks(fake))
    lab.open(page, "deaf.ipynb")
    # What the setting "Comms over subshells: disabled" does.
    page.evaluate("window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.commsOverSubshells = 'disabled'")
    run(page, 0)
    run(page, 1)
    cell(page, 1).get_by_text("nothing new for 4 s").wait_for()
    assert cell(page, 1).locator(STOP).count() == 0
    gate.set()
    wait_for_end(page, 1)
    [output] = saved(lab, page, "deaf.ipynb")["cells"][1]["outputs"]
    assert "".join(output["data"]["text/markdown"]).strip() == "The first words. The end."


def test_a_background_cell_streams_beside_another_and_is_shown_again_after_a_reload(
    lab: Lab, page: Page, fake: FakeOllama, gate: threading.Event
) -> None:
    reloaded = threading.Event()
    fake.says("The first words. ").waits_for(gate).says("The middle. ").waits_for(reloaded).says("The end.")
    busy = "import time\nprint('computing')\nwhile True:\n    sum(range(10_000))"
    lab.write("background.ipynb", "%load_ext ollama_magic", asks(fake, "--bg --out later"), busy, "%ollama jobs show 1")
    lab.open(page, "background.ipynb")
    run(page, 0)
    run(page, 1)
    wait_for_end(page, 1)
    cell(page, 1).get_by_text("The first words.").wait_for()
    run(page, 2)
    cell(page, 2).get_by_text("computing").wait_for()
    gate.set()
    cell(page, 1).get_by_text("The middle.").wait_for()
    assert cell(page, 2).locator(".jp-InputPrompt").inner_text().strip() == "[*]:"
    assert "The middle." not in cell(page, 2).locator(".jp-OutputArea").inner_text()
    page.screenshot(path=ARTEFACTS / "background.png")
    page.evaluate("window.jupyterapp.commands.execute('notebook:interrupt-kernel')")
    wait_for_end(page, 2)
    saved(lab, page, "background.ipynb")

    page.reload()
    page.wait_for_selector(".jp-NotebookPanel .jp-Notebook-cell")
    page.wait_for_function("window.jupyterapp.shell.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'")
    run(page, 3)
    cell(page, 3).get_by_text("The middle.").wait_for()
    reloaded.set()
    cell(page, 3).get_by_text("The end.").wait_for()
    cell(page, 3).get_by_text("complete").wait_for()
    page.screenshot(path=ARTEFACTS / "background-shown-again.png")
    [output] = saved(lab, page, "background.ipynb")["cells"][3]["outputs"]
    assert "".join(output["data"]["text/markdown"]).strip() == "The first words. The middle. The end."
    assert not fake.disconnected.is_set()


def test_a_background_cell_ends_as_one_clean_output(lab: Lab, page: Page, fake: FakeOllama) -> None:
    fake.says(*PARAGRAPHS)
    lab.write("clean.ipynb", "%load_ext ollama_magic", asks(fake, "--bg"))
    lab.open(page, "clean.ipynb")
    run(page, 0)
    run(page, 1)
    cell(page, 1).get_by_text("complete").wait_for()
    [output] = saved(lab, page, "clean.ipynb")["cells"][1]["outputs"]
    assert output["output_type"] == "display_data"
    assert "".join(output["data"]["text/markdown"]).strip() == "".join(PARAGRAPHS).strip()
    assert "in the background" not in json.dumps(output)


def test_restarting_the_kernel_closes_the_sockets(
    lab: Lab, page: Page, fake: FakeOllama, gate: threading.Event
) -> None:
    fake.says("The first words. ").waits_for(gate)
    lab.write("restart.ipynb", "%load_ext ollama_magic", asks(fake, "--bg"))
    lab.open(page, "restart.ipynb")
    run(page, 0)
    run(page, 1)
    cell(page, 1).get_by_text("The first words.").wait_for()
    page.evaluate("void window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()")
    assert fake.disconnected.wait(20)
    page.wait_for_function("window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.status === 'idle'")
