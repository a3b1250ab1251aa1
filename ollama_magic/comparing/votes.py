"""The picks, stored on disk for all notebooks of a user: a small SQLite file, so that kernels may write concurrently.

Stored for each: which one was picked, over which others, when, and whether names were hidden. Not what was asked.
"""

from __future__ import annotations

import csv
import io
import json
import os
import sqlite3
import time
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ..errors import OllamaMagicError, SettingsError
from ..options import nearest
from ..render import Table
from ..units import counted
from .strength import standings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ..session import Session
    from ..settings import Settings
    from .strength import Standing

__all__ = ["Vote", "VoteError", "Votes", "votes", "votes_of"]

FILE_NAME: Final = "votes.sqlite3"
_BUSY_S: Final = 5.0
_TABLE: Final = (
    "CREATE TABLE IF NOT EXISTS votes "
    "(id TEXT PRIMARY KEY, at REAL NOT NULL, winner TEXT NOT NULL, others TEXT NOT NULL, blind INTEGER NOT NULL)"
)


class VoteError(OllamaMagicError):
    """The file of votes cannot be read or written."""


@dataclass(frozen=True, slots=True)
class Vote:
    """One pick. `at` is seconds since 1970."""

    winner: str
    others: tuple[str, ...]
    blind: bool
    at: float


class Votes:
    """The picks stored in a folder. Nothing is created before the first one. Each method may raise VoteError."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE_NAME

    def put(self, id: str, winner: str, others: Sequence[str], *, blind: bool) -> None:
        """Store a pick, replacing an earlier one with that id."""
        with self._open(create=True) as db:
            assert db is not None
            row = (id, time.time(), winner, json.dumps(list(others)), int(blind))
            db.execute("INSERT OR REPLACE INTO votes (id, at, winner, others, blind) VALUES (?, ?, ?, ?, ?)", row)

    def all(self) -> list[Vote]:
        """The picks, oldest first."""
        with self._open(create=False) as db:
            rows = db.execute("SELECT winner, others, blind, at FROM votes ORDER BY at, id").fetchall() if db else []
        return [Vote(winner, tuple(json.loads(others)), bool(blind), at) for winner, others, blind, at in rows]

    def clear(self) -> int:
        """Delete all picks; returns how many there were."""
        with self._open(create=False) as db:
            return db.execute("DELETE FROM votes").rowcount if db else 0

    @contextmanager
    def _open(self, *, create: bool) -> Iterator[sqlite3.Connection | None]:
        try:
            if create:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self.path.touch(mode=0o600, exist_ok=True)
            elif not self.path.exists():
                yield None
                return
            with closing(sqlite3.connect(self.path, timeout=_BUSY_S, isolation_level=None)) as db:
                db.execute(_TABLE)
                yield db
        except (sqlite3.Error, OSError, ValueError) as error:
            raise VoteError(
                f"The votes in {self.path} cannot be used: {error}",
                hint="Check the folder and the file, or set another folder: cache_dir.",
            ) from None


def votes_of(session: Session) -> Votes:
    """The votes of this user: in `cache_dir` if that is set, else in the user's data folder."""
    return Votes(_folder(session.settings()))


def _folder(settings: Settings) -> Path:
    if settings.cache_dir is not None:
        return Path(os.path.abspath(settings.cache_dir))
    import platformdirs

    return Path(platformdirs.user_data_dir("ollama_magic", appauthor=False))


def votes(session: Session, words: list[str]) -> Table | str:
    """The standings from all picks; `clear` deletes the picks, `export FILE` writes them as .json or .csv."""
    store = votes_of(session)
    action, rest = (words or [""])[0], words[1:]
    if not action:
        return _table(store.all())
    if action == "clear":
        return f"Forgotten: {counted(store.clear(), 'vote')}."
    if action == "export":
        if len(rest) != 1:
            raise SettingsError("%ollama votes export: name one file", hint="%ollama votes export votes.csv")
        return _export(store.all(), Path(rest[0]).expanduser())
    known = ("clear", "export")
    raise SettingsError(
        f"%ollama votes: there is no {action!r}{nearest(action, known)}", hint=f"One of {', '.join(known)}, or nothing."
    )


def _table(found: Sequence[Vote]) -> Table:
    ranked = standings([(vote.winner, vote.others) for vote in found])
    blind = sum(vote.blind for vote in found)
    note = (
        f"From {counted(len(found), 'pick')}, {blind:,} blind. Bradley-Terry scores with 95% intervals: 1000 is the "
        "average, and 400 points more mean odds of ten to one. Where intervals overlap a lot, more picks are needed."
    )
    if any(each.group for each in ranked):
        note += " A line separates those that were never compared with each other: so do not compare their scores."
    return Table(
        ("", "score", "95%", "picked", "offered"),
        _rows(ranked),
        "Votes",
        note if ranked else "",
        right=frozenset({"score", "95%", "picked", "offered"}),
        empty="Nothing has been picked yet. Compare with --blind, then: %ollama pick B",
    )


def _rows(ranked: Sequence[Standing]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for before, each in zip([None, *ranked], ranked, strict=False):
        if before is not None and before.group != each.group:
            rows.append(("—",))
        interval = f"{each.low:.0f} to {each.high:.0f}"
        rows.append((each.name, f"{each.score:.0f}", interval, f"{each.picked:,}", f"{each.offered:,}"))
    return rows


def _export(found: Sequence[Vote], file: Path) -> str:
    kind = file.suffix.lower()
    if kind not in (".json", ".csv"):
        raise SettingsError(
            f"%ollama votes export: votes cannot be written as {file.suffix or 'a file without an ending'}",
            hint="Give it a name that ends in .json or .csv.",
        )
    text = (
        json.dumps([asdict(vote) for vote in found], indent=1, ensure_ascii=False) if kind == ".json" else _csv(found)
    )
    try:
        file.write_text(text + "\n" * (kind == ".json"), encoding="utf-8")
    except OSError as error:
        raise SettingsError(f"{file} cannot be written: {error.strerror}", hint="Name another file.") from None
    return f"{counted(len(found), 'vote')} in {file}."


def _csv(found: Sequence[Vote]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(("at", "winner", "others", "blind"))
    writer.writerows((vote.at, vote.winner, "|".join(vote.others), int(vote.blind)) for vote in found)
    return out.getvalue()
