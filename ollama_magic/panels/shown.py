"""What a panel shows of a conversation: the turns of one of the session's threads, and the answer being written.

Strategy: the thread is the source of truth, and `sync` updates the display from it, whoever changed it. Questions
asked here without an answer are shown too, though no thread stores them. Everything is sent under one lock, so that
pages, deltas and complete turns arrive in a consistent order; the session is never changed while it is held, because
the session notifies other panels, which have locks of their own.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Final

from ..composing import DEFAULT_THREAD
from ..errors import SettingsError
from .turns import Entry

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..session import Session
    from ..threads import Turn
    from .outlet import Outlet

__all__ = ["Shown"]

_PAGE: Final = 40
"""Turns in one message."""


class Shown:
    """The turns that are shown. All methods may be called from any thread."""

    def __init__(self, session: Session, outlet: Outlet) -> None:
        self._session, self._outlet = session, outlet
        self.name = session.thread or DEFAULT_THREAD
        """The thread that is shown."""
        self._lock = threading.RLock()
        self._entries: list[Entry] = []
        self._count = 0
        self._live: Entry | None = None
        """The turn being answered."""
        self._busy = False
        """Whether there is one, or is about to be."""
        self.sync()

    def show(self, to: str = "") -> None:
        """Show the names of the threads, and all turns of the current one."""
        self.show_threads(to)
        with self._lock:
            self._post_from(0, to)

    def show_threads(self, to: str = "") -> None:
        """Show the names of the threads, with the current one even if it has no turns yet."""
        names = self._session.threads.names()
        rows = [{"name": name, "turns": len(self._turns(name))} for name in names]
        if self.name not in names:
            rows.append({"name": self.name, "turns": 0})
        self._outlet.post("threads", to, current=self.name, threads=rows)

    @property
    def entries(self) -> tuple[Entry, ...]:
        """All turns that are shown."""
        with self._lock:
            return tuple(self._entries)

    @property
    def running(self) -> bool:
        """Whether an answer is being written."""
        return self._busy

    def sync(self) -> None:
        """Update what is shown to the current turns of the thread."""
        with self._lock:
            before, self._entries = self._entries, self._merged(self._turns(self.name))
            same = [a is b for a, b in zip(before, self._entries, strict=False)]
            keep = same.index(False) if False in same else len(same)
            if keep < max(len(before), len(self._entries)):
                self._post_from(keep)

    def _merged(self, turns: Sequence[Turn]) -> list[Entry]:
        """The entries for `turns`: existing ones are reused, and those without an answer stay in between."""
        live, last = self._live, self._session.last
        if live is not None and live.turn is None:
            live.turn = next((turn for turn in turns if (turn.cell, turn.run) == (live.cell, live.run)), None)
            if live.turn is None and live.replaces is not None:
                at = next((at for at, turn in enumerate(turns) if turn is live.replaces), len(turns))
                turns = turns[:at]
        known = {id(entry.turn): entry for entry in self._entries if entry.turn is not None}
        merged: list[Entry] = []
        at = 0
        for entry in self._entries:
            if entry.turn is not None:
                if at == len(turns) or turns[at] is not entry.turn:
                    break
                at += 1
            merged.append(entry)
        for turn in turns[at:]:
            answer = last if last is not None and last.replies is turn.replies else None
            merged.append(known.get(id(turn)) or Entry.of(self._new_id(), turn, answer))
        if live is not None and live not in merged:
            merged.append(live)
        return merged

    def _post_from(self, keep: int, to: str = "") -> None:
        total = len(self._entries)
        for start in range(keep, max(total, keep + 1), _PAGE):
            page = self._entries[start : start + _PAGE]
            turns = [self._message(entry) for entry in page]
            self._outlet.post("conversation", to, thread=self.name, keep=start, total=total, turns=turns)

    def _message(self, entry: Entry) -> dict[str, Any]:
        return entry.message(can_retry=not self._busy and entry is self._entries[-1])

    def _delta(self, entry: Entry, delta: dict[str, Any]) -> None:
        with self._lock:
            entry.state = "streaming" if delta["tail_html"] or delta["done_html"] or entry.html else entry.state
            entry.html = ("" if delta["restart"] else entry.html) + delta["done_html"]
            entry.tail_html, entry.thinking, entry.phase = delta["tail_html"], delta["thinking"], delta["phase"]
            self._outlet.post("delta", turn=entry.id, **delta)

    def _turns(self, name: str) -> tuple[Turn, ...]:
        try:
            return self._session.threads.turns(name)
        except SettingsError:  # not started, or deleted meanwhile
            return ()

    def _new_id(self) -> str:
        self._count += 1
        return f"t{self._count}"
