"""Raises again the interrupts that Python drops.

Python raises KeyboardInterrupt wherever the main thread happens to be. Inside a finaliser or a weak reference's
callback, which the garbage collector may run anywhere, it cannot be caught: Python reports "Exception ignored in" and
continues. That happens to one or two of a thousand interrupts of a streaming answer. The report goes through
`sys.unraisablehook`, which is ours while one of our cells runs; no signal handler is changed.
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
    """Remembers an interrupt, and passes everything else on to the previous hook."""

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
        """Raise the dropped interrupt, if there is one, from this hook or an enclosing one."""
        hook: object = self
        while isinstance(hook, _Hook):
            if hook._dropped:
                hook._dropped = False
                raise KeyboardInterrupt
            hook = hook._before

    def end(self) -> None:
        """Stop catching interrupts. A hook installed on top of ours meanwhile stays, and may still call this one."""
        self._over, self._dropped = True, False
        if sys.unraisablehook is self:
            sys.unraisablehook = self._before


@contextmanager
def heeding() -> Iterator[Callable[[], None]]:
    """Yields a function to call repeatedly inside the context: it raises an interrupt that Python dropped meanwhile.

    Leaving the context does so too, unless by an error. Contexts can be nested. Only the main thread receives
    interrupts; on others this does nothing.
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
