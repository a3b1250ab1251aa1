"""Pulling a model from the panel: progress, stop and go on, what can fail; the list knows it afterwards."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.fake_ollama import FakeOllama
    from tests.panels.page import Page


def first(page: Page) -> dict[str, Any]:
    """The one download."""
    [pull] = page.shown("pulls")["pulls"]
    found: dict[str, Any] = pull
    return found


def test_a_pull_shows_how_far_it_is_and_lists_the_model(page: Page, fake: FakeOllama) -> None:
    gate = threading.Event()
    fake.offers("tiny:1b", 4_000_000, 500).pull_waits_for(gate, at=2_000_000)
    assert page.say("pull", name=" tiny:1b ") == {}
    assert first(page)["name"] == "tiny:1b"
    page.until(lambda p: first(p)["state"] == "running")
    assert page.say("pull", name="tiny:1b")["field"] == "name"  # once is enough
    gate.set()
    page.until(lambda p: first(p)["state"] == "done")
    assert (first(page)["fraction"], first(page)["text"]) == (1.0, "It can be used.")
    page.until(lambda p: "tiny:1b" in [model["name"] for model in p.shown("models")["models"]])
    assert page.say("pull_stop", name="tiny:1b") == {}  # taken off the list
    assert page.shown("pulls")["pulls"] == []


@pytest.mark.slow
def test_a_pull_that_is_stopped_hangs_up_and_goes_on_later(page: Page, fake: FakeOllama) -> None:
    gate = threading.Event()
    fake.offers("tiny:1b", 4_000_000).pull_waits_for(gate, at=2_000_000)
    page.say("pull", name="tiny:1b")
    page.until(lambda p: first(p)["fraction"] == 0.5)
    assert "2.0 of 4.0 MB" in first(page)["layers"][0]["text"]
    page.say("pull_stop", name="tiny:1b")
    assert fake.disconnected.wait(5)
    page.until(lambda p: first(p)["state"] == "stopped")
    assert "goes on" in first(page)["hint"]
    gate.set()
    page.say("pull", name="tiny:1b")
    page.until(lambda p: first(p)["state"] == "done")


def test_a_name_that_nobody_knows_and_a_full_disk(page: Page, fake: FakeOllama) -> None:
    page.say("pull", name="no-such-model")
    page.until(lambda p: first(p)["state"] == "failed")
    assert "file does not exist" in first(page)["text"]
    assert first(page)["hint"]
    page.say("pull_stop", name="no-such-model")
    fake.offers("tiny:1b", 4_000_000).pull_breaks("write /models/x: no space left on device", at=2_000_000)
    page.say("pull", name="tiny:1b")
    page.until(lambda p: first(p)["state"] == "failed")
    assert "no space left" in first(page)["text"]
    assert first(page)["hint"]
    page.say("pull", name="tiny:1b")  # room was made: it goes on, and the panel was usable all along
    page.until(lambda p: first(p)["state"] == "done")
    assert page.say("pull", name="")["field"] == "name"
    assert page.say("pull", name="a\nb")["field"] == "name"
