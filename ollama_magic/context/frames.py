"""Describes pandas and polars data frames and series: shape, columns, and the first rows, as Markdown tables.

The cost follows the token budget, not the data: columns are described until their share of the budget is spent, long
ones from evenly spaced rows (columns.py), except for what is cheap to compute on all rows.
"""

from __future__ import annotations

from typing import Any, Final

from .columns import SAMPLE, cell, column_words, exact, missing_words, sample, stride
from .parts import Described
from .plain import one_line
from .tokens import cut, estimate, head

__all__ = ["describe_frame", "describe_lazy", "describe_series"]

_ROWS: Final = 5
_COLUMNS_LIMIT: Final = 120
"""The maximum number of columns described, whatever the budget."""
_SHARE: Final = 0.62
"""The share of the budget for the column descriptions."""


def describe_frame(frame: Any, budget: int, library: str = "pandas") -> Described:
    """Describe a data frame within `budget` tokens."""
    rows, width = frame.shape
    if not width:
        return Described(f"{library} DataFrame, {rows:,} rows × 0 columns")
    index = _index(frame) if library == "pandas" else ""
    title = f"{library} DataFrame, {rows:,} rows × {width:,} columns{index}"
    whole = exact(rows, width)
    reminder = _sampling(rows, whole)
    used = estimate(title + reminder) + 24
    lines = ["| column | type | missing | values |", "| --- | --- | --- | --- |"]
    used += estimate("\n".join(lines))
    names = _names(frame)
    limit = max(used, int(budget * _SHARE))
    for place in range(min(width, _COLUMNS_LIMIT)):
        line = _column_line(names[place], _column(frame, place, library), whole)
        used += estimate(line) + 1
        if used > limit and place:
            break
        lines.append(line)
    described = len(lines) - 2
    text = "\n".join([title + reminder, "", *lines])
    notes = []
    if described < width:
        notes.append(f"{described:,} of {width:,} columns described")
    text, shown = _with_head(text, frame, names, library, budget - 24 - (budget // 10 + 30 if notes else 0))
    if shown < width:
        notes.append(f"{shown:,} of {width:,} columns in the first rows")
    if described < width:
        text += _other_names(names[described:], budget - estimate(text) - estimate("; ".join(notes)) - 12)
    note = "; ".join(notes)
    if note:
        text += f"\n\n({note})"
    if estimate(text) > budget:
        text, note = head(text, budget), "cut to fit"
    return Described(text, note=note, block=True)


def describe_series(series: Any, budget: int, library: str = "pandas") -> Described:
    """Describe a series within `budget` tokens: a summary line, and its first values."""
    rows = len(series)
    whole = exact(rows, 1)
    some = sample(series)
    name = f" {one_line(series.name, 60)!r}" if series.name not in (None, "") else ""
    about = column_words(series, some, whole)
    missing = missing_words(series, some, whole)
    text = f"{library} Series{name}, {rows:,} values of type {_dtype(series)}; missing: {missing}; {about}"
    text += _sampling(rows, whole)
    first = series.iloc[:10] if library == "pandas" else series.head(10)
    labels = (
        [cell(label) for label in first.index.tolist()] if library == "pandas" and not _is_range(series.index) else []
    )
    values = [cell(value) for value in (first.tolist() if library == "pandas" else first.to_list())]
    rows_shown = [f"{label}: {value}" for label, value in zip(labels, values, strict=True)] if labels else values
    if rows:
        text += f"\nFirst values: {', '.join(rows_shown)}" + (", ..." if rows > len(values) else "")
    text, note = cut(text, budget)
    return Described(text, note=note, block=True)


def describe_lazy(frame: Any, budget: int) -> Described:
    """Describe a polars LazyFrame by its columns and types. It is not collected, which could take arbitrarily long."""
    schema = frame.collect_schema()
    lines = [f"{cell(name)}: {dtype}" for name, dtype in list(schema.items())[:1000]]
    shown = head("\n".join(lines), max(0, budget - 40))
    left_out = len(schema) - (shown.count("\n") + 1 if shown else 0)
    note = f"{left_out:,} of {len(schema):,} columns left out" if left_out else ""
    text = f"polars LazyFrame, not collected, {len(schema):,} columns:\n{shown}" + (f"\n({note})" if note else "")
    return Described(text, note=note, block=True)


# ---- parts of a frame ------------------------------------------------------------------------------------------


def _sampling(rows: int, whole: bool) -> str:
    """A note that says which rows the statistics are based on."""
    if rows <= SAMPLE:
        return ""
    step = stride(rows)
    if whole:
        return f" (missing, mean, min, max of numbers from all rows; the rest from one row in {step})"
    return f" (statistics from one row in {step})"


def _names(frame: Any) -> list[str]:
    return [cell(name) for name in list(frame.columns[: _COLUMNS_LIMIT * 4])]


def _column(frame: Any, place: int, library: str) -> Any:
    # By position: names may be duplicated.
    return frame.iloc[:, place] if library == "pandas" else frame.to_series(place)


def _dtype(series: Any) -> str:
    text = str(series.dtype)
    return (text if len(text) <= 40 else text[:39] + "…").replace("|", "\\|")


def _column_line(name: str, series: Any, whole: bool) -> str:
    some = sample(series)
    words = column_words(series, some, whole)
    return f"| {name} | {_dtype(series)} | {missing_words(series, some, whole)} | {words} |"


def _is_range(index: Any) -> bool:
    return type(index).__name__ == "RangeIndex" and index.start == 0 and index.step == 1


def _index(frame: Any) -> str:
    index = frame.index
    if _is_range(index):
        return ""
    levels = [one_line(name, 40) for name in index.names if name is not None]
    named = f" {', '.join(levels)}" if levels else ""
    kind = type(index).__name__ if str(index.dtype) == "object" else f"{type(index).__name__} of {index.dtype}"
    span = f", {cell(index[0])} to {cell(index[-1])}" if len(index) else ""
    return f"; index{named}: {kind}{span}"


def _with_head(text: str, frame: Any, names: list[str], library: str, budget: int) -> tuple[str, int]:
    """`text` with the first rows below it, in as many columns as fit; and the number of columns shown."""
    room = budget - estimate(text)
    # A long frame's title has a note on sampling; one row less makes room for it.
    count = min(_ROWS - (frame.shape[0] > SAMPLE), frame.shape[0])
    if not count:
        return text, frame.shape[1]
    columns: list[list[str]] = []
    if library == "pandas" and not _is_range(frame.index):
        columns.append(["", *map(cell, frame.index[:count].tolist())])
    labels = len(columns)
    used = sum(estimate(f"| {item} ") for column in columns for item in column) + count * 2 + 16
    for place, name in enumerate(names[:_COLUMNS_LIMIT]):
        first = _column(frame, place, library)
        first = first.iloc[:count].tolist() if library == "pandas" else first.head(count).to_list()
        column = [name, *map(cell, first)]
        used += sum(estimate(f"| {item} ") for item in column) + 3
        if used > room:
            break
        columns.append(column)
    if len(columns) == labels:
        return text, 0
    lines = [f"| {' | '.join(row)} |" for row in zip(*columns, strict=True)]
    lines.insert(1, "| " + " | ".join("---" for _ in columns) + " |")
    word = "Row:" if frame.shape[0] == 1 else f"First {count} rows:" if count < frame.shape[0] else "All rows:"
    return f"{text}\n\n{word}\n\n" + "\n".join(lines), len(columns) - labels


def _other_names(names: list[str], room: int) -> str:
    """The names of the columns not described, as many as fit."""
    shown = head(", ".join(names), room - 8)
    if not shown:
        return ""
    shown = shown.rstrip(", ")
    return f"\n\nOther columns: {shown}" + ("" if shown == ", ".join(names) else ", ...")
