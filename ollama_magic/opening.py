"""An answer until its first byte: the surface chosen, the request sent, and the wait for a server that says nothing."""

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
    """Seconds, None for no limit."""

    connect: float | None = 10.0
    first_byte: float | None = 1800.0
    stall: float | None = 120.0


@dataclass(frozen=True, slots=True)
class Server:
    """What a stream needs of its client, each for a model: `connect` gives the endpoint, `explain` betters an error
    before it is raised, `is_loaded` says whether the server has the model in memory (None: it does not tell).

    Without `is_loaded` nobody wants to know what goes on before the first byte.
    """

    connect: Callable[[Callable[[Progress], None], str], Awaitable[Endpoint]]
    explain: Callable[[OllamaMagicError, Endpoint | None, str], Awaitable[OllamaMagicError]]
    is_loaded: Callable[[Endpoint, str], Awaitable[bool | None]] | None
    limits: Limits
    retry: Retry


_to_json = json.JSONEncoder(ensure_ascii=False).encode


class Body:
    """An answer that has begun: the exchange, its decoder, and the times for the counts."""

    def __init__(
        self, exchange: Exchange, decoder: Decoder, first: bytes, chunks: AsyncGenerator[bytes, None], host: str
    ) -> None:
        self.exchange, self.decoder = exchange, decoder
        self.first, self.chunks = first, chunks
        self.host = host
        self.framer = Framer()

    def events(self, data: bytes) -> list[Event]:
        """What a piece of the body says."""
        return self.decoder.feed(self.framer.feed(data))

    def last_events(self) -> list[Event]:
        """What is left at the end of the body."""
        return self.decoder.feed(self.framer.close()) + self.decoder.close()

    @property
    def failure(self) -> OllamaMagicError | None:
        """What went wrong with it."""
        # A body that could not be framed was cut off there for the decoder, which is not the reason.
        return self.framer.failure or self.decoder.failure


async def open_body(request: Request, server: Server, endpoint: Endpoint, put: Callable[[Event], None]) -> Body:
    """Ask `endpoint`, and wait for the first byte of its answer; tells by `put` what goes on meanwhile.

    Raises Unsupported where no surface can carry the request, Stalled, Incomplete, and what `send` raises.
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
