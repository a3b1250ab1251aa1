"""Colours of charts: scales with fixed stops, and readable text colours on them. Pure."""

from __future__ import annotations

from typing import Final

__all__ = ["AGREEING", "PASSING", "Stops", "colour_at", "ink_on"]

Stops = tuple[str, ...]
"""Colours as #rrggbb, evenly spaced."""

# Distinguishable with any colour vision: orange to teal, dark at both ends; and light to dark.
PASSING: Final[Stops] = ("#b4451f", "#e9c46a", "#2a7f78")
AGREEING: Final[Stops] = ("#f4efe0", "#9ecfc6", "#2a7f78", "#0d3b46")

_DARK: Final = "#1b1b1b"
_LIGHT: Final = "#ffffff"


def colour_at(stops: Stops, share: float) -> str:
    """The colour at `share` (0 to 1) of the way through `stops`, interpolated linearly."""
    place = min(1.0, max(0.0, share)) * (len(stops) - 1)
    below = min(int(place), len(stops) - 2)
    part = place - below
    mixed = (
        round(one + (other - one) * part)
        for one, other in zip(_parts(stops[below]), _parts(stops[below + 1]), strict=True)
    )
    return "#" + "".join(f"{each:02x}" for each in mixed)


def ink_on(colour: str) -> str:
    """A dark or light text colour, whichever has more contrast on `colour` according to WCAG 2."""
    here = _luminance(colour)
    on_light = (_luminance(_LIGHT) + 0.05) / (here + 0.05)
    on_dark = (here + 0.05) / (_luminance(_DARK) + 0.05)
    return _LIGHT if on_light > on_dark else _DARK


def _luminance(colour: str) -> float:
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in (each / 255 for each in _parts(colour))
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _parts(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)
