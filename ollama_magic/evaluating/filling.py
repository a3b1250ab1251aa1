"""A row's values inserted into texts: the expected text of an answer, and the question for a judge. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from ..mapping.template import is_missing

__all__ = ["filled", "is_several"]

_FIELD: Final = re.compile(r"\{([^\W\d]\w*)\}")


def filled(text: str, row: Mapping[str, Any]) -> str:
    """`text` with each column named in braces replaced by the row's value; other braces stay.

    Raises ValueError for a value that is missing or not a scalar. A whole float is written as an integer, since pandas
    turns 4 into 4.0 in a column with missing values.
    """

    def told(found: re.Match[str]) -> str:
        if found[1] not in row:
            return found[0]
        value = row[found[1]]
        if isinstance(value, Mapping) or is_several(value):
            raise ValueError(f"the row has a {type(value).__name__} in its column {found[1]!r}, and no text")
        if is_missing(value) or (isinstance(value, str) and not value.strip()):
            raise ValueError(f"the row has nothing in its column {found[1]!r}")
        return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)

    return _FIELD.sub(told, text)


def is_several(value: Any) -> bool:
    """Whether it is a list, tuple, set or array, as polars and Parquet columns may contain."""
    return isinstance(value, list | tuple | set | frozenset) or getattr(value, "ndim", 0) > 0
