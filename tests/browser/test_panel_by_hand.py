"""What goes into a panel and out of it by hand: pictures pasted and dropped, an answer copied where no cell can be."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import pytest

from tests.browser.test_panel import CODE, RED_PICTURE, question
from tests.fake_models import model_entry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.browser.panel import Panel
    from tests.fake_ollama import FakeOllama

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(120)]

SCRIPT = "<img src=x onerror=window.pwned=1>"
COPY_PICTURE = """
async (text) => {
    const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    await navigator.clipboard.write([new ClipboardItem({ 'image/png': new Blob([bytes], { type: 'image/png' }) })]);
}
"""
NO_CELLS = "window.jupyterapp.shell.currentWidget.context.model.sharedModel.insertCell = undefined"
NO_CLIPBOARD = "Object.defineProperty(navigator, 'clipboard', { value: undefined, configurable: true })"


@pytest.fixture(autouse=True)
def as_it_was(panel: Panel) -> Iterator[None]:
    """The clipboard may be read; afterwards the notebook takes cells again, and the console has not complained."""
    context = panel.page.context
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    yield
    context.clear_permissions()
    panel.page.evaluate("delete window.jupyterapp.shell.currentWidget.context.model.sharedModel.insertCell")
    panel.page.evaluate("() => { delete navigator.clipboard; delete document.execCommand; }")
    assert panel.errors == []


def drop(panel: Panel, *files: Path) -> None:
    """Drag files from the desktop over the prompt and let them go there."""
    box = panel.prompt.bounding_box()
    assert box is not None
    data = {"items": [], "files": [str(file) for file in files], "dragOperationsMask": 1}
    client = panel.page.context.new_cdp_session(panel.page)
    for kind in ("dragEnter", "dragOver", "drop"):
        where: dict[str, Any] = {"type": kind, "x": box["x"] + 20, "y": box["y"] + 20, "data": data}
        client.send("Input.dispatchDragEvent", where)
    client.detach()


def attached(panel: Panel) -> list[str]:
    """The names of what goes along with the next prompt."""
    return panel.root.locator(".om-chip > span").all_inner_texts()


def pictures(asked: FakeOllama) -> list[str]:
    """The pictures of the last question, in base64."""
    content = question(asked)["messages"][-1]["content"]
    return [part["image_url"]["url"].partition(",")[2] for part in content if part["type"] == "image_url"]


def test_pictures_are_pasted_and_dropped(panel: Panel, asked: FakeOllama, tmp_path: Path) -> None:
    asked.models.append(model_entry("llava:7b", capabilities=("completion", "vision")))
    panel.button("Refresh the list of models").click()
    panel.choose("llava:7b")
    before, files = panel.sources(), sorted(panel.lab.folder.iterdir())
    copied = base64.b64encode(RED_PICTURE).decode()
    panel.page.evaluate(COPY_PICTURE, copied)
    panel.prompt.focus()
    panel.page.keyboard.press("Control+V")
    panel.sees("image.png", within=panel.root.get_by_role("list", name="Attached"))
    dropped, other = tmp_path / f"{SCRIPT}.png", tmp_path / f"{SCRIPT}.csv"
    dropped.write_bytes(RED_PICTURE)
    other.write_text("a,b\n1,2\n")
    drop(panel, dropped, other)
    panel.sees(f"{SCRIPT}.csv is not a picture.", "Attach a file by its name.")
    assert attached(panel) == ["image.png", dropped.name]
    # The notebook has taken neither: no cell, no upload, no text in the prompt.
    assert panel.sources() == before
    assert sorted(panel.lab.folder.iterdir()) == files
    assert panel.prompt.input_value() == ""
    asked.says("Seen.")
    panel.send("What are they?")
    panel.done()
    panel.sees("2 pictures", "Seen.", within=panel.last)
    assert len(pictures(asked)) == 2
    assert base64.b64encode(RED_PICTURE).decode() in pictures(asked)
    assert panel.page.evaluate("window.pwned") is None
    assert attached(panel) == []
    panel.choose("smollm2:135m")
    panel.begin("text")  # other models could not go on with this one


def test_text_is_pasted_as_text(panel: Panel) -> None:
    panel.page.evaluate("(text) => navigator.clipboard.writeText(text)", f"two\nlines {SCRIPT}")
    panel.prompt.focus()
    panel.page.keyboard.press("Control+V")
    assert panel.prompt.input_value() == f"two\nlines {SCRIPT}"
    assert attached(panel) == []
    panel.prompt.fill("")


@pytest.mark.parametrize("way", ["clipboard", "old way", "no way"])
def test_where_no_cell_can_be_inserted_it_is_copied(panel: Panel, asked: FakeOllama, way: str) -> None:
    asked.says(CODE)
    panel.send("Write a program")
    panel.done()
    before = panel.sources()
    panel.page.evaluate("() => navigator.clipboard.writeText('before')")
    panel.page.evaluate(NO_CELLS)
    if way != "clipboard":
        panel.page.evaluate(NO_CLIPBOARD)
    if way == "no way":
        panel.page.evaluate("() => { document.execCommand = () => false; }")
    panel.last.get_by_role("button", name="Insert as cell").click()
    panel.sees("Neither inserting nor copying" if way == "no way" else "Copied instead: paste it where you want it.")
    panel.page.evaluate("() => { delete navigator.clipboard; }")
    there = "before" if way == "no way" else "print('from the answer')"
    # The page is told that it was copied a little before the clipboard has it.
    panel.page.wait_for_function(
        "(text) => navigator.clipboard.readText().then((found) => found.trim() === text)", arg=there
    )
    assert panel.sources() == before
