"""Recording and replaying the timed events of an answer, and their JSON rows. Pure except for the clock.

A row is `[seconds since the request, kind, ...]`. Start and Progress are not stored: they describe one run only.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final

from ..events import Done, Event, Notice, Stats, Text, Thinking, TokenProbability, ToolCall, ToolRequest

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence

__all__ = ["Recorder", "Timed", "is_whole", "read_rows", "replay", "rows_of"]

Timed = tuple[float, Event]
"""The seconds from the sending of the request to the arrival of an event, and the event."""

_NAMES: Final = tuple(each.name for each in fields(Stats))
_STATS: Final = frozenset(_NAMES)


class Recorder:
    """Records the events of one answer with their arrival times."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began = clock()
        self._events: list[Timed] = []

    def feed(self, event: Event) -> None:
        """Record one event."""
        self._events.append((self._clock() - self._began, event))

    @property
    def events(self) -> tuple[Timed, ...]:
        """The events so far."""
        return tuple(self._events)


async def replay(
    events: Sequence[Timed], *, pace: float = 0.0, sleep: Callable[[float], Awaitable[object]] = asyncio.sleep
) -> AsyncGenerator[Event, None]:
    """Replay the events: without pauses, or with the recorded pauses multiplied by `pace` (1.0: as recorded)."""
    at = 0.0
    for seconds, event in events:
        if pace > 0 and seconds > at:
            await sleep((seconds - at) * pace)
            at = seconds
        yield event


def is_whole(events: Sequence[Timed]) -> bool:
    """Whether the answer is complete: the server sent its end."""
    return any(isinstance(event, Done) for _, event in events)


# ---- rows ------------------------------------------------------------------------------------------------------


def rows_of(events: Sequence[Timed]) -> list[list[Any]]:
    """The rows of those events that are stored."""
    rows: list[list[Any]] = []
    for seconds, event in events:
        body = _row(event)
        if body is not None:
            rows.append([round(seconds, 4), *body])
    return rows


def _row(event: Event) -> list[Any] | None:
    if isinstance(event, Text):
        tokens = [_token_row(each) for each in event.probabilities]
        return ["text", event.text, tokens] if tokens else ["text", event.text]
    if isinstance(event, Thinking):
        return ["thinking", event.text]
    if isinstance(event, Notice):
        return ["notice", event.text]
    if isinstance(event, ToolRequest):
        return [
            "tools",
            [{"name": call.name, "arguments": dict(call.arguments), "id": call.id} for call in event.calls],
        ]
    if isinstance(event, Done):
        stats = event.stats
        return ["done", event.reason, {name: value for name in _NAMES if (value := getattr(stats, name)) is not None}]
    return None


def _token_row(token: TokenProbability) -> list[Any]:
    row = [token.token, token.logprob, [list(other) for other in token.alternatives]]
    return [*row, token.raw.hex()] if token.raw else row


def read_rows(rows: Any) -> tuple[Timed, ...]:
    """The events of `rows`. Raises ValueError, naming the row, if one is invalid."""
    if not isinstance(rows, list):
        raise ValueError("the events are no list")
    found: list[Timed] = []
    for number, row in enumerate(rows, start=1):
        try:
            seconds, kind, *body = row
            if not math.isfinite(seconds):  # a replay would sleep for that long
                raise ValueError("no time")
            found.append((float(seconds), _READERS[kind](*body)))
        except (TypeError, ValueError, KeyError, AttributeError, OverflowError):
            raise ValueError(f"event {number} is none: {str(row)[:60]}") from None
    return tuple(found)


def _read_text(text: Any, tokens: Any = ()) -> Text:
    return Text(_string(text), tuple(_read_token(*token) for token in tokens))


def _read_token(token: Any, logprob: Any, others: Any, raw: Any = "") -> TokenProbability:
    alternatives = tuple((_string(name), float(each)) for name, each in others)
    return TokenProbability(_string(token), float(logprob), alternatives, bytes.fromhex(_string(raw)))


def _read_tools(calls: Any) -> ToolRequest:
    if not isinstance(calls, list) or not all(isinstance(call["arguments"], Mapping) for call in calls):
        raise ValueError("no calls")
    return ToolRequest(
        tuple(ToolCall(_string(call["name"]), call["arguments"], _string(call.get("id", ""))) for call in calls)
    )


def _read_done(reason: Any, stats: Any) -> Done:
    known = {name: value for name, value in stats.items() if name in _STATS}
    if not all(isinstance(value, int | float) for value in known.values()):
        raise ValueError("no numbers")
    return Done(_string(reason), Stats(**known))


def _string(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("no text")
    return value


_READERS: Final[dict[str, Callable[..., Event]]] = {
    "text": _read_text,
    "thinking": lambda text: Thinking(_string(text)),
    "notice": lambda text: Notice(_string(text)),
    "tools": _read_tools,
    "done": _read_done,
}
