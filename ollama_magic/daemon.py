"""Starts the Ollama installed on this machine if it is not running.

Strategy: `ollama serve` runs in its own session, so that neither an interrupt nor the exit of the kernel reaches it,
and writes to a file in the user's log folder, so that it inherits no output from the kernel and writes nothing next to
the notebook. It is then polled until it answers.
"""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from .client import Client
from .envfile import without_our_key
from .errors import OllamaMagicError, ResponseError, SettingsError, Stalled, Unreachable, Unsupported
from .hosts import LOCAL

if TYPE_CHECKING:
    from .hosts import Host
    from .settings import Settings

__all__ = ["Started", "find_program", "is_mine", "log_file", "start"]

_WAIT_S: Final = 30.0
_PAUSE_S: Final = 0.1
_LONGEST_LOG: Final = 5_000_000
_SHOWN: Final = 400
"""How many characters of the end of the log an error shows."""
_PLACES: Final = (
    "/usr/local/bin/ollama",
    "/usr/bin/ollama",
    "/opt/homebrew/bin/ollama",
    "/Applications/Ollama.app/Contents/Resources/ollama",
    "~/.local/bin/ollama",
    "~/AppData/Local/Programs/Ollama/ollama.exe",
)
_children: list[subprocess.Popen[bytes]] = []
"""The processes started here: referenced, so that they can be reaped and Python does not warn of a running child."""


@dataclass(frozen=True, slots=True)
class Started:
    """A daemon that answers: its address, version, process id and log file. pid 0: it was running already."""

    url: str
    version: str
    pid: int = 0
    log: Path | None = None


def is_mine(host: Host | None) -> bool:
    """Whether a daemon for `host` would run on this machine: a loopback name, without a proxy's path or https."""
    host = host or LOCAL
    return host.is_loopback and host.scheme == "http" and not host.path


def find_program() -> str | None:
    """The `ollama` executable: on the PATH, else where its installers put it."""
    found = shutil.which("ollama")
    paths = (Path(place).expanduser() for place in _PLACES)
    return found or next((str(path) for path in paths if path.is_file()), None)


def log_file() -> Path:
    """The log file of a daemon that is started here. Neither it nor its folder need exist."""
    import platformdirs

    return Path(platformdirs.user_log_dir("ollama_magic", appauthor=False)) / "ollama-serve.log"


async def start(settings: Settings, wait_s: float = _WAIT_S) -> Started:
    """Start `ollama serve` for the host of `settings` and wait until it answers; does nothing if one already does.

    An interrupt during the wait leaves the daemon starting. Raises Unsupported if the mode has no daemon, the host is
    not this machine or no executable is found; Unreachable, with the end of its log, if it exits or does not answer
    within `wait_s` seconds; SettingsError if something else uses the port.
    """
    if settings.mode != "local":
        raise Unsupported(
            f"there is no daemon to start in mode {settings.mode} ({settings.origin('mode')})",
            hint="First %ollama mode local.",
        )
    host = settings.host or LOCAL
    async with Client(settings) as client:
        version = await _answering(client, host)
        if version is not None:
            return Started(host.display, version)
        if not is_mine(host):
            raise Unsupported(
                f"{host.display} ({settings.origin('host')}) is not this machine's own address: nothing was started",
                hint="Start Ollama over there, or use this machine: %ollama config host default",
            )
        program = find_program()
        if program is None:
            raise Unsupported(
                "there is no `ollama` program on this machine: not on the PATH, nor where its installers put it",
                hint="Install it from https://ollama.com/download, or answer without it: %ollama mode embedded",
            )
        log = log_file()
        # The value of OLLAMA_HOST is kept: the daemon may be meant to listen to other machines too.
        said = settings.is_default("host") or settings.origin("host") == "environment: OLLAMA_HOST"
        address = {} if said else {"OLLAMA_HOST": f"{_bracketed(host.hostname)}:{host.port}"}
        child, begin = _launch(program, address, log)
        return await _until_it_answers(client, host, child, log, begin, wait_s)


async def _answering(client: Client, host: Host) -> str | None:
    """The version of the server at `host`, "" if it reports none; None if nothing listens."""
    try:
        return await client.version()
    except Unreachable as error:
        if "refused" in error.message or not is_mine(host):
            return None
        problem: OllamaMagicError = error
    except (ResponseError, Stalled) as error:
        problem = error
    raise SettingsError(
        f"something answers at {host.display} that is not an Ollama in order: {problem.message}",
        hint="Free that port, or use another one: %ollama config host http://localhost:11435, then %ollama start",
    )


def _launch(program: str, address: dict[str, str], log: Path) -> tuple[subprocess.Popen[bytes], int]:
    """The process, detached from the kernel's signals, and the offset in the log at which its output begins."""
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        if log.exists() and log.stat().st_size > _LONGEST_LOG:
            log.unlink()
        with log.open("ab") as out:
            begin = out.tell()
            child = subprocess.Popen(
                [program, "serve"],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                cwd=Path.home(),  # the notebook's folder may be removed
                env=without_our_key(**address),
                **_apart(),
            )
    except OSError as error:
        raise Unreachable(
            f"`{program} serve` could not be started, or {log} not be written: {error.strerror or error}",
            hint="Start it in a terminal: `ollama serve`.",
        ) from None
    _children[:] = [each for each in _children if each.poll() is None]
    _children.append(child)
    return child, begin


def _bracketed(name: str) -> str:
    return f"[{name}]" if ":" in name else name


def _apart() -> dict[str, Any]:
    if sys.platform == "win32":
        return {"creationflags": subprocess.DETACHED_PROCESS | subprocess.CREATE_NEW_PROCESS_GROUP}
    return {"start_new_session": True}


async def _until_it_answers(
    client: Client, host: Host, child: subprocess.Popen[bytes], log: Path, begin: int, wait_s: float
) -> Started:
    until = time.monotonic() + wait_s
    while True:
        ended = child.poll()  # checked first: if it exits during the request, the next iteration finds it
        try:
            return Started(host.display, await asyncio.wait_for(client.version(), wait_s), child.pid, log)
        except (OllamaMagicError, TimeoutError):
            pass
        if ended is not None:
            raise Unreachable(
                f"`ollama serve` was started and ended at once (exit code {ended}){_said(log, begin)}",
                hint=f"All that it said is in {log}.",
            )
        if time.monotonic() > until:
            raise Unreachable(
                f"`ollama serve` was started (process {child.pid}), but does not answer at {host.display} "
                f"after {wait_s:g} s{_said(log, begin)}",
                hint=f"It may need longer: %ollama status tells. It writes to {log}.",
            )
        await asyncio.sleep(_PAUSE_S)


def _said(log: Path, begin: int) -> str:
    """The end of its output, for an error message."""
    try:
        with log.open("rb") as file:
            file.seek(begin)
            text = " ".join(file.read(1_000_000).decode("utf-8", "replace").split())
    except OSError:
        return ""
    return f": {'…' if len(text) > _SHOWN else ''}{text[-_SHOWN:]}" if text else ", without a word"
