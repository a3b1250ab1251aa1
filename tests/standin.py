"""A stand-in for the `ollama` program: `ollama serve` on the PATH that really listens, and notes how it was started."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Any

__all__ = ["StandIn", "free_port"]

_SERVE = """#!{python}
import json, os, sys
sys.path.insert(0, {root!r})
note = {{"argv": sys.argv[1:], "pid": os.getpid(), "session": os.getsid(0), "cwd": os.getcwd()}}
note["env"] = dict(os.environ)
with open({notes!r} + ".new", "w") as file:
    json.dump(note, file)
os.replace(file.name, {notes!r})
print("the stand-in begins", flush=True)
{body}
"""
_LISTEN = """
from tests.fake_ollama import main
host, _, port = os.environ.get("OLLAMA_HOST", "127.0.0.1:11434").removeprefix("http://").rpartition(":")
main(["--host", host, "--port", port])
"""


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


class StandIn:
    """The program in a folder of its own; `body` is what it does instead of listening."""

    def __init__(self, folder: Path, body: str = _LISTEN) -> None:
        self.folder = folder / "bin"
        self.folder.mkdir()
        self._notes = folder / "notes.json"
        program = self.folder / "ollama"
        root = str(Path(__file__).parent.parent)
        program.write_text(_SERVE.format(python=sys.executable, root=root, notes=str(self._notes), body=body))
        program.chmod(0o755)

    @property
    def notes(self) -> dict[str, Any]:
        """How it was started: argv, pid, session, cwd, env."""
        found: dict[str, Any] = json.loads(self._notes.read_text())
        return found

    def stop(self) -> None:
        """End what was started."""
        if self._notes.exists():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.notes["pid"], signal.SIGKILL)
