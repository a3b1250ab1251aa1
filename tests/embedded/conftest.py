"""A session in which the built-in model answers; one engine for a module, ended with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ollama_magic import session
from ollama_magic.embedded import engine

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def ended() -> Iterator[None]:
    """No engine is left of the module."""
    yield
    engine.stop()


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, ended: None) -> session.Session:
    """A fresh session, as a notebook has that asks the built-in model."""
    monkeypatch.setenv("OLLAMA_MAGIC_MODE", "embedded")
    fresh = session.Session()
    monkeypatch.setattr(session, "_session", fresh)
    return fresh
