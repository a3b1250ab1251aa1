"""A map's progress bar in the front ends: a widget while it runs, then text that a saved notebook shows as well."""

from __future__ import annotations

from threading import Event
from typing import TYPE_CHECKING

import pytest

from tests.browser.cells import cell, run, saved, wait_for_end
from tests.browser.lab import ARTEFACTS, FRONT_ENDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Page

    from tests.browser.lab import Lab
    from tests.fake_ollama import FakeOllama

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]

MAP = "from ollama_magic import map\nfound = map(list('abcd'), 'Say {text}', 'llama3.2', cache='off', concurrency=1)"


@pytest.fixture
def last() -> Iterator[Event]:
    made = Event()
    yield made
    made.set()


@pytest.mark.parametrize("front_end", FRONT_ENDS)
def test_a_bar_moves_and_stays_as_it_ended(
    fake_lab: Lab, page: Page, asked: FakeOllama, last: Event, front_end: str
) -> None:
    ARTEFACTS.mkdir(exist_ok=True)
    asked.says("a").then().says("b").then().says("c").then().waits_for(last).says("d")
    name = fake_lab.write(f"bar-{front_end}.ipynb", MAP)
    fake_lab.open(page, name, front_end)
    run(page, 0)
    cell(page, 0).locator(".widget-hbox").filter(has_text="3/4").wait_for()
    page.screenshot(path=ARTEFACTS / f"bar-{front_end}-moves.png")
    last.set()
    wait_for_end(page, 0)
    ended = cell(page, 0).locator(".jp-OutputArea-output").filter(has_text="100%")
    ended.filter(has_text="4/4").wait_for()
    assert cell(page, 0).locator(".jp-OutputArea-output").count() == 1
    page.screenshot(path=ARTEFACTS / f"bar-{front_end}.png")
    (output,) = saved(fake_lab, page, name)["cells"][0]["outputs"]
    assert output["output_type"] == "display_data"
    assert list(output["data"]) == ["text/plain"]
    assert "4/4" in "".join(output["data"]["text/plain"])
