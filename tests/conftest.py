"""Every test starts in a clean environment: no settings, no proxy, an empty home, an empty working directory."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.fake_ollama import FakeOllama

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
_HOMES = ("HOME", "USERPROFILE", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "LOCALAPPDATA", "APPDATA")


@pytest.fixture(scope="session")
def places(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """An empty home and an empty working directory, for all tests: making new ones costs more than most tests."""
    base = tmp_path_factory.mktemp("places")
    return base / "home", base / "work"


@pytest.fixture(autouse=True)
def clean_environment(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, places: tuple[Path, Path]
) -> Iterator[None]:
    """Nothing of the machine reaches a test, and nothing of a test reaches the machine.

    Only `live` tests see the host they are to ask, and only `embedded` ones the cache folder that has the weights.
    """
    live = request.node.get_closest_marker("live") is not None
    embedded = request.node.get_closest_marker("embedded") is not None
    for name in list(os.environ):
        ours = name.startswith("OLLAMA_") or name == "USE_DIRECT_CLOUD"
        if (ours and not live and not (embedded and name == "OLLAMA_MAGIC_GGUF")) or name.lower() in _PROXIES:
            monkeypatch.delenv(name)
    for place in places:
        place.mkdir(exist_ok=True)
    home, work = places
    for name in _HOMES:
        if not (embedded and name in ("HOME", "XDG_CACHE_HOME", "LOCALAPPDATA")):
            monkeypatch.setenv(name, str(home))
    # Not in the home that is emptied: a shell made by one test writes its history when all of them are over.
    monkeypatch.setenv("IPYTHONDIR", str(home.parent / "ipython"))
    monkeypatch.chdir(work)
    yield
    monkeypatch.undo()
    for place in places:
        if place.exists() and any(place.iterdir()):  # the next test finds it empty
            shutil.rmtree(place)


@pytest.fixture
def fake() -> Iterator[FakeOllama]:
    """A scripted server."""
    with FakeOllama() as server:
        yield server
