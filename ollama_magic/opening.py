"""An answer until its first byte: choosing the surface, sending the request, waiting for a silent server."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .errors import Incomplete, OllamaMagicError, Stalled
from .events import Start
from .retry import Call, Retry, send, target_of
from .transport import BodyBroken
from .waiting import Phases, close_surely
from .wire import native, openai, surface
from .wire.framing import Framer

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from .endpoint import Endpoint
    from .events import Event, Progress, Request
    from .transport import Exchange
    from .wire.decoding import Decoder

__all__ = ["Body", "Limits", "Server", "open_body"]


@dataclass(frozen=True, slots=True)
class Limits:
    """Timeouts in seconds, None for no limit."""

    connect: float | None = 10.0
    first_byte: float | None = 1800.0
    stall: float | None = 120.0


@dataclass(frozen=True, slots=True)
class Server:
    """What a stream needs of its client, each for a model: `connect` returns the endpoint, `explain` adds detail to an
    error before it is raised, `is_loaded` says whether the server has the model in memory (None: it does not tell).

    If `is_loaded` itself is None, progress before the first byte is not wanted.
    """

    connect: Callable[[Callable[[Progress], None], str], Awaitable[Endpoint]]
    explain: Callable[[OllamaMagicError, Endpoint | None, str], Awaitable[OllamaMagicError]]
    is_loaded: Callable[[Endpoint, str], Awaitable[bool | None]] | None
    limits: Limits
    retry: Retry


_to_json = json.JSONEncoder(ensure_ascii=False).encode


class Body:
    """An answer that has started: the exchange, its first bytes, its remaining chunks, and its decoder."""

    def __init__(
        self, exchange: Exchange, decoder: Decoder, first: bytes, chunks: AsyncGenerator[bytes, None], host: str
    ) -> None:
        self.exchange, self.decoder = exchange, decoder
        self.first, self.chunks = first, chunks
        self.host = host
        self.framer = Framer()

    def events(self, data: bytes) -> list[Event]:
        """The events in a chunk of the body."""
        return self.decoder.feed(self.framer.feed(data))

    def last_events(self) -> list[Event]:
        """The remaining events at the end of the body."""
        return self.decoder.feed(self.framer.close()) + self.decoder.close()

    @property
    def failure(self) -> OllamaMagicError | None:
        """The framing or decoding error, if any."""
        # The framer's comes first: after a framing error the decoder sees a truncated body, which is not the cause.
        return self.framer.failure or self.decoder.failure


async def open_body(request: Request, server: Server, endpoint: Endpoint, put: Callable[[Event], None]) -> Body:
    """Ask `endpoint`, and wait for the first byte of its answer; progress is reported through `put`.

    Raises Unsupported if no surface supports the request, Stalled, Incomplete, and what `send` raises.
    """
    chosen = surface.choose(endpoint.api, endpoint.surfaces, request)
    call = _call(chosen, endpoint, request)
    decoder = (openai.OpenAIDecoder if chosen == "openai" else native.NativeDecoder)(target_of(endpoint, call))
    put(Start(request.model, endpoint.mode, chosen, endpoint.host.display, request))
    phases = None
    if (is_loaded := server.is_loaded) is not None:
        phases = Phases(put, lambda: is_loaded(endpoint, request.model))
    limit = server.limits.first_byte
    try:
        async with asyncio.timeout(limit):
            return await _first_byte(endpoint, call, server, phases, decoder)
    except TimeoutError:
        failure: OllamaMagicError = Stalled(
            f"{endpoint.host.display} sent nothing for {limit:g} s",
            hint="It may be loading a large model, and starts over when it is asked again. Wait longer with "
            "OLLAMA_MAGIC_FIRST_BYTE_TIMEOUT (seconds).",
        )
    except BodyBroken as broken:
        failure = Incomplete(
            f"the connection to {endpoint.host.display} broke before the first token: {broken}",
            hint="Run it again. The server's log may say why.",
        )
    finally:
        if phases is not None:
            phases.stop()
    raise failure


def _call(chosen: str, endpoint: Endpoint, request: Request) -> Call:
    if chosen == "openai":
        path, content = openai.encode_chat(request, dialect=endpoint.dialect)
    else:
        path, content = native.encode_chat(request)
    return Call("POST", path, _to_json(content).encode(), request.model)


async def _first_byte(endpoint: Endpoint, call: Call, server: Server, phases: Phases | None, decoder: Decoder) -> Body:
    tell, on_sent = (phases.tell, phases.sent) if phases is not None else (None, None)
    exchange = await send(
        endpoint, call, server.retry, connect_timeout=server.limits.connect, tell=tell, on_sent=on_sent
    )
    try:
        chunks = exchange.chunks()
        return Body(exchange, decoder, await anext(chunks, b""), chunks, endpoint.host.display)
    except BaseException:
        await close_surely(exchange.aclose())
        raise
