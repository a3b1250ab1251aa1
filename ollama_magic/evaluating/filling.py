"""A row's values put into texts: what is expected of an answer, and what a judge is asked about it. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from ..mapping.template import is_missing

__all__ = ["filled", "is_several"]

_FIELD: Final = re.compile(r"\{([^\W\d]\w*)\}")


def filled(text: str, row: Mapping[str, Any]) -> str:
    """`text` with the row's values for the columns it names in braces; other braces stay.

    Raises ValueError for what is missing or no single value. pandas makes 4.0 of a 4 where something else is missing.
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
    """Whether it is a list, tuple, set or array, such as polars and Parquet have in a column too."""
    return isinstance(value, list | tuple | set | frozenset) or getattr(value, "ndim", 0) > 0
