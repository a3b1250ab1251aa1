"""A small internet of our own: servers by name, with certificates, behind a proxy that is the only way to them.

The proxy is what HTTPS_PROXY and HTTP_PROXY name. It opens a tunnel to the server that it knows by a name, passes
plain http on, and keeps all that it was told itself; so nothing is asked of a real server whatever the name is.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import threading
from typing import TYPE_CHECKING

import trustme

from tests.fake_ollama import FakeOllama

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Self

    import pytest

__all__ = ["Internet"]


class Internet:
    """A context manager. `server("https://ollama.com")` is the fake server that answers there."""

    def __init__(self, folder: Path) -> None:
        self._authority = trustme.CA()
        self._stranger = trustme.CA()
        self.certificates = folder / "authority.pem"
        self._authority.cert_pem.write_to_path(self.certificates)
        self._servers: dict[tuple[str, int], FakeOllama] = {}
        self.heads: list[str] = []
        """What the proxy was told: each request's line and headers."""
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._run, name="internet", daemon=True)

    def server(self, url: str, *, certificate_for: str = "", known: bool = True) -> FakeOllama:
        """The server at `url`, begun when first asked for; its certificate by an authority that is `known` or not."""
        scheme, _, rest = url.partition("://")
        name, _, port = rest.partition(":")
        address = name, int(port or {"http": 80, "https": 443}[scheme])
        if address not in self._servers:
            context = None
            if scheme == "https":
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                authority = self._authority if known else self._stranger
                authority.issue_cert(certificate_for or name).configure_cert(context)
            self._servers[address] = FakeOllama(tls=context).__enter__()
        return self._servers[address]

    def forget(self) -> None:
        """Nothing is scripted and nothing was recorded."""
        self.heads.clear()
        for server in self._servers.values():
            server.forget()
            server.recorded.clear()

    @property
    def reached(self) -> dict[str, list[str | None]]:
        """The Authorization headers that came to each server that was asked, by its name and port."""
        return {
            f"{name}:{port}": [each.headers.get("authorization") for each in server.recorded]
            for (name, port), server in self._servers.items()
            if server.recorded
        }

    def enter_through(self, monkeypatch: pytest.MonkeyPatch, credentials: str = "") -> None:
        """Make this the internet that the environment knows."""
        for name in ("HTTP_PROXY", "HTTPS_PROXY"):
            monkeypatch.setenv(name, f"http://{credentials}127.0.0.1:{self.port}")
        monkeypatch.setenv("SSL_CERT_FILE", str(self.certificates))

    @property
    def asked(self) -> list[str]:
        """The targets of the requests that the proxy got, in order."""
        return [head.split(" ", 2)[1] for head in self.heads]

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)
        for server in self._servers.values():
            server.close()

    def _run(self) -> None:
        with contextlib.closing(self._loop):
            self._loop.run_until_complete(self._main())

    async def _main(self) -> None:
        self._stop = asyncio.Event()
        proxy = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = proxy.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        proxy.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await self._pass_on(reader, writer)
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError, asyncio.CancelledError, ssl.SSLError):
                await writer.wait_closed()
            self._tasks.discard(task)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        self.heads.append(head)
        method, target, _ = head.split(" ", 2)
        tunnel = method == "CONNECT"
        name, _, port = (target if tunnel else target.partition("://")[2].partition("/")[0]).partition(":")
        server = self._servers.get((name, int(port or 80)))
        if server is None:
            writer.write(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            await writer.drain()
            return
        there, away = await asyncio.open_connection("127.0.0.1", server.port)
        try:
            if tunnel:
                writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                path = "/" + target.partition("://")[2].partition("/")[2]
                away.write(head.replace(target, path, 1).encode("latin-1"))
            ways = [asyncio.ensure_future(_copy(reader, away)), asyncio.ensure_future(_copy(there, writer))]
            try:
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for way in ways:
                    way.cancel()
                await asyncio.gather(*ways, return_exceptions=True)
        finally:
            away.close()


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await source.read(65536):
            target.write(data)
            await target.drain()
