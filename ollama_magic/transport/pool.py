"""One connection pool per event loop, since a connection belongs to the loop that made it.

It is closed by an asynchronous generator that the loop itself closes before it ends, so no caller has to.

Strategy: every request in flight has a connection to itself, taken from the idle ones if possible. httpcore's own pool
scans all its connections for each request, and while there are more than it keeps idle it closes each one that becomes
idle: with 40 concurrent requests that costs five times as much as everything else.
"""

from __future__ import annotations

import asyncio
import gc
import warnings
import weakref
from functools import cache
from typing import TYPE_CHECKING

import httpx

from ..waiting import start_closing
from .direct import Direct

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import AsyncGenerator

    from ..hosts import Host

__all__ = ["Connection", "Lease", "lease"]

_KEEP_IDLE_S = 15.0  # shorter than the idle timeouts of most routers on the way

_Server = tuple[str, str, int]


class _Pool:
    """The connections of one event loop. Requests to a loopback host never go through a proxy."""

    def __init__(self) -> None:
        self._free: dict[_Server, list[tuple[float, Connection]]] = {}
        """The idle connections and when they became idle, the latest last."""
        self._taken: set[Connection] = set()
        self._keeper = self._keep()
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None

    async def start(self) -> None:
        """Make the loop close this pool when it shuts down: it closes its asynchronous generators first."""
        await anext(self._keeper)

    async def _keep(self) -> AsyncGenerator[None, None]:
        try:
            yield
        finally:
            clients = [*self._taken, *(client for free in self._free.values() for _, client in free)]
            self._taken.clear()
            self._free.clear()
            if self._timer is not None:
                self._timer.cancel()
            _pools.pop(self._loop, None)
            for client in clients:
                await client.aclose()

    def take(self, host: Host) -> Connection:
        free = self._free.get((host.scheme, host.hostname, host.port))
        client = free.pop()[1] if free else _connection(host)
        self._taken.add(client)
        return client

    def give_back(self, host: Host, client: Connection) -> None:
        if client not in self._taken:  # the pool was closed meanwhile
            return
        self._taken.discard(client)
        self._free.setdefault((host.scheme, host.hostname, host.port), []).append((self._loop.time(), client))
        if self._timer is None:
            self._timer = self._loop.call_later(_KEEP_IDLE_S, self._close_idle)

    def drop(self, client: Connection) -> None:
        self._taken.discard(client)
        start_closing(client.aclose())

    def _close_idle(self) -> None:
        """Close the connections idle for too long, and check again later if any are left."""
        self._timer = None
        until = self._loop.time() - _KEEP_IDLE_S
        for server, free in list(self._free.items()):
            while free and free[0][0] <= until:
                start_closing(free.pop(0)[1].aclose())
            if not free:
                del self._free[server]
        oldest = min((free[0][0] for free in self._free.values()), default=None)
        if oldest is not None:
            self._timer = self._loop.call_at(oldest + _KEEP_IDLE_S, self._close_idle)


class _NoCookies(httpx.Cookies):
    """Stores no cookies: they ignore ports, so those of one server on localhost would be sent to another."""

    def extract_cookies(self, response: httpx.Response) -> None:
        pass

    def set_cookie_header(self, request: httpx.Request) -> None:
        pass


class _Client(httpx.AsyncClient):
    """A client used by one request at a time, so it has one connection, which httpcore does not expose.

    It takes the proxy from the environment, if there is one.
    """

    made: socket.socket | None = None
    """The socket of the last connection, set by the trace callback of its requests."""

    @property
    def cookies(self) -> httpx.Cookies:
        return _no_cookies

    @cookies.setter
    def cookies(self, cookies: object) -> None:
        raise AttributeError("this client keeps no cookies")


_no_cookies = _NoCookies()


Connection = Direct | _Client


def _connection(host: Host) -> Connection:
    return _direct(host) if host.is_loopback else _client(host)


def _direct(host: Host) -> Connection:
    # Loading the certificates takes 20 ms, wasted on plain http.
    return Direct(_certificates() if host.scheme == "https" else None)


def _client(host: Host) -> Connection:
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=1, keepalive_expiry=_KEEP_IDLE_S)
    return _Client(verify=_certificates(), limits=limits)


_pools: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _Pool] = weakref.WeakKeyDictionary()


@cache
def _certificates() -> ssl.SSLContext:
    return httpx.create_ssl_context()


class Lease:
    """A connection for one request; `end` it when the response body is read or closed."""

    def __init__(self, pool: _Pool, host: Host) -> None:
        self._pool: _Pool | None = pool
        self._host = host
        self.client = pool.take(host)

    def end(self) -> None:
        """Return it to the pool. Only the first call counts."""
        if self._pool is not None:
            self._pool.give_back(self._host, self.client)
            self._pool = None

    def drop(self) -> None:
        """Close it instead of returning it: its state is unknown."""
        if self._pool is not None:
            self._pool.drop(self.client)
            self._pool = None


async def lease(host: Host) -> Lease:
    """A connection of the running loop for one request to `host`."""
    loop = asyncio.get_running_loop()
    pool = _pools.get(loop)
    if pool is None:
        _drop_dead_pools()
        pool = _pools[loop] = _Pool()
        await pool.start()
    return Lease(pool, host)


def _drop_dead_pools() -> None:
    """Drop the pools of loops that were closed without closing their generators."""
    dead = [loop for ref in _pools.keyrefs() if (loop := ref()) is not None and loop.is_closed()]
    if dead:
        # Nothing can be awaited on a closed loop, so its idle sockets can only be dropped, which warns.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            while dead:
                _pools.pop(dead.pop(), None)
            gc.collect()
