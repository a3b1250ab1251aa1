"""A process that has asked nothing yet, and a server that answers by rule."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ollama_magic import session
from tests.fake_rules import RuledOllama

if TYPE_CHECKING:
    from collections.abc import Iterator

CAPITALS = {"France": "Paris", "Italy": "Rome", "Japan": "Tokyo", "Peru": "Lima"}


def knows(prompt: str) -> str:
    """The answer of a model that knows all but one."""
    return next(
        (f"It is {town}." for land, town in CAPITALS.items() if land in prompt and land != "Peru"), "Nobody knows."
    )


@pytest.fixture
def ruled() -> Iterator[RuledOllama]:
    with RuledOllama() as server:
        server.rule = knows
        yield server


@pytest.fixture(autouse=True)
def kernel(ruled: RuledOllama, monkeypatch: pytest.MonkeyPatch) -> Iterator[session.Session]:
    monkeypatch.setenv("OLLAMA_HOST", ruled.url)
    monkeypatch.setenv("OLLAMA_MODEL", "llama3.2")
    fresh = session.Session()
    monkeypatch.setattr(session, "_session", fresh)
    yield fresh
    monkeypatch.undo()
