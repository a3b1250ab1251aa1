"""Notebooks as a reader goes through them in JupyterLab: with the keyboard, answered by the built-in model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.browser.lab import ARTEFACTS
from tests.runners import cells

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.browser.lab import Lab

pytestmark = [pytest.mark.browser, pytest.mark.embedded, pytest.mark.slow, pytest.mark.long, pytest.mark.timeout(300)]

ALL_RAN = """
() => [...document.querySelectorAll('.jp-NotebookPanel .jp-CodeCell')]
    .every((cell) => /^\\[\\d+\\]:$/.test(cell.querySelector('.jp-InputPrompt').innerText.trim()))
"""
SAVED = "() => !window.jupyterapp.shell.currentWidget.context.model.dirty"


def go_through(lab: Lab, page: Page, name: str) -> None:
    """Run the cells from the first to the last with Shift+Enter, and save; only cells that are to fail have failed."""
    lab.open(page, name)
    page.evaluate("window.jupyterapp.commands.execute('notebook:clear-all-cell-outputs')")
    all_cells = page.locator(".jp-NotebookPanel .jp-Cell")
    all_cells.first.click()
    page.keyboard.press("Escape")
    for _ in range(all_cells.count() - 1):
        page.keyboard.press("Shift+Enter")
    page.keyboard.press("Control+Enter")  # Shift would add a cell below the last
    page.wait_for_function(ALL_RAN, timeout=200_000)
    page.evaluate("window.jupyterapp.commands.execute('docmanager:save')")
    page.wait_for_function(SAVED)
    for cell in cells(lab.folder / name):
        failed = any(output["output_type"] == "error" for output in cell.get("outputs", []))
        assert failed == ("raises-exception" in cell["metadata"].get("tags", [])), "".join(cell["source"])
        warned = [output for output in cell.get("outputs", []) if output.get("name") == "stderr"]
        assert warned == []


def shown(page: Page, cell: int) -> str:
    """What can be read below a code cell."""
    return page.locator(".jp-NotebookPanel .jp-CodeCell").nth(cell).locator(".jp-OutputArea").inner_text()


def test_a_picture_is_told_of_and_never_made_up(lab: Lab, page: Page) -> None:
    go_through(lab, page, "pictures.ipynb")
    assert page.locator(".jp-OutputArea img[src^='data:image/png']").count() == 1  # the figure itself
    dry, asked = 2, 3
    assert "[picture 1: matplotlib figure" in shown(page, dry)
    assert "Nothing was sent" in shown(page, dry)
    assert "cannot see pictures" in shown(page, asked)
    assert "tok/s" not in shown(page, asked)


def test_the_place_without_a_key_says_so_beside_an_answer(lab: Lab, page: Page) -> None:
    go_through(lab, page, "local-and-cloud.ipynb")
    assert "smollm2:135m" in shown(page, 1)
    assert "needs an API key for https://ollama.com" in shown(page, 1)
    assert page.locator(".jp-NotebookPanel .dataframe tbody tr").count() == 2


def test_the_panel_has_what_cells_said_and_answers(lab: Lab, page: Page) -> None:
    ARTEFACTS.mkdir(exist_ok=True)
    go_through(lab, page, "panel.ipynb")
    panel = page.locator(".om-panel.om-live")
    asked = panel.locator(".om-user")
    assert asked.all_text_contents() == [  # what is out of view is not laid out, and has no inner text
        "What is a median, in one sentence?",
        "Name one advantage of it, in one sentence.",
    ]
    assert panel.get_by_label("Temperature", exact=True).input_value() == "0.7"
    prompt = panel.get_by_label("Prompt", exact=True)
    prompt.fill("And one disadvantage?")
    prompt.press("Enter")
    page.wait_for_function("() => document.querySelectorAll('.om-user').length === 3")
    page.wait_for_selector(".om-turn.om-last[aria-busy='false']", timeout=100_000)
    assert "complete" in panel.locator(".om-turn").last.inner_text()
    # The picture in the notebook is this one.
    panel.screenshot(path=ARTEFACTS / "panel-notebook.png")
