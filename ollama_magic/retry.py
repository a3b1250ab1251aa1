"""Sending a request with retries: which failures are retried, when, and the error if they persist.

Only before the first byte of an answer, and only transient failures:

    the connection could not be made        retried, except if a local server refuses it: nothing listens there
    an idle connection had been closed      retried at once, on a new one
    502, 503, 504, and a busy 429           retried, after Retry-After if the server sent it
    everything else (401, 402, 403, quota)  never

A 504 after a long wait is a proxy's own timeout: a retry would make the server start over.
"""

from __future__ import annotations

import asyncio
import math
import random
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from .errors import Busy, OllamaMagicError, ResponseError, ServerError, Unreachable
from .events import Progress
from .secret import redact
from .transport import BodyBroken, Failure, open_exchange
from .wire.failures import Target, error_from_response

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from .endpoint import Endpoint
    from .transport import Exchange, FailureKind

__all__ = ["Call", "Retry", "lost", "send", "target_of", "without_key"]

ERROR_BODY: Final = 1_000_000
"""The most bytes read of an error response's body."""
_ERROR_BODY_S: Final = 10.0
_LONG_WAIT_S: Final = 20.0


@dataclass(frozen=True, slots=True)
class Retry:
    """The retry policy. Waits are seconds; `sleep`, `clock` and `chance` (0 to 1) can be replaced, as in tests."""

    tries: int = 3
    first_s: float = 0.5
    longest_s: float = 30.0
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    clock: Callable[[], float] = time.monotonic
    chance: Callable[[], float] = random.random

    def wait_s(self, attempt: int, retry_after: float | None = None) -> float | None:
        """Seconds to wait after `attempt` (from 0) before the next, None for no retry.

        Exponential backoff, doubling, with jitter up to twice that, so that many clients do not return at once. The
        server's `retry_after` takes precedence; if that is more than `longest_s`, there is no retry.
        """
        if attempt + 1 >= self.tries:
            return None
        if retry_after is not None:
            return retry_after if retry_after <= self.longest_s else None
        return min(self.longest_s, self.first_s * 2.0**attempt * (1 + self.chance()))


@dataclass(frozen=True, slots=True)
class Call:
    """One request: `path` below the host, `body` as JSON, `model` for messages."""

    method: str
    path: str
    body: bytes | None = None
    model: str = ""


def target_of(endpoint: Endpoint, call: Call) -> Target:
    """A description of the request for messages, without credentials."""
    return Target(
        method=call.method,
        url=f"{endpoint.host.url}{call.path}",
        model=call.model,
        mode=endpoint.mode,
        key_sent=endpoint.authorization is not None,
    )


async def send(
    endpoint: Endpoint,
    call: Call,
    retry: Retry,
    *,
    connect_timeout: float | None = None,
    tell: Callable[[Progress], None] | None = None,
    on_sent: Callable[[], None] | None = None,
) -> Exchange:
    """The response to `call`, with its head received and status 2xx; the caller closes it.

    `tell` gets a Progress before each wait, `on_sent` is called whenever a request was sent. Raises Unreachable, the
    server's ResponseError, or Unsupported.
    """
    attempt = stale = 0
    while True:
        began = retry.clock()
        outcome = await _attempt(endpoint, call, connect_timeout, on_sent)
        if isinstance(outcome, _Refused):
            error, again = outcome.error, outcome.again
            if outcome.status == 504 and retry.clock() - began > _LONG_WAIT_S:
                again = False
        elif isinstance(outcome, Failure):
            if outcome.kind == "closed" and outcome.reused and stale < max(retry.tries - 1, 1):
                stale += 1
                continue
            error, again = lost(endpoint, outcome), _may_heal(outcome, endpoint)
        else:
            return outcome
        after = error.retry_after if isinstance(error, ResponseError) else None
        wait = retry.wait_s(attempt, after) if again else None
        if wait is None:
            raise error
        if tell is not None:
            when = f" in {math.ceil(wait)} s" if wait else ""
            tell(Progress(f"retrying{when}: {error.message}"))
        await retry.sleep(wait)
        if tell is not None:
            tell(Progress("connecting"))
        attempt += 1


@dataclass(frozen=True, slots=True)
class _Refused:
    """The server answered with an error; `again`: it may be retried."""

    error: OllamaMagicError
    status: int
    again: bool


async def _attempt(
    endpoint: Endpoint, call: Call, connect_timeout: float | None, on_sent: Callable[[], None] | None
) -> Exchange | _Refused | Failure:
    try:
        exchange = await open_exchange(
            endpoint, call.method, call.path, call.body, connect_timeout=connect_timeout, on_sent=on_sent
        )
    except Failure as failure:
        return failure.with_traceback(None)
    except OllamaMagicError as odd:  # such as a redirect that is not followed, whose target may contain the key
        odd.__cause__ = odd.__context__ = None  # the variables of those frames may hold it too
        return _Refused(without_key(odd, endpoint).with_traceback(None), 0, again=False)
    if 200 <= exchange.status < 300:
        return exchange
    try:
        async with asyncio.timeout(_ERROR_BODY_S):
            body = await exchange.read(ERROR_BODY)
    except (BodyBroken, TimeoutError):
        body = b""  # the status alone has to do
    finally:
        await exchange.aclose()
    # Redacted before parsing: a message truncates the body, and a truncated key would not be recognised.
    shown = redact(body.decode("utf-8", "replace"), endpoint.secrets).encode()
    error = error_from_response(exchange.status, shown, exchange.headers, target_of(endpoint, call))
    again = isinstance(error, Busy | ServerError) and exchange.status in (429, 502, 503, 504)
    return _Refused(without_key(error, endpoint), exchange.status, again)


def without_key(error: OllamaMagicError, endpoint: Endpoint) -> OllamaMagicError:
    """`error`, which quotes the server, with the key redacted that the server may have echoed."""
    error.message = redact(error.message, endpoint.secrets)
    error.hint = redact(error.hint, endpoint.secrets)
    error.args = (error.message,)
    return error


def _may_heal(failure: Failure, endpoint: Endpoint) -> bool:
    if failure.kind == "refused":
        return endpoint.mode == "cloud"
    if failure.kind == "closed":
        return False  # on a new connection: the server accepted the request and dropped it
    return failure.kind == "timeout" or (failure.kind in ("no route", "unknown host") and failure.temporary)


# ---- no answer -------------------------------------------------------------------------------------------------

_WHAT: Final[dict[FailureKind, str]] = {
    "refused": "no server at {where} ({detail}{origin})",
    "unknown host": "the name of {where} cannot be found ({detail}{origin})",
    "no route": "{where} cannot be reached ({detail}{origin})",
    "timeout": "{where} does not answer ({detail}{origin})",
    "certificate": "the certificate of {where} is not accepted ({detail})",
    "tls": "no secure connection to {where} ({detail}{origin})",
    "proxy": "the proxy on the way to {where} failed ({detail})",
    "closed": "{where}: {detail}",
    "not http": "{where}: {detail}",
    "failed": "{where}: the request could not be sent ({detail})",
}
_HINT: Final[dict[FailureKind, str]] = {
    "certificate": "For a certificate of your own, set SSL_CERT_FILE to the file of who signed it.",
    "tls": "Does it speak plain http? Then write http:// in the host.",
    "proxy": "Look at HTTPS_PROXY and HTTP_PROXY, or name the host in NO_PROXY.",
    "closed": "The server's log may say why: `ollama serve` writes it. Run it again.",
    "not http": "Look at the port of the host: Ollama's own is 11434. Is it https?",
}
_HINT_BY_MODE: Final = {
    "local": "Start it: %ollama start (or `ollama serve`); or use the built-in one: %ollama mode embedded",
    "cloud": "Look at the network connection; behind a proxy, set HTTPS_PROXY.",
    "embedded": "The built-in engine has stopped. Run it again: it is started anew.",
}


def lost(endpoint: Endpoint, failure: Failure) -> Unreachable:
    """The error for a request that got no answer."""
    host = replace(endpoint.host, path="").display
    named = endpoint.host_origin != "default" and endpoint.mode != "embedded"
    origin = f"; host from {endpoint.host_origin}" if named else ""
    message = _WHAT[failure.kind].format(where=host, detail=failure.detail, origin=origin)
    hint = _HINT.get(failure.kind) or _HINT_BY_MODE.get(endpoint.mode, "")
    if endpoint.mode == "local" and named and failure.kind in ("unknown host", "no route", "timeout"):
        hint = "Look at the host's name, and whether that machine is on and lets others in (OLLAMA_HOST=0.0.0.0 there)."
    if endpoint.mode == "local" and failure.kind == "refused" and not endpoint.host.is_loopback:
        hint = "Start Ollama on that machine, with OLLAMA_HOST=0.0.0.0 there so that it lets others in."
    return Unreachable(redact(message, endpoint.secrets), hint=hint)
