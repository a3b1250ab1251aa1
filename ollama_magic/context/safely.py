"""Calls repr() or str() of untrusted objects, which may raise, never return, or return megabytes."""

from __future__ import annotations

import re
import signal
import sys
import time
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

__all__ = ["SIZE_LIMIT", "kinds_of", "own_text", "type_name"]

TIME_LIMIT_S: Final = 1.0
SIZE_LIMIT: Final = 400_000
"""The maximum number of characters used of any text."""

# `<function f at 0x7f...>`: an address differs between runs, and is meaningless to a model.
_ADDRESS = re.compile(r" at 0x[0-9A-Fa-f]+")


class _TookTooLong(BaseException):
    """Not an Exception, so that an `except Exception` in the object's own code does not catch it."""


class _NotHere(Exception):
    """No alarm can be set in this thread."""


def kinds_of(value: object) -> list[tuple[str, str]]:
    """The (top-level package, class name) of a value's type and all bases: detects a DataFrame without pandas."""
    # type(), not __class__, which may run any code on a proxy.
    return [(str(kind.__module__).partition(".")[0], kind.__name__) for kind in type(value).__mro__]


def type_name(value: object) -> str:
    """The type's name with its top-level package, unless stdlib or __main__: `pandas.DataFrame`, `list`, `Point`."""
    kind = type(value)
    package = str(kind.__module__).partition(".")[0]
    plain = package == "__main__" or package in sys.stdlib_module_names
    return kind.__qualname__ if plain else f"{package}.{kind.__qualname__}"


def own_text(value: object, ask: Callable[[Any], str] = repr, *, limit_s: float | None = None) -> str:
    """`ask(value)` (repr by default) without memory addresses; if it raises or takes too long, a text that says so.

    Code that exceeds the limit is interrupted, but not a long C call that never checks for signals.
    """
    try:
        text = _within(TIME_LIMIT_S if limit_s is None else limit_s, ask, value)
    except _TookTooLong:
        return f"<{type_name(value)}: its text took longer than {limit_s or TIME_LIMIT_S:g} s>"
    except Exception as error:
        return f"<{type_name(value)}: {type(error).__name__} when asked for its text>"
    return _ADDRESS.sub("", text[:SIZE_LIMIT])


def _within(limit_s: float, ask: Callable[[Any], str], value: object) -> str:
    if hasattr(signal, "setitimer"):
        before = signal.getitimer(signal.ITIMER_REAL)[0]
        if before == 0 or before > limit_s:  # else another alarm is due first, and must not be delayed
            try:
                return _by_alarm(limit_s, ask, value)
            except _NotHere:
                pass
    return _by_trace(limit_s, ask, value)


def _by_alarm(limit_s: float, ask: Callable[[Any], str], value: object) -> str:
    """Interrupts blocking calls too, without overhead; only in the main thread, and not on Windows."""
    armed = True

    def ring(number: int, frame: FrameType | None) -> None:
        if armed:
            raise _TookTooLong

    start = time.monotonic()
    try:
        handler = signal.signal(signal.SIGALRM, ring)
    except ValueError:  # not the main thread
        raise _NotHere from None
    before, interval = signal.setitimer(signal.ITIMER_REAL, limit_s)
    try:
        try:
            return ask(value)
        finally:
            armed = False
            signal.setitimer(signal.ITIMER_REAL, 0)
    finally:
        # Restore any previous alarm (such as pytest's timeout) with its remaining time.
        signal.signal(signal.SIGALRM, handler if handler is not None else signal.SIG_DFL)
        if before:
            signal.setitimer(signal.ITIMER_REAL, max(0.001, before - (time.monotonic() - start)), interval)


def _by_trace(limit_s: float, ask: Callable[[Any], str], value: object) -> str:
    """Interrupts Python code in any thread on any platform, but makes it several times slower, hence a longer limit."""
    if sys.gettrace() is not None:
        return ask(value)  # a debugger or coverage tool is active: do not replace it
    deadline = time.monotonic() + limit_s * 3

    def watch(frame: FrameType, event: str, argument: object) -> Any:
        if time.monotonic() > deadline:
            raise _TookTooLong
        return watch

    sys.settrace(watch)
    try:
        return ask(value)
    finally:
        sys.settrace(None)
