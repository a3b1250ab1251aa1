"""The cache file: SQLite, shared by all kernels of a user.

Strategy: each operation opens and closes the file, which costs half a millisecond, once per answer. So no connection
is used after a fork, by another thread, or after another process moved the file away; concurrent processes rely on
SQLite's own locks, in WAL mode and with a busy timeout.
A corrupt file is moved aside, never deleted; one from a newer version is left as it is.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from .broken import CacheError, as_cache_error, files_of
from .carry import read_file, write_file
from .codec import Timed, is_whole, read_rows, rows_of
from .keys import request_part

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

__all__ = ["FILE_NAME", "Cache", "CacheError", "CacheStatus"]

FILE_NAME: Final = "answers.sqlite3"
VERSION: Final = 1
_APPLICATION: Final = 0x6F6C6D61  # "olma", in the file's header
_BUSY_S: Final = 10.0
_AT_ONCE: Final = 100
"""Answers per statement, with five bound values each: SQLite's limit is at least 999."""
_TABLE: Final = """
CREATE TABLE IF NOT EXISTS answers (
    key TEXT PRIMARY KEY, request TEXT NOT NULL, model TEXT NOT NULL, created REAL NOT NULL, events TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS by_request ON answers (request, created);
"""


@dataclass(frozen=True, slots=True)
class CacheStatus:
    """The state of the cache: `bytes` on disk, the times of the `oldest` and `newest` answer in seconds since 1970."""

    path: Path
    answers: int
    bytes: int
    oldest: float | None = None
    newest: float | None = None
    set_aside: tuple[Path, ...] = ()
    """Corrupt files that were moved aside; they are never read or deleted."""


class Cache:
    """The answers cached in `folder`. Nothing is created before the first answer is stored.

    Each method raises CacheError, naming the file and what to do, if the file cannot be used.
    """

    def __init__(self, folder: Path, *, busy_s: float = _BUSY_S) -> None:
        self.path = folder / FILE_NAME
        self._busy_s = busy_s

    def get(self, key: str) -> tuple[Timed, ...] | None:
        """The stored answer, or None. A key without a digest finds the newest answer to its request."""
        query = "SELECT events FROM answers WHERE key = ?"
        if "." not in key:
            query = "SELECT events FROM answers WHERE request = ? ORDER BY created DESC LIMIT 1"
        with self._open(create=False) as db:
            row = db.execute(query, (key,)).fetchone() if db else None
            return self._events(row[0]) if row else None

    def model_of(self, key: str) -> str:
        """The name of the model that gave the stored answer; "" if there is none, or the name was not recorded."""
        with self._open(create=False) as db:
            row = self._row(db, key) if db else None
            return str(row[1]) if row else ""

    def put(self, key: str, events: Sequence[Timed], *, model: str = "") -> bool:
        """Store an answer, replacing an earlier one; an incomplete answer is not stored and gives False."""
        if not is_whole(events):
            return False
        self._write([(key, model, time.time(), json.dumps(rows_of(events), separators=(",", ":")))])
        return True

    def status(self) -> CacheStatus:
        """The number of answers, their size and their age."""
        with self._open(create=False) as db:
            found = (0, None, None)
            if db:
                found = db.execute("SELECT count(*), min(created), max(created) FROM answers").fetchone()
        aside = tuple(sorted(self.path.parent.glob(f"{FILE_NAME}.broken-*"))) if self.path.parent.is_dir() else ()
        return CacheStatus(self.path, found[0], sum(map(_size, files_of(self.path))), found[1], found[2], aside)

    def clear(self) -> int:
        """Delete all answers; returns how many there were."""
        with self._open(create=False) as db:
            if not db:
                return 0
            count: int = db.execute("DELETE FROM answers").rowcount
            with suppress(sqlite3.OperationalError):  # another kernel is reading: SQLite will reuse the space
                db.execute("VACUUM")
            return count

    def export(self, file: Path, keys: Sequence[str] | None = None) -> int:
        """Write the answers of `keys`, in that order, or all, to one JSON file; returns how many.

        Raises CacheError, writing nothing, if one is missing, there are none, or `file` exists and is no export file.
        """
        found: list[dict[str, Any]] = []
        missing: list[str] = []
        with self._open(create=False) as db:
            for key in keys if keys is not None else self._keys(db):
                row = self._row(db, key, exactly=keys is None) if db else None
                if row is None:
                    missing.append(key)
                else:
                    events = rows_of(self._events(row[3]))
                    found.append({"key": row[0], "model": row[1], "created": row[2], "events": events})
        if missing:
            raise CacheError(
                f"{len(missing)} of {len(keys or ())} answers are not in {self.path}: {missing[0][:12]}...",
                hint="Run the cells once with --cache, then export again.",
            )
        if not found:
            raise CacheError(f"There are no answers to export in {self.path}", hint="Run cells with --cache first.")
        unique = list({each["key"]: each for each in found}.values())
        with _told(file):
            write_file(file, unique)
        return len(unique)

    def import_(self, file: Path) -> int:
        """Store the answers of an export file, replacing those with the same keys; returns how many. All or none."""
        with _told(file):
            found = read_file(file)
        self._write([(each.key, each.model, each.created, each.events) for each in found])
        return len(found)

    # ---- the file ----------------------------------------------------------------------------------------------

    def _keys(self, db: sqlite3.Connection | None) -> list[str]:
        return [row[0] for row in db.execute("SELECT key FROM answers ORDER BY created, key")] if db else []

    def _row(self, db: sqlite3.Connection, key: str, *, exactly: bool = False) -> Any:
        columns = "SELECT key, model, created, events FROM answers"
        if exactly or "." in key:
            return db.execute(f"{columns} WHERE key = ?", (key,)).fetchone()
        return db.execute(f"{columns} WHERE request = ? ORDER BY created DESC LIMIT 1", (key,)).fetchone()

    def _events(self, text: str) -> tuple[Timed, ...]:
        try:
            return read_rows(json.loads(text))
        except (ValueError, RecursionError) as error:
            raise CacheError(
                f"An answer in {self.path} cannot be read: {error}", hint="Ask again with --refresh to replace it."
            ) from None

    def _write(self, rows: Sequence[tuple[str, str, float, str]]) -> None:
        with self._open(create=True) as db:
            assert db is not None
            db.execute("BEGIN IMMEDIATE")
            for start in range(0, len(rows), _AT_ONCE):
                some = rows[start : start + _AT_ONCE]
                # In one statement: after each, a thread waits up to 5 ms for the GIL if another thread is busy.
                values = ",".join(["(?, ?, ?, ?, ?)"] * len(some))
                db.execute(
                    f"INSERT OR REPLACE INTO answers (key, request, model, created, events) VALUES {values}",
                    [each for key, model, *rest in some for each in (key, request_part(key), _plain(model), *rest)],
                )
            db.execute("COMMIT")

    @contextmanager
    def _open(self, *, create: bool) -> Iterator[sqlite3.Connection | None]:
        """Open the file and check that it is ours; None if it does not exist and `create` is false."""
        try:
            if create:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self.path.touch(mode=0o600, exist_ok=True)  # prompts and answers are private
            elif not self.path.exists():
                yield None
                return
            identity = self.path.stat().st_ino
            with self._connection(identity, read_only=not create and not self._is_writable()) as db:
                yield db
        except sqlite3.Error as error:
            raise as_cache_error(error, self.path, identity) from None
        except OSError as error:
            raise CacheError(
                f"The answers cannot be kept in {self.path}: {error.strerror or error}",
                hint="Check the folder and its permissions, or set another one: cache_dir.",
            ) from None

    @contextmanager
    def _connection(self, identity: int, *, read_only: bool) -> Iterator[sqlite3.Connection]:
        """A connection to the current file, whose inode is `identity`."""
        with closing(self._connect(read_only=read_only)) as db:
            self._prepare(db)
            yield db

    def _connect(self, *, read_only: bool, one_thread: bool = True) -> sqlite3.Connection:
        # On a read-only drive, such as one shared by a class, SQLite cannot create its side files and needs none.
        target = f"{self.path.absolute().as_uri()}?mode=ro&immutable=1" if read_only else self.path
        return sqlite3.connect(
            target, timeout=self._busy_s, isolation_level=None, check_same_thread=one_thread, uri=read_only
        )

    def _is_writable(self) -> bool:
        return os.access(self.path, os.W_OK) and os.access(self.path.parent, os.W_OK)

    def _prepare(self, db: sqlite3.Connection) -> None:
        if self._is_ours(db):
            return
        if db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            if self._is_ours(db):  # another process has just created the tables
                return
            raise CacheError(
                f"{self.path} is a database of something else", hint="Move it away, or set another folder: cache_dir."
            )
        with suppress(sqlite3.OperationalError):  # another process is doing it; worse errors recur below
            db.execute("PRAGMA journal_mode = WAL").fetchone()
        db.executescript(
            f"BEGIN IMMEDIATE; {_TABLE}PRAGMA application_id = {_APPLICATION}; PRAGMA user_version = {VERSION}; COMMIT;"
        )

    def _is_ours(self, db: sqlite3.Connection) -> bool:
        application = db.execute("PRAGMA application_id").fetchone()[0]
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if application == _APPLICATION and version > VERSION:
            raise CacheError(
                f"{self.path} was written by a newer ollama_magic (version {version}; this one knows {VERSION})",
                hint="It was left as it is. Update ollama_magic and restart, or set another folder: cache_dir.",
            )
        return bool(application == _APPLICATION and version == VERSION)


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except FileNotFoundError:  # SQLite's own side files come and go
        return 0


def _plain(text: str) -> str:
    return text.encode("utf-8", "replace").decode()  # SQLite takes no lone surrogates


@contextmanager
def _told(file: Path) -> Iterator[None]:
    """Turn errors of an export file into CacheError naming it."""
    try:
        yield
    except OSError as error:
        raise CacheError(
            f"{file} cannot be used: {error.strerror or error}",
            hint="Check the name and the folder; nothing was changed.",
        ) from None
    except ValueError as error:
        raise CacheError(f"{file}: {error}", hint="Nothing was changed.") from None
