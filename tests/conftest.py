"""Every test starts in a clean environment: no settings, no proxy, an empty home, an empty working directory."""

from __future__ import annotations

import gc
import os
import shutil
import signal
from typing import TYPE_CHECKING

import hypothesis
import pytest

from tests.fake_ollama import FakeOllama

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
_HOMES = ("HOME", "USERPROFILE", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "LOCALAPPDATA", "APPDATA")


# How long an example takes is the machine's affair.
hypothesis.settings.register_profile("any machine", hypothesis.settings(), deadline=None)
hypothesis.settings.load_profile("any machine")


def pytest_configure() -> None:
    """Hear interrupts, and let the children hear them, also where a shell began all this in the background."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Where two workers share the files, those that may take longest come first: so both end at about the same time."""
    if hasattr(config, "workerinput"):
        longest: dict[Path, float] = {}
        for item in items:
            mark = item.get_closest_marker("timeout")
            longest[item.path] = max(longest.get(item.path, 0), mark.args[0] if mark else 0)
        items.sort(key=lambda item: -longest[item.path])


def pytest_collection_finish() -> None:
    """What is imported by now stays: whoever collects garbage, a test or the interpreter, need not look at it."""
    gc.collect()
    gc.freeze()


def pytest_sessionfinish() -> None:
    """One look for what was left open; pytest's own five looks then have little to go through."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def places(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """An empty home and an empty working directory, for all tests: making new ones costs more than most tests."""
    base = tmp_path_factory.mktemp("places")
    home, work = base / "home", base / "work"
    home.mkdir()
    work.mkdir()
    return home, work


@pytest.fixture(autouse=True)
def clean_environment(request: pytest.FixtureRequest, places: tuple[Path, Path]) -> Iterator[None]:
    """Nothing of the machine reaches a test, and nothing of a test reaches the machine or the next test.

    Only `live` tests see the host they are to ask, and only `embedded` ones the cache folder that has the weights.
    Written for speed: this runs thousands of times.
    """
    live = request.node.get_closest_marker("live") is not None
    embedded = request.node.get_closest_marker("embedded") is not None
    before, folder = dict(os.environ), os.getcwd()
    for name in before:
        ours = name.startswith("OLLAMA_") or name == "USE_DIRECT_CLOUD"
        if (ours and not live and not (embedded and name == "OLLAMA_MAGIC_GGUF")) or name.lower() in _PROXIES:
            del os.environ[name]
    home, work = places
    for name in _HOMES:
        if not (embedded and name in ("HOME", "XDG_CACHE_HOME", "LOCALAPPDATA")):
            os.environ[name] = str(home)
    # Not in the home that is emptied: a shell made by one test writes its history when all of them are over.
    os.environ["IPYTHONDIR"] = str(home.parent / "ipython")
    os.chdir(work)
    yield
    os.chdir(folder)
    for name in os.environ.keys() - before.keys():
        del os.environ[name]
    for name, value in before.items():
        if os.environ.get(name) != value:
            os.environ[name] = value
    for place in places:  # the next test finds it there and empty
        if not place.exists() or os.listdir(place):
            if place.exists():
                shutil.rmtree(place)
            place.mkdir()


@pytest.fixture
def fake() -> Iterator[FakeOllama]:
    """A scripted server."""
    with FakeOllama() as server:
        yield server
