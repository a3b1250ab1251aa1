"""The moving picture of the README: cells of a notebook as they are answered, by the built-in model, in JupyterLab.

It is written into artefacts/, and with `PICTURE=docs` (`make picture`) into docs/, where the README shows it from.
"""

from __future__ import annotations

import base64
import io
import os
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import pytest
from PIL import Image

from tests.browser.lab import ARTEFACTS, ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Page

    from tests.browser.lab import Lab

pytestmark = [pytest.mark.browser, pytest.mark.embedded, pytest.mark.slow, pytest.mark.long, pytest.mark.timeout(300)]

# What the smallest of models does well, so that it can be shown as it was.
FUNCTION: Final = """\
%%ollama -t 0 --seed 7
Write a short Python function that converts Celsius to Fahrenheit,
then explain it in one sentence.
"""
PEOPLE: Final = """\
%%ollama -t 0 --seed 7 --schema "list[{name: str, age: int, city: str}]" --out people
Anna is 31 and lives in Vienna. Ben, 27, is from Oslo.
"""
CELLS: Final = ("%load_ext ollama_magic", FUNCTION.strip(), PEOPLE.strip(), "people.df")
WIDTH: Final = 900
HEIGHT: Final = 1300
SHARPNESS: Final = 2  # pixels of the picture for one of the page
MARGIN: Final = 10
FRAME_S: Final = 0.1
MOST_FRAMES: Final = 80
LAST_S: Final = 2.5
"""How long the last frame stands: at the end, and at the beginning for who has pictures stand still."""
MOST_BYTES: Final = 1_000_000

_KERNEL: Final = "window.jupyterapp.shell.currentWidget.sessionContext.session.kernel"
# What takes long at first is done before, and no number of a cell is used up.
WARM: Final = f"""
(code) => {_KERNEL}.requestExecute({{ code, store_history: false }}).done.then((reply) => reply.content.status)
"""
BARE: Final = """
.jp-NotebookPanel-toolbar, .jp-Notebook-footer, .jp-Toolbar, .jp-cell-toolbar { display: none !important; }
"""
BOX: Final = """
() => {
    const cells = [...document.querySelectorAll('.jp-NotebookPanel .jp-Cell')];
    const boxes = cells.map((cell) => cell.getBoundingClientRect());
    return { x: boxes[0].x, y: boxes[0].y, width: boxes[0].width, bottom: boxes.at(-1).bottom };
}
"""
CELLS_OF: Final = "document.querySelector('.jp-NotebookPanel .jp-WindowedPanel-viewport')"
WATCH: Final = f"""
(pause) => {{
    window.seen = [];
    window.look = () => {{
        const html = {CELLS_OF}.innerHTML;
        if (html !== window.seen.at(-1)?.html) window.seen.push({{ at: performance.now(), html }});
    }};
    window.look();
    window.watcher = setInterval(window.look, pause);
}}
"""
STOP: Final = """
() => {
    clearInterval(window.watcher);
    window.look();
    return window.seen.map((each) => each.at / 1000);
}
"""
SHOW: Final = f"(number) => {{ {CELLS_OF}.innerHTML = window.seen[number].html; }}"
ALL_RAN: Final = """
() => [...document.querySelectorAll('.jp-NotebookPanel .jp-CodeCell')]
    .every((cell) => /^\\[\\d+\\]:$/.test(cell.querySelector('.jp-InputPrompt').innerText.trim()))
"""


@pytest.fixture
def narrow(page: Page) -> Iterator[Page]:
    """A page as wide as the picture."""
    browser = page.context.browser
    assert browser is not None
    narrow = browser.new_page(viewport={"width": WIDTH + 40, "height": HEIGHT})
    narrow.set_default_timeout(60_000)
    yield narrow
    narrow.close()


@pytest.mark.parametrize("theme", ["Light", pytest.param("Dark", marks=pytest.mark.long)])
def test_the_picture_of_the_readme(lab: Lab, narrow: Page, theme: str) -> None:
    lab.open(narrow, lab.write(f"picture-{theme}.ipynb", *CELLS))
    command = "([name, given]) => window.jupyterapp.commands.execute(name, given)"
    for name, given in (
        ("application:toggle-left-area", {}),
        ("application:toggle-mode", {}),
        ("apputils:change-theme", {"theme": f"JupyterLab {theme}"}),
    ):
        narrow.evaluate(command, [name, given])
    narrow.wait_for_function(f"document.body.dataset.jpThemeLight === '{str(theme == 'Light').lower()}'")
    narrow.wait_for_selector("#jupyterlab-splash", state="detached")
    narrow.add_style_tag(content=BARE)
    assert narrow.evaluate(WARM, "import ollama_magic, pandas; ollama_magic.ask('Hi', max_tokens=1)") == "ok"
    frames, seconds = filmed(narrow)
    folder = ROOT / "docs" if os.environ.get("PICTURE") == "docs" else ARTEFACTS
    for each in (folder, ARTEFACTS):
        each.mkdir(exist_ok=True)
    path = folder / f"quickstart-{theme.lower()}.webp"
    keep(path, frames, seconds)
    frames[-1].save(ARTEFACTS / f"{path.stem}-last.png")
    text = narrow.locator(".jp-NotebookPanel .jp-OutputArea").all_inner_texts()  # of the last frame
    assert [each.count("smollm2:135m · embedded") for each in text] == [0, 1, 1, 0]
    assert narrow.locator(".jp-NotebookPanel .dataframe").count() == 1
    assert len(frames) > 5
    assert path.stat().st_size < MOST_BYTES


def filmed(page: Page) -> tuple[list[Image.Image], list[float]]:
    """Run all cells; what was seen of them, and for how many seconds each of it stands.

    The page writes down what it shows, and is photographed afterwards: that takes longer than the next token.
    """
    page.evaluate(WATCH, 1000 * FRAME_S)
    page.evaluate("void window.jupyterapp.commands.execute('notebook:run-all-cells')")
    page.wait_for_function(ALL_RAN, timeout=200_000)
    page.wait_for_selector(".jp-NotebookPanel .dataframe")
    times = page.evaluate(STOP)
    box = page.evaluate(BOX)
    clip = {"x": box["x"] - MARGIN, "y": box["y"] - MARGIN, "scale": SHARPNESS}
    clip |= {"width": box["width"] + 2 * MARGIN, "height": box["bottom"] - box["y"] + 2 * MARGIN}
    # Evenly fewer, where there are too many.
    last = len(times) - 1
    steps = min(last, MOST_FRAMES)
    kept = [round(n * last / steps) for n in range(steps + 1)]
    camera = page.context.new_cdp_session(page)
    frames = []
    for number in kept:
        page.evaluate(SHOW, number)
        shot = camera.send("Page.captureScreenshot", {"optimizeForSpeed": True, "clip": clip})
        frames.append(Image.open(io.BytesIO(base64.b64decode(shot["data"]))).convert("RGB"))
    seconds = [times[later] - times[number] for number, later in pairwise(kept)]
    return [frames[-1], *frames], [LAST_S, *seconds, LAST_S]


def keep(path: Path, frames: list[Image.Image], seconds: list[float]) -> None:
    """The frames as a picture that moves, without loss."""
    times = [round(1000 * each) for each in seconds]
    first, *others = frames
    first.save(path, save_all=True, append_images=others, duration=times, loop=0, lossless=True, quality=60, method=4)
