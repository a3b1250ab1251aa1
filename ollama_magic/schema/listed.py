"""A list of records that can be converted to a table."""

from __future__ import annotations

from typing import Any

from .plain import as_plain

__all__ = ["Records"]


class Records(list[Any]):
    """A list of typed records, as returned for `--schema "list[...]"`: a list with `.df` for a data frame."""

    @property
    def df(self) -> Any:
        """The records as a pandas DataFrame, one row each. Raises ImportError if pandas is not installed."""
        try:
            import pandas
        except ImportError:
            raise ImportError("`.df` needs pandas: %pip install pandas") from None
        return pandas.DataFrame([as_plain(record) for record in self])
