"""The quickstart as a reader sees it: run in JupyterLab, in a real browser, answered by the embedded engine."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from tests.browser.lab import ARTEFACTS

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.browser.lab import Lab

pytestmark = [pytest.mark.browser, pytest.mark.embedded, pytest.mark.slow, pytest.mark.timeout(300)]

# Looks at every code cell again and again from inside the page: its prompt (`[*]:` while it runs), what its output
# area reads, and whether that has changed since. Sampling from outside would be too slow to see an answer grow.
WATCH = """
() => {
    window.samples = [];
    const seen = new Map();
    window.watcher = setInterval(() => {
        document.querySelectorAll('.jp-NotebookPanel .jp-CodeCell').forEach((cell, index) => {
            const prompt = cell.querySelector('.jp-InputPrompt')?.innerText.trim() ?? '';
            const text = cell.querySelector('.jp-OutputArea')?.innerText ?? '';
            if (seen.get(index) !== prompt + text) {
                seen.set(index, prompt + text);
                window.samples.push({ cell: index, prompt, length: text.length, at: performance.now(), text });
            }
        });
    }, 15);
}
"""
ALL_RAN = """
() => [...document.querySelectorAll('.jp-NotebookPanel .jp-CodeCell')]
    .every((cell) => /^\\[\\d+\\]:$/.test(cell.querySelector('.jp-InputPrompt').innerText.trim()))
"""
FIRST_GROWS = """
() => window.samples.filter((s) => s.cell === 1 && s.prompt === '[*]:' && s.length > 80).length > 2
"""


def source(cell: dict[str, Any]) -> str:
    return "".join(cell["source"])


def test_the_quickstart_streams_in_jupyterlab(lab: Lab, page: Page) -> None:
    ARTEFACTS.mkdir(exist_ok=True)
    notebook = json.loads((lab.folder / "quickstart.ipynb").read_text(encoding="utf-8"))
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    prompts = [number for number, cell in enumerate(cells) if source(cell).startswith("%%ollama")]

    lab.open(page, "quickstart.ipynb")
    page.evaluate("window.jupyterapp.commands.execute('notebook:clear-all-cell-outputs')")
    page.evaluate(WATCH)
    page.evaluate("void window.jupyterapp.commands.execute('notebook:run-all-cells')")
    page.wait_for_function(FIRST_GROWS)
    page.screenshot(path=ARTEFACTS / "quickstart-streaming.png")
    page.wait_for_function(ALL_RAN, timeout=200_000)
    page.screenshot(path=ARTEFACTS / "quickstart-done.png")

    samples = page.evaluate("() => { clearInterval(window.watcher); return window.samples; }")
    for number in prompts:
        lengths = [sample["length"] for sample in samples if sample["cell"] == number and sample["prompt"] == "[*]:"]
        steps = sum(later > earlier for earlier, later in pairwise(lengths))
        # A short answer may be done before it can grow twice; the first one is long.
        assert steps >= (5 if number == prompts[0] else 1), f"cell {number} did not grow while it ran: {lengths}"
        final = [sample["text"] for sample in samples if sample["cell"] == number][-1]
        assert "smollm2:135m" in final, f"the footer of cell {number} does not name the model: {final!r}"
    stderr = page.locator('.jp-OutputArea-output[data-mime-type="application/vnd.jupyter.stderr"]')
    assert stderr.all_inner_texts() == []


def test_the_saved_notebook_has_one_clean_output_for_each_answer(lab: Lab, page: Page) -> None:
    if not page.url.startswith(lab.url):
        pytest.skip("runs after the test that fills the page")
    page.evaluate("window.jupyterapp.commands.execute('docmanager:save')")
    page.wait_for_function("() => !document.querySelector('.jp-mod-dirty')")
    saved = json.loads((lab.folder / "quickstart.ipynb").read_text(encoding="utf-8"))
    for cell in saved["cells"]:
        if source(cell).startswith("%%ollama"):
            (output,) = cell["outputs"]
            assert output["output_type"] == "display_data"
            assert "".join(output["data"].get("text/markdown", output["data"]["text/plain"])).strip()
