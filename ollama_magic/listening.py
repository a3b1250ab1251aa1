"""Who wants to know that something has changed: callbacks that are held weakly and cannot hurt whoever tells them."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Listener", "Listeners"]


class Listener(Protocol):
    """Called in whichever thread changes something, so it must be quick, and wait for nothing."""

    def __call__(self, what: str, name: str) -> None: ...


class Listeners:
    """Callbacks that live as long as their owners do."""

    def __init__(self) -> None:
        self._references: list[Callable[[], Listener | None]] = []

    def add(self, listener: Listener) -> None:
        """Tell `listener` from now on: a function, or a method, which does not keep its object alive."""
        method = hasattr(listener, "__self__")
        self._references.append(weakref.WeakMethod(listener) if method else weakref.ref(listener))

    def tell(self, what: str, name: str = "") -> None:
        """Tell everybody who still lives. What a listener raises is its own affair."""
        living = [(reference, reference()) for reference in self._references]
        # In place and by identity: another thread may have added one meanwhile.
        for reference in [reference for reference, listener in living if listener is None]:
            self._references.remove(reference)
        for _, listener in living:
            if listener is not None:
                try:
                    listener(what, name)
                except Exception:  # a panel that fails must not break the cell that changed a setting
                    continue
