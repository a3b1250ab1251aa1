"""What of a history fits into a context: the oldest turns are left out first, each as a whole. Pure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..events import Message

__all__ = ["IMAGE_TOKENS", "fit", "message_tokens"]

IMAGE_TOKENS: Final = 768
"""What a picture is taken to cost: between the 256 of gemma3 and the 1,600 of larger vision models."""

_FRAME_TOKENS: Final = 5
"""What a template adds around each message: role marks and line ends."""


def message_tokens(message: Message, estimate: Callable[[str], int]) -> int:
    """About how many tokens a message costs, by an estimate for text."""
    calls = "".join(f"{call.name} {json.dumps(call.arguments, default=str)}" for call in message.tool_calls)
    text = message.content + message.thinking + calls
    return _FRAME_TOKENS + estimate(text) + IMAGE_TOKENS * len(message.images)


def fit(
    messages: Sequence[Message], budget: int, estimate: Callable[[str], int]
) -> tuple[tuple[Message, ...], tuple[Message, ...]]:
    """`messages` that fit into `budget` tokens, and those left out: the oldest turns first, each as a whole.

    System messages and the last turn are kept even where they alone do not fit; that is for the caller to tell.
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
