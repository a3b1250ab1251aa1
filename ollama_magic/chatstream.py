"""One streamed answer: from the request to Done, and everything that can end it earlier.

    async with client.chat("Why is the sky blue?") as stream:
        async for event in stream:
            ...
    stream.answer

Strategy: a separate task (`_open`) works until the first byte, with retries, a poll of what the server is doing, and a
timeout; its progress events go through a queue. If progress is not wanted, as for the rows of a map, the reader's task
does that too. From then on the reader's own task reads, with only the decoder between it and the socket, since this
runs for every token. Ending an answer from outside (a stall, `aclose` in another task) closes the connection, which
wakes up the reading task: no task but our own is ever cancelled here.
"""

from __future__ import annotations

import asyncio
import time
import weakref
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING

from .builder import AnswerBuilder
from .errors import Incomplete, OllamaMagicError, Stalled
from .events import Done, Progress, Stats, Text, Thinking, ToolRequest
from .opening import Body, open_body
from .transport import BodyBroken
from .waiting import Silence, close_surely, start_closing

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from types import TracebackType
    from typing import Self

    from .endpoint import Endpoint
    from .events import Answer, Event, Request
    from .opening import Server

__all__ = ["ChatStream"]

_AFTER_DONE_S = 0.25
"""How long the end of the body may lag behind the end of the answer before the connection is closed, not reused."""
_AFTER_REASON_S = 2.0
"""How long the token counts may lag behind the finish reason."""


class ChatStream:
    """An answer as it arrives: an asynchronous iterator of events, to be read once.

    Nothing is sent before it is read. Events: Start, then Progress while it waits, then Text, Thinking and ToolRequest
    as they arrive, then Done with the counts; no Start, and no Progress while waiting, if progress is not wanted.
    Raises an error of `ollama_magic.errors`, with the text so far as its `partial`. Leaving the loop or the
    `async with`, `aclose()`, and cancellation all close the connection, which stops the server's work.
    """

    def __init__(self, request: Request, server: Server) -> None:
        self.request = request
        self._server = server
        self._builder = AnswerBuilder()
        self._endpoint: Endpoint | None = None
        self._opening: asyncio.Task[Body] | None = None
        self._body: Body | None = None
        self._generator: weakref.ref[AsyncGenerator[Event, None]] | None = None
        self._ended: asyncio.Event | None = None
        self._closing = False
        self._error: OllamaMagicError | None = None
        self._done: Done | None = None
        self._began = self._first = self._last = 0.0

    # ---- for the reader ----------------------------------------------------------------------------------------

    def __aiter__(self) -> AsyncGenerator[Event, None]:
        if self._generator is not None:
            raise RuntimeError("this answer was read already: ask again for another one")
        generator = self._events()
        # Only the reader's loop references the generator: leaving the loop by `break` ends it, and so the request.
        self._generator = weakref.ref(generator)
        return generator

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Stop the answer and close its connection; both are done when it returns. Does nothing after the end."""
        self._closing = True
        generator = self._generator() if self._generator else None
        if generator is not None and not generator.ag_running:  # type: ignore[attr-defined]  # every generator has it
            await generator.aclose()
        elif generator is not None:
            # Another task is reading. Closing wakes it up, and it ends by itself.
            if self._opening is not None:
                self._opening.cancel()
            if self._body is not None:
                await close_surely(self._body.exchange.aclose())
        # If the reader's loop was left by `break`, the event loop is about to end the generator.
        if self._ended is not None:
            await self._ended.wait()

    @property
    def text(self) -> str:
        """The text of the answer so far."""
        return self._builder.text

    @property
    def answer(self) -> Answer:
        """The answer: complete after Done, partial before."""
        error = self._error.message if self._error else ""
        answer = self._builder.answer(error=error, stopped=not error)
        return answer if self._done is not None else replace(answer, stats=self._times(answer.stats))

    # ---- the life of an answer ---------------------------------------------------------------------------------

    async def _events(self) -> AsyncGenerator[Event, None]:
        self._ended = asyncio.Event()
        silence: Silence | None = None
        try:
            if self._server.is_loaded is None:
                self._body = await self._open(self._builder.feed)
            else:
                async with aclosing(self._until_open()) as told:
                    async for event in told:
                        yield event
            body = self._body
            if self._closing or body is None:
                return
            silence = Silence(self._server.limits.stall, body.exchange.aclose)
            broken = ""
            try:
                for event in self._arrived(body.events(body.first)):
                    yield event
                if self._goes_on(body, silence):
                    silence.begins()
                    async for data in body.chunks:
                        silence.ends()
                        for event in self._arrived(body.events(data)):
                            yield event
                        if not self._goes_on(body, silence):
                            break
                        silence.begins()
            except BodyBroken as error:
                broken = str(error)
            for event in self._arrived(body.last_events()):
                yield event
            if self._done is None:
                if self._closing:
                    return
                raise self._why(body, broken, silence)
            await _drain(body)
            self._builder.feed(self._done)
            yield self._done
        except OllamaMagicError as error:
            self._error = error
        finally:
            if silence is not None:
                silence.stop()
            await self._finish()
        if self._error is not None:
            data = b""  # a server may have echoed the key, and a traceback may be shown with its variables
            self._error = await self._server.explain(self._error, self._endpoint, self.request.model)
            self._error.partial = self._builder.text
            raise self._error

    async def _until_open(self) -> AsyncGenerator[Event, None]:
        """The events until the first byte; `_body` is set then, unless the stream was closed meanwhile."""
        queue: asyncio.Queue[Event | None] = asyncio.Queue()
        self._opening = opening = asyncio.create_task(self._open(queue.put_nowait))
        opening.add_done_callback(lambda _: queue.put_nowait(None))
        while (event := await queue.get()) is not None:
            self._builder.feed(event)
            yield event
        if not self._closing:
            self._body = opening.result()

    async def _open(self, put: Callable[[Event], None]) -> Body:
        self._endpoint = endpoint = await self._server.connect(put, self.request.model)
        self._began = time.monotonic()
        return await open_body(self.request, self._server, endpoint, put)

    def _goes_on(self, body: Body, silence: Silence) -> bool:
        if body.decoder.finished:
            silence.shorten(_AFTER_REASON_S)
        return self._done is None and body.failure is None

    def _arrived(self, events: list[Event]) -> list[Event]:
        """Record the times and contents of decoded events. Done is held back until the connection is released."""
        if not events:
            return events
        self._last = time.monotonic()
        if not self._first and any(isinstance(event, Text | Thinking | ToolRequest) for event in events):
            self._first = self._last
            events.insert(0, Progress("writing"))
        last = events[-1]
        if type(last) is Done:
            events.pop()
            self._done = replace(last, stats=self._times(last.stats))
        feed = self._builder.feed
        for event in events:
            feed(event)
        return events

    def _times(self, stats: Stats) -> Stats:
        first = self._first - self._began if self._first else None
        total = self._last - self._began if self._last else None
        return replace(stats, first_token_s=first, total_s=total)

    def _why(self, body: Body, broken: str, silence: Silence) -> OllamaMagicError:
        """The error of an answer that ended without Done."""
        failure = body.failure
        assert failure is not None, "a decoder ends in a Done or a failure"
        host = body.host
        again = "The text so far is kept. Run it again for a whole answer."
        if isinstance(failure, Incomplete) and silence.broke:
            return Stalled(
                f"{host} sent nothing more for {silence.limit:g} s, in the middle of the answer",
                hint=f"{again} Wait longer with OLLAMA_MAGIC_STALL_TIMEOUT (seconds).",
            )
        if isinstance(failure, Incomplete) and broken:
            return Incomplete(f"the connection to {host} broke in the middle of the answer: {broken}", hint=again)
        return failure

    async def _finish(self) -> None:
        """Close whatever is open; continues if the waiting task is cancelled."""
        if self._body is not None and self._body.exchange.whole:
            await self._close()  # this cannot take long, so it needs no task
        else:
            await close_surely(self._close())

    async def _close(self) -> None:
        try:
            opening = self._opening
            if opening is not None and not opening.done():
                opening.cancel()
                await asyncio.wait([opening])
            if opening is not None and not opening.cancelled() and opening.exception() is None:
                self._body = opening.result()
            if self._body is not None:
                await self._body.exchange.aclose()
                await self._body.chunks.aclose()
        finally:
            if self._ended is not None:
                self._ended.set()


async def _drain(body: Body) -> None:
    """Read the rest of the body of a complete answer, so that the connection can be reused."""
    late = asyncio.get_running_loop().call_later(_AFTER_DONE_S, lambda: start_closing(body.exchange.aclose()))
    try:
        async for _ in body.chunks:
            pass
    except BodyBroken:
        pass
    finally:
        late.cancel()
