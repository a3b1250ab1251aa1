"""The panel's connection: mode, host and key, and a test whether they work."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from ..client import Client
from ..embedded import engine
from ..endpoint import endpoint_for, may_fall_back, meaning_of
from ..errors import EmbeddedError, OllamaMagicError, SettingsError, Stalled, Unauthorized, Unreachable
from ..hosts import CLOUD, LOCAL
from ..render.text import clean
from ..secret import parse_key
from ..settings import FIELDS, MODES
from ..units import counted
from ..values import NotAllowed
from .outlet import FieldError, error_of, text_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..session import Session
    from ..settings import Settings
    from .outlet import Outlet

__all__ = ["Connection", "failed"]

_ASK_S: Final = 15.0
_HIDDEN: Final = "***@"
_STANDS_IN: Final = "Until then the built-in model answers, a very small one."
_PARSE: Final = {field.name: field.parse for field in FIELDS}


class Connection:
    """Shows, sets and tests the connection. The key is accepted, but never sent to the browser."""

    def __init__(self, session: Session, outlet: Outlet, changed: Callable[[], None]) -> None:
        self._session, self._outlet, self._changed = session, outlet, changed
        self._verdict: dict[str, str] = _verdict("")
        self._tested = 0
        self._seen = self._identity()

    def show(self, to: str = "") -> None:
        """Show all fields and the verdict."""
        error = None
        try:
            now = self._session.settings()
        except OllamaMagicError as raised:
            now, error = None, error_of(raised)
        self._outlet.post(
            "connection",
            to,
            mode=self._mode(now),
            host=self._host(now),
            key=self._key(now),
            verdict=self._verdict,
            error=error,
        )

    def settings_changed(self) -> None:
        """A setting was changed: for another server, discard the verdict and request its list of models."""
        identity = self._identity()
        if identity != self._seen:
            self._seen = identity
            self._tested += 1
            self._verdict = _verdict("")
            self._changed()
        self.show()

    # ---- actions -----------------------------------------------------------------------------------------------

    def connect(self, message: dict[str, Any]) -> None:
        """Set mode and host, each if present; "" removes this kernel's own value."""
        values: dict[str, object] = {}
        if "mode" in message:
            values["mode"] = text_of(message, "mode").strip() or None
        host = text_of(message, "host").strip()
        if "host" in message and host != self._own_host():
            if _HIDDEN in host:
                why = "The host's user and password are not shown, so they cannot be kept with another address"
                raise FieldError("host", SettingsError(why, hint="Type them again: http://user:password@host:port"))
            values["host"] = host or None
        for name, value in values.items():
            try:
                _PARSE[name](value) if value is not None else None
            except NotAllowed as error:
                told = SettingsError(f"The {name} cannot be that", hint=f"It must be {error.allowed}.")
                raise FieldError(name, told) from None
            except OllamaMagicError as error:
                raise FieldError(name, error) from None
        self._session.set(**values)

    def key(self, message: dict[str, Any]) -> None:
        """Keep the typed key, only in this kernel's memory."""
        try:
            self._session.set(key=parse_key(text_of(message, "key")))
        except OllamaMagicError as error:
            raise FieldError("key", error) from None

    def forget_key(self, message: dict[str, Any]) -> None:
        """Forget this kernel's key; one from the environment then applies again."""
        self._session.set(key=None)

    def test(self, message: dict[str, Any]) -> None:
        """Start asking the server for its models; the verdict is shown when it is known."""
        self._tested += 1
        self._verdict = _verdict("busy", "Asking…")
        self.show()
        self._outlet.start(self._test(self._tested))

    async def _test(self, number: int) -> None:
        verdict = await self._judged()
        if number == self._tested:  # otherwise a newer test began, or the connection was changed
            self._verdict = verdict
            self.show()
            self._changed()

    async def _judged(self) -> dict[str, str]:
        try:
            settings = self._session.settings()
            if settings.mode == "embedded":
                return _embedded(settings)
            async with Client(settings) as client:
                where = endpoint_for(settings).host.display
                async with asyncio.timeout(_ASK_S):
                    count = len(await client.tags())
        except TimeoutError:
            hint = "It may be busy, or something between here and there drops what is sent. Try again in a moment."
            return _verdict("down", f"{where} did not answer within {_ASK_S:.0f} s.", hint)
        except Unreachable as error:
            stands_in = may_fall_back(settings) and engine.available() is None
            verdict = failed(error)
            return {**verdict, "hint": f"{verdict['hint']} {_STANDS_IN}".strip()} if stands_in else verdict
        except OllamaMagicError as error:
            return failed(error)
        models = counted(count, "model")
        if settings.mode == "cloud":
            return _verdict("ok", f"The key works: {where} lists {models}.")
        hint = "" if count else "It has no models yet: pull one below."
        return _verdict("ok", f"It works: {where} has {models}.", hint)

    # ---- state -------------------------------------------------------------------------------------------------

    def _identity(self) -> tuple[object, ...]:
        try:
            now = self._session.settings()
        except OllamaMagicError:
            return ()
        return now.mode, now.host, now.key

    def _own_host(self) -> str:
        """The host that was set in this kernel, without its credentials."""
        try:
            own = self._session.own("host")
            return "" if own is None else str(_PARSE["host"](own))
        except OllamaMagicError:
            return ""

    def _mode(self, now: Settings | None) -> dict[str, Any]:
        own = str(self._session.own("mode") or "")
        try:
            inherited = self._session.inherited()
            automatic, origin = inherited.mode, inherited.origin("mode")
        except OllamaMagicError:
            automatic, origin = "local", "default"
        told = f"automatic: {automatic}" + ("" if origin == "default" else f", from {origin}")
        return {
            "value": own,
            "choices": [{"value": "", "text": told}, *({"value": mode, "text": mode} for mode in MODES)],
            "origin": now.origin("mode") if now else "",
            "meaning": meaning_of(now) if now else "",
        }

    def _host(self, now: Settings | None) -> dict[str, str]:
        mode = now.mode if now else "local"
        implied = {"local": LOCAL.display, "cloud": CLOUD.display, "embedded": "started when needed"}[mode]
        try:
            inherited = self._session.inherited()
            if inherited.host is not None:
                implied = f"{inherited.host.display} ({inherited.origin('host')})"
        except OllamaMagicError:
            pass
        return {"value": self._own_host(), "placeholder": implied, "origin": now.origin("host") if now else ""}

    def _key(self, now: Settings | None) -> dict[str, Any]:
        own = self._session.own("key") is not None
        there = now is not None and now.key is not None
        origin = now.origin("key") if now and there else ""
        if there:
            text = "A key is set in this kernel's memory." if own else f"A key is set: {origin}."
        else:
            text = "No key is set."
        if now and now.mode != "cloud":
            text += " None is needed in this mode."
        return {"set": there, "own": own, "origin": origin, "text": text}


def _verdict(state: str, text: str = "", hint: str = "") -> dict[str, str]:
    return {"state": state, "text": clean(text), "hint": clean(hint)}


def _embedded(settings: Settings) -> dict[str, str]:
    problem = engine.available()
    if problem is not None:
        return failed(EmbeddedError(problem))
    return _verdict("ok", f"The built-in model can answer: {engine.model_name(settings)}.")


def failed(error: OllamaMagicError) -> dict[str, str]:
    """The verdict for an error."""
    text = error.message[:1].upper() + error.message[1:]
    text = text if text.endswith((".", "!", "?", ")")) else f"{text}."
    if isinstance(error, Unauthorized):
        return _verdict("bad", text if "key" in text.lower() else f"The key was refused. {text}", error.hint)
    return _verdict("down" if isinstance(error, Unreachable | Stalled) else "bad", text, error.hint)
