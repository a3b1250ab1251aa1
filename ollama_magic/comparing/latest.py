"""The comparison shown last, to which `%ollama pick` and `%ollama diff` refer; and the last Runs, also from Python."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from ..errors import SettingsError

if TYPE_CHECKING:
    from ..question import Question
    from ..render.picking import PickButtons
    from ..render.racing import RaceView
    from ..session import Session
    from ..threads import Turn
    from .runs import Runs

__all__ = ["Shown", "keep", "last_runs", "latest", "remember"]


@dataclass
class Shown:
    """A comparison on the screen: its view, and the variable `out` of `shell` that it is bound to."""

    runs: Runs
    view: RaceView
    question: Question
    out: str
    shell: Any = field(repr=False)
    picks: int = 0
    """How many picks were made."""
    kept: Turn | None = field(default=None, repr=False)
    """The turn that the last pick put into the thread."""
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    """The id of its vote, so that picking again replaces it; also identifies its buttons."""
    buttons: PickButtons | None = field(default=None, repr=False)


_latest: WeakKeyDictionary[Session, Shown] = WeakKeyDictionary()
_runs: Runs | None = None


def keep(session: Session, shown: Shown) -> None:
    """Make it the last comparison of the session."""
    _latest[session] = shown


def latest(session: Session, command: str) -> Shown:
    """The last comparison of the session. Raises SettingsError if there is none yet."""
    found = _latest.get(session)
    if found is None:
        raise SettingsError(
            f"%ollama {command}: no cell of this kernel has compared anything yet",
            hint="Run a cell such as %%ollama --compare llama3.2,qwen3:8b first.",
        )
    return found


def remember(runs: Runs) -> Runs:
    """Make them the last Runs of this kernel, and return them."""
    global _runs
    _runs = runs
    return runs


def last_runs() -> Runs | None:
    """The Runs of the last comparison in this kernel, even if it failed or was stopped; None if there was none."""
    return _runs
