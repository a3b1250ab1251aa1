"""An answer cut at every byte: in its status line, in a header, a chunk's size, an object, a character, at its end.

Each cut gives a clear error with exactly the text that the bytes before it hold, or the whole answer where only the end
of the body is missing; and each leaves its connection closed, no task and no handle.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from ollama_magic.client import Client
from ollama_magic.errors import Incomplete, OllamaMagicError, ResponseError, Stalled, Unreachable
from tests.fake_shapes import Piece, encoder_for
from tests.wire.cases import decode

from .wires import Play, Wires, http, nothing_left, offsets

if TYPE_CHECKING:
    from ollama_magic.chatstream import ChatStream

    from .wires import Then

MODEL = "smollm2:135m"
PATHS = {"native": "/api/chat", "openai": "/v1/chat/completions"}
AT_ONCE = 100


def short(surface: str) -> bytes:
    """A small answer as the newest server writes it, with a character of four bytes and one in two halves."""
    encoder = encoder_for(PATHS[surface], {"model": MODEL, "stream_options": {"include_usage": True}}, "new", None)
    said = [Piece(thinking="Hm"), Piece(content="é 🎈"), Piece(content="!")]
    return b"".join(encoder.piece(piece) for piece in said) + encoder.end("stop")


async def outcome(host: str, surface: str, **limits: float) -> tuple[ChatStream, OllamaMagicError | None]:
    """What a question to `host` comes to."""
    stream = Client(host=host, api=surface, model=MODEL, **limits).chat("Hello")
    try:
        async for _ in stream:
            pass
    except OllamaMagicError as error:
        return stream, error
    return stream, None


async def each_cut(surface: str, wire: bytes, body: bytes, cuts: list[int], then: Then, **limits: float) -> None:
    """Ask once for each cut, many side by side, and look at what came of it."""
    inside, few = offsets(wire), asyncio.Semaphore(AT_ONCE)
    head = wire.index(b"\r\n\r\n") + 4
    failed: list[str] = []

    async def cut(at: int) -> None:
        async with few:
            stream, error = await outcome(wires.plays(Play(wire[:at], then)), surface, **limits)
        came = decode(surface, [body[: inside[at]]])
        what = f"cut at {at} of {len(wire)}: {wire[max(0, at - 20) : at]!r}"
        answer = stream.answer
        if then == "reset":  # it may overtake what was sent before it
            same = came.text.startswith(answer.text) and came.thinking.startswith(answer.thinking)
        else:
            same = (answer.text, answer.thinking) == (came.text, came.thinking)
        if not same:
            failed.append(f"{what} kept {answer.text!r}")
        if error is None:
            if came.done is None or not answer.complete:
                failed.append(f"{what} was taken for whole")
        elif came.done is not None and then != "reset":
            failed.append(f"{what}, a whole answer, gave {error!r}")
        elif error.partial != answer.text or not error.hint or answer.complete:
            failed.append(f"{what} gave {error!r} with {error.partial!r}")
        elif not isinstance(error, _told(then, at < head, came.failure)):
            failed.append(f"{what} gave a {type(error).__name__}")

    async with Wires() as wires:
        await asyncio.gather(*map(cut, cuts))
        assert not failed, "\n".join(failed[:10])
        await wires.until(lambda: wires.open == 0)
        assert wires.asked == len(cuts), "nothing that was cut is asked for again"


def _told(then: Then, in_head: bool, failure: OllamaMagicError | None) -> tuple[type[OllamaMagicError], ...]:
    if then == "silence":
        return (Stalled,)
    if then == "reset":
        return (Incomplete, Unreachable, ResponseError)
    return (Unreachable,) if in_head else (Incomplete,)


def cut_everywhere(surface: str, body: bytes, then: Then, step: int = 1, **limits: float) -> None:
    wire = http(body)

    async def main() -> None:
        await each_cut(surface, wire, body, [*range(0, len(wire), step), len(wire)], then, **limits)
        assert len(asyncio.all_tasks()) == 1

    with nothing_left():
        asyncio.run(main())


@pytest.mark.parametrize("then", ["close", "half-close", "reset"])
@pytest.mark.parametrize("surface", PATHS)
def test_cut_in_many_places(surface: str, then: Then) -> None:
    cut_everywhere(surface, short(surface), then, step=101)


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.parametrize("then", ["close", "half-close", "reset"])
@pytest.mark.parametrize("surface", PATHS)
def test_cut_at_every_byte(surface: str, then: Then) -> None:
    cut_everywhere(surface, short(surface), then)


@pytest.mark.slow
@pytest.mark.parametrize("surface", PATHS)
def test_silence_in_many_places(surface: str) -> None:
    body = short(surface)
    wire = http(body)
    begun = offsets(wire).index(1)

    async def main() -> None:
        await each_cut(surface, wire, body, [*range(0, begun, 7)], "silence", first_byte_timeout=0.3)
        await each_cut(surface, wire, body, [*range(begun, len(wire), 7)], "silence", stall_timeout=0.3)

    with nothing_left():
        asyncio.run(main())
