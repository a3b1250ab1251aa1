"""What Ollama writes, byte for byte, in three ages of it. Pure: the fake server sends these.

    "2024"    before thinking, tool-call ids and usage chunks; `finish_reason` is "" until the end
    "0.32.5"  the role in every delta, `finish_reason` on a chunk that has a content
    "new"     exact OpenAI chunks: the role once, `finish_reason` on a chunk with an empty delta; cached counts

Source: ollama server/routes.go, openai/openai.go, middleware/openai.go at v0.33, and the changes since.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["Encoder", "GenerateEncoder", "NativeEncoder", "OpenAIEncoder", "Piece", "Shape", "encoder_for"]

Shape = Literal["2024", "0.32.5", "new"]

_WHEN = "2026-08-21T10:00:00.123456789Z"
_CREATED = 1787306400
_MS = 1_000_000


@dataclass(frozen=True)
class Piece:
    """One chunk of an answer: some text, some thinking or some tool calls (name, arguments)."""

    content: str = ""
    thinking: str = ""
    calls: tuple[tuple[str, dict[str, Any]], ...] = ()


class Encoder:
    """One answer being written: `piece` and `end` give the bytes of a stream, `whole` those of one object."""

    content_type = "application/x-ndjson"

    def __init__(self, request: dict[str, Any], shape: Shape, sse: bool) -> None:
        self.model = str(request.get("model", ""))
        self.request = request
        self.shape = shape
        self.sse = sse
        self.pieces: list[Piece] = []
        self.prompt_tokens = 11
        self.cached_tokens = 4
        if sse:
            self.content_type = "text/event-stream"

    def frame(self, value: object) -> bytes:
        """One object as this stream frames it."""
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        return (f"data: {text}\n\n" if self.sse else f"{text}\n").encode()

    def piece(self, piece: Piece) -> bytes:
        """A chunk."""
        self.pieces.append(piece)
        return self.frame(self.chunk(piece))

    def chunk(self, piece: Piece) -> dict[str, Any]:
        """A chunk as an object."""
        raise NotImplementedError

    def end(self, reason: str) -> bytes:
        """All that comes after the last piece."""
        raise NotImplementedError

    def error(self, text: str) -> bytes:
        """What a failure in the middle of a stream looks like."""
        raise NotImplementedError

    def whole(self, pieces: list[Piece], reason: str) -> dict[str, Any]:
        """The answer as one object, for a request that wanted no stream."""
        raise NotImplementedError

    def joined(self, pieces: list[Piece]) -> Piece:
        """All pieces as one."""
        return Piece(
            "".join(p.content for p in pieces),
            "".join(p.thinking for p in pieces),
            tuple(call for p in pieces for call in p.calls),
        )

    def calls(self, piece: Piece, *, text: bool) -> list[dict[str, Any]]:
        """The tool calls of a chunk; `text`: the arguments as JSON text, as OpenAI has it."""
        found = []
        for index, (name, arguments) in enumerate(piece.calls):
            function: dict[str, Any] = {"name": name, "arguments": json.dumps(arguments) if text else arguments}
            call: dict[str, Any] = {"function": function}
            if text:
                call = {"id": f"call_{index}", "index": index, "type": "function", "function": function}
            elif self.shape != "2024":
                call = {"id": f"call_{index}", "function": {"index": index, **function}}
            found.append(call)
        return found

    def logprobs(self, piece: Piece) -> list[dict[str, Any]]:
        """A token's probability and as many alternatives as the request asked for."""
        if not self.request.get("logprobs") or not piece.content or self.shape == "2024":
            return []
        count = int(self.request.get("top_logprobs") or 0)
        top = [{"token": f"{piece.content}{n or ''}", "logprob": -0.1 - n} for n in range(count)]
        return [{"token": piece.content, "logprob": -0.1, **({"top_logprobs": top} if top else {})}]

    def output_tokens(self) -> int:
        """How many tokens were written: one a piece."""
        return len(self.pieces)


class NativeEncoder(Encoder):
    """/api/chat"""

    def chunk(self, piece: Piece) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": piece.content}
        if piece.thinking:
            message["thinking"] = piece.thinking
        if piece.calls:
            message["tool_calls"] = self.calls(piece, text=False)
        value = {"model": self.model, "created_at": _WHEN, "message": message, "done": False}
        if found := self.logprobs(piece):
            value["logprobs"] = found
        return value

    def metrics(self) -> dict[str, int]:
        """Counts, and durations in nanoseconds."""
        count = self.output_tokens()
        found = {
            "total_duration": 900 * _MS,
            "load_duration": 100 * _MS,
            "prompt_eval_count": self.prompt_tokens,
            "prompt_eval_duration": 300 * _MS,
            "eval_count": count,
            "eval_duration": 20 * count * _MS,
        }
        if self.shape == "new":
            found["prompt_eval_cached_count"] = self.cached_tokens
        return {name: number for name, number in found.items() if number}  # Go leaves zeros out

    def end(self, reason: str) -> bytes:
        last = {**self.chunk(Piece()), "done": True, "done_reason": reason, **self.metrics()}
        return self.frame(last) + (b"data: [DONE]\n\n" if self.sse else b"")

    def error(self, text: str) -> bytes:
        return self.frame({"error": text})

    def whole(self, pieces: list[Piece], reason: str) -> dict[str, Any]:
        self.pieces = pieces
        return {**self.chunk(self.joined(pieces)), "done": True, "done_reason": reason, **self.metrics()}


class GenerateEncoder(NativeEncoder):
    """/api/generate"""

    def chunk(self, piece: Piece) -> dict[str, Any]:
        value: dict[str, Any] = {
            "model": self.model,
            "created_at": _WHEN,
            "response": piece.content,
            "done": False,
        }
        if piece.thinking:
            value["thinking"] = piece.thinking
        return value


class OpenAIEncoder(Encoder):
    """/v1/chat/completions"""

    def envelope(self, choices: list[dict[str, Any]], kind: str = "chat.completion.chunk") -> dict[str, Any]:
        """What every object has."""
        return {
            "id": "chatcmpl-123",
            "object": kind,
            "created": _CREATED,
            "model": self.model,
            "system_fingerprint": "fp_ollama",
            "choices": choices,
        }

    def chunk(self, piece: Piece) -> dict[str, Any]:
        delta: dict[str, Any] = {}
        if self.shape != "new" or len(self.pieces) <= 1:
            delta["role"] = "assistant"
        if not piece.thinking or piece.content:
            delta["content"] = piece.content
        if piece.thinking:
            delta["reasoning"] = piece.thinking
        if piece.calls:
            delta["tool_calls"] = self.calls(piece, text=True)
        choice: dict[str, Any] = {
            "index": 0,
            "delta": delta,
            "finish_reason": "" if self.shape == "2024" else None,
        }
        if found := self.logprobs(piece):
            choice["logprobs"] = {"content": found}
        return self.envelope([choice])

    def usage(self) -> dict[str, Any]:
        """Counts."""
        count = self.output_tokens()
        found: dict[str, Any] = {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": count,
            "total_tokens": self.prompt_tokens + count,
        }
        if self.shape == "new":
            found["prompt_tokens_details"] = {"cached_tokens": self.cached_tokens}
        return found

    def reason(self, pieces: list[Piece], reason: str) -> str:
        """OpenAI's word for why it ended."""
        return "tool_calls" if reason == "stop" and any(p.calls for p in pieces) else reason

    def end(self, reason: str) -> bytes:
        delta = {} if self.shape == "new" else {"role": "assistant", "content": ""}
        finish = {"index": 0, "delta": delta, "finish_reason": self.reason(self.pieces, reason)}
        body = self.frame(self.envelope([finish]))
        options = self.request.get("stream_options") or {}
        if options.get("include_usage") and self.shape != "2024":
            body += self.frame({**self.envelope([]), "usage": self.usage()})
        return body + (b"data: [DONE]\n\n" if self.sse else b"")

    def error(self, text: str) -> bytes:
        # The server loses the text: it reads its own error line as a chunk whose fields are all empty.
        delta = {"content": ""} if self.shape == "new" else {"role": "assistant", "content": ""}
        choice = {"index": 0, "delta": delta, "finish_reason": None}
        return self.frame({**self.envelope([choice]), "model": ""})

    def whole(self, pieces: list[Piece], reason: str) -> dict[str, Any]:
        self.pieces = pieces
        joined = self.joined(pieces)
        message: dict[str, Any] = {"role": "assistant", "content": joined.content}
        if joined.thinking:
            message["reasoning"] = joined.thinking
        if joined.calls:
            message["tool_calls"] = self.calls(joined, text=True)
        choice = {"index": 0, "message": message, "finish_reason": self.reason(pieces, reason)}
        return {**self.envelope([choice], "chat.completion"), "usage": self.usage()}


def encoder_for(path: str, request: dict[str, Any], shape: Shape, sse: bool | None) -> Encoder:
    """The encoder of a path; `sse` None: as that path does by itself."""
    if path.startswith("/v1/"):
        return OpenAIEncoder(request, shape, True if sse is None else sse)
    kind = GenerateEncoder if path == "/api/generate" else NativeEncoder
    return kind(request, shape, bool(sse))
