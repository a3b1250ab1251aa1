"""Conversations by name, kept in memory: the history that is sent is what the notebook shows.

A turn belongs to the cell that asked it. Running the cell again replaces its turn and drops the turns that followed,
since they answered something that no longer stands there; several turns of one run of a cell (a loop) stay together.
In a terminal there is no cell: each turn is appended, as the screen shows it, with one exception. Asking the same
again right after an answer that was stopped or cut off is a second try, and replaces it. Not so after a whole answer:
"another one", twice, is two turns.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from ..errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ..events import Message

__all__ = ["Recorded", "Threads", "Turn"]

_NAME: Final = re.compile(r"\w[\w.-]{0,63}")
_UNFINISHED: Final = ("stopped", "incomplete")


@dataclass(frozen=True, slots=True)
class Turn:
    """A question with all that answered it: the model's messages and the results of its tools, as they were shown.

    `cell` is empty where there are no cells. `run` tells runs of one cell apart. `reason` is the Answer's.
    """

    user: Message
    replies: tuple[Message, ...] = ()
    cell: str = ""
    run: str = ""
    model: str = ""
    reason: str = "stop"

    @property
    def complete(self) -> bool:
        """Whether the server said that the answer is whole."""
        return self.reason not in _UNFINISHED and bool(self.replies)

    @property
    def messages(self) -> tuple[Message, ...]:
        """What to send of it: nothing of a turn without an answer, and no tool call without its result."""
        replies = _closed(self.replies)
        return (self.user, *replies) if replies else ()


@dataclass(frozen=True, slots=True)
class Recorded:
    """What recording a turn changed: the turn it `replaced`, if any, and how many that followed were `dropped`."""

    number: int
    replaced: Turn | None = None
    dropped: int = 0


class Threads:
    """Named conversations. Names are letters, digits, dots, dashes and underscores.

    `changed` is called with the name of a thread after each change to it.
    """

    def __init__(self, changed: Callable[[str], None] | None = None) -> None:
        self._turns: dict[str, list[Turn]] = {}
        self._changed = changed or _nobody

    def names(self) -> list[str]:
        """The threads that have turns, in the order in which they began."""
        return list(self._turns)

    def turns(self, name: str) -> tuple[Turn, ...]:
        """All turns of a thread. Raises SettingsError where there is no such thread."""
        return tuple(self._existing(name))

    def history(
        self, name: str, cell: str = "", *, prompt: str = "", run: str = "", thinking: bool = False
    ) -> tuple[Message, ...]:
        """What to send before a question asked in `cell`: the turns before its own; nothing for a thread not begun.

        `prompt` counts where there is no cell; see above. The reasoning of earlier answers is left out unless
        `thinking`.
        """
        turns = self._turns.get(_checked(name), [])
        kept = turns[: _place(turns, cell, run, prompt)]
        messages = [message for turn in kept for message in turn.messages]
        return tuple(messages if thinking else (replace(each, thinking="") for each in messages))

    def record(self, name: str, turn: Turn, *, new: bool = False) -> Recorded:
        """Keep a turn in its place: after those before it, and instead of its cell's earlier one and what followed.

        Record it once something was shown, also when it was stopped: until then the thread stays as it was.
        With `new` the thread begins with this turn.
        """
        turns = self._turns.setdefault(_checked(name), [])
        at = 0 if new else _place(turns, turn.cell, turn.run, turn.user.content)
        gone = turns[at:]
        turns[at:] = [turn]
        replaced = gone[0] if gone and not new else None
        self._changed(name)
        return Recorded(at + 1, replaced, len(gone) - (replaced is not None))

    def reset(self, name: str) -> tuple[Turn, ...]:
        """Forget a thread; what it had. Raises SettingsError where there is no such thread."""
        gone = self.turns(name)
        del self._turns[name]
        self._changed(name)
        return gone

    def put(self, name: str, turns: Iterable[Turn], *, overwrite: bool = False) -> None:
        """Bring in a whole thread. Raises SettingsError, changing nothing, where one of that name has turns."""
        if _checked(name) in self._turns and not overwrite:
            raise SettingsError(
                f"There is a thread {name!r} already, with {len(self._turns[name])} turns",
                hint=f"Give another name, or forget that one first: %ollama reset {name}",
            )
        self._turns[name] = list(turns)
        self._changed(name)

    def _existing(self, name: str) -> list[Turn]:
        if _checked(name) not in self._turns:
            there = f"There are: {', '.join(self._turns)}." if self._turns else "None has begun in this kernel."
            raise SettingsError(f"There is no thread {name!r}", hint=f"{there} Begin one with %%ollama -i {name}")
        return self._turns[name]


def _nobody(name: str) -> None:
    """Nobody listens."""


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise SettingsError(
            f"A thread cannot be called {name[:80]!r}",
            hint="Use up to 64 letters, digits, dots, dashes and underscores, such as `first-draft`.",
        )
    return name


def _place(turns: list[Turn], cell: str, run: str, prompt: str) -> int:
    """How many turns stand before one asked there."""
    if not cell:
        last = turns[-1] if turns else None
        again = last is not None and not last.cell and not last.complete and last.user.content == prompt
        return len(turns) - again
    same_run = [bool(run) and turn.run == run for turn in turns]
    earlier = (at for at, turn in enumerate(turns) if turn.cell == cell and not same_run[at])
    return next(earlier, len(turns))


def _closed(replies: tuple[Message, ...]) -> tuple[Message, ...]:
    """`replies` without a tool call at their end that was interrupted before all its results were there.

    Servers refuse a call that nothing answers.
    """
    for at in range(len(replies) - 1, -1, -1):
        message = replies[at]
        if message.role == "assistant":
            if len(replies) - at - 1 >= len(message.tool_calls):
                return replies
            said = (replace(message, tool_calls=()),) if message.content else ()
            return (*replies[:at], *said)
    return ()
