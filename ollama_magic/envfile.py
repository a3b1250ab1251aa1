"""Finds and reads a `.env`, and builds the environment of subprocesses. Never modifies os.environ."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["nearest_env_file", "without_our_key"]

_Stamp = tuple[int, int, int]

_read: dict[Path, tuple[_Stamp, dict[str, str]]] = {}
"""Cache of the file last read, so that a cell costs only a few stat calls."""


def nearest_env_file(start: Path) -> tuple[Path, dict[str, str]] | None:
    """The `.env` in the folder `start` or the nearest folder above it, with its values; None if there is none.

    It is read again only if it has changed. An unreadable file counts as empty; lines that are not assignments are
    ignored. ${NAME} refers to another line of the file, never to an environment variable: a file in somebody else's
    folder must not be able to put your secrets into a host name.
    """
    try:
        start = start.absolute()
    except FileNotFoundError:  # the working directory was deleted
        return None
    for folder in (start, *start.parents):
        file = folder / ".env"
        try:
            if not file.is_file():  # a .env folder is often a virtual environment; a pipe would block the cell
                continue
            status = file.stat()
        except OSError:
            continue
        stamp = (status.st_mtime_ns, status.st_size, status.st_ino)
        if file not in _read or _read[file][0] != stamp:
            values = _values(file)
            _read.clear()
            _read[file] = stamp, values
        return file, _read[file][1]
    return None


def without_our_key(**changes: str) -> dict[str, str]:
    """This process's environment without the API key and without hosts that have a password, with `changes`."""
    hosts = ("OLLAMA_HOST", "OLLAMA_MAGIC_HOST")
    kept = {
        name: value
        for name, value in os.environ.items()
        if name != "OLLAMA_API_KEY" and not (name in hosts and "@" in value)
    }
    return {**kept, **changes}


def _values(file: Path) -> dict[str, str]:
    from dotenv.parser import parse_stream
    from dotenv.variables import parse_variables

    try:
        text = file.read_text(encoding="utf-8-sig", errors="replace")
    except OSError:
        return {}
    found: dict[str, str | None] = {}
    for line in parse_stream(io.StringIO(text)):
        if line.key is not None and line.value is not None and not line.error:
            found[line.key] = "".join(atom.resolve(found) for atom in parse_variables(line.value))
    return {name: value for name, value in found.items() if value}
