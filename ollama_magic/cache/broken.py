"""Errors of the cache file, with hints on what to do; a corrupt file is moved aside."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Final

from ..errors import OllamaMagicError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["CacheError", "as_cache_error", "files_of"]

_BROKEN: Final = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_HINTS: Final = {
    sqlite3.SQLITE_BUSY: "Another kernel is writing to it; run the cell again.",
    sqlite3.SQLITE_FULL: "Make room on the disk, or shrink it: %ollama cache clear.",
    sqlite3.SQLITE_IOERR: "Look whether the disk is full or failing, or set another folder: cache_dir.",
}


class CacheError(OllamaMagicError):
    """The cache file cannot be read or written; the current answer is unaffected."""


def as_cache_error(error: sqlite3.Error, path: Path, identity: int) -> CacheError:
    """The error to raise for SQLite's `error`; a corrupt file is moved aside first if its inode is still `identity`."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in _BROKEN:
        aside = _set_aside(path, identity)
        kept = f"It was set aside as {aside.name}" if aside else "It could not be moved aside"
        return CacheError(
            f"The file of answers {path} is broken or cut off: {error}",
            hint=f"{kept}; the next answers go into a new one. Nothing was deleted.",
        )
    hint = _HINTS.get(code, "Check the folder and its permissions, or set another one: cache_dir.")
    return CacheError(f"The answers cannot be kept in {path}: {error}", hint=hint)


def files_of(path: Path) -> list[Path]:
    """The file and SQLite's temporary files next to it, which may not exist."""
    return [path, *(path.with_name(path.name + end) for end in ("-wal", "-shm"))]


def _set_aside(path: Path, identity: int) -> Path | None:
    """Move the corrupt file to an unused name, unless another kernel already did so and created a new file."""
    number = 1
    while path.with_name(f"{path.name}.broken-{number}").exists():
        number += 1
    aside = path.with_name(f"{path.name}.broken-{number}")
    try:
        if path.stat().st_ino != identity:
            return aside.with_name(f"{path.name}.broken-{number - 1}") if number > 1 else None
        path.rename(aside)
        for rest in files_of(path)[1:]:
            if rest.exists():
                rest.rename(aside.with_name(aside.name + rest.name.removeprefix(path.name)))
    except OSError:  # open elsewhere on Windows, or in a read-only folder
        return None
    return aside
