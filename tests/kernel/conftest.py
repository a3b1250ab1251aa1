"""A scripted server for a module of kernel tests, wiped before each of them."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from tests.fake_ollama import FakeOllama

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def server() -> Iterator[FakeOllama]:
    """One server for all kernels of a module."""
    with FakeOllama() as fake:
        yield fake


@pytest.fixture
def fake(server: FakeOllama) -> FakeOllama:
    """The server with nothing scripted and nothing recorded."""
    server.forget()
    server.disconnected.clear()
    server.recorded.clear()
    return server


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """A gate that is open when the test is over, so that nothing waits behind it."""
    made = threading.Event()
    yield made
    made.set()
