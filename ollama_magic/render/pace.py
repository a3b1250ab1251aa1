"""When what streams is drawn again: ten times a second at most, and for a quarter of the time at most."""

from __future__ import annotations

from typing import Final

__all__ = ["drawn_next"]

_INTERVAL_S: Final = 0.1
_SHARE: Final = 4
_LONGEST_S: Final = 5.0
"""Between two drawings, also where a clock that jumps tells that one took minutes."""


def drawn_next(now: float, spent: float, *, messages: int = 1) -> float:
    """The earliest time to draw again after a drawing that began at `now`, took `spent` seconds and sent `messages`."""
    return now + min(_LONGEST_S, max(_INTERVAL_S * messages, spent * _SHARE))
