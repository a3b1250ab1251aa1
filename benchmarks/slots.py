"""A server with a given number of slots and a given latency, in its own process and as light as possible.

    python -m benchmarks.slots SLOTS SECONDS

Each chat request is answered `SECONDS` after it got a slot, by one small JSON object or a short stream; without a free
slot it is queued. GET /counts returns, since the last call, how many were answered and in how many seconds, and the
total CPU seconds of the server.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
import time
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["serving_slots"]

_TEXT = json.dumps({"label": "good", "score": 0.5})
_FINISH = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1787306400, "model": "m"}


def _native(streams: bool) -> bytes:
    when = {"model": "m", "created_at": "2026-08-21T10:00:00.123456789Z"}
    counts = {"done_reason": "stop", "eval_count": 12, "prompt_eval_count": 30, "eval_duration": 1_000_000}
    if not streams:
        whole = {**when, "message": {"role": "assistant", "content": _TEXT}, "done": True, **counts}
        return json.dumps(whole).encode()
    first = {**when, "message": {"role": "assistant", "content": _TEXT}, "done": False}
    last = {**when, "message": {"role": "assistant", "content": ""}, "done": True, **counts}
    return f"{json.dumps(first)}\n{json.dumps(last)}\n".encode()


def _openai() -> bytes:
    delta = {"role": "assistant", "content": _TEXT}
    usage = {"prompt_tokens": 30, "completion_tokens": 12, "total_tokens": 42}
    parts = [
        {**_FINISH, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]},
        {**_FINISH, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
        {**_FINISH, "choices": [], "usage": usage},
    ]
    return b"".join(b"data: " + json.dumps(part).encode() + b"\n\n" for part in parts) + b"data: [DONE]\n\n"


def _reply(kind: str, body: bytes) -> bytes:
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head.encode() + b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)


_OPENAI = _reply("text/event-stream", _openai())
_NATIVE = _reply("application/x-ndjson", _native(True))
_WHOLE = _reply("application/json", _native(False))


class _Server:
    def __init__(self, slots: int, seconds: float) -> None:
        self.free, self.seconds = slots, seconds
        self.waiting: deque[tuple[_Connection, bytes]] = deque()
        self.answered = 0
        self.began = self.ended = 0.0

    def ask(self, connection: _Connection, reply: bytes) -> None:
        now = asyncio.get_running_loop().time()
        self.began = self.began or now
        if self.free:
            self.free -= 1
            self._begin(now, connection, reply)
        else:
            self.waiting.append((connection, reply))

    def _begin(self, now: float, connection: _Connection, reply: bytes) -> None:
        due = now + self.seconds
        asyncio.get_running_loop().call_at(due, self._answer, due, connection, reply)

    def _answer(self, due: float, connection: _Connection, reply: bytes) -> None:
        self.answered += 1
        self.ended = due
        connection.send(reply)
        if self.waiting:
            self._begin(due, *self.waiting.popleft())  # from when the slot became free, even if this loop is late
        else:
            self.free += 1

    def counts(self) -> bytes:
        told = {"answered": self.answered, "seconds": self.ended - self.began, "cpu": time.process_time()}
        self.answered, self.began = 0, 0.0
        return _reply("application/json", json.dumps(told).encode())


class _Connection(asyncio.Protocol):
    def __init__(self, server: _Server) -> None:
        self._server, self._data = server, b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._data += data
        head, mark, rest = self._data.partition(b"\r\n\r\n")
        if not mark:
            return
        length = 0
        for line in head.split(b"\r\n"):
            if line.lower().startswith(b"content-length:"):
                length = int(line[15:])
        if len(rest) < length:
            return
        body, self._data = rest[:length], rest[length:]
        if head.startswith(b"POST /v1"):
            self._server.ask(self, _OPENAI)
        elif head.startswith(b"POST /api/chat"):
            self._server.ask(self, _WHOLE if b'"stream":false' in body.replace(b" ", b"") else _NATIVE)
        elif head.startswith(b"GET /counts"):
            self.send(self._server.counts())
        elif head.startswith(b"GET /api/tags"):
            self.send(_reply("application/json", b'{"models":[{"name":"m","digest":"sha256:1"}]}'))
        else:
            self.send(_reply("application/json", b"{}"))

    def send(self, reply: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(reply)


async def _serve(slots: int, seconds: float) -> None:
    state = _Server(slots, seconds)
    server = await asyncio.get_running_loop().create_server(lambda: _Connection(state), "127.0.0.1", 0, backlog=1024)
    sys.stdout.write(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


@contextlib.contextmanager
def serving_slots(slots: int, seconds: float) -> Iterator[str]:
    """The URL of such a server."""
    command = [sys.executable, "-m", "benchmarks.slots", str(slots), str(seconds)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]), float(sys.argv[2])))
