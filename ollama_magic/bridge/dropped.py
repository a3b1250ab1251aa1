"""Interrupts that Python drops, raised after all by whoever waits.

Python raises KeyboardInterrupt wherever the main thread is just then. Inside a finaliser or a weak reference's
callback, and the garbage collector may run those anywhere, nobody can catch it: Python says "Exception ignored in" and
goes on. Of a thousand interrupts of a streaming answer that is one or two. Where it says so is `sys.unraisablehook`,
which is ours while a cell of ours runs; no signal's handler is touched.
"""

from __future__ import annotations

import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["heeding"]


class _Hook:
    """Keeps an interrupt, and passes everything else on to the hook that was there before."""

    def __init__(self) -> None:
        self._before = sys.unraisablehook
        self._over = False
        self._dropped = False

    def __call__(self, unraisable: sys.UnraisableHookArgs, /) -> None:
        if not self._over and issubclass(unraisable.exc_type, KeyboardInterrupt):
            self._dropped = True
        else:
            self._before(unraisable)

    def raise_dropped(self) -> None:
        """Raise the interrupt that was dropped, if one was, in here or in what this is within."""
        hook: object = self
        while isinstance(hook, _Hook):
            if hook._dropped:
                hook._dropped = False
                raise KeyboardInterrupt
            hook = hook._before

    def end(self) -> None:
        """Keep nothing any more. One that was set above ours meanwhile stays, and may still call this one."""
        self._over, self._dropped = True, False
        if sys.unraisablehook is self:
            sys.unraisablehook = self._before


@contextmanager
def heeding() -> Iterator[Callable[[], None]]:
    """While in here, call what this gives, time and again: it raises the interrupt that Python dropped meanwhile.

    So does leaving, unless by an error. One may be within another. Only the main thread has interrupts; on another
    one nothing is done.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: None
        return
    hook = _Hook()
    sys.unraisablehook = hook
    try:
        yield hook.raise_dropped
        hook.raise_dropped()
    finally:
        hook.end()
