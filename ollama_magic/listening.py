"""Listeners for changes: callbacks that are weakly referenced, and whose errors do not reach the notifier."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Listener", "Listeners"]


class Listener(Protocol):
    """Called in the thread that makes the change, so it must be quick and must not block."""

    def __call__(self, what: str, name: str) -> None: ...


class Listeners:
    """Callbacks that are kept only as long as their owners live."""

    def __init__(self) -> None:
        self._references: list[Callable[[], Listener | None]] = []

    def add(self, listener: Listener) -> None:
        """Notify `listener`, a function or a method, of changes. Neither it nor the method's object is kept alive."""
        method = hasattr(listener, "__self__")
        self._references.append(weakref.WeakMethod(listener) if method else weakref.ref(listener))

    def tell(self, what: str, name: str = "") -> None:
        """Notify the listeners that are still alive. Exceptions that they raise are ignored."""
        living = [(reference, reference()) for reference in self._references]
        # In place, and only the dead ones: another thread may have added one meanwhile.
        for reference in [reference for reference, listener in living if listener is None]:
            self._references.remove(reference)
        for _, listener in living:
            if listener is not None:
                try:
                    listener(what, name)
                except Exception:  # a failing panel must not break the cell that changed a setting
                    continue
