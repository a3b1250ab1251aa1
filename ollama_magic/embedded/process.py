"""A child process with pipes: lines to its stdin, lines from its stdout, and the last lines of its stderr."""

from __future__ import annotations

import collections
import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, Final

from ..envfile import without_our_key
from ..errors import EmbeddedError

__all__ = ["Child"]

_LINES: Final = 50
_LINE_BYTES: Final = 500
_SHOWN: Final = 6
"""Last lines of stderr that an error shows."""


class Child:
    """`script`, run by this Python in isolation, out of reach of the kernel's signals.

    `answers` gets each line of its stdout, and an empty string when that is closed. stderr is drained and its last 50
    lines are kept, so it can neither fill a disk nor block. Raises EmbeddedError if it cannot be run.
    """

    def __init__(self, script: Path) -> None:
        self.answers: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._said: collections.deque[str] = collections.deque(maxlen=_LINES)
        try:
            # Unbuffered: a fork may happen while a thread uses a buffer. Other processes do not inherit the pipes.
            self._process = subprocess.Popen(
                [sys.executable, "-I", str(script)],
                bufsize=0,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=without_our_key(),
                cwd=Path(sys.executable).anchor or None,  # the notebook's folder may be removed, and gets no core files
                **_apart(),
            )
        except OSError as error:
            raise EmbeddedError(
                f"The embedded engine could not be started with {sys.executable}: {error.strerror or error}",
                hint="See that this Python can still be run, and how many processes you may have.",
            ) from error
        stdin, stdout, stderr = self._process.stdin, self._process.stdout, self._process.stderr
        assert stdin is not None
        assert stdout is not None
        assert stderr is not None
        self._pipes = (stdin, stdout, stderr)
        self._readers = (
            threading.Thread(target=self._read_answers, name="ollama_magic engine answers", daemon=True),
            threading.Thread(target=self._read_log, name="ollama_magic engine log", daemon=True),
        )
        for reader in self._readers:
            reader.start()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it is running."""
        return self._process.poll() is None

    def say(self, line: str) -> None:
        """Send it a line. If it is gone, `answers` shows that."""
        with contextlib.suppress(BrokenPipeError):
            self._pipes[0].write(line.encode() + b"\n")

    def end(self) -> None:
        """Kill it immediately; it has nothing to save."""
        self._process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):  # stuck in a system call, as on a disk that hangs
            self._process.wait(5.0)
        self._pipes[0].close()
        if not self.alive:
            for reader in self._readers:
                reader.join(1.0)

    def epitaph(self, *reasons: str) -> str:
        """`reasons`, or else how it ended, and the last lines of its stderr."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(2.0)  # an exiting process logs most at its end; slow on a busy machine
        if not self.alive:
            self._readers[1].join(1.0)
        how = reasons or ((_how(self._process.returncode),) if not self.alive else ("it closed its pipe",))
        return "\n".join((*how, *list(self._said)[-_SHOWN:]))

    def disown(self) -> None:
        """In a forked process: leave it to the parent, without holding its pipes open."""
        for pipe in self._pipes:
            with contextlib.suppress(OSError):
                pipe.close()
        self._process.returncode = 0  # this is only a copy: nothing may wait for the child or warn about it

    def _read_answers(self) -> None:
        pipe = self._pipes[1]
        buffer = b""
        while piece := _read(pipe.fileno()):
            *lines, buffer = (buffer + piece).split(b"\n")
            for line in lines:
                self.answers.put(line.decode("utf-8", "replace"))
        pipe.close()
        self.answers.put("")

    def _read_log(self) -> None:
        pipe = self._pipes[2]
        buffer = b""
        while piece := _read(pipe.fileno()):
            *lines, buffer = (buffer + piece).split(b"\n")
            buffer = buffer[:_LINE_BYTES]
            self._said.extend(line[:_LINE_BYTES].decode("utf-8", "replace").strip() for line in lines if line.strip())
        if buffer.strip():
            self._said.append(buffer.decode("utf-8", "replace").strip())
        pipe.close()
        self._process.wait()  # leaves no zombie


def _apart() -> dict[str, Any]:
    """Popen options that keep signals to the kernel's process group, such as Ctrl-C, from the child."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP}
    return {"start_new_session": True}


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except OSError:
        return b""


def _how(code: int) -> str:
    if code >= 0:
        return f"it ended with exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    usual = {"SIGKILL": " (often: no memory left)", "SIGILL": " (often: a processor older than its build expects)"}
    return f"it was ended by {name}{usual.get(name, '')}"
