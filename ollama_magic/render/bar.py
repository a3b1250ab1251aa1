"""A tqdm progress bar: a widget while it runs in a notebook that has widgets, otherwise and afterwards text."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from IPython import display as ipython_display

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["Bar"]

_ipython: Any = ipython_display  # its functions have no types


class Bar:
    """Units done, rate, time left, and how many failed or came from the cache; displays nothing unless `shown`.

    It appears, and its time starts, when it is entered.
    """

    def __init__(self, total: int | None, *, shown: bool = True, unit: str = "row") -> None:
        self._total, self._shown, self._unit = total, shown, unit
        self._errors = self._kept = 0
        self._behind = False
        self._waits_for = ""
        self._bar: Any = None
        self._output: Any = None
        """The display handle of the widget, None for text."""

    def __enter__(self) -> Bar:
        if not self._shown:
            return self
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # tqdm warns if there are no widgets, and falls back to text
            from tqdm.auto import tqdm

            how = {"total": self._total, "unit": self._unit, "dynamic_ncols": True}
            if any(kind.__module__ == "tqdm.notebook" for kind in tqdm.__mro__):
                self._bar = tqdm(**how, display=False)
                self._output = _ipython.display(self._bar.container, display_id=True)
            else:
                self._bar = tqdm(**how)
        return self

    def step(self, *, failed: bool, kept: bool) -> None:
        """Count one more unit."""
        self._errors += failed
        self._kept += kept
        if self._bar is None:
            return
        if failed or kept or self._waits_for:
            self._waits_for = ""
            self._bar.set_postfix_str(self._told(), refresh=False)
        self._behind = not self._bar.update()

    def idle(self, waits_for: str = "") -> None:
        """Nothing arrived for a moment: draw any updates that tqdm has skipped, as it does not redraw for each unit.

        `waits_for` names the servers that do not answer, if none does.
        """
        if self._bar is None:
            return
        if waits_for != self._waits_for:
            self._waits_for, self._behind = waits_for, True
            self._bar.set_postfix_str(self._told(), refresh=False)
        if self._behind:
            self._behind = False
            self._bar.refresh()

    def _told(self) -> str:
        counts = {"errors": self._errors, "kept": self._kept}
        told = [f"{name}={count}" for name, count in counts.items() if count]
        return ", ".join([*told, *([f"waiting for {self._waits_for}"] if self._waits_for else [])])

    def close(self) -> None:
        """End it: what it shows stays as text."""
        bar, self._bar = self._bar, None
        if bar is None:
            return
        bar.close()
        if self._output is not None:
            # Otherwise a saved notebook has the text from when the widget first appeared, and reopened shows an error.
            ended = bar.container.__repr__(pretty=True)
            self._output.update({"text/plain": ended}, raw=True)
            for widget in (*bar.container.children, bar.container):
                widget.close()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()
