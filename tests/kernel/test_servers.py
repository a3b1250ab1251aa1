"""A server that takes minutes to load a model, and one that is started anew between two cells."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import pytest

from tests.fake_ollama import FakeOllama
from tests.kernel.counting import COUNT, asked, counted
from tests.kernel.harness import Kernel

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.kernel, pytest.mark.slow]

CLOCK = """
import os, time
_real = time.monotonic
time.monotonic = lambda: _real() + os.stat({file!r}).st_size
"""
"""As many seconds later as the file has bytes: the kernel's clock is the test's to put forward."""
MODEL = "llama3.2:latest"


def started(fake: FakeOllama, folder: Path) -> Kernel:
    return Kernel(str(folder), {"OLLAMA_HOST": fake.url, "OLLAMA_MODEL": MODEL, "OLLAMA_MAGIC_STALL_TIMEOUT": "60"})


@pytest.mark.parametrize("api", ["openai", "native"])
def test_a_model_that_loads_for_minutes_is_waited_for(tmp_path: Path, api: str) -> None:
    clock = tmp_path / "seconds"
    clock.touch()
    with FakeOllama() as fake, started(fake, tmp_path) as kernel:
        kernel.run(CLOCK.format(file=str(clock)) + COUNT)
        asked(kernel, fake)
        before = counted(kernel)
        for end, shown in (("ok", "Here I am"), ("Stopped", "Stopped"), ("ServerError", "Error:")):
            fake.forget()
            fake.loaded.clear()
            fake.disconnected.clear()
            ready, listed = threading.Event(), threading.Event()
            if api == "openai":  # as v0.33 does; older ones answer at once, without the model
                fake.holds("/api/ps", listed)
            fake.waits_for(ready)
            fake.fails_midstream("out of memory") if end == "ServerError" else fake.says("Here ", "I am")
            cell = kernel.start(f"%%ollama --api {api}\nare you there?")
            kernel.wait_for_text(cell, "loading model")
            for seconds, told in ((75, "loading model… 7"), (425, "loading model… 8 min")):
                os.truncate(clock, clock.stat().st_size + seconds)
                kernel.wait_for_text(cell, told)
            if end == "Stopped":
                kernel.interrupt()
                assert fake.disconnected.wait(5)
            else:
                fake.loaded.append(MODEL)
                listed.set()
                kernel.wait_for_text(cell, "reading prompt")
            ready.set()
            listed.set()
            kernel.finish(cell)
            assert cell.reply.get("ename", "ok") == end
            assert shown in cell.shown()
            asked(kernel, fake)
            assert counted(kernel).is_like(before)


def test_a_server_that_is_started_anew_between_two_cells(tmp_path: Path) -> None:
    with FakeOllama() as first, started(first, tmp_path) as kernel:
        kernel.run(COUNT)
        asked(kernel, first)
        before = counted(kernel)
        first.close()
        gone = kernel.run("%%ollama\nare you there?")
        assert gone.reply["ename"] == "Unreachable"
        assert "%ollama start" in gone.shown()
        for _ in range(3):
            with FakeOllama(port=first.port) as again:
                asked(kernel, again)  # over the connection that the last one closed, as the kernel finds out
                assert len([each for each in again.recorded if each.method == "POST"]) == 1
        assert counted(kernel).is_like(before)
