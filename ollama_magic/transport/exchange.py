"""One request and its response.

Strategy:
- httpx's own timeouts are off except for connecting: a server is silent while it loads a model. Callers have timers.
- Closing an exchange whose body is incomplete closes its connection, which is what stops the server's work.
- The key is added to the request last, past httpx's own logging, and every failure is raised outside the `except` that
  caught it: no traceback leads into frames whose locals hold the header.
"""

from __future__ import annotations

import socket
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote, urljoin

import httpx

from .._version import __version__
from ..address import without_credentials
from ..endpoint import redirect_target
from ..errors import ServerError, SettingsError
from ..secret import redact
from .failure import BodyBroken, Failure, failure_of
from .inflating import inflated
from .logs import SENT
from .pool import lease

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping

    from ..endpoint import Endpoint
    from ..hosts import Host
    from ..secret import Secret
    from .pool import Connection, Lease

__all__ = ["Exchange", "open_exchange"]

_MAX_REDIRECTS = 5
_HEADERS = (
    (b"Accept", b"application/x-ndjson, text/event-stream, application/json"),
    (b"Accept-Encoding", b"identity"),  # a compressed stream arrives in large chunks
    (b"Connection", b"keep-alive"),
    (b"User-Agent", f"ollama_magic/{__version__}".encode()),
)
_HEADERS_WITH_BODY = (*_HEADERS, (b"Content-Type", b"application/json"))


# ---- one request -----------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Watch:
    """Traces one request through httpcore, and shuts the socket down if it is closed before the body is complete.

    Closing alone would not end the connection while a process forked meanwhile holds the socket too.
    """

    client: Connection
    on_sent: Callable[[], None] | None
    server: tuple[str, int]
    fresh: bool = False
    whole: bool = False
    connecting: tuple[str, int] | None = None
    """The address that httpcore is connecting to, of the server or a proxy; None once connected."""

    async def __call__(self, name: str, info: Mapping[str, Any]) -> None:
        if name == "connection.connect_tcp.started":
            self.fresh = True
            self.connecting = (info["host"], info["port"])
        elif name == "connection.connect_tcp.complete":
            self.connecting = None
            self.client.made = info["return_value"].get_extra_info("socket")
        elif name == "http11.send_request_body.complete" and self.on_sent is not None:
            self.on_sent()
        elif name == "http11.receive_response_body.complete":
            self.whole = True
        elif name == "http11.response_closed.started" and not self.whole and self.client.made is not None:
            with suppress(OSError, TypeError):  # TypeError from uvloop, whose sockets cannot be shut down
                self.client.made.shutdown(socket.SHUT_RDWR)

    def blame(self, failure: Failure) -> Failure:
        """`failure`, or one that names the proxy if that could not be reached."""
        if self.connecting is None or self.connecting == self.server:
            return failure
        host, port = self.connecting
        return Failure("proxy", f"{host}:{port}: {failure.detail}")


async def open_exchange(
    endpoint: Endpoint,
    method: str,
    path: str,
    body: bytes | None = None,
    *,
    connect_timeout: float | None = None,
    on_sent: Callable[[], None] | None = None,
) -> Exchange:
    """Send a request and wait for the head of its response, whatever its status; 307 and 308 are followed.

    `path` is appended to the host's own. `on_sent` is called when the request is sent. There is no timeout except for
    connecting (`connect_timeout` seconds). Raises Failure if no response came, ServerError for a redirect that is not
    followed.
    """
    target = endpoint.host.path + path
    for _ in range(_MAX_REDIRECTS + 1):
        exchange = await _send(endpoint, method, target, body, connect_timeout, on_sent)
        if not 300 <= exchange.status < 400 or exchange.status == 304:
            return exchange
        await exchange.aclose()
        here, there = exchange.url, exchange.headers.get("location", "")
        if exchange.status not in (307, 308) or not there:
            # Shown without credentials and query, which may contain anything, even the key that was sent.
            told = without_credentials(there.partition("?")[0]) or "nowhere"
            raise ServerError(
                f"{here.partition('?')[0]} answers with a redirect ({exchange.status}) to {told}; it was not followed",
                hint="Only 307 and 308 keep a request as it is. Set the host to where your Ollama is.",
                status=exchange.status,
            )
        endpoint = _redirected(endpoint, here, there)
        address = urljoin(here, there).partition("#")[0]
        target = "/" + address.partition("://")[2].partition("/")[2]
    raise ServerError(
        f"{endpoint.host.display} redirects more than {_MAX_REDIRECTS} times", hint="Look at how its proxy is set up."
    )


def _redirected(endpoint: Endpoint, here: str, there: str) -> Endpoint:
    try:
        return redirect_target(endpoint, here, there)
    except ServerError:
        if redact(there, endpoint.secrets) == there:
            raise
    # The message above quotes the parsed address, in which the key may be spelled differently and escape redaction.
    raise ServerError(
        f"{endpoint.host.display} redirects to an address with your key in it; it was not followed",
        hint="Ask who runs that server, and make a new key.",
    )


async def _send(
    endpoint: Endpoint,
    method: str,
    target: str,
    body: bytes | None,
    connect_timeout: float | None,
    on_sent: Callable[[], None] | None,
) -> Exchange:
    leased = await _leased(endpoint.host)
    client, kept = leased.client, False
    url = _url(endpoint.host.scheme, endpoint.host.hostname, endpoint.host.port, target)
    watch = _Watch(client, on_sent, (url.raw_host.decode("ascii"), endpoint.host.port))
    # Not by client.build_request, which would parse all of it again and merge it with defaults that do not exist.
    request = httpx.Request(
        method,
        url,
        content=body,
        headers=_HEADERS if body is None else _HEADERS_WITH_BODY,
        extensions={"trace": watch, "timeout": {"connect": connect_timeout, "read": None, "write": None, "pool": None}},
    )
    token = SENT.set(endpoint.secrets)
    try:
        _authorize(request, endpoint.authorization)
        response = await client.send(request, stream=True)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        failure = watch.blame(failure_of(error, reused=not watch.fresh))
    except BaseException as error:  # cancelled, or unforeseen: the frames below hold the header
        error.__cause__ = error.__context__ = None
        raise error.with_traceback(None)  # noqa: B904
    else:
        kept = True
        return Exchange(response, str(url), leased)
    finally:
        SENT.reset(token)
        if not kept:
            leased.end()
    raise failure


async def _leased(host: Host) -> Lease:
    """A connection to `host`. Raises Failure if the environment's proxy or certificates are unusable.

    The libraries' own messages quote the proxy's address, which may contain a password.
    """
    try:
        return await lease(host)
    except OSError:
        failure = Failure("failed", "the file or folder that SSL_CERT_FILE or SSL_CERT_DIR names cannot be read")
    except (httpx.InvalidURL, ValueError):
        failure = Failure("proxy", "what the environment names as a proxy is no address of one")
    except ImportError:
        failure = Failure("proxy", 'a SOCKS proxy needs one more package: %pip install "httpx[socks]"')
    raise failure


@lru_cache(maxsize=32)
def _url(scheme: str, hostname: str, port: int, target: str) -> httpx.URL:
    """The URL, built from the parts that the key was approved for, not from a string that could be parsed otherwise."""
    path = quote(target, safe="!#$%&'()*+,/:;=?@[]~-._").encode("ascii")
    return httpx.URL(scheme=scheme, host=hostname, port=port, raw_path=path)


def _authorize(request: httpx.Request, authorization: Secret | None) -> None:
    if authorization is None:
        return
    if not (authorization.reveal().isascii() and authorization.reveal().isprintable()):
        # The libraries below would refuse it too, but show the value.
        raise SettingsError(
            "The key has a character that cannot be sent", hint="Set it again: %ollama login, or OLLAMA_API_KEY."
        )
    request.headers["Authorization"] = authorization.reveal()


# ---- the response ----------------------------------------------------------------------------------------------


_NOTHING = httpx.ByteStream(b"")


class Exchange:
    """A response whose head has arrived. `headers` have lower-case names; `url` has no credentials."""

    def __init__(self, response: httpx.Response, url: str, lease: Lease) -> None:
        self._response = response
        self._lease = lease
        self.url = url
        self.status = response.status_code
        self.whole = False
        """Whether the body was read completely."""

    @property
    def headers(self) -> Mapping[str, str]:
        """The header fields; repeated ones are joined by commas."""
        return dict(self._response.headers)

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """The body as it arrives, decompressed if the server compressed it unasked. Raises BodyBroken."""
        coding = self._response.headers.get("content-encoding", "identity").strip().lower()
        broken = ""
        try:
            # Not aiter_raw(): that adds a generator per token, which re-chunks and counts bytes.
            raw = cast("httpx.AsyncByteStream", self._response.stream)
            if coding in ("", "identity"):
                async for data in raw:
                    yield data
            else:
                async for data in inflated(raw, coding):
                    yield data
            self.whole = True
        except (httpx.HTTPError, httpx.StreamError) as error:
            broken = _how_it_broke(error)
        if broken:
            raise BodyBroken(broken)

    async def read(self, limit: int) -> bytes:
        """The body, truncated at `limit` bytes. Raises BodyBroken."""
        found = bytearray()
        async for data in self.chunks():
            found += data
            if len(found) >= limit:
                break
        return bytes(found[:limit])

    async def aclose(self) -> None:
        """Release the connection: it is closed at once if the body is incomplete, else kept for the next request.

        A task that is reading the body meanwhile gets BodyBroken.
        """
        try:
            await self._response.aclose()
        except (httpx.HTTPError, RuntimeError):  # the connection or its loop is already closed
            pass
        except BaseException:  # cancelled halfway: httpcore might consider the connection in use for ever
            self._lease.drop()
            raise
        # Response and stream form a reference cycle that keeps the whole request alive: with thousands of requests
        # the garbage collector would be a fifth of the work, and pause to traverse everything that the notebook holds.
        self._response.stream = _NOTHING
        self._lease.end()


def _how_it_broke(error: Exception) -> str:
    if isinstance(error, httpx.NetworkError):
        return "the connection was lost"
    if "peer closed" in str(error):
        return "the server closed it before the end"
    if isinstance(error, httpx.RemoteProtocolError):
        return "what the server sent is not HTTP"  # the library's message would quote it
    return str(error)
