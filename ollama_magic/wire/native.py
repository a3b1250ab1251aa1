"""Ollama's native surface: /api/chat, and the responses of /api/generate.

Source: ollama docs/api.md, api/types.go (v0.33). The server omits fields that are zero; here absent means unknown.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ..events import Event, Message, Request, ToolCall, ToolRequest
from .calls import calls_of
from .decoding import Decoder, count, seconds

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["NativeDecoder", "encode_chat"]

_NANOSECOND = 1e-9
_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?", re.ASCII)
# Fields of the request that users give as if they were model options.
_TOP_LEVEL = ("truncate", "shift")


def encode_chat(request: Request, *, stream: bool = True) -> tuple[str, dict[str, Any]]:
    """The path and the JSON body of `request` on the native surface."""
    body: dict[str, Any] = {
        "model": request.model,
        "messages": [_message(message) for message in request.messages],
        "stream": stream,
    }
    options = {name: value for name, value in request.options.items() if value is not None}
    for name in _TOP_LEVEL:
        if name in options:
            body[name] = options.pop(name)
    if isinstance(options.get("stop"), str):
        options["stop"] = [options["stop"]]  # the server rejects a plain string
    if options:
        body["options"] = options
    if request.think is not None:
        body["think"] = request.think
    if request.format is not None:
        body["format"] = request.format if isinstance(request.format, str) else dict(request.format)
    if request.tools:
        body["tools"] = [dict(tool) for tool in request.tools]
    if request.keep_alive is not None:
        body["keep_alive"] = _keep_alive(request.keep_alive)
    if request.top_logprobs is not None:
        body["logprobs"] = True
        if request.top_logprobs:
            body["top_logprobs"] = request.top_logprobs
    return "/api/chat", body


def _message(message: Message) -> dict[str, Any]:
    result: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.thinking:
        result["thinking"] = message.thinking
    if message.images:
        result["images"] = [image.base64() for image in message.images]
    if message.tool_calls:
        result["tool_calls"] = [_call(index, call) for index, call in enumerate(message.tool_calls)]
    if message.tool_name:
        result["tool_name"] = message.tool_name
    if message.tool_call_id:
        result["tool_call_id"] = message.tool_call_id
    return result


def _call(index: int, call: ToolCall) -> dict[str, Any]:
    function = {"index": index, "name": call.name, "arguments": dict(call.arguments)}
    return {"id": call.id, "function": function} if call.id else {"function": function}


def _keep_alive(value: str | float) -> str | float:
    """A number is seconds; a string must be a Go duration, so a numeric string becomes a number."""
    if isinstance(value, str):
        value = value.strip()
        if not _NUMBER.fullmatch(value):
            return value
        value = float(value)
    return int(value) if value == int(value) else value


class NativeDecoder(Decoder):
    """Turns frames of /api/chat or /api/generate, streamed or not, of any version, into events.

    Tool calls arrive complete, in any chunk. `done: true` ends the answer; a `done_reason` without it does so when the
    stream ends.
    """

    def _object(self, value: dict[str, Any], events: list[Event]) -> None:
        message = value.get("message")
        if type(message) is dict:
            text = message.get("content")
            # Nearly every chunk has four fields, and two in the message: only a piece of text.
            if (
                type(text) is str
                and text
                and len(value) == 4
                and len(message) == 2
                and "role" in message
                and "created_at" in value
                and "model" in value
                and value.get("done") is False
            ):
                self._chunks += 1
                self._write(text, None, events)
                return
        elif "error" in value and self._is_error(value):
            self._fail(value, events)
            return
        else:
            message = value
            text = value.get("response")
            if not (isinstance(text, str) or "done" in value or "done_reason" in value):
                self._unknown(value)
                return
        self._chunks += 1
        done = value.get("done") is True
        thinking = message.get("thinking")
        if thinking and isinstance(thinking, str):
            self._think(thinking, events)
        if text and isinstance(text, str):
            self._write(text, value.get("logprobs"), events, thought=bool(thinking))
        elif not thinking and "logprobs" in value:
            self._write("", value["logprobs"], events)
        if "tool_calls" in message:
            calls = calls_of(message["tool_calls"])
            if calls:
                events.append(ToolRequest(calls))
        if "error" in value and self._is_error(value):
            self._fail(value, events)
        elif done or value.get("done_reason"):
            self._end(value, done, events)

    def _end(self, value: Mapping[str, Any], done: bool, events: list[Event]) -> None:
        self.finished = True
        reason = value.get("done_reason")
        if reason and isinstance(reason, str):
            self._reason = reason
        self._count(
            prompt_tokens=count(value.get("prompt_eval_count")),
            cached_tokens=count(value.get("prompt_eval_cached_count")),
            output_tokens=count(value.get("eval_count")),
            server_total_s=seconds(value.get("total_duration"), _NANOSECOND),
            server_load_s=seconds(value.get("load_duration"), _NANOSECOND),
            server_prompt_s=seconds(value.get("prompt_eval_duration"), _NANOSECOND),
            server_output_s=seconds(value.get("eval_duration"), _NANOSECOND),
        )
        if done:
            self._finish(events)
