"""HTTP/1.1 as the fake server writes it: by hand, so that a body can be cut, compressed or broken anywhere."""

from __future__ import annotations

import asyncio
import itertools
import json
import socket
import struct
import time
import zlib
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.fake_script import Reply

__all__ = ["Body", "Recorded", "Wire"]


@dataclass(frozen=True)
class Recorded:
    """One request as it came. Header names are lower case; `connection` counts sockets from 1."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    connection: int
    at: float = field(default_factory=time.monotonic)

    @property
    def json(self) -> Any:
        """The body, parsed."""
        return json.loads(self.body)


class Wire:
    """HTTP/1.1 on one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        self.reader, self.writer, self.number = reader, writer, number
        self.requests = 0

    async def read_request(self) -> Recorded | None:
        """The next request, None when the client is done."""
        try:
            head = await self.reader.readexactly(1)
            if head == b"\x16":  # the start of TLS: as Go's server answers it
                await self.send(b"HTTP/1.0 400 Bad Request\r\n\r\n")
                return None
            head += await self.reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            return None
        first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
        method, path, _ = first.split(" ", 2)
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body = await self.reader.readexactly(int(headers.get("content-length", "0")))
        self.requests += 1
        return Recorded(method, path, headers, body, self.number)

    async def send_head(self, status: int, headers: dict[str, str]) -> None:
        """Status line and headers."""
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        await self.send(f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n{lines}\r\n".encode("latin-1"))

    async def send(self, data: bytes) -> None:
        """Bytes as they are."""
        self.writer.write(data)
        await self.writer.drain()

    async def send_whole(
        self, status: int, body: bytes, headers: dict[str, str] | None = None, *, head: bool = False
    ) -> bool:
        """A reply with a length; True, since the connection can be used again."""
        kind = {"Content-Type": "application/json; charset=utf-8", "Content-Length": str(len(body))}
        await self.send_head(status, {**kind, **(headers or {})})
        if not head:
            await self.send(body)
        return True


class Body:
    """A streamed body: in chunks, cut and compressed as the reply says."""

    def __init__(self, wire: Wire, reply: Reply) -> None:
        self._wire, self._reply = wire, reply
        self._held = b""
        self._coder = None
        if reply.coding:
            self._coder = zlib.compressobj(wbits=31 if reply.coding == "gzip" else 15)

    async def begin(self, content_type: str) -> None:
        """The head."""
        reply = self._reply
        headers = {"Content-Type": content_type, **reply.headers}
        headers.update({"Transfer-Encoding": "chunked"} if reply.length else {"Connection": "close"})
        if reply.coding:
            headers["Content-Encoding"] = reply.coding
        await self._wire.send_head(reply.status, headers)

    async def write(self, data: bytes) -> None:
        """Some of the body; held back while it is to be cut at given sizes."""
        if self._coder is not None:
            data = self._coder.compress(data) + self._coder.flush(zlib.Z_SYNC_FLUSH)
        if self._reply.sizes:
            self._held += data
        else:
            await self._chunk(data)

    async def flush(self) -> None:
        """Send what is held back."""
        held, self._held = self._held, b""
        sizes = itertools.cycle(self._reply.sizes)
        while held:
            size = next(sizes)
            await self._chunk(held[:size])
            held = held[size:]

    async def _chunk(self, data: bytes) -> None:
        if data:
            await self._wire.send(b"%x\r\n%s\r\n" % (len(data), data) if self._reply.length else data)

    async def end(self) -> None:
        """The body is whole."""
        await self.flush()
        if self._coder is not None:
            await self._chunk(self._coder.flush())
        if self._reply.length:
            await self._wire.send(b"0\r\n\r\n")

    async def drop(self, *, reset: bool, clean: bool) -> None:
        """The body breaks off: by closing, by a reset, or `clean`, as if it were whole."""
        await self.flush()
        if clean:
            await self.end()
        elif reset:
            sock = self._wire.writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._wire.writer.transport.abort()
