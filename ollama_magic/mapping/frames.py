"""Where rows come from and what results become: pandas, polars, lists, and any other iterable.

A library is recognised by the module of the data's type, and imported only if the data is of that library.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ..errors import SettingsError
from .columns import ERROR, kind_of, resolved

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .columns import Columns, Kind

__all__ = ["Source", "is_dask", "joined", "pandas_result", "source_of"]

_PANDAS: Final[dict[Kind, str]] = {
    "text": "string", "integer": "Int64", "number": "float64", "truth": "boolean", "any": "object",
}  # fmt: skip
_POLARS: Final[dict[Kind, str]] = {"text": "String", "integer": "Int64", "number": "Float64", "truth": "Boolean"}
_LARGEST: Final = 10**308
_DEEPEST: Final = 20
"""Levels of nested lists and objects in a column's type: a schema may be recursive."""
_HINT: Final = "Give a pandas, polars or Dask data frame, a list of texts or dictionaries, or any iterable of them."

Result = tuple[tuple[Any, ...], str | None]
"""The values of the answer's columns, and the error or None."""


@dataclass(frozen=True, slots=True)
class Source:
    """Rows to map: `columns` and `count` are None if they are not known beforehand.

    `build` turns all results, in order, into the type the rows came as; None for an iterable, whose results are not
    held.
    """

    rows: Callable[[Sequence[str]], Iterator[Any]]
    """Given the columns that are used: yields mappings that have them, or items that are a single column themselves."""
    columns: tuple[str, ...] | None
    count: int | None
    build: Callable[[Sequence[Result], Columns, str], Any] | None
    """Given the results, the answer's columns, and the column name for rows that are bare values."""


def source_of(data: Any) -> Source:
    """The rows of `data`. Raises SettingsError if it has none."""
    library, kind = _library(data)
    if library == "pandas" and kind in ("DataFrame", "Series"):
        return _of_pandas(data.to_frame("text" if data.name is None else data.name) if kind == "Series" else data)
    if library == "polars" and kind in ("DataFrame", "LazyFrame", "Series"):
        frame = data.collect() if kind == "LazyFrame" else data
        return _of_polars(frame.to_frame(data.name or "text") if kind == "Series" else frame)
    if isinstance(data, str | bytes | Mapping) or not isinstance(data, Iterable):
        raise SettingsError(f"A{'n' if kind[:1] in 'aeiou' else ''} {kind} has no rows to map", hint=_HINT)
    if isinstance(data, list | tuple):
        return _of_list(data)
    return Source(lambda names: map(_row, data), None, _length(data), None)


def _library(data: Any) -> tuple[str, str]:
    """The library and type name of `data`, also of a subclass such as GeoPandas' frames; else "" and its own type."""
    for each in type(data).__mro__:
        library = each.__module__.partition(".")[0]
        if library in ("pandas", "polars") and each.__name__ in ("DataFrame", "LazyFrame", "Series"):
            return library, each.__name__
    return "", type(data).__name__


def is_dask(data: Any) -> bool:
    """Whether `data` is a data frame or series of Dask."""
    return any(
        kind.__module__.startswith(("dask.dataframe", "dask_expr"))
        and kind.__name__ in ("DataFrame", "Series", "FrameBase")
        for kind in type(data).__mro__
    )


def _length(data: Any) -> int | None:
    try:
        return len(data)
    except TypeError:
        return None


# ---- lists and iterables ---------------------------------------------------------------------------------------


def _row(item: Any) -> Any:
    """`item`, as a mapping if it has named fields: a named tuple, a sqlite3.Row, a row of a frame."""
    if isinstance(item, str | Mapping):
        return item
    if isinstance(item, tuple) and hasattr(item, "_asdict"):
        return item._asdict()
    return dict(item) if hasattr(item, "keys") and hasattr(item, "__getitem__") else item


def _of_list(data: Sequence[Any]) -> Source:
    items = [_row(item) for item in data]
    columns: dict[str, None] = {}
    known = bool(items)
    for item in items:
        known = known and isinstance(item, Mapping)
        if known:
            columns.update(dict.fromkeys(map(str, item)))
    return Source(
        lambda names: iter(items),
        tuple(columns) if known else None,
        len(items),
        lambda results, columns, name: [
            joined(item, name, result, columns) for item, result in zip(items, results, strict=True)
        ],
    )


def joined(item: Any, name: str, result: Result, columns: Columns) -> dict[str, Any]:
    """One row with its answer: the row's own fields, or `item` as the field `name`, then the answer's and the error."""
    own = dict(item) if isinstance(item, Mapping) else {name: item}
    return {**own, **dict(zip(columns.names, result[0], strict=True)), ERROR: result[1]}


# ---- data frames -----------------------------------------------------------------------------------------------


def _of_pandas(frame: Any) -> Source:
    names = _names(frame.columns)

    def rows(used: Sequence[str]) -> Iterator[Any]:
        columns = frame.iloc[:, [names.index(name) for name in used]]
        for values in columns.itertuples(index=False, name=None):
            yield dict(zip(used, values, strict=True))

    return Source(rows, names, len(frame), lambda results, columns, _: pandas_result(frame, results, columns))


def pandas_result(frame: Any, results: Sequence[Result], columns: Columns) -> Any:
    """`frame` with the answer columns and the error column; columns of the same name are replaced."""
    import pandas

    found, results = frame.copy(deep=False), _fitting(results, columns)
    for place, (name, kind) in enumerate(zip(columns.names, columns.kinds, strict=True)):
        values = [result[0][place] for result in results]
        try:
            column = pandas.Series(values, index=found.index, dtype=_PANDAS[kind])
        except (TypeError, ValueError):  # the user's own type returned something other than its schema says
            column = pandas.Series(values, index=found.index, dtype="object")
        found[_key(name, found)] = column
    found[_key(ERROR, found)] = pandas.Series([result[1] for result in results], index=found.index, dtype="string")
    return found


def _key(name: str, frame: Any) -> Any:
    """The key of a column, also for a frame whose columns have several levels."""
    levels = frame.columns.nlevels
    return name if levels == 1 else (name, *[""] * (levels - 1))


def _fitting(results: Sequence[Result], columns: Columns) -> list[Result]:
    """`results` without the values that a column of their kind cannot hold; the row's error tells of each."""
    return [_fitted(values, error, columns) for values, error in results]


def _fitted(values: tuple[Any, ...], error: str | None, columns: Columns) -> Result:
    found = []
    for name, kind, value in zip(columns.names, columns.kinds, values, strict=True):
        if kind in ("integer", "number") and isinstance(value, int) and not -(2**63) <= value < 2**63:
            if kind == "number" and abs(value) < _LARGEST:
                value = float(value)
            else:
                told = str(value) if abs(value) < 10**40 else f"a number of {value.bit_length()} bits"
                error, value = " ".join(filter(None, (error, f"{name}: {told} is too large for its column"))), None
        found.append(str(value) if kind == "text" and not isinstance(value, str | None) else _written(value))
    return tuple(found), error and _written(error)


def _written(value: Any) -> Any:
    """`value` without lone surrogates, which a string column cannot hold."""
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "replace").decode()
    if isinstance(value, list):
        return [_written(each) for each in value]
    if isinstance(value, dict):
        return {_written(name): _written(each) for name, each in value.items()}
    return value


def _of_polars(frame: Any) -> Source:
    return Source(
        lambda used: frame.select(list(used)).iter_rows(named=True),
        tuple(frame.columns),
        frame.height,
        lambda results, columns, _: _polars_result(frame, results, columns),
    )


def _polars_result(frame: Any, results: Sequence[Result], columns: Columns) -> Any:
    import polars

    made, results = [], _fitting(results, columns)
    errors = [error for _, error in results]
    for place, (name, kind) in enumerate(zip(columns.names, columns.kinds, strict=True)):
        dtype = getattr(polars, _POLARS[kind]) if kind in _POLARS else None
        values = [result[0][place] for result in results]
        made.append(column := polars.Series(name, values, dtype=dtype, strict=False))
        if column.null_count() > values.count(None):  # polars inferred one type, and made values of others null
            for row, (value, kept) in enumerate(zip(values, column, strict=True)):
                if value is not None and kept is None:
                    told = f"{name}: {value!r:.80} is of another type than in the rows before it"
                    errors[row] = " ".join(filter(None, (errors[row], told)))
        untold = column.dtype in (polars.Null, polars.List(polars.Null))
        if columns.shape is not None and untold:  # the values do not determine the type, but the schema may
            known = _polars_type(columns.schema(place), columns.shape.json_schema)
            made[-1] = column if known is None else column.cast(known, strict=False)
    made.append(polars.Series(ERROR, errors, dtype=polars.String))
    return frame.with_columns(made)


def _polars_type(schema: Any, root: Mapping[str, Any], depth: int = 0) -> Any:
    """The polars type for values of `schema`, with nested lists and objects; None if the schema leaves it open."""
    import polars

    kind = kind_of(schema, root)
    if kind != "any":
        return getattr(polars, _POLARS[kind])
    found = resolved(schema, root)
    if depth >= _DEEPEST:
        return None
    if found.get("type") == "array":
        inner = _polars_type(found.get("items"), root, depth + 1)
        return None if inner is None else polars.List(inner)
    inside = {}
    for name, each in found.get("properties", {}).items():
        inside[name] = inner = _polars_type(each, root, depth + 1)
        if inner is None:
            return None
    return polars.Struct(inside) if inside else None


def _names(columns: Any) -> tuple[str, ...]:
    """The column names as written in a prompt: those of several levels joined by underscores."""
    return tuple("_".join(map(str, each)) if isinstance(each, tuple) else str(each) for each in columns)
