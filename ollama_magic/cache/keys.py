"""The identity of a request: a key that is the same for both API surfaces, all Python versions and machines. Pure.

A key is the SHA-256 of the request as canonical JSON, followed by a dot and a short hash of the model's digest if that
is known. Without a server the digest is unknown: a key without it finds the newest answer to the request.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from ..events import Message, Request

__all__ = ["Keys", "key_of", "request_part", "request_text"]

_VERSION: Final = 1
_DIGEST_LENGTH: Final = 16
_PLACE: Final = uuid.uuid4().hex
"""A placeholder that occurs in no request."""


def key_of(request: Request, digest: str = "") -> str:
    """The key of the answer to `request` by the model with `digest` ("" if unknown).

    What cannot change the answer is ignored: keep_alive, ids of tool calls, 1 or 1.0, the order of options. Images are
    identified by their bytes.
    """
    key = hashlib.sha256(request_text(request).encode("ascii")).hexdigest()
    return key + _mark_of(digest)


class Keys:
    """Keys of requests that differ only in the text of their last message: the same as `key_of` gives, but fast."""

    def __init__(self, request: Request, digest: str = "") -> None:
        before, after = request_text(_saying(request, _PLACE)).split(json.dumps(_PLACE))
        self._before, self._after = hashlib.sha256(before.encode("ascii")), after.encode("ascii")
        self._mark = _mark_of(digest)
        self._of_nothing = key_of(_saying(request, ""), digest)  # empty content is omitted from the JSON

    def of(self, content: str) -> str:
        """The key of the request with this content."""
        if not content:
            return self._of_nothing
        found = self._before.copy()
        found.update(json.dumps(content).encode("ascii"))
        found.update(self._after)
        return found.hexdigest() + self._mark


def _saying(request: Request, content: str) -> Request:
    return replace(request, messages=(*request.messages[:-1], replace(request.messages[-1], content=content)))


def _mark_of(digest: str) -> str:
    """The suffix of a key for the model's digest; "" if unknown."""
    known = digest.strip().lower().removeprefix("sha256:")
    return f".{hashlib.sha256(known.encode()).hexdigest()[:_DIGEST_LENGTH]}" if known else ""


def request_text(request: Request) -> str:
    """The request as canonical JSON in ASCII; its hash is the key."""
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
    return json.dumps(_canonical(body), sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def request_part(key: str) -> str:
    """The part of a key that identifies the request, without the model's digest."""
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
    """`value` in canonical form: 1.0 as 1, tuples as lists, any mapping as a dict with string keys."""
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
    # This could not be sent to a server either; a repr that may vary costs a miss, never a wrong answer.
    return repr(value)
