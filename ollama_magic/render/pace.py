"""When to redraw streaming output: at most ten times a second, and for at most a quarter of the time."""

from __future__ import annotations

from typing import Final

__all__ = ["drawn_next"]

_INTERVAL_S: Final = 0.1
_SHARE: Final = 4
_LONGEST_S: Final = 5.0
"""Between two drawings, even if one seems to have taken minutes because the clock jumped."""


def drawn_next(now: float, spent: float, *, messages: int = 1) -> float:
    """The earliest time to redraw after a drawing that began at `now`, took `spent` seconds and sent `messages`."""
    return now + min(_LONGEST_S, max(_INTERVAL_S * messages, spent * _SHARE))
