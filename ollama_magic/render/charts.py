"""Charts as Vega-Lite: rows to a specification, and its display data. No plotting library is needed.

JupyterLab and Notebook 7 render `application/vnd.vegalite.v5+json` themselves. They would prefer `text/html` to it, so
that is left out: front ends without Vega get a picture if matplotlib is installed, and a table as text.

Model output appears only in the data, in fields with fixed names, and never in an expression, a link or a URL. Lines
and text have the colour of the page's text, so that they are readable in light and dark themes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from ollama_magic.render.colours import AGREEING
from ollama_magic.render.figures import spread_png
from ollama_magic.render.tables import Table, table_text
from ollama_magic.render.text import distinct, one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ollama_magic.render.bundle import Bundle

__all__ = ["LABEL", "TOLD", "VEGA_LITE", "Chart", "outline", "show_parts", "spread_chart"]

VEGA_LITE: Final = "application/vnd.vegalite.v5+json"

LABEL: Final = 48
"""The most characters shown of a row's name."""
TOLD: Final = 300
"""The most characters of a text in a tooltip."""

_SCHEMA: Final = "https://vega.github.io/schema/vega-lite/v5.json"
_TEXT: Final = "currentColor"
_AXIS: Final = {
    **dict.fromkeys(("labelColor", "titleColor", "tickColor", "domainColor", "gridColor"), _TEXT),
    "labelLimit": 360,
    "labelPadding": 6,
    "labelFontSize": 12,
    "titleFontSize": 12,
    "titleFontWeight": "normal",
    "gridOpacity": 0.15,
    "domainOpacity": 0.4,
    "tickOpacity": 0.4,
}
_CONFIG: Final = {
    "axis": _AXIS,
    "view": {"stroke": None},
    "title": {"color": _TEXT, "anchor": "start", "fontSize": 13, "fontWeight": "bold", "offset": 8},
    "legend": {"labelColor": _TEXT, "titleColor": _TEXT, "titleFontWeight": "normal"},
}
# No link to the online editor, which would send it the data; saving the picture is allowed.
_EMBED: Final = {"actions": {"export": True, "source": False, "compiled": False, "editor": False}, "renderer": "svg"}


@dataclass(frozen=True, slots=True, repr=False)
class Chart:
    """A chart, shown as the last line of a cell; `spec` is its Vega-Lite, `table` the same as a table."""

    spec: Mapping[str, Any]
    table: Table
    draw: Callable[[], bytes | None] = field(repr=False)
    """The same as a PNG, None without matplotlib."""

    def bundle(self) -> Bundle:
        """The data and metadata of a display message."""
        data: dict[str, Any] = {VEGA_LITE: dict(self.spec), "text/plain": table_text(self.table)}
        try:
            picture = self.draw()
        except Exception:  # a broken or misconfigured matplotlib must not lose the chart
            picture = None
        if picture is not None:
            data["image/png"] = picture
        return data, {VEGA_LITE: {"embed_options": dict(_EMBED)}}

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> Bundle:
        return self.bundle()

    def __str__(self) -> str:
        return table_text(self.table)

    def __repr__(self) -> str:
        return f"<Chart {self.table.title!r}>"


def show_parts(parts: Sequence[Chart | Table]) -> None:
    """Show them one below the other; outside of notebooks only the tables."""
    from IPython import get_ipython

    from ollama_magic.render import place_of, show

    shell: Any = get_ipython()
    for part in parts:
        if isinstance(part, Table):
            show(shell, part)
        elif place_of(shell) == "jupyter":
            from ollama_magic.render.jupyter import show_bundle

            show_bundle(part.bundle())


# ---- spreads ---------------------------------------------------------------------------------------------------


def spread_chart(values: Mapping[str, Sequence[float]], *, title: str, unit: str) -> Chart:
    """A box plot with a row for each name: every value as a dot, over a box from the first to the third quartile."""
    shown = distinct(list(values), LABEL)
    rows = [
        {"y": shown[name], "name": one_line(name, TOLD), "value": value} for name in values for value in values[name]
    ]
    place = {"y": {"field": "y", "type": "nominal", "sort": list(shown.values()), "axis": {"title": None}}}
    across = {
        "field": "value",
        "type": "quantitative",
        "scale": {"zero": True},
        "axis": {"title": unit, "tickCount": 6},
    }
    line = {"color": _TEXT, "opacity": 0.6}
    box = {
        "type": "boxplot",
        "extent": "min-max",
        "size": 18,
        "box": {"color": AGREEING[2], "opacity": 0.55},
        "median": {"color": _TEXT},
        "rule": line,
        "ticks": line,
    }
    dots = {"type": "circle", "color": _TEXT, "opacity": 0.55, "size": 22}
    tip = [
        {"field": "name", "type": "nominal", "title": "model"},
        {"field": "value", "type": "quantitative", "title": unit, "format": ".2f"},
    ]
    spec = {
        **outline(title, rows),
        "width": 460,
        "height": {"step": 34},
        "encoding": {**place, "x": across},
        "layer": [{"mark": box}, {"mark": dots, "encoding": {"tooltip": tip}}],
    }
    return Chart(spec, _summary(values, title, unit), lambda: spread_png(values, title, unit))


def _summary(values: Mapping[str, Sequence[float]], title: str, unit: str) -> Table:
    columns = ("least", "median", "most", "count")
    rows = []
    for name, found in values.items():
        ordered = sorted(found)
        middle = (ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2 if ordered else 0.0
        told = [f"{value:.2f}" for value in (ordered[0], middle, ordered[-1])] if ordered else ["–"] * 3
        rows.append((name, *told, str(len(ordered))))
    return Table(("model", *columns), rows, f"{title}: {unit}", right=frozenset(columns))


# ---- all charts ------------------------------------------------------------------------------------------------


def outline(title: str, values: list[dict[str, Any]]) -> dict[str, Any]:
    """The common part of every specification: title, data and theme."""
    return {
        "$schema": _SCHEMA,
        "background": "transparent",
        "title": one_line(title, 120),
        "description": one_line(title, 120),  # for screen readers
        "data": {"values": values},
        "config": _CONFIG,
    }
