"""One pool of connections per event loop, since a connection belongs to the loop that made it.

It is closed by an asynchronous generator that the loop itself closes before it ends, so nobody has to remember.
"""

from __future__ import annotations

import asyncio
import gc
import warnings
import weakref
from functools import cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TYPE_CHECKING

import httpx

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncGenerator

    from ..hosts import Host

__all__ = ["client_for"]

_KEEP_IDLE_S = 15.0  # shorter than what routers between here and there usually allow


class _Pool:
    """The connections of one event loop. A loopback host is never asked through a proxy."""

    def __init__(self) -> None:
        self._clients: dict[tuple[bool, bool], httpx.AsyncClient] = {}
        self._keeper = self._keep()

    async def start(self) -> None:
        """Make the loop close this pool when it ends: it closes its asynchronous generators first."""
        await anext(self._keeper)

    async def _keep(self) -> AsyncGenerator[None, None]:
        try:
            yield
        finally:
            clients = list(self._clients.values())
            self._clients.clear()
            _pools.pop(asyncio.get_running_loop(), None)
            for client in clients:
                await client.aclose()

    def client(self, host: Host) -> httpx.AsyncClient:
        direct, tls = host.is_loopback, host.scheme == "https"
        if (direct, tls) not in self._clients:
            limits = httpx.Limits(max_connections=None, max_keepalive_connections=8, keepalive_expiry=_KEEP_IDLE_S)
            # No cookie is ever kept: they do not know ports, so one server on localhost would tell another.
            cookies = CookieJar(policy=DefaultCookiePolicy(allowed_domains=[]))
            # Reading the certificates takes 20 ms, wasted where this client only ever speaks plain http.
            verify = _certificates() if tls or not direct else False
            self._clients[direct, tls] = httpx.AsyncClient(
                verify=verify, limits=limits, cookies=cookies, trust_env=not direct
            )
        return self._clients[direct, tls]


_pools: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _Pool] = weakref.WeakKeyDictionary()


@cache
def _certificates() -> ssl.SSLContext:
    return httpx.create_ssl_context()


async def client_for(host: Host) -> httpx.AsyncClient:
    """The running loop's client for `host`; shared, never to be closed by who asks."""
    loop = asyncio.get_running_loop()
    pool = _pools.get(loop)
    if pool is None:
        _drop_dead_pools()
        pool = _pools[loop] = _Pool()
        await pool.start()
    return pool.client(host)


def _drop_dead_pools() -> None:
    """Forget the pools of loops that were closed without closing their generators."""
    dead = [loop for ref in _pools.keyrefs() if (loop := ref()) is not None and loop.is_closed()]
    if dead:
        # Nothing can be awaited on a closed loop, so its idle sockets can only be dropped, which warns.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            while dead:
                _pools.pop(dead.pop(), None)
            gc.collect()
