"""The buttons under the columns of a comparison, in JupyterLab and Notebook 7: what `%ollama pick` does, by a click."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.browser.cells import cell, run, saved, wait_for_end
from tests.browser.lab import ARTEFACTS, FRONT_ENDS
from tests.fake_models import model_entry

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

    from tests.browser.lab import Lab
    from tests.fake_ollama import FakeOllama

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]

BUTTON = "button.ollama-magic-keep"
ASKS = "%%ollama --compare llama3.2,qwen3:8b --blind --out best\nWho are you?"
AFTER = "print(best.model, '|', best.text)\n%ollama votes"
KERNEL = "window.jupyterapp.shell.currentWidget.sessionContext.session.kernel"


@pytest.fixture
def two(asked: FakeOllama) -> FakeOllama:
    """Two models, each of which says its own."""
    asked.models.append(model_entry("qwen3:8b"))
    asked.voice("llama3.2").says("I am a poet.")
    asked.voice("qwen3:8b").says("I am a cook.")
    return asked


def run_to_its_end(page: Page, number: int) -> None:
    """Run one cell."""
    run(page, number)
    wait_for_end(page, number)


def compared(lab: Lab, page: Page, name: str, front_end: str = "lab", asks: str = ASKS) -> Locator:
    """A notebook with a comparison that has run; its cell, with the buttons."""
    lab.write(name, f"%load_ext ollama_magic\n%ollama config cache_dir kept-{name}", asks, AFTER, "1 + 1")
    lab.open(page, name, front_end)
    run_to_its_end(page, 0)
    run_to_its_end(page, 1)
    found = cell(page, 1)
    found.locator(BUTTON).first.wait_for()
    return found


def column_of(board: Locator, text: str) -> Locator:
    return board.locator("td").filter(has_text=text)


@pytest.mark.parametrize("front_end", FRONT_ENDS)
def test_a_click_names_them_in_place_binds_the_answer_and_counts(
    fake_lab: Lab, page: Page, two: FakeOllama, front_end: str
) -> None:
    ARTEFACTS.mkdir(exist_ok=True)
    name = f"pick-{front_end}.ipynb"
    board = compared(fake_lab, page, name, front_end)
    page.evaluate("window.jupyterapp.commands.execute('@jupyter-widgets/jupyterlab-manager:saveWidgetState')")
    buttons = board.locator(BUTTON)
    assert buttons.count() == 2
    assert [each.get_attribute("aria-label") for each in buttons.all()] == [
        "Keep this one: answer A",
        "Keep this one: answer B",
    ]
    assert "qwen3" not in board.locator(".jp-OutputArea").inner_text()
    page.screenshot(path=ARTEFACTS / f"pick-{front_end}.png")
    column_of(board, "I am a cook.").locator(BUTTON).click()
    picked = column_of(board, "✓ picked")
    picked.wait_for()
    assert "qwen3:8b" in picked.inner_text()
    assert "llama3.2" in board.locator(".jp-OutputArea").inner_text()
    assert "Counted: see %ollama votes." in board.locator(".jp-OutputArea").inner_text()
    assert board.locator(BUTTON).count() == 0
    page.screenshot(path=ARTEFACTS / f"picked-{front_end}.png")
    run_to_its_end(page, 2)
    shown = cell(page, 2).locator(".jp-OutputArea").inner_text()
    assert "qwen3:8b | I am a cook." in shown
    assert "From 1 pick, 1 blind" in shown
    notebook = saved(fake_lab, page, name)
    [output] = notebook["cells"][1]["outputs"]
    assert "✓ picked" in "".join(output["data"]["text/plain"])
    for trace in ("anywidget", "widget-view", "ollama-magic-keep"):
        assert trace not in json.dumps(notebook)
    page.evaluate("window.jupyterapp.commands.execute('@jupyter-widgets/jupyterlab-manager:saveWidgetState')")


def test_the_keyboard_reaches_them_and_names_come_also_where_nothing_was_hidden(
    fake_lab: Lab, page: Page, two: FakeOllama
) -> None:
    board = compared(fake_lab, page, "pick-keys.ipynb", asks="%%ollama --compare llama3.2,qwen3:8b --out best\nWho?")
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    for _ in range(12):
        if page.evaluate(f"document.activeElement.matches('{BUTTON}')"):
            break
        page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == "Keep this one: answer A"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == "Keep this one: answer B"
    page.keyboard.press("Enter")
    column_of(board, "✓ picked").wait_for()
    assert "qwen3:8b" in column_of(board, "✓ picked").inner_text()
    page.wait_for_function("() => document.activeElement !== document.body")  # the notebook's keys work on
    assert board.locator(".cm-content").inner_text().count("\n") == 1  # Enter was not the editor's


def test_saved_and_opened_again_there_is_the_sentence_and_no_button(fake_lab: Lab, page: Page, two: FakeOllama) -> None:
    board = compared(fake_lab, page, "pick-saved.ipynb")
    [output] = saved(fake_lab, page, "pick-saved.ipynb")["cells"][1]["outputs"]
    assert set(output["data"]) == {"text/html", "text/plain", "text/markdown"}
    assert "Keep this one" not in json.dumps(output)
    # A page that is loaded anew has them again, as long as the kernel lives.
    page.reload()
    page.wait_for_selector(".jp-NotebookPanel .jp-Notebook-cell")
    board = cell(page, 1)
    board.locator(BUTTON).first.wait_for()
    column_of(board, "I am a cook.").locator(BUTTON).click()
    board.get_by_text("Picked").wait_for()
    assert "qwen3:8b" in column_of(board, "I am a cook.").inner_text()
    saved(fake_lab, page, "pick-saved.ipynb")
    # With another kernel there is what the file has.
    page.evaluate(f"() => {KERNEL}.restart().then(() => null)")
    page.reload()
    page.wait_for_selector(".jp-NotebookPanel .jp-Notebook-cell")
    run_to_its_end(page, 3)
    assert cell(page, 1).locator(BUTTON).count() == 0
    assert "%ollama pick A or B" in cell(page, 1).locator(".jp-OutputArea").inner_text()


def test_with_the_kernel_the_buttons_go(fake_lab: Lab, page: Page, two: FakeOllama) -> None:
    board = compared(fake_lab, page, "pick-restart.ipynb")
    page.evaluate(f"() => {KERNEL}.restart().then(() => null)")
    page.wait_for_function(f"() => document.querySelectorAll('{BUTTON}').length === 0")
    assert "I am a cook." in board.locator(".jp-OutputArea").inner_text()
