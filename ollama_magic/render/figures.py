"""The same charts as PNG images, if matplotlib is installed: for printing, and for front ends without Vega.

Figures are made without pyplot, so the notebook's own figures, backend and style are not affected.
"""

from __future__ import annotations

import importlib.util
import io
import statistics
from typing import TYPE_CHECKING, Any, Final

from ollama_magic.render.colours import AGREEING, PASSING, Stops, colour_at, ink_on
from ollama_magic.render.text import distinct, one_line

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ollama_magic.render.heatmaps import Cell

__all__ = ["COLUMN", "heat_map_png", "spread_png"]

COLUMN: Final = 26
"""The most characters shown of a column's name; the tooltip has the full name."""

_DPI: Final = 110
_NAME: Final = 48
_MOST_CELLS: Final = 4000
"""The most cells that such a picture can show."""
_STEPS: Final = 40
"""Shades in a legend."""
_NONE: Final = "#8a8a8a"
_INK: Final = "#1b1b1b"


def heat_map_png(
    cells: Sequence[Cell],
    rows: Sequence[str],
    columns: Sequence[str],
    title: str,
    stops: Stops = PASSING,
    domain: tuple[float, float] = (0.0, 1.0),
) -> bytes | None:
    """A heat map; None without matplotlib or cells, or for more cells than can be shown."""
    if not cells or len(cells) > _MOST_CELLS or importlib.util.find_spec("matplotlib") is None:
        return None
    labelled = any(each.label for each in cells)
    width, height = (0.8, 0.3) if labelled else (0.16, 0.16)
    figure, axes = _figure(max(2.0, width * len(columns)), max(0.5, height * len(rows)))
    across = {name: number for number, name in enumerate(columns)}
    down = {name: number for number, name in enumerate(rows)}
    from matplotlib.patches import Rectangle

    for cell in cells:
        x, y = across[cell.column], down[cell.row]
        share = None if cell.value is None else (cell.value - domain[0]) / ((domain[1] - domain[0]) or 1.0)
        colour = _NONE if share is None else colour_at(stops, share)
        axes.add_patch(Rectangle((x, y), 0.96, 0.94, color=colour, linewidth=0))
        if cell.label:
            text = _plain(cell.label, 12)
            axes.text(x + 0.48, y + 0.5, text, ha="center", va="center", fontsize=8, color=ink_on(colour))
    axes.set(xlim=(0, max(1, len(columns))), ylim=(max(1, len(rows)), 0))
    named = [_plain(each) for each in distinct(columns, COLUMN).values()]
    axes.set_xticks([n + 0.5 for n in range(len(columns))], named)
    axes.set_yticks([n + 0.5 for n in range(len(rows))], [_plain(each) for each in distinct(rows, _NAME).values()])
    axes.xaxis.tick_top()
    if max(map(len, named), default=0) * 0.09 > width:
        turn = {"rotation": 40, "ha": "left"} if labelled else {"rotation": 90, "ha": "center", "va": "bottom"}
        for label in axes.get_xticklabels():
            label.set(**turn, rotation_mode="anchor" if labelled else "default")
    axes.tick_params(length=0, labelsize=8)
    if not labelled:
        _legend(axes, len(columns), len(rows), stops, domain)
    for spine in axes.spines.values():
        spine.set_visible(False)
    return _png(figure, axes, title)


def _legend(axes: Any, columns: int, rows: int, stops: Stops, domain: tuple[float, float]) -> None:
    """The colour scale, to the right of cells that have no labels."""
    from matplotlib.patches import Rectangle

    high = min(rows, 8) / _STEPS
    for step in range(_STEPS):
        colour = colour_at(stops, 1 - step / (_STEPS - 1))
        axes.add_patch(Rectangle((columns + 1, step * high), 0.8, high, color=colour, linewidth=0, clip_on=False))
    for place, value in ((0.0, domain[1]), (_STEPS * high, domain[0])):
        axes.text(columns + 2.2, place, f"{value:g}", va="center", fontsize=8)


def spread_png(values: Mapping[str, Sequence[float]], title: str, unit: str) -> bytes | None:
    """A box plot with dots for each name; None without matplotlib or values."""
    if not any(values.values()) or importlib.util.find_spec("matplotlib") is None:
        return None
    figure, axes = _figure(4.6, 0.4 * len(values) + 0.3)
    for number, found in enumerate(values.values()):
        if found:
            _box(axes, sorted(found), number)
            axes.plot(list(found), [number] * len(found), "o", color=_INK, alpha=0.5, markersize=3)
    axes.set_yticks(range(len(values)), [_plain(each) for each in distinct(list(values), _NAME).values()])
    axes.set(ylim=(len(values) - 0.5, -0.5))
    axes.set_xlim(left=0)
    axes.set_xlabel(_plain(unit), fontsize=8)
    axes.tick_params(labelsize=8)
    axes.grid(axis="x", alpha=0.25)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    return _png(figure, axes, title)


def _box(axes: Any, ordered: Sequence[float], place: int) -> None:
    """Minimum, quartiles and maximum; drawn by hand, as matplotlib's own box plot changes from version to version."""
    from matplotlib.patches import Rectangle

    low, middle, high = statistics.quantiles(ordered, n=4, method="inclusive") if len(ordered) > 1 else [ordered[0]] * 3
    axes.add_patch(Rectangle((low, place - 0.25), high - low, 0.5, facecolor=AGREEING[1], edgecolor="#555555"))
    axes.plot([middle, middle], [place - 0.25, place + 0.25], color=_INK)
    axes.plot([ordered[0], ordered[-1]], [place, place], color="#555555", linewidth=0.8)


def _figure(width: float, height: float) -> tuple[Any, Any]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=_DPI, facecolor="white")
    FigureCanvasAgg(figure)
    return figure, figure.add_subplot()


def _png(figure: Any, axes: Any, title: str) -> bytes:
    import warnings

    axes.set_title(_plain(title, 120), fontsize=9, loc="left")
    out = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about characters that matplotlib's font lacks
        figure.savefig(out, format="png", bbox_inches="tight", metadata={"Software": None})
    return out.getvalue()


def _plain(text: str, limit: int = _NAME) -> str:
    """One line that matplotlib does not parse as maths."""
    return one_line(text, limit).replace("$", r"\$")
