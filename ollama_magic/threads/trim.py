"""Trims a history to fit a context: the oldest turns are dropped first, never parts of a turn. Pure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..events import Message

__all__ = ["IMAGE_TOKENS", "fit", "message_tokens"]

IMAGE_TOKENS: Final = 768
"""The assumed cost of an image: between the 256 of gemma3 and the 1,600 of larger vision models."""

_FRAME_TOKENS: Final = 5
"""What a template adds around each message: role markers and line breaks."""


def message_tokens(message: Message, estimate: Callable[[str], int]) -> int:
    """The approximate number of tokens of a message, by an estimate for text."""
    calls = "".join(f"{call.name} {json.dumps(call.arguments, default=str)}" for call in message.tool_calls)
    text = message.content + message.thinking + calls
    return _FRAME_TOKENS + estimate(text) + IMAGE_TOKENS * len(message.images)


def fit(
    messages: Sequence[Message], budget: int, estimate: Callable[[str], int]
) -> tuple[tuple[Message, ...], tuple[Message, ...]]:
    """`messages` that fit into `budget` tokens, and those dropped: the oldest turns first, never parts of a turn.

    System messages and the last turn are kept even if they alone do not fit; the caller has to report that.
    """
    cost = [message_tokens(message, estimate) for message in messages]
    turns: list[list[int]] = []
    for number, message in enumerate(messages):
        if message.role == "system":
            continue
        if message.role == "user" or not turns:
            turns.append([])
        turns[-1].append(number)
    total = sum(cost)
    gone: set[int] = set()
    for turn in turns[:-1]:
        if total <= budget:
            break
        total -= sum(cost[number] for number in turn)
        gone.update(turn)
    kept = tuple(message for number, message in enumerate(messages) if number not in gone)
    return kept, tuple(messages[number] for number in sorted(gone))
