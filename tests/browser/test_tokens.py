"""The token view in JupyterLab: alternatives on hover and on focus, in both themes, in a notebook of somebody else."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.browser.lab import ARTEFACTS

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.browser.lab import Lab

pytestmark = [pytest.mark.browser, pytest.mark.embedded, pytest.mark.slow, pytest.mark.timeout(300)]

PROMPT = (
    "%%ollama --tokens -t 1.5 --seed 7 --max-tokens 120\nTell a story of a fox and an owl, with a list of two lessons."
)
NAME = "token-view.ipynb"
TOKEN = ".jp-OutputArea .ollama-token"
POPPED = """
(place) => {
    const style = getComputedStyle(document.querySelectorAll('.jp-OutputArea .ollama-token')[place], '::after');
    return style.content === 'none' ? '' : style.content;
}
"""
CONTRAST = """
() => {
    const area = document.querySelector('.jp-OutputArea-output');
    const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
    const paint = (colours) => {
        colours.forEach((colour) => { canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1); });
        const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].map((value) => value / 255)
            .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const page = getComputedStyle(document.body).getPropertyValue('--jp-layout-color0');
    return Math.min(...[...area.querySelectorAll('.ollama-token')].map((token) => {
        const style = getComputedStyle(token);
        const [below, text] = [[page, style.backgroundColor], [page, style.backgroundColor, style.color]].map(paint);
        return (Math.max(below, text) + 0.05) / (Math.min(below, text) + 0.05);
    }));
}
"""


def write_notebook(lab: Lab) -> None:
    cells: list[dict[str, Any]] = [
        {"cell_type": "code", "id": f"c{n}", "metadata": {}, "source": text, "outputs": [], "execution_count": None}
        for n, text in enumerate(["%load_ext ollama_magic", PROMPT])
    ]
    spec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = {"cells": cells, "metadata": {"kernelspec": spec}, "nbformat": 4, "nbformat_minor": 5}
    (lab.folder / NAME).write_text(json.dumps(notebook), encoding="utf-8")


def popped(page: Page, place: int) -> str:
    """What is shown beside a token, "" while nothing is."""
    found: str = page.evaluate(POPPED, place)
    return found


def test_alternatives_on_hover_and_on_focus(lab: Lab, page: Page) -> None:
    ARTEFACTS.mkdir(exist_ok=True)
    write_notebook(lab)
    lab.open(page, NAME)
    page.evaluate("window.jupyterapp.commands.execute('notebook:run-all-cells')")
    page.wait_for_selector(".jp-OutputArea details:has-text('As a table')", timeout=120_000)
    tokens = page.locator(TOKEN)
    assert tokens.count() > 20
    unsure = page.eval_on_selector_all(TOKEN, "found => found.findIndex(each => each.tabIndex === 0)")
    assert popped(page, unsure) == ""
    tokens.nth(unsure).hover()
    assert "▸" in popped(page, unsure)
    assert popped(page, unsure).count("%") >= 5
    page.screenshot(path=ARTEFACTS / "tokens-light.png")
    page.mouse.move(0, 0)
    assert popped(page, unsure) == ""

    tokens.nth(unsure).focus()
    assert "▸" in popped(page, unsure)
    page.keyboard.press("Tab")
    following = page.eval_on_selector_all(TOKEN, "found => found.indexOf(document.activeElement)")
    assert following > unsure
    assert popped(page, unsure) == ""
    assert "▸" in popped(page, following)

    assert page.evaluate(CONTRAST) >= 4.5
    page.evaluate("window.jupyterapp.commands.execute('apputils:change-theme', {theme: 'JupyterLab Dark'})")
    page.wait_for_selector('body[data-jp-theme-light="false"]', state="attached")
    page.locator(".jp-OutputArea summary").click()
    assert page.evaluate(CONTRAST) >= 4.5
    page.screenshot(path=ARTEFACTS / "tokens-dark.png")


def box_beside(page: Page, selector: str) -> list[float]:
    """Where the box of alternatives of the first such token is: left, top, right, bottom."""
    session = page.context.new_cdp_session(page)  # only that tells where a pseudo-element is
    root = session.send("DOM.getDocument")["root"]["nodeId"]
    token = session.send("DOM.querySelector", {"nodeId": root, "selector": selector})["nodeId"]
    (after,) = session.send("DOM.describeNode", {"nodeId": token})["node"]["pseudoElements"]
    quad = session.send("DOM.getBoxModel", {"backendNodeId": after["backendNodeId"]})["model"]["border"]
    session.detach()
    return [min(quad[::2]), min(quad[1::2]), max(quad[::2]), max(quad[1::2])]


def test_alternatives_are_in_view_wherever_their_token_is(lab: Lab, page: Page) -> None:
    if not page.url.startswith(lab.url):
        pytest.skip("runs after the test that fills the page")
    size = page.viewport_size
    page.set_viewport_size({"width": 700, "height": 700})
    tokens = page.locator(TOKEN)
    lefts = page.eval_on_selector_all(TOKEN, "found => found.map(each => each.getBoundingClientRect().left)")
    for place in (lefts.index(min(lefts)), lefts.index(max(lefts)), len(lefts) - 1):
        tokens.nth(place).hover()
        tokens.nth(place).evaluate("token => token.id = 'pointed-at'")
        left, top, right, bottom = box_beside(page, "#pointed-at")
        panel = page.locator(".jp-NotebookPanel:visible").bounding_box()
        assert panel is not None
        assert panel["x"] <= left < right <= panel["x"] + panel["width"]
        assert panel["y"] <= top < bottom <= panel["y"] + panel["height"]
        tokens.nth(place).evaluate("token => token.removeAttribute('id')")
    assert size is not None
    page.set_viewport_size(size)


def test_it_is_told_in_a_notebook_that_is_not_trusted(lab: Lab, page: Page) -> None:
    if not page.url.startswith(lab.url):
        pytest.skip("runs after the test that fills the page")
    page.evaluate("window.jupyterapp.commands.execute('docmanager:save')")
    page.wait_for_function("() => !document.querySelector('.jp-mod-dirty')")
    saved: dict[str, Any] = json.loads((lab.folder / NAME).read_text(encoding="utf-8"))
    (output,) = saved["cells"][1]["outputs"]
    assert "perplexity" in "".join(output["data"]["text/plain"])
    output["data"]["text/html"] = [*output["data"]["text/html"], " "]  # no longer what was signed
    (lab.folder / f"of-somebody-{NAME}").write_text(json.dumps(saved), encoding="utf-8")
    lab.open(page, f"of-somebody-{NAME}")
    tokens = page.locator(TOKEN)
    assert tokens.first.locator("o-t").count() == 0  # so it was taken apart and cleaned
    assert "▸" in (tokens.first.get_attribute("title") or "")
    tinted = f"found => found.some(each => getComputedStyle(each).backgroundColor !== '{TRANSPARENT}')"
    assert page.eval_on_selector_all(TOKEN, tinted)
    page.screenshot(path=ARTEFACTS / "tokens-not-trusted.png")


TRANSPARENT = "rgba(0, 0, 0, 0)"
