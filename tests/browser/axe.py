"""axe-core on parts of a page: what it objects to, a few lines each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from axe_playwright_python.base import AXE_SCRIPT

if TYPE_CHECKING:
    from playwright.sync_api import Page

__all__ = ["objections"]

# What asks about a page as a whole is the front end's: where its landmarks are, in which order its headings come.
_RULES: Final = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    "rules": {name: {"enabled": False} for name in ("region", "heading-order", "page-has-heading-one")},
}
# JupyterLab's body has no height and clips what flows over, and all within is taken to be hidden: so it gets one.
# Where axe cannot tell a contrast, as with any opacity, it is reckoned here.
_RUN: Final = """
async ([include, exclude, rules]) => {
    document.body.style.height = '100vh';
    const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
    const light = (layers) => {
        canvas.clearRect(0, 0, 1, 1);
        for (const [colour, alpha] of layers) {
            canvas.globalAlpha = alpha;
            canvas.fillStyle = colour;
            canvas.fillRect(0, 0, 1, 1);
        }
        const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].map((part) => part / 255)
            .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const contrast = (node) => {
        const behind = [];
        let alpha = 1;
        for (let at = node; at; at = at.parentElement) {
            const style = getComputedStyle(at);
            behind.unshift([style.backgroundColor, 1]);
            alpha *= style.opacity;
        }
        const [paper, ink] = [behind, [...behind, [getComputedStyle(node).color, alpha]]].map(light);
        return (Math.max(paper, ink) + 0.05) / (Math.min(paper, ink) + 0.05);
    };
    const there = (all) => all.filter((each) => document.querySelector(each)).map((each) => [each]);
    const found = await axe.run({ include: there(include), exclude: there(exclude) }, rules);
    const of = (kind, rule) => found[kind].filter((each) => each.id === rule).flatMap((each) => each.nodes);
    const told = (rule, node, why) => `${rule}: ${node.html.slice(0, 300)}\\n  ${why}\\n  ${node.target.join(' ')}\\n`;
    const unsure = of('incomplete', 'color-contrast')
        .map((node) => [node, contrast(document.querySelector(node.target)).toFixed(2)]);
    return {
        seen: of('passes', 'color-contrast').filter((node) => node.any[0].data?.contrastRatio).length + unsure.length,
        lines: [
            ...found.violations.flatMap((rule) => rule.nodes.map((node) => told(rule.id, node, node.failureSummary))),
            ...unsure.filter(([, ratio]) => ratio < 4.5).map(([node, ratio]) => told('contrast', node, ratio)),
        ],
    };
}
"""


def objections(page: Page, *parts: str, without: tuple[str, ...] = ()) -> list[str]:
    """What axe-core objects to within the selectors `parts`, and not within those of `without`.

    Only what is in view is looked at for its contrast; that nothing is in view is an error.
    """
    if not page.evaluate("() => 'axe' in window"):
        page.evaluate(AXE_SCRIPT)
    found: dict[str, Any] = page.evaluate(_RUN, [list(parts), list(without), _RULES])
    assert found["seen"] > 0, f"no text is in view at {parts}"
    return list(found["lines"])
