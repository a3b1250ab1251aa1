"""The panel's channel to the browser: sends messages, and runs and cancels the background work."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import bridge
from ..render.text import clean

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from concurrent.futures import Future

    from ..errors import OllamaMagicError

__all__ = ["FieldError", "Outlet", "error_of", "text_of"]


class FieldError(Exception):
    """An error that belongs to one field of the form; `why` is what is wrong."""

    def __init__(self, field: str, why: OllamaMagicError) -> None:
        super().__init__(field)
        self.field, self.why = field, why


class Outlet:
    """Sends messages from any thread, and runs asynchronous work on the bridge, until it is closed."""

    def __init__(self, send: Callable[[dict[str, Any]], None]) -> None:
        self._send = send
        self._running: set[Future[Any]] = set()
        self.closed = False

    def post(self, show: str, to: str = "", **content: Any) -> None:
        """Show something in all views, or in the one called `to`."""
        self.raw({"show": show, **content, **({"to": to} if to else {})})

    def raw(self, message: dict[str, Any]) -> None:
        """Send a message unchanged. A front end that is gone is not an error: the work for it continues."""
        if not self.closed:
            try:
                self._send(message)
            except Exception:  # the comm was closed meanwhile
                return

    def start(self, coroutine: Coroutine[Any, Any, None]) -> Future[None] | None:
        """Run `coroutine` on the bridge and return immediately; None if the panel is closed."""
        if self.closed:
            coroutine.close()
            return None
        future = bridge.shared().submit(coroutine)
        self._running.add(future)
        future.add_done_callback(self._running.discard)
        return future

    def stop(self) -> None:
        """Cancel all running work; each coroutine closes its resources."""
        for future in list(self._running):
            future.cancel()

    def close(self) -> None:
        """Cancel all work, and send nothing more."""
        self.closed = True
        self.stop()


def error_of(error: OllamaMagicError) -> dict[str, str]:
    """An error for the browser, as plain text."""
    return {"message": clean(error.message), "hint": clean(error.hint)}


def text_of(message: dict[str, Any], name: str) -> str:
    """A string that the browser sent; "" if it is missing or no string."""
    value = message.get(name)
    # A lone surrogate, which JSON can contain but no message can carry, must not be echoed.
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else ""
