"""Describes one column of a table in a few words: missing values and contents. The same for pandas and polars.

Uses the interfaces of both without importing either. A column of more than SAMPLE values is described from evenly
spaced ones, at most SAMPLE; the choice depends only on its length, so the text is reproducible.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from .plain import one_line

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["SAMPLE", "cell", "column_words", "missing_words", "number", "sample", "stride"]

SAMPLE: Final = 10_000
_EXACT_CELLS: Final = 10_000_000
"""Up to this many cells in a table, missing values, min, max and mean are computed on all rows."""
_CELL: Final = 40


def stride(rows: int) -> int:
    """The sampling step in rows that gives at most SAMPLE of them: 1, or a prime.

    A prime, because data is periodic (hours, days, weeks), and a step such as 60 would always hit the same phase.
    """
    step = -(-rows // SAMPLE)
    while step > 1 and any(step % divisor == 0 for divisor in range(2, math.isqrt(step) + 1)):
        step += 1
    return max(1, step)


def sample(series: Any) -> Any:
    """Evenly spaced values of a column; all of a short one."""
    step = stride(len(series))
    if step == 1:
        return series
    return series.iloc[::step] if _is_pandas(series) else series.gather_every(step)


def exact(rows: int, columns: int) -> bool:
    """Whether a table is small enough to compute statistics on all its rows."""
    return rows * columns <= _EXACT_CELLS


def _is_pandas(series: Any) -> bool:
    return hasattr(series, "iloc")


def _kind(series: Any) -> str:
    """One of number, bool, time and words."""
    if _is_pandas(series):
        # numpy's kind codes, which pandas' own types have too.
        kind = getattr(series.dtype, "kind", "O")
        name = str(series.dtype)
        if name.startswith(("datetime", "timedelta", "period", "date", "timestamp", "duration")) or kind in "mM":
            return "time"
        return "bool" if kind == "b" else "number" if kind in "iuf" and name != "category" else "words"
    if series.dtype.is_numeric():
        return "number"
    if series.dtype.is_temporal():
        return "time"
    return "bool" if str(series.dtype) == "Boolean" else "words"


def missing_words(series: Any, some: Any, whole: bool) -> str:
    """The share of missing values, nan included: "0", "12.5%", with ~ if estimated from the sample."""
    rows = len(series)
    if not rows:
        return "0"
    looked = series if (whole and _kind(series) != "words") or len(some) == rows else some
    count = _missing(looked)
    if looked is some and len(some) < rows:
        return f"~{_percent(count / len(some))}"
    return _percent(count / rows)


def _missing(series: Any) -> int:
    if _is_pandas(series):
        return int(series.isna().sum())
    nan = int(series.is_nan().sum() or 0) if series.dtype.is_float() else 0
    return int(series.null_count()) + nan


def _percent(share: float) -> str:
    if share in (0, 1):
        return f"{share:.0%}" if share else "0"
    return "<0.1%" if share < 0.001 else ">99.9%" if share > 0.999 else f"{share:.1%}"


def column_words(series: Any, some: Any, whole: bool) -> str:
    """The contents of a column; "no statistics" for a type that has none."""
    words: dict[str, Callable[[Any, Any, bool], str]] = {
        "number": _numbers,
        "time": _times,
        "bool": _truths,
        "words": _words,
    }
    if len(some) == 0:
        return "empty"
    try:
        return words[_kind(series)](series, some, whole)
    except (TypeError, ValueError, ArithmeticError, AttributeError, RuntimeError, NotImplementedError):
        return "no statistics"  # nested, complex and extension types lack some operations


def _present(series: Any) -> Any:
    """The column without missing values."""
    if _is_pandas(series):
        return series.dropna()
    return (series.drop_nans() if series.dtype.is_float() else series).drop_nulls()


def _bounds(series: Any) -> Any:
    """The values for min, max and mean: pandas skips missing ones itself, so a copy would be wasted."""
    return series if _is_pandas(series) else _present(series)


def _numbers(series: Any, some: Any, whole: bool) -> str:
    some = _present(some)
    bounds = _bounds(series) if whole else some
    least = bounds.min() if len(bounds) else None
    if least is None or least != least:
        return "all missing"
    found = {"mean": bounds.mean(), "min": least}
    if len(some) > 1:
        quartiles = [some.quantile(share, interpolation="linear") for share in (0.25, 0.5, 0.75)]
        found = {"mean": bounds.mean(), "std": some.std(), "min": least}
        found |= dict(zip(("25%", "50%", "75%"), quartiles, strict=True))
    found["max"] = bounds.max()
    return ", ".join(f"{name} {number(value)}" for name, value in found.items())


def _times(series: Any, some: Any, whole: bool) -> str:
    bounds = _present(series if whole else some)
    return f"{cell(bounds.min())} to {cell(bounds.max())}" if len(bounds) else "all missing"


def _truths(series: Any, some: Any, whole: bool) -> str:
    bounds = _present(series if whole else some)
    return f"true {_percent(float(bounds.sum()) / len(bounds))}" if len(bounds) else "all missing"


def _words(series: Any, some: Any, whole: bool) -> str:
    present = _present(some)
    values = present.tolist() if _is_pandas(present) else present.to_list()
    if not values:
        return "all missing"
    kinds = Counter(type(value).__name__ for value in values)
    mixed = "" if len(kinds) == 1 else f"mixed types ({', '.join(sorted(kinds)[:4])}), "
    try:
        counted = Counter(values)
    except TypeError:  # lists and dicts
        return f"{mixed or next(iter(kinds)) + ', '}such as {cell(values[0])}"
    # Ties are in order of appearance.
    top, times = counted.most_common(1)[0]
    if times == 1:
        return f"{mixed}all different, such as {cell(values[0])}"
    share = f"{_percent(times / len(values))}"
    return f"{mixed}{len(counted):,} different, most often {cell(top)} ({share})"


def number(value: Any) -> str:
    """A number to about five significant digits; integers below 1e9 are exact."""
    if value is None:
        return "-"
    found = float(value)
    # An exponent costs more tokens than the digits it saves, and is less readable.
    if abs(found) < 1e9 and (found.is_integer() or abs(found) >= 1e4):
        return str(round(found))
    return f"{found:.5g}"


def cell(value: Any) -> str:
    """A value for a cell of a Markdown table: one line, shortened, with pipes and backslashes escaped."""
    if type(value).__name__.startswith("float"):
        text = f"{float(value):.6g}"
    elif type(value).__module__.partition(".")[0] == "numpy" and getattr(value, "shape", None) == ():
        text = str(value)
    elif type(value).__name__ in ("Timestamp", "Timedelta", "Period", "datetime", "date", "Decimal", "timedelta"):
        text = str(value).removesuffix(" 00:00:00")
    else:
        text = one_line(value, _CELL)
    return text.replace("\\", "\\\\").replace("|", "\\|")
