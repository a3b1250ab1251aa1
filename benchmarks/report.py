"""Tables on standard output, and figures in them."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["ratio", "Table"]


@dataclass
class Table:
    """A titled table; prints as Markdown, so that it can be pasted."""

    title: str
    columns: tuple[str, ...]
    rows: list[tuple[str, ...]] = field(default_factory=list)

    def add(self, *cells: str) -> None:
        """A row."""
        self.rows.append(cells)

    def __str__(self) -> str:
        widths = [max(len(row[i]) for row in [self.columns, *self.rows]) for i in range(len(self.columns))]
        lines = [self.columns, tuple("-" * width for width in widths), *self.rows]
        body = ["| " + " | ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)) + " |" for line in lines]
        return "\n".join([f"### {self.title}", "", *body, ""])

    def of(self, *columns: str, rows: Callable[[tuple[str, ...]], bool] = lambda row: True) -> Table:
        """The table with the first column, those that are named, and those rows alone."""
        kept = [0, *(self.columns.index(name) for name in columns)]
        chosen = [tuple(row[i] for i in kept) for row in self.rows if rows(row)]
        return Table(self.title, tuple(self.columns[i] for i in kept), chosen)

    def brief(self) -> str:
        """The title in place of the first column's name, no padding: how the README has it."""
        lines = [(self.title, *self.columns[1:]), ("---",) * len(self.columns), *self.rows]
        return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def ratio(values: Sequence[float], ours: Sequence[float]) -> str:
    """The median, and how many times ours it is; the figure alone where it is ours."""
    middle = statistics.median(values)
    told = f"{middle:,.1f}" if middle < 20 else f"{middle:,.0f}"
    if values is ours:
        return told
    times = middle / statistics.median(ours)
    return f"{told} ({times:.{0 if times >= 10 else 1 if times >= 1 else 2}f}×)"
