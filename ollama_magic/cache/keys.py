"""What makes two requests the same: one key for both surfaces, every Python version and every machine. Pure.

A key is the SHA-256 of the request as canonical JSON, and after a dot a short one of the model's digest where that is
known. Without a server nobody can tell the digest: a key without it finds the newest answer to the request.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from ..events import Message, Request

__all__ = ["key_of", "request_part"]

_VERSION: Final = 1
_DIGEST_LENGTH: Final = 16


def key_of(request: Request, digest: str = "") -> str:
    """The key of the answer to `request` by the model with `digest` ("" if unknown).

    What changes no answer does not count: keep_alive, ids of tool calls, 1 or 1.0, the order of options. Pictures
    count by their bytes.
    """
    body = {
        "version": _VERSION,
        "model": request.model,
        "messages": [_message(each) for each in request.messages],
        "options": {name: value for name, value in request.options.items() if value is not None},
        "think": request.think,
        "format": request.format,
        "tools": list(request.tools),
        "top_logprobs": request.top_logprobs,
    }
    text = json.dumps(_canonical(body), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    key = hashlib.sha256(text.encode("ascii")).hexdigest()
    known = digest.strip().lower().removeprefix("sha256:")
    return f"{key}.{hashlib.sha256(known.encode()).hexdigest()[:_DIGEST_LENGTH]}" if known else key


def request_part(key: str) -> str:
    """The part of a key that tells the request, without the model's digest."""
    return key.partition(".")[0]


def _message(message: Message) -> dict[str, Any]:
    body: dict[str, Any] = {
        "content": message.content,
        "thinking": message.thinking,
        "images": [hashlib.sha256(image.data).hexdigest() for image in message.images],
        "tool_calls": [{"name": call.name, "arguments": call.arguments} for call in message.tool_calls],
        "tool_name": message.tool_name,
    }
    return {"role": message.role, **{name: value for name, value in body.items() if value}}


def _canonical(value: Any) -> Any:
    """`value` with one form for what means the same: 1.0 as 1, tuples as lists, any mapping as a dict of texts."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return str(value)
    if isinstance(value, Mapping):
        return {str(name): _canonical(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_canonical(inner) for inner in value]
    # No server could be sent this either; a text that may differ costs a miss, never a wrong answer.
    return repr(value)
