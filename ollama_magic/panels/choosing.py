"""The choice of model: the server's list, the chosen model, and suggestions for the cloud if it gives no list."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from ..errors import OllamaMagicError, SettingsError, Unreachable
from ..render.text import one_line
from ..units import bytes_text
from ..values import NotAllowed, name
from ..wire.catalog import CLOUD_CATALOGUE, Model
from .connection import failed
from .outlet import FieldError, text_of

if TYPE_CHECKING:
    from ..session import Session
    from .outlet import Outlet

__all__ = ["Choosing"]

_ASK_S: Final = 15.0
_NONE_NAMED: Final = {
    "local": "one in memory answers, else the newest",
    "cloud": "one that Ollama's documents name answers, else the first",
    "embedded": "the built-in model answers",
}


class Choosing:
    """Shows the models of the server in use, and sets the session's model."""

    def __init__(self, session: Session, outlet: Outlet) -> None:
        self._session, self._outlet = session, outlet
        self._models: list[Model] = []
        self._mode = "local"
        self._state = ""
        self._note = self._hint = ""
        self._static = False
        self._asked = 0

    def show(self, to: str = "") -> None:
        """Show the list as far as it is known, and the chosen model."""
        try:
            now = self._session.settings()
            mode, chosen, origin = now.mode, now.model or "", now.origin("model") if now.model else ""
        except OllamaMagicError:
            mode, chosen, origin = "local", "", ""
        self._outlet.post(
            "models",
            to,
            state=self._state,
            chosen=one_line(chosen),
            origin=origin,
            default=_NONE_NAMED[mode],
            models=[self._row(model) for model in self._models],
            note=self._note,
            hint=self._hint,
            static=self._static,
        )

    def ask_once(self) -> None:
        """Request the list, unless that was done."""
        if not self._state:
            self.refresh({})

    def refresh(self, message: dict[str, Any]) -> None:
        """Request the list again."""
        self._asked += 1
        self._state = "busy"
        self.show()
        self._outlet.start(self._fetch(self._asked))

    def use(self, message: dict[str, Any]) -> None:
        """Set the model of all cells and panels of this kernel; "" unsets it."""
        wanted = text_of(message, "model").strip()
        try:
            self._session.set(model=name(wanted) if wanted else None)
        except NotAllowed as error:
            raise FieldError(
                "model", SettingsError("A model cannot be called that", hint=f"It must be {error.allowed}.")
            ) from None

    async def _fetch(self, number: int) -> None:
        mode, models = "", list[Model]()
        problem: OllamaMagicError | None = None
        try:
            settings = self._session.settings()
            mode = settings.mode
            async with asyncio.timeout(_ASK_S):
                models = await self._session.models(settings)
        except TimeoutError:
            problem = Unreachable(f"the server did not answer within {_ASK_S:.0f} s", hint="Try again in a moment.")
        except OllamaMagicError as error:
            problem = error
        if number != self._asked:  # the connection was changed, or a newer request was made
            return
        self._mode, self._models, self._static = mode, models, False
        self._state, self._note, self._hint = "ok", "", ""
        if problem is not None:
            verdict = failed(problem)
            self._state, self._note, self._hint = "failed", verdict["text"], verdict["hint"]
            if mode == "cloud":
                self._models, self._static = [Model(each) for each in CLOUD_CATALOGUE], True
                self._note += " These are models that Ollama's documents name for the cloud."
        elif not models:
            self._note, self._hint = "This server has no models yet.", "Pull one, for instance llama3.2."
        self.show()

    def _row(self, model: Model) -> dict[str, Any]:
        return {
            "name": one_line(model.name),
            "size": bytes_text(model.size),
            "parameters": one_line(model.parameters, 40),
            "quantization": one_line(model.quantization, 40),
            "context": f"{model.context_length:,}" if model.context_length else "",
            "capabilities": [one_line(each, 40) for each in (model.capabilities or ())[:20]],
            "where": "cloud" if model.remote_host or self._mode == "cloud" else self._mode,
        }
