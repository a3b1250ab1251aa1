"""A comparison outside of notebooks: a line of progress and then the answers side by side in a terminal, else as text.

A terminal cannot scroll back in columns that stream, so only the line of progress is live.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, TextIO

from rich.live import Live
from rich.text import Text as RichText

from ollama_magic.events import Text, Thinking
from ollama_magic.render.columns import columns_rich, columns_text
from ollama_magic.render.footer import seconds
from ollama_magic.render.pace import drawn_next
from ollama_magic.render.plain import write_text
from ollama_magic.render.terminal import console_for

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rich.console import Console

    from ollama_magic.events import Answer, Event
    from ollama_magic.render.columns import Columns

__all__ = ["PlainRace", "TerminalRace"]


class TerminalRace:
    """The view of a terminal."""

    def __init__(
        self,
        board: Columns,
        *,
        once: bool = False,
        console: Console | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._console = console if console is not None else console_for()
        self._once, self._clock = once, clock
        self._tokens = [0] * len(board.columns)
        self._over = [False] * len(board.columns)
        self._begun = clock()
        self._next = 0.0
        self._live: Live | None = None

    def show(self, batch: Sequence[tuple[int, Event]]) -> None:
        """Count the tokens that arrived, and repaint if it is time to."""
        try:
            for number, event in batch:
                self._tokens[number] += isinstance(event, Text | Thinking)
            now = self._clock()
            if self._once or now < self._next or not self._console.is_terminal:
                return
            if self._live is None:
                self._live = Live(console=self._console, transient=True, auto_refresh=False)
                self._live.start()
            self._live.update(RichText(self._line(now), style="dim"), refresh=True)
            self._next = drawn_next(now, self._clock() - now)
        except BaseException:
            # Also for an interrupt: a live display left running would keep the cursor hidden.
            self._stop()
            raise

    def end(self, number: int, answer: Answer, error: str) -> None:
        """One answer has ended."""
        self._over[number] = True

    def finish(self, board: Columns) -> None:
        """Print all answers."""
        self._stop()
        self._console.print(columns_rich(board, self._console.width))

    def _line(self, now: float) -> str:
        begun = sum(1 for tokens, over in zip(self._tokens, self._over, strict=True) if tokens or over)
        waited = seconds(now - self._begun)
        return f"{sum(self._over)} of {len(self._over)} done, {begun} begun · {sum(self._tokens):,} tokens · {waited}"

    def _stop(self) -> None:
        live, self._live = self._live, None
        if live is not None:
            live.stop()


class PlainRace:
    """The view of a script: all answers at the end."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream if stream is not None else sys.stdout

    def show(self, batch: Sequence[tuple[int, Event]]) -> None:
        """Nothing is shown before the end."""

    def end(self, number: int, answer: Answer, error: str) -> None:
        """Nothing is shown before the end."""

    def finish(self, board: Columns) -> None:
        """Write all answers."""
        write_text(self._stream, columns_text(board) + "\n")
