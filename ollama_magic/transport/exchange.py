"""One request and its answer.

Strategy:
- httpx's own limits are off but for connecting: a server is silent while it loads a model. Whoever waits has a timer.
- Closing an exchange whose body is not whole closes its connection, and that is what stops the server's work.
- The key enters the request last, behind httpx's own logging, and every failure is raised outside the `except` that
  saw it: no traceback leads into frames whose locals hold the header.
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
    (b"Accept-Encoding", b"identity"),  # a compressed stream arrives in lumps
    (b"Connection", b"keep-alive"),
    (b"User-Agent", f"ollama_magic/{__version__}".encode()),
)
_HEADERS_WITH_BODY = (*_HEADERS, (b"Content-Type", b"application/json"))


# ---- one request -----------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Watch:
    """Follows one request through httpcore, and hangs up where it ends before its answer does.

    Closing alone would not hang up while a process that was forked meanwhile has the socket too.
    """

    client: Connection
    on_sent: Callable[[], None] | None
    server: tuple[str, int]
    fresh: bool = False
    whole: bool = False
    connecting: tuple[str, int] | None = None
    """Whom httpcore was last connecting to: the server, or a proxy on the way."""

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
            with suppress(OSError, TypeError):  # the latter is uvloop's: its sockets are only ever closed
                self.client.made.shutdown(socket.SHUT_RDWR)

    def blame(self, failure: Failure) -> Failure:
        """`failure`, or one that names the proxy, where that is what could not be reached."""
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
    """Send a request and wait for the head of its answer, whatever its status; 307 and 308 are followed.

    `path` is below the host's own. `on_sent` is called when the request is out. Waits for ever but for connecting
    (`connect_timeout` seconds). Raises Failure where no answer came, ServerError for a redirect that is not followed.
    """
    target = endpoint.host.path + path
    for _ in range(_MAX_REDIRECTS + 1):
        exchange = await _send(endpoint, method, target, body, connect_timeout, on_sent)
        if not 300 <= exchange.status < 400 or exchange.status == 304:
            return exchange
        await exchange.aclose()
        here, there = exchange.url, exchange.headers.get("location", "")
        if exchange.status not in (307, 308) or not there:
            # Told as far as it is an address: credentials and a query may hold anything, the key that was sent too.
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
    # The message has the address taken apart, where the key may look otherwise than it did.
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
    # Not by the client, which would take all of it apart again and merge it with defaults that there are none of.
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
    except BaseException as error:  # cancelled, or what nobody thought of: the frames below hold the header
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
    """A client for `host`. Raises Failure where the environment's proxy or certificates keep it from being made.

    What the libraries say of a proxy quotes it, and its address may have a password in it.
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
    """Built from the parts that the key was decided for, not from a text that could be read in another way."""
    path = quote(target, safe="!#$%&'()*+,/:;=?@[]~-._").encode("ascii")
    return httpx.URL(scheme=scheme, host=hostname, port=port, raw_path=path)


def _authorize(request: httpx.Request, authorization: Secret | None) -> None:
    if authorization is None:
        return
    if not (authorization.reveal().isascii() and authorization.reveal().isprintable()):
        # The libraries below would say so too, and show the value.
        raise SettingsError(
            "The key has a character that cannot be sent", hint="Set it again: %ollama login, or OLLAMA_API_KEY."
        )
    request.headers["Authorization"] = authorization.reveal()


# ---- the answer ------------------------------------------------------------------------------------------------


_NOTHING = httpx.ByteStream(b"")


class Exchange:
    """An answer whose head has come. `headers` have lower-case names; `url` has no credentials."""

    def __init__(self, response: httpx.Response, url: str, lease: Lease) -> None:
        self._response = response
        self._lease = lease
        self.url = url
        self.status = response.status_code
        self.whole = False
        """Whether the body was read to its end."""

    @property
    def headers(self) -> Mapping[str, str]:
        """The head's fields; those that came several times joined by commas."""
        return dict(self._response.headers)

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """The body as it arrives, decompressed where the server compressed it unasked. Raises BodyBroken."""
        coding = self._response.headers.get("content-encoding", "identity").strip().lower()
        broken = ""
        try:
            # Not aiter_raw(): for every token that is one more generator, which cuts and counts bytes.
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
        """The body, cut at `limit` bytes. Raises BodyBroken."""
        found = bytearray()
        async for data in self.chunks():
            found += data
            if len(found) >= limit:
                break
        return bytes(found[:limit])

    async def aclose(self) -> None:
        """Let go of the connection: it is closed at once if the body is not whole, else kept for the next request.

        Whoever is reading the body meanwhile gets BodyBroken.
        """
        try:
            await self._response.aclose()
        except (httpx.HTTPError, RuntimeError):  # already gone, or its loop is
            pass
        except BaseException:  # cancelled halfway: httpcore may take the connection for one in use for ever
            self._lease.drop()
            raise
        # The two hold each other, and all of the request with them: with thousands of requests the garbage collector
        # would be a fifth of the work, and stand still for the sake of all that the notebook holds.
        self._response.stream = _NOTHING
        self._lease.end()


def _how_it_broke(error: Exception) -> str:
    if isinstance(error, httpx.NetworkError):
        return "the connection was lost"
    if "peer closed" in str(error):
        return "the server closed it before the end"
    if isinstance(error, httpx.RemoteProtocolError):
        return "what the server sent is not HTTP"  # the library would quote it
    return str(error)
