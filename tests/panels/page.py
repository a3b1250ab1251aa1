"""A page for a panel: says what a browser says, and keeps what a browser would show, by the same rules."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

from ollama_magic.panels.controller import Controller

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ollama_magic.session import Session

__all__ = ["Page"]

_PATIENCE_S = 10.0


class Page:
    """One view of a panel. A context manager: leaving it closes the panel."""

    def __init__(self, session: Session, **how: Any) -> None:
        self.messages: list[dict[str, Any]] = []
        self.turns: list[dict[str, Any]] = []
        """The turns as they are on the page, each whole or with what has arrived."""
        self._arrived = threading.Condition(threading.RLock())
        self._count = 0
        self.controller = Controller(session, self._take, **how)

    def __enter__(self) -> Page:
        self.say("hello")
        return self

    def __exit__(self, *_: object) -> None:
        self.controller.close()

    # ---- what a browser does -----------------------------------------------------------------------------------

    def say(self, word: str, buffers: Sequence[bytes] = (), **content: Any) -> dict[str, Any]:
        """Send a message; the error that came back, {} for none."""
        self._count += 1
        self.controller.take({"id": self._count, "view": "v1", "do": word, **content}, buffers)
        [ack] = [message for message in self.messages if message.get("ack") == self._count]
        assert ack["to"] == "v1"
        return dict(ack.get("error", {}))

    def shown(self, word: str) -> dict[str, Any]:
        """What was last shown of one kind."""
        with self._arrived:
            return next(message for message in reversed(self.messages) if message.get("show") == word)

    def until(self, holds: Callable[[Page], bool]) -> None:
        """Wait until that is on the page."""
        with self._arrived:
            assert self._arrived.wait_for(lambda: holds(self), _PATIENCE_S), self.messages[-5:]

    def count(self, word: str) -> int:
        """How many messages of one kind came."""
        with self._arrived:
            return sum(message.get("show") == word for message in self.messages)

    def ask(self, prompt: str, buffers: Sequence[bytes] = (), **more: Any) -> dict[str, Any]:
        """Send a question and wait for the end of its answer; the turn."""
        assert self.say("send", buffers, prompt=prompt, **more) == {}
        return self.ended()

    def ended(self) -> dict[str, Any]:
        """The last turn, when it has ended and the panel can go on."""
        self.until(lambda page: bool(page.turns) and page.turns[-1]["can_retry"])
        return self.turns[-1]

    def raw(self) -> str:
        """All that was ever sent, as text."""
        with self._arrived:
            return json.dumps(self.messages)

    # ---- what a browser shows ----------------------------------------------------------------------------------

    def _take(self, message: dict[str, Any]) -> None:
        message = json.loads(json.dumps(message, allow_nan=False))
        with self._arrived:
            self.messages.append(message)
            word = message.get("show")
            if word == "conversation":
                assert message["keep"] <= len(self.turns)
                self.turns[message["keep"] :] = message["turns"]
                assert len(self.turns) <= message["total"]
            elif word == "turn":
                [at] = [at for at, turn in enumerate(self.turns) if turn["id"] == message["turn"]["id"]]
                self.turns[at] = message["turn"]
            elif word == "delta":
                for turn in self.turns:
                    if turn["id"] == message["turn"]:
                        kept = "" if message["restart"] else turn["html"]
                        turn.update(html=kept + message["done_html"], tail_html=message["tail_html"])
                        turn.update(phase=message["phase"], thinking=message["thinking"])
            self._arrived.notify_all()
