"""Streams an answer into the panel: finished blocks are sent once, only the live tail is sent again.

The first piece is sent immediately, then about ten messages a second, fewer if the tail is long and little of it is
new; rendering may take only part of the time.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from ..events import Notice, Progress, Restart, Text, Thinking, ToolRequest, ToolResult
from ..render.blocks import Splitter
from ..render.bundle import body_html, tail_html
from ..render.footer import progress_line, rate_line
from ..render.pace import drawn_next
from ..render.text import ControlFilter, clean, one_line
from .turns import live_form

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..errors import OllamaMagicError
    from ..events import Answer, Event
    from ..render.blocks import Chunk
    from .turns import Entry

__all__ = ["Streaming"]

_PATIENCE_S: Final = 0.4
"""After this time new text is shown at any cost."""
_WORTH: Final = 24
"""Until then, the most characters of tail HTML that are sent for each new character of text."""
_THINKING_SHOWN: Final = 400
_MAX_LIVE: Final = 400_000
"""Characters; the text beyond is shown when the answer is complete."""
_VERY_LONG: Final = "This is a very long answer: the rest of it is shown when it is whole."


class Streaming:
    """A View of `render`: fills an entry, and sends what is new through `post`."""

    def __init__(
        self,
        entry: Entry,
        form: str,
        post: Callable[[dict[str, Any]], None],
        ended: Callable[[Answer, OllamaMagicError | None], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._entry, self._form, self._post, self._ended, self._clock = entry, live_form(form), post, ended, clock
        self._splitter = Splitter(growth=0, lines=self._form != "markdown")
        self._filter = ControlFilter()
        self._chunks: list[Chunk] = []
        self._restarted = False
        self._thoughts = ""
        self._words = 0
        self._pieces = 0
        self._unsent = 0
        self._first = self._latest = 0.0
        self._waiting: tuple[Progress, float] | None = (Progress("waiting"), clock())
        self._begun = False  # something of the answer was sent
        self._next = self._last = 0.0
        self._last_size = 0
        self._changed = True

    def show(self, events: Sequence[Event]) -> None:
        """Take in new events, none for a clock tick, and send an update if it is due."""
        now = self._clock()
        for event in events:
            self._take(event, now)
        if self._is_due(now):
            try:
                self._send(now)
            except Exception:  # shown at the end instead: a view that raises would be dropped
                self._chunks.clear()

    def finish(self, answer: Answer, error: OllamaMagicError | None = None) -> None:
        """Pass on the finished answer."""
        self._ended(answer, error)

    def _take(self, event: Event, now: float) -> None:
        self._changed = True
        if isinstance(event, Text):
            self._arrived(now, len(event.text))
            self._chunks += self._splitter.feed(self._filter.feed(event.text))
        elif isinstance(event, Thinking):
            self._arrived(now, len(event.text))
            joined = self._thoughts + event.text
            self._words += len(joined.split()) - len(self._thoughts.split())
            self._thoughts = joined[-_THINKING_SHOWN:] if len(joined) > 4 * _THINKING_SHOWN else joined
        elif isinstance(event, Notice):
            self._entry.notices.append(one_line(event.text, 400))
        elif isinstance(event, Progress):
            since = self._waiting[1] if self._waiting and self._waiting[0].phase == event.phase else now
            self._waiting = event, since
        elif isinstance(event, ToolRequest | ToolResult):
            self._waiting = Progress("calling a tool" if isinstance(event, ToolRequest) else "reading the result"), now
        elif isinstance(event, Restart):
            self._splitter = Splitter(growth=0, lines=self._form != "markdown")
            self._chunks.clear()
            self._restarted = True
            self._entry.notices.append(one_line(event.reason, 400))

    def _arrived(self, now: float, size: int) -> None:
        if not self._pieces:
            self._first = now
        self._pieces += 1
        self._latest = now
        self._waiting = None
        self._unsent += size

    def _is_due(self, now: float) -> bool:
        if self._pieces and not self._begun:
            return True
        if now < self._next:
            return False
        if not self._changed:  # only the clock has moved
            return now >= self._last + 1 and self._phase(now) != self._entry.phase
        return self._unsent * _WORTH >= self._last_size or now >= self._last + _PATIENCE_S

    def _phase(self, now: float) -> str:
        if self._waiting is not None:
            return progress_line(self._waiting[0], now - self._waiting[1])
        return rate_line(self._pieces, self._latest - self._first, now - self._latest)

    def _send(self, now: float) -> None:
        begun, entry = self._clock(), self._entry
        if self._splitter.length <= _MAX_LIVE:
            done = "".join(body_html(chunk.markdown, self._form) for chunk in self._chunks)
            tail = tail_html(self._splitter.tail, self._form)
        else:
            done, tail = "", ""
            if _VERY_LONG not in entry.notices:
                entry.notices.append(_VERY_LONG)
        delta = {
            "done_html": done,
            "tail_html": tail,
            "thinking": {"words": self._words, "tail": clean(self._thoughts[-_THINKING_SHOWN:])},
            "phase": self._phase(now),
            "notices": list(entry.notices),
            "restart": self._restarted,
        }
        self._chunks.clear()
        self._begun = bool(self._pieces)
        self._post(delta)
        self._last, self._last_size = now, len(tail)
        self._next = drawn_next(now, self._clock() - begun)
        self._unsent, self._changed, self._restarted = 0, False, False
