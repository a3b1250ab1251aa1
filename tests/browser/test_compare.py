"""The notebook about comparisons in JupyterLab: columns beside each other, under each other where it is narrow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.browser.cells import cell, run, wait_for_end
from tests.browser.lab import ARTEFACTS
from tests.fake_models import model_entry

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.browser.lab import Lab
    from tests.fake_ollama import FakeOllama

pytestmark = [pytest.mark.browser, pytest.mark.embedded, pytest.mark.slow, pytest.mark.timeout(300)]

# For each cell: where its letters stand, once for each time that this has changed.
WATCH = """
() => {
    window.seen = [];
    let before = '';
    setInterval(() => {
        const now = window.places();
        const text = JSON.stringify(now.map((cell) => cell.letters));
        if (text !== before) {
            before = text;
            window.seen.push(now);
        }
    }, 20);
}
"""
PLACES = """
() => {
    window.places = () => [...document.querySelectorAll('.jp-NotebookPanel .jp-CodeCell')].map((cell) => ({
        running: cell.querySelector('.jp-InputPrompt').innerText.trim() === '[*]:',
        text: cell.querySelector('.jp-OutputArea')?.innerText ?? '',
        letters: [...cell.querySelectorAll('.jp-OutputArea .ollama-magic strong')]
            .filter((badge) => /^[A-Z]$/.test(badge.innerText))
            .map((badge) => ({
                letter: badge.innerText,
                x: Math.round(badge.getBoundingClientRect().x),
                y: Math.round(badge.getBoundingClientRect().y),
            })),
    }));
}
"""
ALL_RAN = """
() => [...document.querySelectorAll('.jp-NotebookPanel .jp-CodeCell')]
    .every((cell) => /^\\[\\d+\\]:$/.test(cell.querySelector('.jp-InputPrompt').innerText.trim()))
"""


def letters(cell: dict[str, Any]) -> str:
    return "".join(each["letter"] for each in cell["letters"])


def test_columns_stream_side_by_side_and_wrap(lab: Lab, page: Page) -> None:
    ARTEFACTS.mkdir(exist_ok=True)
    page.set_viewport_size({"width": 1300, "height": 1600})
    lab.open(page, "comparing.ipynb")
    page.evaluate("window.jupyterapp.commands.execute('notebook:clear-all-cell-outputs')")
    page.evaluate(PLACES)
    page.evaluate(WATCH)
    page.evaluate("void window.jupyterapp.commands.execute('notebook:run-all-cells')")
    page.wait_for_function(ALL_RAN, timeout=200_000)
    page.screenshot(path=ARTEFACTS / "comparing-wide.png")
    sweep, blind = 1, 5
    while_it_ran = [each[sweep] for each in page.evaluate("() => window.seen") if each[sweep]["running"]]
    assert any(letters(cell) == "AB" for cell in while_it_ran), "both columns are there while they stream"
    now = page.evaluate("() => window.places()")
    first, second = now[sweep]["letters"]
    assert abs(first["y"] - second["y"]) < 3
    assert second["x"] > first["x"] + 200
    assert "picked" in now[blind]["text"]
    assert "temperature=1.2" in now[blind]["text"]
    page.set_viewport_size({"width": 480, "height": 1600})
    page.wait_for_function(
        "() => { const [a, b] = window.places()[1].letters; return a.x === b.x; }", timeout=10_000
    )  # they go under each other
    first, second = page.evaluate("() => window.places()")[sweep]["letters"]
    page.screenshot(path=ARTEFACTS / "comparing-narrow.png")
    page.set_viewport_size({"width": 1280, "height": 1600})
    assert second["y"] > first["y"] + 20


WIDE = """\
| river | length in km | country of the source | country of the mouth | tributaries |
| --- | --- | --- | --- | --- |
| Danube | 2850 | Germany | Romania | Inn, Drava, Sava, Tisza |

$$\\int_{-\\infty}^{\\infty} e^{-x^2}\\,dx = \\sqrt{\\pi} \\qquad \\sum_{k=0}^{\\infty} \\frac{x^k}{k!} = e^x \\qquad \\prod_{p} \\frac{1}{1-p^{-s}}$$
"""  # noqa: E501 -- one formula, too wide for a column


def test_what_is_wider_than_its_column_is_whole_and_lies_over_no_other(
    fake_lab: Lab, page: Page, asked: FakeOllama
) -> None:
    names = [f"wide:{number}b" for number in range(4)]
    asked.models.extend(map(model_entry, names))
    asked.says(WIDE)
    fake_lab.write("wide.ipynb", "%load_ext ollama_magic", f"%%ollama --compare {','.join(names)}\nHello")
    page.set_viewport_size({"width": 1280, "height": 1600})
    fake_lab.open(page, "wide.ipynb")
    for number in (0, 1):
        run(page, number)
        wait_for_end(page, number)
    board = cell(page, 1).locator(".jp-OutputArea")
    column = board.locator("tbody > tr > td").filter(has=page.locator("table")).first
    formula = column.locator("mjx-container, .MathJax").first
    formula.wait_for()
    lines = "e => { const r = document.createRange(); r.selectNodeContents(e); return r.getClientRects().length; }"
    assert column.locator("table td").filter(has_text="Danube").evaluate(lines) == 1
    assert column.evaluate("e => e.scrollWidth > e.clientWidth"), "the rest can be scrolled to"
    right = column.evaluate("e => e.getBoundingClientRect().right")
    beside = formula.evaluate(
        "(e, x) => { const r = e.getBoundingClientRect();"
        " return document.elementsFromPoint(x + 20, (r.top + r.bottom) / 2).some((each) => e.contains(each)); }",
        right,
    )
    assert not beside
