"""Requests with a JSON response: a single value, or a stream of objects."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Final

from .errors import Incomplete, OllamaMagicError, Stalled, Unreachable
from .retry import Call, Retry, send, target_of, without_key
from .transport import BodyBroken
from .waiting import close_surely
from .wire.failures import error_from_stream, error_from_text
from .wire.framing import Framer, RawText

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from .endpoint import Endpoint
    from .opening import Limits
    from .wire.framing import Frame

__all__ = ["ask_json", "json_call", "stream_json"]

_LARGEST: Final = 64 << 20


def json_call(method: str, path: str, body: object = None, model: str = "") -> Call:
    """A request with `body` as JSON, None for no body; `model` is for error messages."""
    return Call(method, path, None if body is None else json.dumps(body).encode(), model)


async def ask_json(
    endpoint: Endpoint, call: Call, retry: Retry, *, limit_s: float, connect_s: float | None, or_nothing: bool = False
) -> object:
    """The JSON value of the response; None for an empty body if `or_nothing`.

    Raises Stalled after `limit_s` seconds, Unreachable, and the ResponseError for the server's error.
    """
    failure: OllamaMagicError
    try:
        async with asyncio.timeout(limit_s):
            exchange = await send(endpoint, call, retry, connect_timeout=connect_s)
            try:
                data = await exchange.read(_LARGEST)
            finally:
                await exchange.aclose()
        value = None if or_nothing and not data.strip() else json.loads(data)
    except TimeoutError:
        failure = Stalled(
            f"{endpoint.host.display} did not answer {call.method} {call.path} within {limit_s:g} s",
            hint="The server may be busy: try again in a moment.",
        )
    except BodyBroken as error:
        failure = Unreachable(f"the connection to {endpoint.host.display} broke: {error}", hint="Try it again.")
    except (ValueError, RecursionError):
        failure = error_from_text(data.decode("utf-8", "replace"), target_of(endpoint, call))
    else:
        if not (isinstance(value, dict) and value.get("error")):
            return value
        failure = error_from_stream(value, target_of(endpoint, call))
    data, value = b"", None  # a server may have echoed the key, and a traceback may be shown with its variables
    raise without_key(failure, endpoint)


async def stream_json(
    endpoint: Endpoint,
    call: Call,
    retry: Retry,
    limits: Limits,
    *,
    may_rest: Callable[[dict[str, Any]], bool] = lambda _: False,
) -> AsyncGenerator[dict[str, Any], None]:
    """The objects that the server sends, as they arrive.

    Timeouts are those of an answer: `limits.first_byte` before the first byte and after an object for which `may_rest`
    is true, `limits.stall` otherwise; Stalled is raised then. Also raises Incomplete if the connection breaks,
    Unreachable, and the ResponseError for the server's error, by status or in an object with `error`. The connection is
    closed however it ends, also when the generator is closed.
    """
    framer = Framer()
    where = endpoint.host.display
    failure: OllamaMagicError | None = None
    limit = limits.first_byte
    exchange = None
    try:
        async with asyncio.timeout(limit):
            exchange = await send(endpoint, call, retry, connect_timeout=limits.connect)
        async with aclosing(exchange.chunks()) as chunks:
            data: bytes | None = b""
            while data is not None and failure is None:
                async with asyncio.timeout(limit):
                    data = await anext(chunks, None)
                for found in _objects(framer.close() if data is None else framer.feed(data)):
                    failure = _failure_in(found, endpoint, call, last=data is None)
                    if failure is not None or not isinstance(found, dict):
                        break
                    yield found
                    limit = limits.first_byte if may_rest(found) else limits.stall
                failure = failure or framer.failure
    except TimeoutError:
        failure = Stalled(
            f"{where} sent nothing for {limit:g} s ({call.method} {call.path})",
            hint="Try it again, or wait longer with OLLAMA_MAGIC_STALL_TIMEOUT (seconds).",
        )
    except BodyBroken as error:
        failure = Incomplete(f"the connection to {where} broke in the middle: {error}", hint="Run it again.")
    finally:
        if exchange is not None:
            await close_surely(exchange.aclose())
    if failure is not None:
        data, found = None, {}
        raise without_key(failure, endpoint)


def _failure_in(
    found: dict[str, Any] | RawText, endpoint: Endpoint, call: Call, *, last: bool
) -> OllamaMagicError | None:
    if isinstance(found, RawText):
        # Truncated within an object: not an error here, since the caller notices that the end is missing.
        cut = last and found.text.startswith(("{", "["))
        return None if cut else error_from_text(found.text, target_of(endpoint, call))
    return error_from_stream(found, target_of(endpoint, call)) if found.get("error") else None


def _objects(frames: list[Frame]) -> list[dict[str, Any] | RawText]:
    found: list[dict[str, Any] | RawText] = []
    for frame in frames:
        if isinstance(frame, dict | RawText):
            found.append(frame)
        elif isinstance(frame, list):
            found += [item for item in frame if isinstance(item, dict)]
    return found
