"""A real JupyterLab and a real Chromium, for the tests in this folder."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.browser.lab import FRONT_ENDS, find_browser, running_lab
from tests.browser.panel import Panel
from tests.fake_ollama import FakeOllama

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Page

    from tests.browser.lab import Lab


@pytest.fixture(scope="session")
def browser_path() -> str:
    """A Chromium that is installed here; nothing is downloaded. In CI it must be there."""
    path = find_browser()
    if path is None:
        message = "no Chromium, Chrome or Edge is installed here (Debian: sudo apt-get install chromium)"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return path


@pytest.fixture(scope="module")
def page(browser_path: str) -> Iterator[Page]:
    """One page for a module. Not for longer: an event loop runs in this thread until Playwright ends."""
    from playwright.sync_api import sync_playwright

    # A container's root cannot use Chromium's sandbox, nor its small /dev/shm.
    arguments = ["--disable-dev-shm-usage", *(["--no-sandbox"] if hasattr(os, "getuid") and os.getuid() == 0 else [])]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=arguments)
        page = browser.new_page(viewport={"width": 1280, "height": 1600})
        page.set_default_timeout(60_000)
        yield page
        browser.close()


@pytest.fixture(scope="module")
def lab(browser_path: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """JupyterLab with copies of the notebooks, answered by the embedded engine."""
    with running_lab(tmp_path_factory.mktemp("lab")) as running:
        yield running


@pytest.fixture(scope="session")
def shared_fake() -> Iterator[FakeOllama]:
    """One scripted server for all notebooks of `fake_lab`."""
    with FakeOllama() as server:
        yield server


@pytest.fixture(scope="session")
def fake_lab(browser_path: str, tmp_path_factory: pytest.TempPathFactory, shared_fake: FakeOllama) -> Iterator[Lab]:
    """A server whose kernels ask `shared_fake`, and would trust it with a key."""
    env = {"OLLAMA_HOST": shared_fake.url, "OLLAMA_MAGIC_TRUSTED_HOSTS": f"127.0.0.1:{shared_fake.port}"}
    with running_lab(tmp_path_factory.mktemp("fake_lab"), env) as running:
        yield running


@pytest.fixture(scope="module", params=FRONT_ENDS)
def panel(request: pytest.FixtureRequest, fake_lab: Lab, page: Page) -> Panel:
    """An open panel, in JupyterLab and in Notebook 7; one for a module."""
    module = request.module.__name__.rpartition(".")[2]
    panel = Panel(fake_lab, page, request.param, f"{module}-{request.param}.ipynb")
    panel.open("import pandas as pd; df = pd.DataFrame({'colour': ['red', 'green'], 'count': [1, 2]})")
    return panel


@pytest.fixture
def asked(shared_fake: FakeOllama) -> Iterator[FakeOllama]:
    """`shared_fake` with nothing scripted, and again afterwards."""
    models = list(shared_fake.models)
    shared_fake.forget().requires_key("")
    shared_fake.disconnected.clear()
    yield shared_fake
    shared_fake.forget().requires_key("")
    shared_fake.models[:] = models
