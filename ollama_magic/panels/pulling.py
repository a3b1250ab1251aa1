"""Model downloads started in the panel."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from ..client import Client
from ..errors import OllamaMagicError, SettingsError
from ..models import pull
from ..render.progress import progress_line
from ..render.text import one_line
from ..values import NotAllowed, name
from .connection import failed
from .outlet import FieldError, text_of

if TYPE_CHECKING:
    from concurrent.futures import Future

    from ..models import PullProgress
    from ..session import Session
    from .outlet import Outlet

__all__ = ["Pulls"]

_INTERVAL_S: Final = 0.2
_LAYERS: Final = 12


@dataclass
class _Pull:
    name: str
    state: str = "running"
    text: str = "connecting…"
    hint: str = ""
    fraction: float | None = None
    layers: list[dict[str, Any]] = field(default_factory=list)
    future: Future[None] | None = None
    shown_at: float = 0.0
    to_be_shown: bool = False


class Pulls:
    """Starts, shows and stops downloads. One that was stopped or failed resumes when it is started again."""

    def __init__(self, session: Session, outlet: Outlet) -> None:
        self._session, self._outlet = session, outlet
        self._pulls: dict[str, _Pull] = {}

    def show(self, to: str = "") -> None:
        """Show all downloads of this panel."""
        rows = [
            {
                "name": one_line(each.name),
                "state": each.state,
                "text": each.text,
                "hint": each.hint,
                "fraction": each.fraction,
                "layers": each.layers,
            }
            for each in list(self._pulls.values())
        ]
        self._outlet.post("pulls", to, pulls=rows)

    def pull(self, message: dict[str, Any]) -> None:
        """Download a model to the server in use."""
        wanted = text_of(message, "name").strip()
        try:
            if not name(wanted):
                raise FieldError("name", SettingsError("No model is named", hint="Type its name, such as llama3.2."))
        except NotAllowed as error:
            told = SettingsError("A model cannot be called that", hint=f"It must be {error.allowed}.")
            raise FieldError("name", told) from None
        earlier = self._pulls.get(wanted)
        if earlier is not None and earlier.state == "running":
            told = SettingsError(f"{one_line(wanted)} is being pulled already", hint="Wait for its end, or cancel it.")
            raise FieldError("name", told)
        this = self._pulls[wanted] = _Pull(wanted)
        self.show()
        this.future = self._outlet.start(self._follow(this))

    def stop(self, message: dict[str, Any]) -> None:
        """Stop a download, or remove one that has ended from the list."""
        this = self._pulls.get(text_of(message, "name").strip())
        if this is None:
            return
        if this.state == "running" and this.future is not None:
            self._stopped(this)  # here too: a task cancelled before its first step handles nothing
            this.future.cancel()
        else:
            del self._pulls[this.name]
        self.show()

    def stop_all(self) -> None:
        """Stop all running downloads."""
        for this in list(self._pulls.values()):
            if this.state == "running":
                self.stop({"name": this.name})

    async def _follow(self, this: _Pull) -> None:
        try:
            async with Client(self._session.settings()) as client, aclosing(pull(client, this.name)) as progress:
                async for each in progress:
                    self._take(this, each)
            this.state, this.fraction, this.text = "done", 1.0, "It can be used."
        except OllamaMagicError as error:
            verdict = failed(error)
            this.state, this.text, this.hint = "failed", verdict["text"], verdict["hint"]
        except asyncio.CancelledError:
            self._stopped(this)
            self.show()
            raise
        self.show()
        if this.state == "done":
            self._session.changed("models")

    def _stopped(self, this: _Pull) -> None:
        this.state, this.text = "stopped", "Stopped."
        this.hint = "Pull it again: it goes on from what is there."

    def _take(self, this: _Pull, progress: PullProgress) -> None:
        this.fraction = progress.fraction
        this.text = progress_line(progress) or one_line(progress.status)
        this.layers = [
            {"name": one_line(layer.name), "text": progress_line(layer), "fraction": _share(layer.done, layer.total)}
            for layer in progress.layers[:_LAYERS]
        ]
        if not this.to_be_shown:
            this.to_be_shown = True
            wait = max(0.0, this.shown_at + _INTERVAL_S - time.monotonic())
            asyncio.get_running_loop().call_later(wait, self._show_progress, this)

    def _show_progress(self, this: _Pull) -> None:
        this.shown_at, this.to_be_shown = time.monotonic(), False
        if this.state == "running":
            self.show()


def _share(done: int | None, total: int | None) -> float | None:
    return done / total if total and done is not None else None
