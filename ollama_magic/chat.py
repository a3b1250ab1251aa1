"""The rounds of requests behind one answer: tool calls, and the repair of a structured answer."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Protocol

from .errors import OllamaMagicError
from .events import Done, Message, Notice, Restart, Start, Stats, ToolResult
from .guards import untold_notice
from .schema import Mismatch, Records, SchemaMismatch

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from .client import Client
    from .events import Event, Request, ToolCall
    from .schema import Shape

__all__ = ["MOST_ROUNDS", "ToolsNeverEnd", "ToolWork", "converse", "read_shape"]

MOST_ROUNDS = 8
"""How many times in a row a model may call tools, by default."""


class ToolsNeverEnd(OllamaMagicError):
    """The model called tools more often in a row than allowed; `partial` has the text so far."""


class Reads(Protocol):
    """Parses an answer, such as a Shape."""

    def parse(self, text: str) -> object:
        """The value in an answer. Raises Mismatch if it is not what was asked for."""


@dataclass(eq=False, slots=True)
class ToolWork:
    """A pending tool call, to be run by the consumer of the events: in its own thread, not on the event loop.

    `deliver` passes in the result, from any thread.
    """

    call: ToolCall
    _loop: asyncio.AbstractEventLoop
    _result: asyncio.Future[ToolResult]

    def deliver(self, result: ToolResult) -> None:
        """Pass in the result of the call; the conversation continues with it."""
        self._loop.call_soon_threadsafe(self._set, result)

    async def result(self) -> ToolResult:
        """Wait for the delivered result."""
        return await self._result

    def _set(self, result: ToolResult) -> None:
        if not self._result.done():  # cancelled if the answer was stopped
            self._result.set_result(result)


async def converse(
    client: Client, request: Request, *, shape: Reads | None = None, rounds: int = MOST_ROUNDS
) -> AsyncGenerator[Event | ToolWork, None]:
    """The events of one answer that may take several requests; ends with one Done, with the totals of all requests.

    Each tool call is yielded as part of a ToolRequest and as a ToolWork, and its result as a ToolResult. An answer that
    does not match `shape` is requested once more, after a Restart. Raises SchemaMismatch if that fails too, and
    ToolsNeverEnd after `rounds` rounds of tools.
    """
    total = Stats()
    mended = False
    used = 0
    while True:
        reason = "stop"
        async with client.chat(request) as stream, aclosing(aiter(stream)) as events:
            async for event in events:
                if isinstance(event, Done):
                    total, reason = _sum(total, event.stats), event.reason
                elif not (isinstance(event, Start) and (used or mended)):
                    yield event
        answer = stream.answer if request.tools else None
        if answer is not None and answer.tool_calls:
            if used >= rounds:
                raise _never_ends(request.model, used, answer.text)
            used += 1
            results: list[Message] = []
            for work in map(_work, answer.tool_calls):
                yield work
                result = await work.result()
                yield result
                results.append(result.message)
            request = replace(request, messages=(*request.messages, *answer.replies, *results))
            continue
        problem = "" if shape is None else _misfit(shape, stream.text, reason)
        if not problem:
            if request.top_logprobs is not None and stream.text and not stream.answer.probabilities:
                yield Notice(await untold_notice(client))
            yield Done(reason, total)
            return
        if mended:
            raise SchemaMismatch(
                f"The answer is not what the schema asks for, also when asked again: {problem}",
                hint="A larger model, a simpler schema or more --max-tokens may help.",
                partial=stream.text,
            )
        mended = True
        yield Restart(f"asked again, since the first answer did not fit: {problem}")
        request = _asked_again(request, stream.text, problem)


def _never_ends(model: str, used: int, text: str) -> ToolsNeverEnd:
    return ToolsNeverEnd(
        f"{model} asked for tools {used} times in a row and would again",
        hint="Say in the prompt when to stop, offer fewer tools, or raise OLLAMA_MAGIC_ROUNDS.",
        partial=text,
    )


def _asked_again(request: Request, text: str, problem: str) -> Request:
    wish = f"That does not fit what was asked for: {problem}. Answer again, with JSON that fits and nothing else."
    return replace(request, messages=(*request.messages, Message("assistant", text), Message("user", wish)))


def _work(call: ToolCall) -> ToolWork:
    loop = asyncio.get_running_loop()
    return ToolWork(call, loop, loop.create_future())


def _misfit(shape: Reads, text: str, reason: str) -> str:
    try:
        shape.parse(text)
    except Mismatch as error:
        cut = " (it was cut off at the longest answer allowed)" if reason == "length" else ""
        return f"{error}{cut}"
    return ""


def read_shape(shape: Shape, text: str) -> Any:
    """The typed value of an answer from `converse`; None if it does not match, as when it was cut off.

    A list is returned as Records, which has a `.df`.
    """
    try:
        value = shape.parse(text)
    except Mismatch:
        return None
    return Records(value) if type(value) is list else value


def _sum(one: Stats, other: Stats) -> Stats:
    """The summed counts and times of two rounds; `first_token_s` is the first round's."""
    if one == Stats():
        return other
    summed = {
        field.name: _plus(getattr(one, field.name), getattr(other, field.name))
        for field in fields(Stats)
        if field.name != "first_token_s"
    }
    return Stats(**summed, first_token_s=one.first_token_s)


def _plus(one: float | None, other: float | None) -> Any:
    return other if one is None else one if other is None else one + other
