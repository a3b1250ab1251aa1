"""How the panel looks and is used without a mouse: pictures in artefacts/, contrast, nothing cut off, the keyboard."""

from __future__ import annotations

import re
import threading
from typing import TYPE_CHECKING, Any

import pytest

from tests.browser.lab import ARTEFACTS

if TYPE_CHECKING:
    from tests.browser.panel import Panel
    from tests.fake_ollama import FakeOllama

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(120)]

WIDTHS = (600, 1000, 1400)
MB = 1_000_000
ANSWER = (
    "## The normal distribution\n\nIts density is "
    "$\\frac{1}{\\sigma\\sqrt{2\\pi}} e^{-\\frac{(x-\\mu)^2}{2\\sigma^2}}$, and with **NumPy**:\n\n"
    "```python\nimport numpy as np\nrng = np.random.default_rng(1)\nx = rng.normal(0, 1, 1000)\n```\n\n"
    "| statistic | value |\n| --- | --- |\n| mean | `0.0` |\n| variance | `1.0` |\n\n"
    "$$\\int_{-\\infty}^{\\infty} f(x)\\,dx = 1$$\n\n- symmetric\n- one peak\n\n> See [the article](https://en.wikipedia.org/wiki/Normal_distribution).\n"
)

# Every text in the panel that can be seen, against what lies behind it, colours with an alpha on one another.
CONTRAST = """
() => {
    const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
    const luminance = (colours) => {
        canvas.clearRect(0, 0, 1, 1);
        for (const colour of colours) { canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1); }
        const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].map((value) => value / 255)
            .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const page = getComputedStyle(document.body).getPropertyValue('--jp-layout-color1');
    const low = [];
    const walker = document.createTreeWalker(document.querySelector('.om-panel'), NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const node = walker.currentNode.parentElement;
        if (!walker.currentNode.textContent.trim() || !node.checkVisibility({ visibilityProperty: true })) continue;
        if (node.closest('.om-hidden, mjx-container, option, datalist')) continue;
        const behind = [];
        for (let at = node; at; at = at.parentElement) behind.unshift(getComputedStyle(at).backgroundColor);
        const colours = [page, ...behind];
        const [below, text] = [colours, [...colours, getComputedStyle(node).color]].map(luminance);
        const ratio = (Math.max(below, text) + 0.05) / (Math.min(below, text) + 0.05);
        const said = walker.currentNode.textContent.slice(0, 40);
        if (ratio < 4.5) low.push(`${ratio.toFixed(2)} ${node.className}: ${said}`);
    }
    return low;
}
"""
CUT_OFF = """
() => {
    const panel = document.querySelector('.om-panel');
    const right = panel.getBoundingClientRect().right + 0.5;
    return [...panel.querySelectorAll('button, input, select, textarea, .om-turn, .om-model, .om-pull')]
        .filter((node) => node.checkVisibility() && !node.closest('.om-hidden') && !node.matches('.om-hidden'))
        .filter((node) => node.getBoundingClientRect().right > right)
        .map((node) => node.outerHTML.slice(0, 120));
}
"""
UNNAMED = """
() => [...document.querySelectorAll('.om-panel :is(button, input, select, textarea)')]
    .filter((node) => node.checkVisibility() && node.tabIndex >= 0)
    .filter((node) => !(node.labels?.length || node.ariaLabel || node.textContent.trim()))
    .map((node) => node.outerHTML)
"""
FOCUSED = """
() => {
    const node = document.activeElement;
    const style = getComputedStyle(node.matches('input[type=radio]') ? node.nextElementSibling : node);
    return {
        inside: Boolean(node.closest('.om-panel')),
        name: node.ariaLabel ?? node.labels?.[0]?.textContent ?? node.textContent.trim(),
        tag: node.tagName, ring: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2,
    };
}
"""


def fill(panel: Panel, asked: FakeOllama) -> None:
    """A conversation with everything in it, and two pulls."""
    asked.thinks("The reader ", "wants the formula.").says(ANSWER)
    panel.choose("llama3.2:latest")
    panel.send("What is the normal distribution? Use {df}.")
    panel.done()
    asked.forget().says("The", " beginning of an answer").drops_after(2)
    panel.send("And now one that breaks")
    panel.done()
    asked.forget().offers("qwen3:8b", 4 * MB, 2 * MB).pull_waits_for(threading.Event(), at=2 * MB)
    for name in ("nosuch:1b", "qwen3:8b"):
        panel.model.fill(name)
        panel.button("Pull the model named in the field").click()
        panel.root.get_by_role("group", name=f"Pull of {name}").wait_for()
    panel.choose("llama3.2:latest")
    panel.test("It works")


def test_every_width_and_theme(panel: Panel, asked: FakeOllama) -> None:
    ARTEFACTS.mkdir(exist_ok=True)
    fill(panel, asked)
    if panel.front_end == "lab":
        panel.command("application:toggle-left-area")
    panel.unfold("Parameters")
    for theme in ("Light", "Dark"):
        panel.theme(theme)
        for width in WIDTHS:
            panel.page.set_viewport_size({"width": width, "height": 1500})
            panel.page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
            panel.root.screenshot(path=ARTEFACTS / f"panel-{panel.front_end}-{theme.lower()}-{width}.png")
            assert panel.page.evaluate(CUT_OFF) == []
            assert panel.page.evaluate(CONTRAST) == []
    assert panel.page.evaluate(UNNAMED) == []
    panel.theme("Light")
    panel.button("Cancel the pull of qwen3:8b").click()
    assert panel.errors == []


def test_the_style_sheet_stays_inside(panel: Panel) -> None:
    """The panel changes nothing of the notebook around it, but for its own transcript."""
    rules = panel.page.evaluate(
        """
        () => {
            const selectors = (rule) => [rule.selectorText ?? [], ...[...(rule.cssRules ?? [])].map(selectors)].flat();
            return [...document.styleSheets].filter((sheet) => sheet.ownerNode.textContent.includes('.om-panel'))
                .flatMap((sheet) => [...sheet.cssRules]).flatMap(selectors)
        }
        """
    )
    assert len(rules) > 50
    outside = [rule for rule in rules if not all(".om-" in part for part in re.split(r",(?![^(]*\))", rule))]
    assert outside == []


def press_until(panel: Panel, key: str, name: str, most: int = 60) -> dict[str, Any]:
    """Press a key until what is called `name` has the focus; each stop on the way must be seen."""
    for _ in range(most):
        panel.page.keyboard.press(key)
        now: dict[str, Any] = panel.page.evaluate(FOCUSED)
        assert now["ring"] or not now["inside"], f"the focus cannot be seen on {now}"
        if now["inside"] and now["name"] == name:
            return now
    raise AssertionError(f"{key} never came to {name!r}")


def test_everything_can_be_done_with_the_keyboard(panel: Panel, asked: FakeOllama) -> None:
    keys = panel.page.keyboard
    panel.page.set_viewport_size({"width": 1280, "height": 1600})
    panel.root.locator("summary").first.focus()
    press_until(panel, "Tab", "auto")
    keys.press("ArrowRight")
    panel.page.wait_for_selector(".om-panel input[type=radio][value=local]:checked")
    keys.press("ArrowLeft")
    press_until(panel, "Tab", "Host")
    keys.type("127.0.0.1:9")
    press_until(panel, "Tab", "API key")
    press_until(panel, "Tab", "Test connection")
    keys.press("Enter")
    panel.sees("no server", within=panel.root.locator(".om-verdict"))
    press_until(panel, "Shift+Tab", "Host")
    keys.press("Control+A")
    keys.press("Delete")
    press_until(panel, "Tab", "Model")
    panel.page.wait_for_selector(".om-model[data-name='smollm2:135m']")
    keys.press("ArrowDown")
    keys.press("ArrowDown")
    keys.press("Enter")
    panel.page.wait_for_selector(".om-model:nth-child(2)[aria-selected=true]")
    press_until(panel, "Tab", "Temperature")
    keys.type("0.5")
    press_until(panel, "Tab", "Unset: Temperature")
    keys.press("Space")
    panel.page.wait_for_function("() => document.activeElement.value === ''")

    asked.forget().says("An answer ", "that goes on").stalls_after(2)
    press_until(panel, "Tab", "Conversation")
    press_until(panel, "Tab", "Prompt")
    keys.type("First line")
    keys.press("Shift+Enter")
    keys.type("second line")
    keys.press("Enter")
    panel.sees("that goes on", within=panel.last)
    keys.press("Escape")
    panel.done()
    assert asked.disconnected.is_set()
    assert panel.last.locator(".om-user").inner_text() == "First line\nsecond line"
    press_until(panel, "Shift+Tab", "Insert as cell")
    keys.press("Enter")
    panel.sees("nothing was run")
    press_until(panel, "Shift+Tab", "Clear")
    keys.press("Enter")
    assert panel.page.evaluate(FOCUSED)["name"] == "Cancel"
    keys.press("Tab")
    keys.press("Enter")
    panel.sees("Nothing has been asked")
    assert panel.page.evaluate(FOCUSED)["name"] == "Clear"
    press_until(panel, "Tab", "Send")
    keys.press("Tab")
    assert not panel.page.evaluate(FOCUSED)["inside"]  # the focus can leave
    assert panel.errors == []
