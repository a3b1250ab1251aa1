"""Conversations by name, kept in memory: the history that is sent is what the notebook shows.

A turn belongs to the cell that asked it. Running the cell again replaces its turn and drops the turns that followed,
since they were based on the replaced one; several turns of one run of a cell (a loop) are all kept.
In a terminal there are no cells: each turn is appended, as the screen shows it, with one exception: the same question
directly after an answer that was stopped or cut off is a retry, and replaces that turn. After a complete answer it is
not: "another one", asked twice, is two turns.
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
    """A question and all replies to it: the model's messages and the results of its tools, as they were shown.

    `cell` is empty where there are no cells. `run` distinguishes runs of one cell. `reason` is that of the Answer.
    """

    user: Message
    replies: tuple[Message, ...] = ()
    cell: str = ""
    run: str = ""
    model: str = ""
    reason: str = "stop"

    @property
    def complete(self) -> bool:
        """Whether the answer was neither stopped nor cut off, and has replies."""
        return self.reason not in _UNFINISHED and bool(self.replies)

    @property
    def messages(self) -> tuple[Message, ...]:
        """The messages to send: none for a turn without an answer, and no tool call without its result."""
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
        """The existing threads, in the order in which they were started."""
        return list(self._turns)

    def turns(self, name: str) -> tuple[Turn, ...]:
        """All turns of a thread. Raises SettingsError if it does not exist."""
        return tuple(self._existing(name))

    def history(
        self, name: str, cell: str = "", *, prompt: str = "", run: str = "", thinking: bool = False
    ) -> tuple[Message, ...]:
        """What to send before a question asked in `cell`: the turns before its own; nothing for a new thread.

        `prompt` matters only without a cell; see above. The thinking of earlier answers is omitted unless `thinking`.
        """
        turns = self._turns.get(_checked(name), [])
        kept = turns[: _place(turns, cell, run, prompt)]
        messages = [message for turn in kept for message in turn.messages]
        return tuple(messages if thinking else (replace(each, thinking="") for each in messages))

    def record(self, name: str, turn: Turn, *, new: bool = False) -> Recorded:
        """Store a turn in its place: after those before it, replacing its cell's earlier one and all that followed.

        Call it once something was shown, even if the answer was stopped: until then the thread remains unchanged.
        With `new` the thread restarts with this turn.
        """
        turns = self._turns.setdefault(_checked(name), [])
        at = 0 if new else _place(turns, turn.cell, turn.run, turn.user.content)
        gone = turns[at:]
        turns[at:] = [turn]
        replaced = gone[0] if gone and not new else None
        self._changed(name)
        return Recorded(at + 1, replaced, len(gone) - (replaced is not None))

    def reset(self, name: str) -> tuple[Turn, ...]:
        """Delete a thread and return its turns. Raises SettingsError if it does not exist."""
        gone = self.turns(name)
        del self._turns[name]
        self._changed(name)
        return gone

    def put(self, name: str, turns: Iterable[Turn], *, overwrite: bool = False) -> None:
        """Store a complete thread. Raises SettingsError, changing nothing, if it exists and `overwrite` is not set."""
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
    """Do nothing: the default for `changed`."""


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise SettingsError(
            f"A thread cannot be called {name[:80]!r}",
            hint="Use up to 64 letters, digits, dots, dashes and underscores, such as `first-draft`.",
        )
    return name


def _place(turns: list[Turn], cell: str, run: str, prompt: str) -> int:
    """The index of a turn asked there: how many turns precede it."""
    if not cell:
        last = turns[-1] if turns else None
        again = last is not None and not last.cell and not last.complete and last.user.content == prompt
        return len(turns) - again
    same_run = [bool(run) and turn.run == run for turn in turns]
    earlier = (at for at, turn in enumerate(turns) if turn.cell == cell and not same_run[at])
    return next(earlier, len(turns))


def _closed(replies: tuple[Message, ...]) -> tuple[Message, ...]:
    """`replies` without a final tool call that was interrupted before all its results were there.

    Servers reject a call without a result.
    """
    for at in range(len(replies) - 1, -1, -1):
        message = replies[at]
        if message.role == "assistant":
            if len(replies) - at - 1 >= len(message.tool_calls):
                return replies
            said = (replace(message, tool_calls=()),) if message.content else ()
            return (*replies[:at], *said)
    return ()
