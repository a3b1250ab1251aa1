"""A direct connection to a server, without a proxy, that bypasses httpx's client.

For a row of a map, that client and httpcore's pool are a third of all the work, and each request has a connection to
itself anyway. This stands in for it: it takes httpx's requests, returns its responses and raises its errors.
"""

from __future__ import annotations

import select
from typing import TYPE_CHECKING, Final

import httpcore
import httpx

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import AsyncIterable, AsyncIterator

__all__ = ["Direct"]

_ERRORS: Final = (
    httpcore.TimeoutException,
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.ProxyError,
    httpcore.UnsupportedProtocol,
)


class Direct:
    """One connection, for one request at a time; opened at the first request, and reopened once it is closed."""

    made: socket.socket | None = None
    """The socket of the last connection, set by the trace callback of its requests."""

    def __init__(self, context: ssl.SSLContext | None) -> None:
        self._context = context
        self._connection: httpcore.AsyncHTTPConnection | None = None

    async def send(self, request: httpx.Request, *, stream: bool) -> httpx.Response:
        """The response to `request` once its head has arrived; raises as httpx's client does. `stream` must be true."""
        assert stream
        assert isinstance(request.stream, httpx.AsyncByteStream)
        url = httpcore.URL(
            scheme=request.url.raw_scheme,
            host=request.url.raw_host,
            port=request.url.port,
            target=request.url.raw_path,
        )
        connection = self._connection
        if connection is None or connection.is_closed() or self._is_over():
            await self.aclose()
            connection = httpcore.AsyncHTTPConnection(url.origin, self._context)
            self._connection = connection
        sent = httpcore.Request(
            request.method, url, headers=request.headers.raw, content=request.stream, extensions=request.extensions
        )
        try:
            answer = await connection.handle_async_request(sent)
        except _ERRORS as error:
            raise _as_httpx(error) from error
        assert not isinstance(answer.stream, bytes)
        return httpx.Response(answer.status, headers=answer.headers, stream=_Body(answer, self), request=request)

    async def aclose(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            await self._connection.aclose()

    async def close_if_over(self) -> None:
        """Close the connection if the server has closed its side."""
        if self._connection is not None and not self._connection.is_closed() and self._is_over():
            await self._connection.aclose()

    def _is_over(self) -> bool:
        """Whether the server has closed its side of an idle connection: nothing else could make its socket readable.

        As httpcore's `has_expired`, which takes eight times as long to find the socket.
        """
        if self.made is None or self.made.fileno() < 0:
            return True
        if not hasattr(select, "poll"):  # on Windows
            return bool(select.select([self.made], [], [], 0)[0])
        poll = select.poll()
        poll.register(self.made, select.POLLIN)
        return bool(poll.poll(0))


class _Body(httpx.AsyncByteStream):
    def __init__(self, answer: httpcore.Response, direct: Direct) -> None:
        self._answer, self._direct = answer, direct

    async def __aiter__(self) -> AsyncIterator[bytes]:
        stream: AsyncIterable[bytes] = self._answer.stream  # type: ignore[assignment]  # the request was asynchronous
        try:
            async for data in stream:
                yield data
        except _ERRORS as error:
            raise _as_httpx(error) from error

    async def aclose(self) -> None:
        await self._answer.aclose()
        await self._direct.close_if_over()


def _as_httpx(error: Exception) -> httpx.TransportError:
    """The httpx error for one of httpcore's: each has one of the same name."""
    kind = getattr(httpx, type(error).__name__, httpx.TransportError)
    found = kind(str(error))
    assert isinstance(found, httpx.TransportError)
    return found
