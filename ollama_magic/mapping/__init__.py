"""Map a prompt over rows: lists, iterables, and data frames of pandas, polars and Dask."""

from __future__ import annotations

from .mapper import map
from .run import MapStopped, last_map

__all__ = ["MapStopped", "last_map", "map"]
