"""Many answers at once: looked up in one query, written in one transaction."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from .codec import rows_of
from .store import Cache

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .codec import Timed

__all__ = ["Batches"]

_AT_ONCE = 500
"""Values in one query: SQLite takes at least 999."""


class Batches(Cache):
    """The answers in a folder, for who has thousands of questions. Raises CacheError as Cache does."""

    def get_all(self, keys: Sequence[str], *, since: float = 0.0) -> dict[str, tuple[Timed, ...]]:
        """The answers to those of `keys` that there are, kept at the time `since` or later (seconds since 1970).

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
        """Keep answers, each a key, a model's name and its events, instead of earlier ones: all of them or none."""
        now = time.time()
        rows = [(key, model, now, json.dumps(rows_of(each), separators=(",", ":"))) for key, model, each in answers]
        if rows:
            self._write(rows)
