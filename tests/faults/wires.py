"""A server on the test's own loop that sends exact bytes, heads and chunk sizes included, and then does one thing.

    async with Wires() as wires:
        host = wires.plays(Play(http(body)[:100], then="reset"))

The fake of `tests/fake_ollama.py` speaks HTTP; this one only sends bytes, thousands of plays side by side, and knows of
every connection whether it is still open.
"""

from __future__ import annotations

import asyncio
import os
import socket
import struct
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from tests.fake_http import Wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Play", "Then", "Wires", "http", "nothing_left", "offsets"]

Then = Literal["close", "reset", "half-close", "silence", "flood", "next"]


@dataclass(frozen=True)
class Play:
    """What one request gets: bytes, and what follows them. `reads`: whether the request's body is read at all."""

    data: bytes = b""
    then: Then = "close"
    reads: bool = True
    flood: bytes = b""


def http(
    body: bytes, *, status: str = "200 OK", kind: str = "application/x-ndjson", size: int = 0, more: str = ""
) -> bytes:
    """A whole answer as it goes over the wire: in chunks of `size` bytes, or a chunk for each line."""
    parts = [body[at : at + size] for at in range(0, len(body), size)] if size else body.splitlines(keepends=True)
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts if part)
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nTransfer-Encoding: chunked\r\n{more}\r\n"
    return head.encode("latin-1") + chunks + b"0\r\n\r\n"


def offsets(wire: bytes) -> list[int]:
    """How many bytes of the body are in each beginning of `wire`: item n is for its first n bytes."""
    at = wire.index(b"\r\n\r\n") + 4
    found = [0] * (at + 1)
    while at < len(wire):
        line = wire.index(b"\r\n", at) + 2
        size, had = int(wire[at:line], 16), found[-1]
        found += [had] * (line - at) + list(range(had + 1, had + size + 1)) + [had + size] * 2
        at = line + size + 2
    return found


class Wires:
    """The server; an asynchronous context manager, at whose end every connection must have been let go of."""

    def __init__(self) -> None:
        self.open = 0
        """Connections that neither side has closed."""
        self.asked = 0
        self._plays: list[Play] = []
        self.tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Wires:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self._port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    def plays(self, *plays: Play) -> str:
        """The host under which requests get these, one after the other, and the last one again and again."""
        first = len(self._plays)
        self._plays += plays
        return f"http://127.0.0.1:{self._port}/{first}-{len(self._plays) - 1}"

    async def until(self, holds: Callable[[], bool]) -> None:
        """Let the loop turn until it holds; fails after a while."""
        async with asyncio.timeout(10):
            while not holds():
                await asyncio.sleep(0)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.tasks.add(task)
        self.open += 1
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await self._serve(Wire(reader, writer, 0))
        finally:
            self.open -= 1
            writer.close()
            with suppress(ConnectionError, asyncio.CancelledError):
                await writer.wait_closed()
            self.tasks.discard(task)

    async def _serve(self, wire: Wire) -> None:
        while True:
            play = await self._next(wire)
            if play is None:
                return
            self.asked += 1
            if play.data:
                await wire.send(play.data)
            if play.then == "next":
                continue
            if play.then == "reset":
                sock = wire.writer.get_extra_info("socket")
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                wire.writer.transport.abort()
            elif play.then == "half-close":
                wire.writer.write_eof()
            while play.then == "flood":
                await wire.send(play.flood)
            if play.then in ("half-close", "silence"):
                while await wire.reader.read(65536):  # until the client hangs up
                    pass
            return

    async def _next(self, wire: Wire) -> Play | None:
        head = await wire.reader.readuntil(b"\r\n\r\n")
        path = head.split(b" ", 2)[1].decode()
        numbers, _, rest = path.removeprefix("/").partition("/")
        if rest in ("api/tags", "api/ps"):
            await wire.send_whole(404, b"404 page not found")
            return None
        first, last = map(int, numbers.split("-"))
        for at in range(first, last):
            if self._plays[at] is not _USED:
                play, self._plays[at] = self._plays[at], _USED
                break
        else:
            play = self._plays[last]
        if play.reads:
            length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length"))
            await wire.reader.readexactly(int(length.partition(b":")[2]))
        return play


_USED = Play(b"used")


@contextmanager
def nothing_left() -> Iterator[None]:
    """What is done in here leaves no thread and, where that can be counted, no file handle."""
    threads, handles = threading.active_count(), _handles()
    yield
    assert threading.active_count() <= threads, [thread.name for thread in threading.enumerate()]
    assert _handles() <= handles


def _handles() -> int:
    return len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
