"""Sizes, counts and times as text for people."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

__all__ = ["ago", "bytes_text", "counted", "left_text", "moment_text", "until_text"]

_UNITS: Final = ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"))
_SPANS: Final = ((365.25 * 86400, "year"), (30.44 * 86400, "month"), (7 * 86400, "week"), (86400, "day"))
_SHORT_SPANS: Final = ((3600, "hour"), (60, "minute"))


def bytes_text(size: float | None) -> str:
    """Bytes as Ollama counts them, in powers of 1000: 512 B, 93 MB, 4.7 GB; "" for None."""
    if size is None:
        return ""
    for unit, name in _UNITS:
        if size >= unit * 0.9995:
            value = size / unit
            return f"{value:.1f} {name}" if value < 9.95 else f"{value:.0f} {name}"
    return f"{size:.0f} B"


def counted(number: int, what: str) -> str:
    """ "1 token", "1,200 tokens"."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def left_text(seconds: float | None) -> str:
    """The rest of a wait: "40 s left", "3 min left", "2 h 5 min left", "3 days left"; "" if unknown."""
    if seconds is None or not 0 < seconds < 1e7:
        return ""
    if seconds < 99.5:
        return f"{max(1, round(seconds))} s left"
    minutes = round(seconds / 60)
    if minutes < 100:
        return f"{minutes} min left"
    return f"{minutes // 60} h {minutes % 60} min left" if minutes < 48 * 60 else f"{round(minutes / 1440)} days left"


def ago(when: datetime | None, now: datetime | None = None) -> str:
    """How long ago `when` was: "just now", "3 days ago", "2 years ago"; "" for None.

    A time more than an hour in the future, from a wrong clock, is given as its date.
    """
    if when is None:
        return ""
    now = now or datetime.now(UTC)
    seconds = (now - when).total_seconds()
    if seconds < -3600:
        return when.date().isoformat()
    for span, name in (*_SPANS, *_SHORT_SPANS):
        count = int(seconds // span)
        if count >= 1 and (count > 1 or name not in ("year", "month", "week")):
            return f"{counted(count, name)} ago"
    return "just now"


def until_text(when: datetime | None, now: datetime | None = None) -> str:
    """How long it is until `when`: "4 min 10 s", "for ever" beyond a hundred years, "any moment" once it has passed."""
    if when is None:
        return ""
    left = when - (now or datetime.now(UTC))
    if left > timedelta(days=36500):
        return "for ever"
    seconds = round(left.total_seconds())
    if seconds <= 0:
        return "any moment"
    for big, small, names in ((86400, 3600, ("d", "h")), (3600, 60, ("h", "min")), (60, 1, ("min", "s"))):
        if seconds >= big:
            rest = seconds % big // small
            return f"{seconds // big} {names[0]}" + (f" {rest} {names[1]}" if rest else "")
    return f"{seconds} s"


def moment_text(when: datetime | None, now: datetime | None = None) -> str:
    """A day and how long ago it was: "2026-08-01 (3 months ago)"; "" for None."""
    if when is None:
        return ""
    day, since = when.astimezone().date().isoformat(), ago(when, now)
    return day if since == when.date().isoformat() else f"{day} ({since})"
