"""A session that asks the scripted server, and a page with a panel on it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from ollama_magic.session import Session
from tests.panels.page import Page

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.fake_ollama import FakeOllama


@pytest.fixture
def session(fake: FakeOllama, monkeypatch: pytest.MonkeyPatch) -> Session:
    """A kernel's session; the server is named in the environment."""
    monkeypatch.setenv("OLLAMA_HOST", fake.url)
    return Session()


@pytest.fixture
def page(session: Session) -> Iterator[Page]:
    """A page that has said hello, and knows the server's models."""
    with Page(session) as shown:
        shown.until(lambda p: p.shown("models")["state"] == "ok")
        yield shown


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """A gate that is open when the test is over."""
    made = threading.Event()
    yield made
    made.set()
