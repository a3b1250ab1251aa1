"""An internet of our own for a test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ollama_magic.transport import pool
from tests.secrets.internet import Internet

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Internet]:
    """One internet for all tests: keys and certificates take a while to make."""
    with Internet(tmp_path_factory.mktemp("internet")) as made:
        yield made


@pytest.fixture
def internet(world: Internet, monkeypatch: pytest.MonkeyPatch) -> Iterator[Internet]:
    """The internet, nothing scripted, nothing recorded, and known to the environment."""
    world.forget()
    world.enter_through(monkeypatch)
    pool._certificates.cache_clear()  # read once, from where the environment said
    yield world
    pool._certificates.cache_clear()


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    """A folder for what is written."""
    made = tmp_path / "notes"
    made.mkdir()
    return made
