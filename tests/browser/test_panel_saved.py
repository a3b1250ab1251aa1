"""What of a panel is in the file, what a reload keeps, and that the typed key is nowhere."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.browser.panel import Panel
    from tests.fake_ollama import FakeOllama

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(120)]

KEY = "sk-never-to-be-seen-again-4711"
TRANSCRIPT = ".ollama-magic-transcript"


def test_an_answer_goes_on_while_the_page_is_loaded_anew(panel: Panel, asked: FakeOllama) -> None:
    gate = threading.Event()
    asked.says("Before the reload, ").waits_for(gate).says("and **after** it.")
    panel.send("Tell me a long story")
    panel.sees("Before the reload", within=panel.last)
    panel.prompt.fill("typed before")
    panel.save()
    panel.page.reload()
    panel.ready()
    panel.sees("Before the reload", within=panel.last)
    assert panel.prompt.input_value() == "typed before"
    assert not asked.disconnected.is_set()
    gate.set()
    panel.sees("and after it", within=panel.last)
    panel.done()
    panel.prompt.fill("")
    # The file has the end too, though display updates do not reach a page that was loaded anew.
    panel.kept("and **after** it")
    assert "and **after** it" in panel.save()
    assert not panel.page.locator(TRANSCRIPT).is_visible()  # the panel shows it already


def test_what_the_panel_shows_is_in_the_file_without_being_drawn_twice(panel: Panel, asked: FakeOllama) -> None:
    asked.says("A formula: ", "$x^2$, ", "and an end.")
    panel.send("Not drawn below")
    panel.done()
    panel.kept("and an end.")
    assert "Not drawn below" in panel.save()
    below = panel.page.locator(TRANSCRIPT)
    assert "Not drawn below" not in (below.text_content() or "")
    panel.run("from ollama_magic import panels; [each.close() for each in panels._open.values()]")
    panel.page.wait_for_selector(".om-panel", state="detached")
    panel.sees("Not drawn below", "and an end.", within=below)
    below.locator("mjx-container").first.wait_for()
    panel.command("notebook:run-all-cells")
    panel.ready()
    panel.sees("and an end.", within=panel.last)
    panel.kept("and an end.")


def test_the_key_is_in_no_file_and_in_no_message_to_the_page(panel: Panel, asked: FakeOllama) -> None:
    panel.unfold("Connection")
    panel.choose_mode("cloud")
    panel.set_host(asked.url)
    panel.key.fill(KEY)
    panel.button("Use this key").click()
    panel.sees("A key is set")
    panel.test("The key works")
    assert asked.recorded[-1].headers["authorization"] == f"Bearer {KEY}"
    asked.says("An answer.")
    panel.send("Ask with the key")
    panel.done()
    for with_state in (False, True):  # in this order: state that was saved once stays in the file
        saved = panel.save_with_state(with_state)
        assert ("widgets" in json.loads(saved)["metadata"]) == with_state
        assert KEY not in saved
    panel.save_with_state(False)  # the setting is the server's, and other tests begin without it
    assert any(KEY.encode() in frame for frame in panel.sent)  # or this test looks at the wrong thing
    assert not [frame for frame in panel.received if KEY.encode() in frame]
    assert KEY not in panel.page.content()
    assert KEY not in str(panel.page.evaluate("() => ({ ...sessionStorage, ...localStorage })"))


@pytest.mark.parametrize("with_state", [True, False], ids=["with widget state", "without widget state"])
def test_a_reopened_notebook_shows_the_answers(panel: Panel, with_state: bool) -> None:
    if with_state:
        panel.save_with_state(True)
        panel.save_with_state(False)
    else:
        notebook = json.loads(panel.lab.read(panel.notebook))
        notebook["metadata"].pop("widgets", None)
        (panel.lab.folder / panel.notebook).write_text(json.dumps(notebook), encoding="utf-8")
    panel.page.evaluate("window.jupyterapp.serviceManager.sessions.shutdownAll()")
    panel.lab.open(panel.page, panel.notebook, panel.front_end)
    shown = panel.page.locator(TRANSCRIPT)
    panel.sees("Tell me a long story", "and after it.", "Ask with the key", "An answer.", within=shown)
    assert panel.page.locator(".om-panel.om-live").count() == 0
    assert panel.errors == []
