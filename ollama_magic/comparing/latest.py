"""The comparison that was shown last, so that `%ollama pick` and `%ollama diff` know which one is meant; and the last
Runs, also of Python's."""

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
    """A comparison on the screen: where it is shown, and the variable of `shell` that it is bound to."""

    runs: Runs
    view: RaceView
    question: Question
    out: str
    shell: Any = field(repr=False)
    picks: int = 0
    """How often one was picked."""
    kept: Turn | None = field(default=None, repr=False)
    """The turn that the last pick put into the thread."""
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    """What its pick is kept under: picking again changes it. Its buttons are found by it too."""
    buttons: PickButtons | None = field(default=None, repr=False)


_latest: WeakKeyDictionary[Session, Shown] = WeakKeyDictionary()
_runs: Runs | None = None


def keep(session: Session, shown: Shown) -> None:
    """It is the last one from now on."""
    _latest[session] = shown


def latest(session: Session, command: str) -> Shown:
    """The last one. Raises SettingsError where there is none yet."""
    found = _latest.get(session)
    if found is None:
        raise SettingsError(
            f"%ollama {command}: no cell of this kernel has compared anything yet",
            hint="Run a cell such as %%ollama --compare llama3.2,qwen3:8b first.",
        )
    return found


def remember(runs: Runs) -> Runs:
    """They are the last ones from now on."""
    global _runs
    _runs = runs
    return runs


def last_runs() -> Runs | None:
    """The Runs of the last comparison in this kernel, also of one that failed or was stopped; None if none."""
    return _runs
