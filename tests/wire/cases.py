"""Whole response bodies of both surfaces with the events they mean: recorded, and derived for servers not at hand.

The files in `recorded/` are bodies of Ollama v0.33.0-rc2 with a small model, byte for byte after the transfer coding;
the request is the file's name. The derived ones follow other versions and other servers, named at each.
"""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ollama_magic.errors import Incomplete, OllamaMagicError, ServerError
from ollama_magic.events import Done, Event, Text, Thinking, ToolRequest
from ollama_magic.wire.failures import Target
from ollama_magic.wire.framing import Framer
from ollama_magic.wire.native import NativeDecoder
from ollama_magic.wire.openai import OpenAIDecoder

if TYPE_CHECKING:
    from collections.abc import Iterable

RECORDED = Path(__file__).parent / "recorded"
TARGET = Target("POST", "http://localhost:11434/api/chat", "smollm2:135m")
DECODERS = {"native": NativeDecoder, "openai": OpenAIDecoder}


@dataclass(frozen=True)
class Case:
    """A body and what it means; `failure` is the error's type, `reason` that of Done."""

    name: str
    surface: str
    body: bytes
    text: str = ""
    thinking: str = ""
    calls: tuple[tuple[str, dict[str, Any]], ...] = ()
    reason: str = "stop"
    tokens: tuple[int | None, int | None] = (None, None)
    failure: type[OllamaMagicError] | None = None

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Outcome:
    """What came of a body."""

    events: list[Event]
    failure: OllamaMagicError | None

    @property
    def text(self) -> str:
        return "".join(event.text for event in self.events if isinstance(event, Text))

    @property
    def thinking(self) -> str:
        return "".join(event.text for event in self.events if isinstance(event, Thinking))

    @property
    def calls(self) -> tuple[tuple[str, dict[str, Any]], ...]:
        requests = [event for event in self.events if isinstance(event, ToolRequest)]
        return tuple((call.name, dict(call.arguments)) for request in requests for call in request.calls)

    @property
    def done(self) -> Done | None:
        found = [event for event in self.events if isinstance(event, Done)]
        assert len(found) <= 1
        assert not found or self.events[-1] is found[0]
        return found[0] if found else None


def pieces(body: bytes, cuts: Iterable[int]) -> list[bytes]:
    """`body` cut at the places `cuts`."""
    places = [0, *sorted({cut for cut in cuts if 0 < cut < len(body)}), len(body)]
    return [body[start:end] for start, end in itertools.pairwise(places)]


def decode(surface: str, chunks: Iterable[bytes]) -> Outcome:
    """What the chunks of one body come to, as the client reads them."""
    framer, decoder = Framer(), DECODERS[surface](TARGET)
    events: list[Event] = []
    for chunk in chunks:
        events += decoder.feed(framer.feed(chunk))
    events += decoder.feed(framer.close())
    events += decoder.close()
    return Outcome(events, framer.failure or decoder.failure)


def ndjson(*objects: Any) -> bytes:
    return b"".join(json.dumps(obj, separators=(",", ":")).encode() + b"\n" for obj in objects)


def sse(*objects: Any, done: bool = True) -> bytes:
    lines = b"".join(b"data: " + json.dumps(obj, separators=(",", ":")).encode() + b"\n\n" for obj in objects)
    return lines + (b"data: [DONE]\n\n" if done else b"")


def chunk(delta: dict[str, Any], finish: Any = None, **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "model": "m", "choices": [choice], **more}


def said(content: str, done: bool = False, **more: Any) -> dict[str, Any]:
    return {"model": "m", "message": {"role": "assistant", "content": content}, "done": done, **more}


def call_piece(
    index: int | None, arguments: Any, name: str | None = None, identity: str | None = None
) -> dict[str, Any]:
    function = {"arguments": arguments} | ({"name": name} if name else {})
    piece: dict[str, Any] = {"type": "function", "function": function}
    return piece | ({"id": identity} if identity else {}) | ({"index": index} if index is not None else {})


def recorded(name: str) -> bytes:
    return next(RECORDED.glob(f"{name}.*")).read_bytes()


_HELLO = "Hello, welcome to my little corner of the world."
_WEATHER = (("get_weather", {"city": "Oslo"}),)
_SPACES = " x" * 30

NATIVE = [
    Case("recorded stream", "native", recorded("chat_stream"), _HELLO, tokens=(36, 12)),
    Case("recorded whole", "native", recorded("chat_nostream"), _HELLO, tokens=(36, 12)),
    Case(
        "recorded logprobs",
        "native",
        recorded("chat_logprobs_stream"),
        "Hello, welcome to my little",
        reason="length",
        tokens=(36, 6),
    ),
    Case(
        "recorded generate",
        "native",
        recorded("generate_stream"),
        "Hello there, welcome to my little corner of the world. I'm here to help you with whatever you need. What",
        reason="length",
        tokens=(33, 24),
    ),
    Case("recorded preload", "native", recorded("preload_chat"), reason="load"),
    Case(
        "recorded thinking", "native", recorded("think_chat_stream"), "Italy.", "It is a major city.", tokens=(101, 12)
    ),
    Case(
        "recorded thinking, whole",
        "native",
        recorded("think_chat_nostream"),
        "Italy.",
        "It is a major city.",
        tokens=(101, 12),
    ),
    Case("recorded tool call", "native", recorded("tools_chat_stream"), calls=_WEATHER, tokens=(249, 29)),
    Case("recorded tool call, whole", "native", recorded("tools_chat_nostream"), calls=_WEATHER, tokens=(249, 29)),
    Case(
        "recorded error in the middle",
        "native",
        recorded("midstream_kill_chat_stream"),
        "Once upon a time, in a land far away",
        failure=ServerError,
    ),
    Case(
        "recorded repeat abort, whole without done",
        "native",
        recorded("token_repeat_chat_nostream"),
        '"x' + _SPACES,
        failure=Incomplete,
    ),
    Case("as events", "native", sse(said("a"), said("b", True), done=False), "ab"),
    Case("as events with a mark at the end", "native", sse(said("a"), said("b")), "ab"),
    Case("without a message at the end (2023)", "native", ndjson(said("a"), {"model": "m", "done": True}), "a"),
    Case("done_reason without done", "native", ndjson(said("a"), said("", done_reason="length")), "a", reason="length"),
    Case(
        "done_reason first, then done with counts",
        "native",
        ndjson(said("a", done_reason="length"), said("", True, eval_count=3)),
        "a",
        reason="length",
        tokens=(None, 3),
    ),
    Case("empty done_reason is no end", "native", ndjson(said("a", done_reason="")), "a", failure=Incomplete),
    Case(
        "text and calls with done",
        "native",
        ndjson(
            {
                "message": {
                    "content": "a",
                    "tool_calls": [
                        {"function": {"name": "f", "arguments": '{"x": 1}'}},
                        {"name": "g", "arguments": None},
                    ],
                },
                "done": True,
            }
        ),
        "a",
        calls=(("f", {"x": 1}), ("g", {})),
    ),
    Case("content null", "native", ndjson({"message": {"content": None, "thinking": None}}, said("a", True)), "a"),
    Case("an array around it", "native", json.dumps([said("a"), said("b", True)], indent=1).encode(), "ab"),
    Case(
        "error object after text, no newline",
        "native",
        ndjson(said("a")) + b'{"StatusCode":500,"Status":"500","error":"boom"}',
        "a",
        failure=ServerError,
    ),
    Case("cut inside an object", "native", ndjson(said("a")) + ndjson(said("bcd"))[:30], "a", failure=Incomplete),
    Case("cut inside the first object", "native", ndjson(said("bcd"))[:30], failure=Incomplete),
    Case("nothing", "native", b"", failure=Incomplete),
    Case("only the mark", "native", b"data: [DONE]\n\n", failure=Incomplete),
    Case("a page", "native", b"<html><head><title>Log in</title></head>\n<body>\n</body></html>", failure=ServerError),
    Case("another program's object", "native", b'{"detail": "Not Found"}', failure=ServerError),
    Case(
        "chunk framing that leaked",
        "native",
        b"5f\r\n" + ndjson(said("a")) + b"\r\n60\r\n" + ndjson(said("", True)),
        "a",
    ),
    Case(
        "half characters",
        "native",
        ndjson(said("\ud83d"), said("\ude00 \ud83d"), said("x\ud83d", True)),
        "\U0001f600 \ufffdx\ufffd",
    ),
]

OPENAI = [
    Case("recorded stream", "openai", recorded("v1_stream"), _HELLO),
    Case("recorded stream with usage", "openai", recorded("v1_stream_usage"), _HELLO, tokens=(36, 12)),
    Case("recorded whole", "openai", recorded("v1_nostream"), _HELLO, tokens=(36, 12)),
    Case("recorded logprobs", "openai", recorded("v1_logprobs_stream"), "Hello, welcome to my little", reason="length"),
    Case(
        "recorded logprobs, whole",
        "openai",
        recorded("v1_logprobs_nostream"),
        "Hello, welcome to my little",
        reason="length",
        tokens=(36, 6),
    ),
    Case(
        "recorded completions, zero usage first",
        "openai",
        recorded("v1_completions_stream_usage"),
        "Hello! I'shine. I",
        reason="length",
        tokens=(31, 8),
    ),
    Case("recorded thinking", "openai", recorded("think_v1_stream"), "Italy.", "It is a major city.", tokens=(101, 12)),
    Case(
        "recorded thinking, whole",
        "openai",
        recorded("think_v1_nostream"),
        "Italy.",
        "It is a major city.",
        tokens=(101, 12),
    ),
    Case(
        "recorded tool call",
        "openai",
        recorded("tools_v1_stream"),
        calls=_WEATHER,
        reason="tool_calls",
        tokens=(249, 29),
    ),
    Case(
        "recorded tool call, whole",
        "openai",
        recorded("tools_v1_nostream"),
        calls=_WEATHER,
        reason="tool_calls",
        tokens=(249, 29),
    ),
    Case("recorded empty answer", "openai", recorded("v1_oversize")),
    Case(
        "recorded error that /v1 swallows",
        "openai",
        recorded("midstream_kill_v1_stream_usage"),
        "Once upon a time, in a land far away",
        failure=ServerError,
    ),
    Case(
        "recorded repeat abort, whole without a finish",
        "openai",
        recorded("token_repeat_v1_nostream"),
        '"x' + _SPACES,
        failure=Incomplete,
    ),
    Case(
        "finish on the last piece (before v0.32.6)",
        "openai",
        sse(chunk({"role": "assistant", "content": "a"}), chunk({"role": "assistant", "content": "b"}, "stop")),
        "ab",
    ),
    Case('finish "" is no end (2024)', "openai", sse(chunk({"content": "a"}, ""), done=False), "a", failure=Incomplete),
    Case('finish "" all along, then the mark', "openai", sse(chunk({"content": "a"}, "")), "a"),
    Case(
        "no mark after the finish",
        "openai",
        sse(chunk({"content": "a"}), chunk({}, "length"), done=False),
        "a",
        reason="length",
    ),
    Case(
        "llama.cpp",
        "openai",
        sse(
            chunk({"role": "assistant", "content": None}),
            chunk({"reasoning_content": "hm"}),
            chunk({"content": "a"}),
            chunk({}, "stop"),
            {
                "choices": [],
                "usage": {
                    "prompt_tokens": 9,
                    "completion_tokens": 2,
                    "total_tokens": 11,
                    "prompt_tokens_details": {"cached_tokens": 4},
                },
                "timings": {"cache_n": 4, "prompt_n": 5, "prompt_ms": 20.5, "predicted_n": 2, "predicted_ms": 10.0},
            },
        ),
        "a",
        "hm",
        tokens=(9, 2),
    ),
    Case(
        "llama.cpp without usage",
        "openai",
        sse(chunk({"content": "a"}), chunk({}, "stop", timings={"cache_n": 4, "prompt_n": 5, "predicted_n": 2})),
        "a",
        tokens=(9, 2),
    ),
    Case(
        "usage that grows with each chunk",
        "openai",
        sse(
            chunk({"content": "a"}, usage={"prompt_tokens": 3, "completion_tokens": 1}),
            chunk({"content": "b"}, "stop", usage={"prompt_tokens": 3, "completion_tokens": 2}),
        ),
        "ab",
        tokens=(3, 2),
    ),
    Case(
        "a call in pieces",
        "openai",
        sse(
            chunk({"tool_calls": [call_piece(0, "", "f", "c1")]}),
            chunk({"tool_calls": [call_piece(0, '{"x"')]}),
            chunk({"tool_calls": [call_piece(1, "", "g", "c2")]}),
            chunk({"tool_calls": [call_piece(0, ": 1}")]}),
            chunk({"tool_calls": [call_piece(1, '{"y": [2]}')]}),
            chunk({}, "tool_calls"),
        ),
        calls=(("f", {"x": 1}), ("g", {"y": [2]})),
        reason="tool_calls",
    ),
    Case(
        "two calls under one index",
        "openai",
        sse(
            chunk(
                {"tool_calls": [call_piece(0, '{"x":1}', "f", "c1"), call_piece(0, '{"x":2}', "f", "c2")]}, "tool_calls"
            )
        ),
        calls=(("f", {"x": 1}), ("f", {"x": 2})),
        reason="tool_calls",
    ),
    Case(
        "calls without index or id",
        "openai",
        sse(chunk({"tool_calls": [call_piece(None, {"x": 1}, "f"), call_piece(None, {"x": 2}, "f")]}, "tool_calls")),
        calls=(("f", {"x": 1}), ("f", {"x": 2})),
        reason="tool_calls",
    ),
    Case(
        "a call that broke off is not given",
        "openai",
        sse(chunk({"tool_calls": [call_piece(0, '{"x"', "f", "c1")]}), done=False),
        failure=Incomplete,
    ),
    Case("content in parts", "openai", sse(chunk({"content": [{"type": "text", "text": "a"}]}, "stop")), "a"),
    Case(
        "error as event",
        "openai",
        sse(chunk({"content": "a"}), done=False) + b'event: error\ndata: {"message": "boom"}\n\n',
        "a",
        failure=ServerError,
    ),
    Case(
        "error as data",
        "openai",
        sse(chunk({"content": "a"}), {"error": {"code": 500, "message": "boom"}}),
        "a",
        failure=ServerError,
    ),
    Case(
        "error as a field (llama.cpp, 2025)",
        "openai",
        sse(chunk({"content": "a"}), done=False) + b'error: {"code":500,"message":"boom","type":"server_error"}\n\n',
        "a",
        failure=ServerError,
    ),
    Case('finish "error"', "openai", sse(chunk({"content": "a"}), chunk({}, "error")), "a", failure=ServerError),
    Case(
        "swallowed error and yet a mark",
        "openai",
        sse(chunk({"content": "a"}), chunk({"content": ""}, model="")),
        "a",
        failure=ServerError,
    ),
    Case(
        "an empty model name in a good answer",
        "openai",
        sse(chunk({"content": ""}, model=""), chunk({"content": "a"}, model=""), chunk({}, "stop", model="")),
        "a",
    ),
    Case("error null", "openai", sse(chunk({"content": "a"}, "stop", error=None)), "a"),
    Case("only the mark", "openai", b"data: [DONE]\n\n", failure=Incomplete),
    Case("a page", "openai", b"<!DOCTYPE html><h1>502 Bad Gateway</h1>", failure=ServerError),
    Case("plain text", "openai", b"upstream connect error", failure=ServerError),
    Case("without blank lines", "openai", sse(chunk({"content": "a"}), chunk({}, "stop")).replace(b"\n\n", b"\n"), "a"),
    Case(
        "with CRLF and comments",
        "openai",
        b": ping\r\nid: 1\r\nretry: 5\r\n" + sse(chunk({"content": "a"}), chunk({}, "stop")).replace(b"\n", b"\r\n"),
        "a",
    ),
    Case(
        "another choice",
        "openai",
        sse({"choices": [{"index": 1, "delta": {"content": "z"}}]}, chunk({"content": "a"}, "stop")),
        "a",
    ),
]

CASES = NATIVE + OPENAI
