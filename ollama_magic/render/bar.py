"""A progress bar: tqdm's, in a notebook as a widget where there are widgets, else as text."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["Bar"]


class Bar:
    """Rows done, rate, time left, and how many failed or were known already; nothing where it is not `shown`."""

    def __init__(self, total: int | None, *, shown: bool = True) -> None:
        self._errors = self._kept = 0
        self._bar: Any = None
        if not shown:
            return
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that there are no widgets, and text it is
            from tqdm.auto import tqdm

            self._bar = tqdm(total=total, unit="row", dynamic_ncols=True)

    def step(self, *, failed: bool, kept: bool) -> None:
        """One more row."""
        self._errors += failed
        self._kept += kept
        if self._bar is None:
            return
        if failed or kept:
            told = {"errors": self._errors, "kept": self._kept}
            self._bar.set_postfix({name: count for name, count in told.items() if count}, refresh=False)
        self._bar.update()

    def close(self) -> None:
        """It stays as it is, whatever comes."""
        bar, self._bar = self._bar, None
        if bar is not None:
            bar.close()

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()
