"""One piece of work: what it is given, what becomes of it, and what is known of it on its way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from .hosts import Place

__all__ = ["Item", "Job", "Outcome", "Slot", "T"]

Item = TypeVar("Item")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Slot:
    """What a piece of work may use: the server it goes to ("" where there is only one), and which try this is.

    `begun` is to be called when its answer begins: it is then no longer moved to another server.
    """

    host: str = ""
    attempt: int = 1
    begun: Callable[[], None] = lambda: None


@dataclass(frozen=True, slots=True)
class Outcome(Generic[Item, T]):
    """What came of one item: its `value`, or the `error` of its last try. `seconds` are those of the last try."""

    index: int
    item: Item
    value: T | None = None
    error: Exception | None = None
    attempts: int = 1
    host: str = ""
    seconds: float = 0.0


class Job(Generic[Item]):
    """One item on its way."""

    __slots__ = ("attempts", "began", "entered", "index", "item", "moves_to", "place", "probes", "stays")

    def __init__(self, index: int, item: Item) -> None:
        self.index, self.item = index, item
        self.attempts = 0
        self.began = 0.0
        self.entered = 0.0
        self.place: Place | None = None
        self.probes = False
        """Whether this try is the one that tells whether a server is there again."""
        self.moves_to: Place | None = None
        """Where it shall be asked instead, while it is taken back."""
        self.stays = False
        """Whether it is not moved: its answer has begun, or it was moved once."""

    def begun(self) -> None:
        self.stays = True
