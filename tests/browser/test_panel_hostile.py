"""What hostile names and answers become in a panel, and in the files it gives away: nothing runs, nothing leaves."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.browser.panel import Panel
from tests.browser.test_panel import RED_PICTURE
from tests.browser.watch import Watch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import FilePayload, Page

    from tests.browser.lab import Lab
    from tests.fake_ollama import FakeOllama

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.long, pytest.mark.timeout(240)]

WORST = (
    "<img src=x onerror=window.pwned(1)>",
    '"><script>window.pwned(1)</script>',
    "<svg onload=window.pwned(1)><iframe srcdoc='<script>parent.pwned(1)</script>'></iframe></svg>",
    "javascript:window.pwned(1)",
    "[x](javascript:window.pwned(1)) ![x](http://evil.invalid/x.png)",
    "$\\href{javascript:window.pwned(1)}{x}$",
    "../../evil.invalid/x",
)
ANSWER = "\n\n".join((*WORST, "<style>body { background: url(http://evil.invalid/x.png) }</style>", "The end."))
# Names as the notebook itself may have them, by an object that somebody else made.
VARIABLE = f"strange = type({WORST[0]!r}, (), {{}})()"


@pytest.fixture(scope="module")
def panel(fake_lab: Lab, page: Page) -> Panel:
    """A panel in a page that is watched, from its first line on."""
    return Panel(fake_lab, page, "lab", "names.ipynb")


@pytest.fixture(autouse=True)
def watch(panel: Panel, asked: FakeOllama) -> Iterator[Watch]:
    """Nothing has happened when a test is over."""
    watch = Watch(panel.page, panel.lab.url)
    if panel.page.locator(".om-panel").count() == 0:
        panel.open(VARIABLE)
    yield watch
    watch.nothing()
    watch.close()


def test_no_thread_has_such_a_name(panel: Panel) -> None:
    options = panel.root.get_by_label("Thread", exact=True).locator("option")
    before = options.all_inner_texts()
    for name in WORST:
        if panel.root.get_by_label("Name of the new thread").count() == 0:
            panel.button("New thread").click()
        panel.root.get_by_label("Name of the new thread").fill(name)
        panel.page.keyboard.press("Enter")
        panel.sees("A thread cannot be called", "Use up to 64 letters")
        panel.button("Dismiss").click()
    assert options.all_inner_texts() == before
    refused = f"current().threads.put({WORST[0]!r}, [])"
    panel.run(f"from ollama_magic.session import current\ntry: {refused}\nexcept Exception: pass")
    assert panel.value("current().threads.names()") == "[]"


def test_names_of_variables_files_and_pictures_are_text(panel: Panel, asked: FakeOllama) -> None:
    attach = panel.root.get_by_label("Attach a variable or a file")
    attach.focus()
    panel.page.wait_for_selector(".om-panel datalist option[value='strange']", state="attached")
    for name in WORST:
        attach.fill(name)
        attach.press("Enter")
    picture: FilePayload = {"name": f"{WORST[0]}.png", "mimeType": "image/png", "buffer": RED_PICTURE}
    broken: FilePayload = {"name": f"{WORST[1]}.png", "mimeType": "image/png", "buffer": b"no picture"}
    vector: FilePayload = {"name": "x.svg", "mimeType": "image/svg+xml", "buffer": WORST[2].encode()}
    panel.root.locator("input[type=file]").set_input_files([picture, broken, vector])
    chips = panel.root.locator(".om-chip > span")
    assert chips.all_inner_texts()[: len(WORST)] == list(WORST)
    before = len(asked.recorded)
    panel.prompt.fill("With all of them")
    panel.prompt.press("Enter")
    panel.sees("window.pwned(1)", within=panel.root.locator(".om-toast"))
    for _ in range(chips.count()):
        panel.root.locator(".om-chip button").first.click()
    assert not [each for each in asked.recorded[before:] if "/chat" in each.path]
    panel.prompt.fill("")


def test_what_is_exported_is_harmless_where_it_is_opened(panel: Panel, asked: FakeOllama, watch: Watch) -> None:
    asked.says(*ANSWER.split("\n"), "\n\n```python\nprint('<b>')\n```\n")
    panel.send(f"A question {WORST[4]}")
    panel.done()
    for form in ("Markdown", "Notebook", "JSON"):
        with panel.page.expect_download() as download:
            panel.button("Export").click()
            panel.root.get_by_role("group", name="Export").get_by_role("button", name=form, exact=True).click()
        assert download.value.suggested_filename.partition(".")[0] == "main"
        download.value.save_as(panel.lab.folder / download.value.suggested_filename)
    assert [each.startswith("a download: blob:") for each in watch.seen] == [True] * 3
    watch.seen.clear()
    assert json.loads(panel.lab.read("main.json"))["turns"]
    assert "print('<b>')" in panel.lab.read("main.md")
    exported = json.loads(panel.lab.read("main.ipynb"))
    assert not any("pwned" in "".join(cell["source"]) for cell in exported["cells"] if cell["cell_type"] == "markdown")
    panel.command("docmanager:open", path="main.md", factory="Markdown Preview")
    panel.page.locator(".jp-MarkdownViewer").get_by_text("The end.").wait_for()
    panel.command("docmanager:open", path="main.ipynb", factory="Notebook")
    panel.page.locator(".jp-OutputArea-output").get_by_text("The end.").last.wait_for()
