"""A server that does nothing but stream, in a process of its own, so that it costs the measured process nothing.

The model's name says what to send: "10000@250" is 10,000 tokens at 250 a second, "@0" as fast as they are taken. Who
does not want a stream gets the whole once it would be complete.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["expected", "serving"]

WORDS = (
    "The ", "quick ", "brown ", "fox ", "jumps ", "over ", "`the` ", "**lazy** ", "dog", ". ", "It ", "was ", "a ",
    "fine ", "day", ", ", "and ", "$x^2$ ", "too", ".\n\n",
)  # fmt: skip


def expected(tokens: int) -> str:
    """The text of an answer of so many tokens."""
    return "".join(WORDS[n % len(WORDS)] for n in range(tokens))


def _line(path: str, model: str, n: int) -> bytes:
    word = WORDS[n % len(WORDS)]
    if path == "/api/chat":
        chunk: dict[str, object] = {
            "model": model,
            "created_at": "2026-08-21T10:00:00.123456789Z",
            "message": {"role": "assistant", "content": word},
            "done": False,
        }
        return json.dumps(chunk).encode() + b"\n"
    chunk = {
        "id": "chatcmpl-123",
        "object": "chat.completion.chunk",
        "created": 1787306400,
        "model": model,
        "system_fingerprint": "fp_ollama",
        "choices": [{"index": 0, "delta": {"content": word}, "finish_reason": None}],
    }
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


def _end(path: str, model: str, count: int) -> bytes:
    if path == "/api/chat":
        last = {
            "model": model,
            "created_at": "2026-08-21T10:00:00.123456789Z",
            "message": {"role": "assistant", "content": ""},
            "done": True,
            "done_reason": "stop",
            "eval_count": count,
            "eval_duration": 1_000_000_000,
        }
        return json.dumps(last).encode() + b"\n"
    head = {"id": "chatcmpl-123", "object": "chat.completion.chunk", "created": 1787306400, "model": model}
    finish = {**head, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    usage = {"prompt_tokens": 1, "completion_tokens": count, "total_tokens": count + 1}
    tail = {**head, "choices": [], "usage": usage}
    return b"".join(b"data: " + json.dumps(each).encode() + b"\n\n" for each in (finish, tail)) + b"data: [DONE]\n\n"


def _tell(what: str) -> None:
    sys.stdout.write(f"{what} {time.monotonic()}\n")
    sys.stdout.flush()


async def _answer(path: str, body: dict[str, Any], writer: asyncio.StreamWriter) -> None:
    model = body["model"]
    count, _, rate = model.partition("@")
    total, per_second = int(count), float(rate or 0)
    if not body.get("stream", path == "/api/chat"):
        await _whole(path, model, total, per_second, writer)
        return
    kind = b"application/x-ndjson" if path == "/api/chat" else b"text/event-stream"
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: " + kind + b"\r\nTransfer-Encoding: chunked\r\n\r\n")
    begun = time.monotonic()
    for n in range(total):
        data = _line(path, model, n)
        writer.write(b"%x\r\n%s\r\n" % (len(data), data))
        if n == 0:
            _tell("first")
        if per_second:
            ahead = begun + (n + 1) / per_second - time.monotonic()
            await asyncio.sleep(max(ahead, 0))
        elif n % 64 == 0:
            await writer.drain()
    data = _end(path, model, total)
    _tell("sent")
    writer.write(b"%x\r\n%s\r\n0\r\n\r\n" % (len(data), data))
    await writer.drain()


async def _whole(path: str, model: str, total: int, per_second: float, writer: asyncio.StreamWriter) -> None:
    """All of it in one piece, which begins when its first token is there."""
    _tell("first")
    await asyncio.sleep(total / per_second if per_second else 0)
    answer = (
        json.loads(_end(path, model, total)) if path == "/api/chat" else {"model": model, "object": "chat.completion"}
    )
    message = {"role": "assistant", "content": expected(total)}
    if path == "/api/chat":
        answer["message"] = message
    else:
        answer["choices"] = [{"index": 0, "message": message, "finish_reason": "stop"}]
    _tell("sent")
    _reply(writer, answer)
    await writer.drain()


def _reply(writer: asyncio.StreamWriter, value: object) -> None:
    data = json.dumps(value).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n"
    writer.write(head.encode() + data)


async def _accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            method, path, _ = head.split(b"\r\n")[0].decode().split(" ")
            length = next((int(h[15:]) for h in head.lower().split(b"\r\n") if h.startswith(b"content-length:")), 0)
            body = await reader.readexactly(length)
            if method == "POST" and "/chat" in path:
                answering = asyncio.ensure_future(_answer(path, json.loads(body), writer))
                gone = asyncio.ensure_future(reader.read(1))
                gone.add_done_callback(lambda task: task.cancelled() or task.exception())
                await asyncio.wait({answering, gone}, return_when=asyncio.FIRST_COMPLETED)
                if not answering.done():
                    _tell("closed")
                    answering.cancel()
                    return
                gone.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await gone
            else:
                _reply(writer, {"models": _listed() if path == "/api/tags" else []})
                await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


def _listed() -> list[dict[str, object]]:
    """The models that were named to this process: some clients ask only for what is in the list."""
    return [{"name": name, "model": name, "modified_at": "2026-08-21T10:00:00Z", "size": 1} for name in sys.argv[1:]]


async def _serve() -> None:
    server = await asyncio.start_server(_accept, "127.0.0.1", 0)
    sys.stdout.write(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


@contextlib.contextmanager
def serving(*models: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The server's URL and its process, whose output tells when an answer began ("first"), was "sent" or "closed".

    It lists `models`, and answers for any.
    """
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.server", *models], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip(), process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


if __name__ == "__main__":
    asyncio.run(_serve())
