"""Heat maps: rows by columns, each cell with a colour and, if there is room, its value."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from ollama_magic.render.charts import LABEL, TOLD, Chart, outline
from ollama_magic.render.colours import AGREEING, PASSING, Stops, colour_at, ink_on
from ollama_magic.render.figures import COLUMN, heat_map_png
from ollama_magic.render.tables import Table
from ollama_magic.render.text import distinct, one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["Cell", "heat_map_chart", "matrix_chart"]

_MOST_LABELLED: Final = 20
"""The most columns of a matrix whose cells show their numbers."""
_TILTED: Final = 20
"""Column width in pixels above which tilted names do not overlap."""
_NONE: Final = "#8a8a8a"


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of a heat map, with a `value` or None. `label` is written in it; `told` and `why` are in its tooltip."""

    row: str
    column: str
    value: float | None
    label: str = ""
    told: str = ""
    why: str = ""


def heat_map_chart(
    cells: Sequence[Cell], rows: Sequence[str], columns: Sequence[str], *, title: str, names: tuple[str, str, str]
) -> Chart:
    """Rows by columns, with cell colours from rust for 0 to teal for 1. `names`: of a row, a column and the value."""
    spec = _spec(cells, rows, columns, title, _Look(names, PASSING, (0.0, 1.0), (88, 24)))
    return Chart(spec, _grid(cells, rows, columns, title, names[0]), lambda: heat_map_png(cells, rows, columns, title))


def matrix_chart(
    values: Sequence[Sequence[float]], rows: Sequence[str], columns: Sequence[str], *, title: str
) -> Chart:
    """Numbers up to 1, such as similarities; the higher, the darker."""
    found = [value for row in values for value in row if math.isfinite(value)]
    low = math.floor(min([0.9, *found]) * 10) / 10
    labelled = len(columns) <= _MOST_LABELLED
    across = _numbered(columns)
    down = across if list(rows) == list(columns) else _numbered(rows)
    cells = [
        Cell(name, other, float(value), f"{value:.2f}" if labelled else "")
        if math.isfinite(value)
        else Cell(name, other, None, "–")
        for name, line in zip(down, values, strict=True)
        for other, value in zip(across, line, strict=True)
    ]
    step = (52, 24) if labelled else (14, 14)
    look = _Look(("row", "column", "similarity"), AGREEING, (low, 1.0), step)
    told = [replace(each, label="–" if each.value is None else f"{each.value:.3f}") for each in cells]
    table = _grid(told, down, across, title, "")
    return Chart(
        _spec(cells, down, across, title, look),
        table,
        lambda: heat_map_png(cells, down, across, title, AGREEING, (low, 1.0)),
    )


@dataclass(frozen=True, slots=True)
class _Look:
    """`names` of a row, a column and the value; the colour `stops` over `domain`; `step`: a cell's size in pixels."""

    names: tuple[str, str, str]
    stops: Stops
    domain: tuple[float, float]
    step: tuple[int, int]

    def share(self, value: float) -> float:
        """The relative position of `value` in the domain, from 0 to 1."""
        low, high = self.domain
        return (value - low) / ((high - low) or 1.0)


def _spec(
    cells: Sequence[Cell], rows: Sequence[str], columns: Sequence[str], title: str, look: _Look
) -> dict[str, Any]:
    down, across = distinct(rows, LABEL), distinct(columns, COLUMN)
    # A matrix may have ten thousand cells: fields that are empty in all, and names that fit their label, are left out.
    fields = {"row": "y", "column": "x", "said": "said"}
    fields |= {"row": "row"} if any(one_line(each, TOLD) != down[each] for each in rows) else {}
    fields |= {"column": "column"} if any(one_line(each, TOLD) != across[each] for each in columns) else {}
    fields |= {name: name for name in ("why", "told") if any(getattr(each, name) for each in cells)}
    kept = {"value", "label", "ink", *fields.values()}
    values = [
        {"y": down[each.row], "x": across[each.column], **{k: v for k, v in _datum(each, look).items() if k in kept}}
        for each in cells
    ]
    axis = {"title": None, "domain": False, "ticks": False}
    place = {
        "y": {"field": "y", "type": "nominal", "sort": list(down.values()), "axis": axis},
        "x": {
            "field": "x",
            "type": "nominal",
            "sort": list(across.values()),
            "axis": {**axis, "orient": "top", **_turned(across.values(), look.step[0])},
        },
    }
    tip = [
        {"field": fields[name], "type": "nominal", "title": shown}
        for name, shown in zip(("row", "column", "said", "why", "told"), (*look.names, "why", "answer"), strict=True)
        if name in fields
    ]
    scale = {"domain": list(look.domain), "range": list(look.stops), "interpolate": "rgb"}
    # A legend if there are values, and no cell shows its own.
    silent = [not each.label for each in cells if each.value is not None]
    legend = {"title": look.names[2], "gradientLength": 120} if silent and all(silent) else None
    colour = {"field": "value", "type": "quantitative", "scale": scale, "legend": legend}
    size = {"width": {"step": look.step[0]}, "height": {"step": look.step[1]}}
    return {**outline(title, values), **size, "encoding": {**place, "tooltip": tip}, "layer": _layers(colour, values)}


def _layers(colour: dict[str, Any], values: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    rect = {"type": "rect", "cornerRadius": 2}
    return [
        {"mark": {**rect, "color": _NONE}},
        {
            "transform": [{"filter": {"field": "value", "valid": True}}],
            "mark": rect,
            "encoding": {"color": colour},
        },
        # A layer for each ink: Vega-Lite cannot combine a colour scale with literal colours.
        *(
            {
                "transform": [{"filter": {"field": "ink", "equal": ink}}],
                "mark": {"type": "text", "fontSize": 11, "color": ink},
                "encoding": {"text": {"field": "label"}},
            }
            for ink in sorted({each["ink"] for each in values if "ink" in each})
        ),
    ]


def _datum(cell: Cell, look: _Look) -> dict[str, Any]:
    said = cell.label
    if cell.value is not None and look.names[2] != "passed":
        said = f"{cell.value:.3f}"
    elif cell.value in (0, 1):  # its label may be a tick or a cross
        said = f"{cell.value:.0%}"
    label = {
        "label": one_line(cell.label, 12),
        "ink": ink_on(_NONE if cell.value is None else colour_at(look.stops, look.share(cell.value))),
    }
    return {
        "value": None if cell.value is None else round(cell.value, 4),
        **(label if cell.label else {}),
        "row": one_line(cell.row, TOLD),
        "column": one_line(cell.column, TOLD),
        "said": one_line(said, 40),
        "why": one_line(cell.why, TOLD),
        "told": one_line(cell.told, TOLD),
    }


def _turned(columns: Iterable[str], step: int) -> dict[str, Any]:
    """The rotation of column names: tilted if they would not fit horizontally, vertical if they would still overlap."""
    longest = max(map(len, columns), default=0)
    if longest * 7 <= step:
        return {"labelAngle": 0}
    return {"labelAngle": -40 if step > _TILTED else -90, "labelAlign": "left"}


def _grid(cells: Sequence[Cell], rows: Sequence[str], columns: Sequence[str], title: str, first: str) -> Table:
    found = {(each.row, each.column): each.label for each in cells}
    names = tuple(distinct(columns, LABEL).values())
    down = distinct(rows, LABEL)
    lines = [(down[row], *(found.get((row, column), "") for column in columns)) for row in rows]
    return Table((first, *names), lines, title, right=frozenset(names))


def _numbered(names: Sequence[str]) -> list[str]:
    """The names, numbered if two look the same or one is blank."""
    read = {one_line(name) for name in names}
    if len(read) == len(names) and "" not in read:
        return list(names)
    return [f"{number} · {name}" for number, name in enumerate(names, start=1)]
