"""Answers in batches: looked up by few queries, written in one transaction, with the file open in between.

Strategy: opening and closing costs more than storing thirty answers, most of it waiting for the disk. So the connection
is held until `close`, unless the file is replaced meanwhile; and a commit does not wait for the disk to sync. So
answers survive a killed process, but those of the last seconds may not survive a power failure.
"""

from __future__ import annotations

import json
import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from .codec import rows_of
from .store import Cache

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from .codec import Timed

__all__ = ["Batches"]

_AT_ONCE = 500
"""Bound values per query: SQLite's limit is at least 999."""


class Batches(Cache):
    """The cache in a folder, for thousands of requests. Raises CacheError as Cache does.

    Any thread may use it, but only one at a time; `close` it at the end.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._held: sqlite3.Connection | None = None
        self._held_as: tuple[int, int, bool] | None = None

    def close(self) -> None:
        """Close the file; the next call opens it again."""
        db, self._held, self._held_as = self._held, None, None
        if db is not None:
            db.close()

    @contextmanager
    def _connection(self, identity: int, *, read_only: bool) -> Iterator[sqlite3.Connection]:
        now = (os.getpid(), identity, read_only)
        if self._held is None or self._held_as != now:
            self.close()
            self._held, self._held_as = self._connect(read_only=read_only, one_thread=False), now
            self._held.execute("PRAGMA synchronous = NORMAL")
        try:
            self._prepare(self._held)
            yield self._held
        except BaseException:
            self.close()  # this rolls back an open transaction
            raise

    def get_all(self, keys: Sequence[str], *, since: float = 0.0) -> dict[str, tuple[Timed, ...]]:
        """The stored answers by key, of those `keys` that have one, stored at `since` or later (seconds since 1970).

        A key without a model's digest finds the newest answer to its request.
        """
        found: dict[str, tuple[Timed, ...]] = {}
        with self._open(create=False) as db:
            for start in range(0, len(keys) if db else 0, _AT_ONCE):
                some = keys[start : start + _AT_ONCE]
                for column in ("key", "request"):
                    asked = [key for key in some if ("." in key) == (column == "key")]
                    marks = ",".join("?" * len(asked))
                    query = f"SELECT {column}, events FROM answers WHERE {column} IN ({marks}) AND created >= ?"
                    rows: Iterable[Any] = db.execute(f"{query} ORDER BY created", (*asked, since)) if db else ()
                    found.update((key, self._events(events)) for key, events in rows)
        return found

    def put_all(self, answers: Sequence[tuple[str, str, Sequence[Timed]]]) -> None:
        """Store answers, each a key, a model's name and its events, replacing earlier ones; all of them or none."""
        now = time.time()
        rows = [(key, model, now, json.dumps(rows_of(each), separators=(",", ":"))) for key, model, each in answers]
        if rows:
            self._write(rows)
