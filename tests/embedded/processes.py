"""What the engine's tests need to know of processes: whether one is gone, and a kernel to end in some way."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import ollama_magic

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["gone", "kernel", "wait_until"]

ROOT = Path(ollama_magic.__file__).parents[1]


def gone(pid: int) -> bool:
    """Whether the process has ended; a zombie that nobody has collected yet has."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def wait_until(true: Callable[[], bool], seconds: float = 10.0) -> None:
    """Return as soon as `true()`; fails after `seconds`."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"not so within {seconds} s"
        time.sleep(0.01)


def kernel(then: str) -> subprocess.Popen[str]:
    """Another Python, in a session of its own, that starts the engine, says its pid, and then runs `then`."""
    code = f"""
import asyncio, ctypes, os, signal, sys, time
sys.path.insert(0, {str(ROOT)!r})
from ollama_magic.embedded import engine
from ollama_magic.layers import environment_layer, resolve
settings = resolve(environment_layer())
def start():
    asyncio.run(engine.start(settings, lambda progress: None))
    return engine._state.engine.child.pid
def say(*words):
    print(*words, flush=True)
say(start())
{then}
"""
    return subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
