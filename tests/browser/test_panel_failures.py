"""What goes wrong under a panel: clear words, nothing typed or answered is lost, and the panel works afterwards."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.browser.panel import Panel
    from tests.fake_ollama import FakeOllama

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(120)]

MB = 1_000_000


@pytest.fixture(autouse=True)
def works_afterwards(panel: Panel, asked: FakeOllama) -> Iterator[None]:
    """After each test a prompt is answered as ever, and the console has not complained."""
    yield
    asked.forget().says("As ever.")
    panel.send("And now?")
    panel.sees("As ever.", within=panel.last)
    panel.done()
    assert panel.errors == []


def test_the_daemon_dies_in_the_middle_of_an_answer(panel: Panel, asked: FakeOllama) -> None:
    asked.says("The beginning", " of it").drops_after(2)
    panel.send("Tell me")
    panel.done()
    panel.sees("The beginning of it", within=panel.last)
    panel.sees("broke in the middle of the answer", within=panel.last)
    asked.forget().says("All of it.")
    panel.last.get_by_role("button", name="Retry").click()
    panel.sees("All of it.", within=panel.last)


def test_pulls_fail_in_clear_words_and_go_on_where_they_were(panel: Panel, asked: FakeOllama) -> None:
    panel.unfold("Model")
    panel.model.fill("nosuch:1b")
    panel.button("Pull the model named in the field").click()
    unknown = panel.root.get_by_role("group", name="Pull of nosuch:1b")
    panel.sees("no model", within=unknown)
    unknown.get_by_role("button", name="Dismiss").click()
    unknown.wait_for(state="detached")

    asked.offers("tiny:1b", 4 * MB).pull_breaks("write /root/.ollama: no space left on device", at=2 * MB)
    panel.model.fill("tiny:1b")
    panel.button("Pull the model named in the field").click()
    pull = panel.root.get_by_role("group", name="Pull of tiny:1b")
    panel.sees("space", within=pull)

    gate = threading.Event()
    asked.pull_waits_for(gate, at=3 * MB)
    pull.get_by_role("button", name="again").click()
    panel.page.wait_for_function("() => document.querySelector('.om-pull progress').value >= 0.7")
    pull.get_by_role("button", name="Cancel").click()
    assert asked.disconnected.wait(10)
    panel.sees("stopped", within=pull)
    gate.set()
    pull.get_by_role("button", name="again").click()
    panel.page.wait_for_selector(".om-model[data-name='tiny:1b']")
    panel.choose("smollm2:135m")


def test_a_busy_kernel_takes_the_prompt_when_its_cell_ends(panel: Panel, asked: FakeOllama) -> None:
    panel.without_subshells()
    panel.start("import time; time.sleep(4)")
    asked.says("Here.")
    panel.prompt.fill("Are you there?")
    panel.prompt.press("Enter")
    panel.sees("The kernel is busy with a cell")
    assert panel.prompt.input_value() == "Are you there?"
    panel.sees("Here.", within=panel.last)
    panel.done()
    panel.taken()
    assert panel.root.get_by_text("The kernel is busy with a cell").count() == 0


def test_a_panel_of_a_restarted_kernel_says_so_and_keeps_what_is_typed(panel: Panel, asked: FakeOllama) -> None:
    asked.says("Not ", "finished").stalls_after(2)
    panel.send("Go on")
    panel.sees("Not finished", within=panel.last)
    panel.prompt.fill("typed and not sent")
    panel.restart()
    assert asked.disconnected.wait(10)
    panel.sees("The kernel was restarted: run this cell again")
    panel.sees("Not finished")
    panel.button("Send").click()
    assert panel.prompt.input_value() == "typed and not sent"
    panel.command("notebook:run-all-cells")
    panel.ready()
    assert panel.prompt.input_value() == "typed and not sent"
