"""One job: what it is given, its outcome, and its state while it is scheduled."""

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
    """What an attempt is given: its server ("" if there is only one) and its number, from 1.

    Call `begun` when the answer starts: the request is then no longer moved to another server.
    """

    host: str = ""
    attempt: int = 1
    begun: Callable[[], None] = lambda: None


@dataclass(frozen=True, slots=True)
class Outcome(Generic[Item, T]):
    """The result of one item: its `value`, or the `error` of its last attempt, which took `seconds`."""

    index: int
    item: Item
    value: T | None = None
    error: Exception | None = None
    attempts: int = 1
    host: str = ""
    seconds: float = 0.0


class Job(Generic[Item]):
    """The scheduling state of one item."""

    __slots__ = ("attempts", "began", "entered", "index", "item", "moves_to", "place", "probes", "stays")

    def __init__(self, index: int, item: Item) -> None:
        self.index, self.item = index, item
        self.attempts = 0
        self.began = 0.0
        self.entered = 0.0
        self.place: Place | None = None
        self.probes = False
        """Whether this attempt probes a server that was set aside."""
        self.moves_to: Place | None = None
        """The server it moves to, from its cancellation until it is sent there."""
        self.stays = False
        """Whether it must not be moved: its answer has started, or it was moved once."""

    def begun(self) -> None:
        self.stays = True
