"""The panel without its widget: messages from the browser in, messages to it out, and the state in between.

Messages are handled in the kernel's main thread, or in another one while a cell runs; no handler waits for a server.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, Protocol

from ..errors import OllamaMagicError, SettingsError
from ..render.text import one_line
from .choosing import Choosing
from .connection import Connection
from .conversation import Conversation
from .offering import cells_of, file_of, variables_of
from .outlet import FieldError, Outlet, error_of, text_of
from .parameters import Parameters
from .pulling import Pulls

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from concurrent.futures import Future

    from ..session import Session
    from .turns import Entry

__all__ = ["Controller", "Keeper"]

_GRACE_S: Final = 3.0
"""How long there may be no view before everything stops: a view that is moved disappears briefly."""


class Keeper(Protocol):
    """Saves the conversation in the notebook; see `saving`."""

    def keep(self, entries: Sequence[Entry]) -> None: ...
    def meet(self, view: str) -> None: ...
    def leave_to(self, view: str) -> None: ...
    def close(self) -> None: ...


class Controller:
    """Everything that a panel can do. Pass the browser's messages to `take`; it answers through `send`."""

    def __init__(
        self,
        session: Session,
        send: Callable[[dict[str, Any]], None],
        namespace: Callable[[], Mapping[str, Any]] = dict,
        about: Mapping[str, Any] | None = None,
        keeper: Callable[[Outlet], Keeper] | None = None,
        grace_s: float = _GRACE_S,
    ) -> None:
        self._session, self._namespace, self._about = session, namespace, dict(about or {})
        self.outlet = Outlet(send)
        self._keeper = keeper(self.outlet) if keeper is not None else None
        self.connection = Connection(session, self.outlet, lambda: self.choosing.refresh({}))
        self.parameters = Parameters(session, self.outlet)
        self.choosing = Choosing(session, self.outlet)
        self.pulls = Pulls(session, self.outlet)
        self.conversation = Conversation(session, self.outlet, namespace, self._said)
        self._views: set[str] = set()
        self._grace_s = grace_s
        self._going: Future[None] | None = None
        session.listen(self._changed)
        self._words: dict[str, Callable[[dict[str, Any], Sequence[Any]], None]] = {
            "hello": self._hello,
            "gone": self._gone,
            "here": self._here,
            "keeps": self._keeps,
            "connect": lambda message, _: self.connection.connect(message),
            "key": lambda message, _: self.connection.key(message),
            "forget_key": lambda message, _: self.connection.forget_key(message),
            "test": lambda message, _: self.connection.test(message),
            "refresh": lambda message, _: self.choosing.refresh(message),
            "use": lambda message, _: self.choosing.use(message),
            "set": lambda message, _: self.parameters.set(message),
            "pull": lambda message, _: self.pulls.pull(message),
            "pull_stop": lambda message, _: self.pulls.stop(message),
            "thread": lambda message, _: self.conversation.go_to(message),
            "send": self.conversation.send,
            "stop": lambda message, _: self.conversation.stop(),
            "clear": lambda message, _: self.conversation.clear(),
            "retry": lambda message, _: self.conversation.retry(message),
            "edit": lambda message, _: self.conversation.edit(message),
            "insert": self._insert,
            "export": self._export,
            "variables": self._variables,
        }
        self._keep()  # what the thread already contains

    # ---- messages from the browser -----------------------------------------------------------------------------

    def take(self, message: Any, buffers: Sequence[Any] = ()) -> None:
        """Do what a message asks, and acknowledge it. Never raises: errors are in the acknowledgement."""
        if not isinstance(message, dict) or self.outlet.closed:
            return
        view = text_of(message, "view")
        ack: dict[str, Any] = {"ack": message.get("id"), "to": view}
        try:
            word = self._words.get(text_of(message, "do"))
            if word is None:
                raise SettingsError("The panel cannot do that", hint="Run this cell again: it may be an older panel.")
            word(message, buffers)
        except FieldError as error:
            ack["error"] = {**error_of(error.why), "field": error.field}
        except OllamaMagicError as error:
            ack["error"] = error_of(error)
        except Exception as error:  # a bug of ours; its text may contain user input, so only its type is shown
            message_ = f"The panel failed: {type(error).__name__}"
            ack["error"] = {"message": message_, "hint": "Please report it. Run this cell again to go on."}
        self.outlet.raw(ack)

    def _hello(self, message: dict[str, Any], buffers: Sequence[Any]) -> None:
        view = text_of(message, "view")
        self._views.add(view)
        if self._keeper is not None:
            self._keeper.meet(view)
        self.outlet.post("panel", view, **self._about)
        for part in (self.connection, self.parameters, self.choosing, self.pulls, self.conversation):
            part.show(view)
        self.choosing.ask_once()

    def _gone(self, message: dict[str, Any], buffers: Sequence[Any]) -> None:
        # A page that is reloaded drops its views without a message, so the remaining views are asked.
        self._views.clear()
        self.outlet.post("who")
        if self._going is None:
            self._going = self.outlet.start(self._stop_unless_seen())

    def _here(self, message: dict[str, Any], buffers: Sequence[Any]) -> None:
        self._views.add(text_of(message, "view"))

    def _keeps(self, message: dict[str, Any], buffers: Sequence[Any]) -> None:
        if self._keeper is not None:
            self._keeper.leave_to(text_of(message, "view"))

    async def _stop_unless_seen(self) -> None:
        await asyncio.sleep(self._grace_s)
        self._going = None
        if not self._views:
            self.conversation.stop()
            self.pulls.stop_all()

    def _insert(self, message: dict[str, Any], buffers: Sequence[Any]) -> None:
        entry = self.conversation.find(message)
        cells = cells_of(entry.text, text_of(message, "as"))
        self.outlet.post("cells", text_of(message, "view"), turn=entry.id, cells=cells)

    def _export(self, message: dict[str, Any], buffers: Sequence[Any]) -> None:
        file = file_of(self._session, self.conversation.name, text_of(message, "form"))
        self.outlet.post("file", text_of(message, "view"), **file)

    def _variables(self, message: dict[str, Any], buffers: Sequence[Any]) -> None:
        self.outlet.post("variables", text_of(message, "view"), variables=variables_of(self._namespace()))

    # ---- changes -----------------------------------------------------------------------------------------------

    def _changed(self, what: str, name: str) -> None:
        """The session was changed: here, by a cell, or by another panel."""
        if self.outlet.closed:
            return
        if what == "settings":
            self.connection.settings_changed()
            self.parameters.show()
            self.choosing.show()
        elif what == "models":
            self.choosing.refresh({})
        elif what == "threads":
            if name == self.conversation.name:
                self.conversation.sync()
                self._keep()
            self.conversation.show_threads()

    def _said(self) -> None:
        """A turn has ended here, or other turns are shown."""
        self.conversation.show_threads()
        self._keep()

    def _keep(self) -> None:
        if self._keeper is not None:
            ended = [entry for entry in self.conversation.entries if not entry.running]
            self._keeper.keep(ended)

    # ---- closing -----------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Stop everything, wait briefly for the answer's connection to be closed, and send nothing more."""
        if self.outlet.closed:
            return
        self.conversation.close()
        if self._keeper is not None:
            self._keeper.close()
        self.outlet.post("closed")
        self.outlet.close()

    def __repr__(self) -> str:
        state = "closed" if self.outlet.closed else "open"
        return f"Panel({state}, thread {one_line(self.conversation.name)})"
