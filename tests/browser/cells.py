"""The cells of an open notebook, by their number: found, run, and saved with what they show."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

    from tests.browser.lab import Lab

__all__ = ["cell", "run", "saved", "wait_for_end"]


def cell(page: Page, number: int) -> Locator:
    """A code cell, from 0."""
    return page.locator(".jp-NotebookPanel:visible .jp-CodeCell").nth(number)


def run(page: Page, number: int) -> None:
    """Run one cell and do not wait for it."""
    cell(page, number).locator(".cm-content").click()
    page.keyboard.press("Control+Enter")


def wait_for_end(page: Page, number: int) -> None:
    """Wait until a cell that was run has its number."""
    page.wait_for_function(
        "n => /^\\[\\d+\\]:$/.test([...document.querySelectorAll('.jp-NotebookPanel .jp-CodeCell')][n]"
        ".querySelector('.jp-InputPrompt').innerText.trim())",
        arg=number,
    )


def saved(lab: Lab, page: Page, name: str) -> dict[str, Any]:
    """The notebook as it stands in the file after it was saved now."""
    page.evaluate("window.jupyterapp.commands.execute('docmanager:save')")
    page.wait_for_function("() => window.jupyterapp.shell.currentWidget.context.model.dirty === false")
    found: dict[str, Any] = json.loads(lab.read(name))
    return found
