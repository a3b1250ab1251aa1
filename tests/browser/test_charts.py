"""Charts as JupyterLab and Notebook 7 draw them themselves, in both themes; a model's text is never live in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.browser.lab import ARTEFACTS, FRONT_ENDS

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.browser.lab import Lab

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]

HOSTILE = "<img src=x onerror=window.hacked=1> [a](javascript:window.hacked=1) {datum.value} $x$"

# Made by hand, so that it looks the same each time; the last cell is all that a person writes.
SETUP = f"""
from ollama_magic.evaluating.checks import Verdict
from ollama_magic.evaluating import Evaluation
from ollama_magic.evaluating.trials import Trial
prompts = ["What is the capital of France?", "Which town is the largest of Brazil, by people?", {HOSTILE!r}]
models = ["llama3.2:3b", "gpt-oss:120b", {HOSTILE!r}]
marks = [[True, True, False], [False, True, None], [True, False, False]]
trials = tuple(
    Trial(n, prompt, model, repeat, {HOSTILE!r}, (Verdict("contains Paris", marks[n][m] if repeat < 4 else True),),
          "" if marks[n][m] is not None else "Stalled: " + {HOSTILE!r}, 0.4 + 0.3 * n + m + repeat / 10, 0.1,
          40.0 + 9 * m)
    for n, prompt in enumerate(prompts) for m, model in enumerate(models) for repeat in range(1, 6)
)
run = Evaluation(tuple(prompts), tuple(models), ("contains Paris",), trials, 5)
"""
SIMILAR = """
import numpy
from ollama_magic import similarity
words = ["a cat", "a small dog", "the stock market", "interest rates"]
similarity(numpy.array([[1, .2, 0], [.9, .4, .1], [.1, .3, 1], [0, .5, .9]]), labels=words)
"""
CELLS = [SETUP, "run", "run.latency()", "run.throughput()", SIMILAR]

DRAWN = "() => document.querySelectorAll('.jp-NotebookPanel .jp-RenderedVegaCommon5 svg.marks').length === 4"
# The colour of a text as it is painted, and of what lies behind it.
CONTRAST = """
() => {
    const parts = (colour) => colour.match(/[\\d.]+/g).map(Number);
    const luminance = ([r, g, b]) => [r, g, b].map((each) => each / 255)
        .map((each) => (each <= 0.04045 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4))
        .reduce((sum, each, place) => sum + each * [0.2126, 0.7152, 0.0722][place], 0);
    const behind = (node) => {
        for (let each = node; each; each = each.parentElement) {
            const colour = parts(getComputedStyle(each).backgroundColor);
            if (colour.length === 3 || colour[3] > 0.5) return colour;
        }
        return [255, 255, 255];
    };
    return [...document.querySelectorAll('.jp-RenderedVegaCommon5 svg.marks')].flatMap((svg) =>
        [...svg.querySelectorAll('.role-axis-label text, .role-title-text text')].map((text) => {
            const ink = luminance(parts(getComputedStyle(text).fill));
            const paper = luminance(behind(svg));
            return (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
        }));
}
"""


@pytest.mark.parametrize("front_end", FRONT_ENDS)
def test_charts_are_drawn_and_can_be_read_in_both_themes(lab: Lab, page: Page, front_end: str) -> None:
    ARTEFACTS.mkdir(exist_ok=True)
    lab.open(page, lab.write("charts.ipynb", *CELLS), front_end)
    page.evaluate("void window.jupyterapp.commands.execute('notebook:run-all-cells')")
    page.wait_for_function(DRAWN)
    for theme in ("Light", "Dark"):
        page.evaluate(f"window.jupyterapp.commands.execute('apputils:change-theme', {{ theme: 'JupyterLab {theme}' }})")
        page.wait_for_function(f"() => document.body.dataset.jpThemeLight === '{str(theme == 'Light').lower()}'")
        page.wait_for_function(DRAWN)
        for number, chart in enumerate(page.locator(".jp-RenderedVegaCommon5").all()):
            chart.screenshot(path=ARTEFACTS / f"{front_end}-chart-{number}-{theme.lower()}.png")
        page.screenshot(path=ARTEFACTS / f"{front_end}-charts-{theme.lower()}.png", full_page=True)
        contrasts = page.evaluate(CONTRAST)
        assert len(contrasts) > 20
        assert min(contrasts) >= 4.5, f"{theme}: a text of a chart has a contrast of {min(contrasts):.1f}"
    assert page.evaluate("window.hacked") is None
    assert page.locator(".jp-OutputArea a[href^='javascript'], .jp-OutputArea img[src='x']").count() == 0
    stderr = page.locator('.jp-OutputArea-output[data-mime-type="application/vnd.jupyter.stderr"]')
    assert stderr.all_inner_texts() == []
    assert page.locator(".jp-OutputArea .vega-embed .error, .jp-OutputArea .jp-RenderedText .ansi-red-fg").count() == 0


def test_a_cell_tells_what_it_stands_for(lab: Lab, page: Page) -> None:
    if not page.url.startswith(lab.url):
        pytest.skip("runs after the test that fills the page")
    page.locator(".jp-RenderedVegaCommon5 svg.marks .mark-text text", has_text="100%").first.hover()
    told = page.locator("#vg-tooltip-element")
    told.wait_for(state="visible")
    assert "What is the capital of France?" in told.inner_text()
    assert told.locator("img, script").count() == 0
