"""What a kernel's session knows: the names of models for Tab, whatever the server does."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

from ollama_magic.errors import SettingsError
from ollama_magic.session import Session

if TYPE_CHECKING:
    from tests.fake_ollama import FakeOllama


def test_a_slow_server_holds_up_no_tab_and_its_names_come_with_the_next_one(fake: FakeOllama) -> None:
    gate = threading.Event()
    fake.holds("/api/tags", gate)
    session = Session()
    settings = session.settings({"host": fake.url})
    assert session.model_names(settings, wait_s=0.001) == []
    gate.set()
    deadline = time.monotonic() + 10
    while not (names := session.model_names(settings)) and time.monotonic() < deadline:
        pass
    assert "llama3.2:latest" in names
    assert len(fake.recorded) == 1


@pytest.mark.slow
def test_a_server_that_is_down_has_no_names_and_the_cloud_a_suggestion() -> None:
    session = Session()
    assert session.model_names(session.settings({"host": "http://127.0.0.1:9"})) == []
    down = {"mode": "cloud", "host": "http://127.0.0.1:9", "trusted_hosts": "127.0.0.1", "key": "sk-no"}
    assert "qwen3-coder:480b" in session.model_names(session.settings(down))


def test_a_value_that_cannot_be_used_changes_nothing() -> None:
    session = Session()
    session.set(temperature=0)
    with pytest.raises(SettingsError, match="temperature"):
        session.set(temperature="hot", seed=1)
    assert session.settings().temperature == 0
    assert session.settings().seed is None
