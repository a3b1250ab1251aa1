"""The fault plan: what a server or a proxy can do to an answer, over both surfaces, and what becomes of the cell.

Each row is asked on one event loop, side by side with the others. Whatever happens, the error says what to do, the text
so far is kept, the connection is closed, no task stays, and the next question on that server is answered.
"""

from __future__ import annotations

import asyncio
import email.utils
import gzip
import time
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from ollama_magic.client import Client
from ollama_magic.errors import (
    BadRequest,
    Busy,
    Incomplete,
    OllamaMagicError,
    ServerError,
    Stalled,
    Unreachable,
)
from tests.questions import Waits
from tests.wire.cases import decode

from .test_cuts import MODEL, PATHS, short
from .wires import Play, Wires, http, nothing_left

if TYPE_CHECKING:
    from collections.abc import Callable

BEGUN = b'{"model":"m","message":{"role":"assistant","content":"I "},"done":false}\n'
BEGUN_V1 = b'data: {"choices":[{"index":0,"delta":{"content":"I "},"finish_reason":null}]}\n\n'
NOTHING = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
NO_LENGTH = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
QUICK = {"first_byte_timeout": 0.3}
STALLS = {"stall_timeout": 0.3}
BUSY = b'{"error":"server busy, please try again"}'


@dataclass(frozen=True)
class Row:
    """A fault: `plays` makes it from a whole answer and one that has begun; then what the reader gets.

    `keeps`: "all" for the whole answer, "begun" for its first word, else nothing. `waits` are those before new tries.
    """

    name: str
    plays: Callable[[bytes, bytes], list[Play]]
    error: type[OllamaMagicError] | tuple[type[OllamaMagicError], ...] | None = None
    words: str = ""
    keeps: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    waits: list[float] | None = None

    def __str__(self) -> str:
        return self.name


def one(make: Callable[[bytes, bytes], bytes], then: str = "close", **how: Any) -> Callable[[bytes, bytes], list[Play]]:
    return lambda whole, begun: [Play(make(whole, begun), then, **how)]  # type: ignore[arg-type]


def sized(body: bytes, length: int | str, more: str = "") -> bytes:
    return f"HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n{more}\r\n".encode() + body


def open_ended(body: bytes) -> bytes:
    """The body of an answer whose end is still to come."""
    return http(body).removesuffix(b"0\r\n\r\n")


def refused(status: str, body: bytes = BUSY, more: str = "") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{more}\r\n".encode() + body


def after(status: str, retry_after: str | int) -> Callable[[bytes, bytes], list[Play]]:
    """Refused once; `retry_after` as it is sent, or as a date so many seconds from now."""

    def plays(whole: bytes, begun: bytes) -> list[Play]:
        said = retry_after
        if isinstance(said, int):
            said = email.utils.formatdate(time.time() + said, usegmt=True)
        return [Play(refused(status, more=f"Retry-After: {said}\r\n"), "next"), Play(http(whole), "next")]

    return plays


def two_members(body: bytes) -> bytes:
    half = len(body) // 2
    return gzip.compress(body[:half], mtime=0) + gzip.compress(body[half:], mtime=0)


GZIP, DEFLATE = "Content-Encoding: gzip\r\n", "Content-Encoding: deflate\r\n"
KINDS = ("text/html", "text/event-stream", "application/octet-stream", "", "?", "application/json; charset=utf-16")

PLAN = [
    # silence
    Row("silent before the head", one(lambda w, b: b"", "silence"), Stalled, "sent nothing for", settings=QUICK),
    Row("silent in the head", one(lambda w, b: NOTHING[:30], "silence"), Stalled, "sent nothing", settings=QUICK),
    Row("silent after the head", one(lambda w, b: NOTHING, "silence"), Stalled, "sent nothing", settings=QUICK),
    Row("silent in an object", one(lambda w, b: open_ended(b + w)[: len(http(b)) + 20], "silence"), Stalled,
        "in the middle", "begun", STALLS),
    Row("silent after an object", one(lambda w, b: open_ended(b), "silence"), Stalled, "in the mid", "begun", STALLS),
    Row("silent after the last object", one(lambda w, b: open_ended(w), "silence"), keeps="all"),
    Row("never reads the question", one(lambda w, b: b"", "silence", reads=False), Stalled, settings=QUICK),
    # the connection
    Row("hangs up at once", one(lambda w, b: b""), Unreachable, "closed the connection"),
    Row("resets at once", one(lambda w, b: b"", "reset"), Unreachable, "closed the connection"),
    Row("half-closes at once", one(lambda w, b: b"", "half-close"), Unreachable, "closed the connection"),
    Row("half-closes in an object", one(lambda w, b: open_ended(b + w)[: len(http(b)) + 20], "half-close"), Incomplete,
        "broke in the middle", "begun"),
    Row("half-closes after the last object", one(lambda w, b: open_ended(w), "half-close"), keeps="all"),
    Row("half-closes a whole answer", one(lambda w, b: http(w), "half-close"), keeps="all"),
    # a body whose length is wrong or not said
    Row("no length at all", one(lambda w, b: NO_LENGTH + w), keeps="all"),
    Row("no length, cut", one(lambda w, b: NO_LENGTH + b), Incomplete, "broke off", "begun"),
    Row("as HTTP/1.0", one(lambda w, b: b"HTTP/1.0 200 OK\r\n\r\n" + w), keeps="all"),
    Row("longer than it says", one(lambda w, b: sized(b + w, len(b))), Incomplete, "broke off", "begun"),
    Row("shorter than it says", one(lambda w, b: sized(w, len(w) + 9)), keeps="all"),
    Row("much shorter than it says", one(lambda w, b: sized(b, 10_000)), Incomplete, "broke in the mid", "begun"),
    Row("a length that is no number", one(lambda w, b: sized(w, "many")), Unreachable, "does not speak HTTP"),
    Row("two lengths", one(lambda w, b: sized(w, 3, "Content-Length: 4\r\n")), Unreachable, "does not speak HTTP"),
    Row("a chunk's size is none", one(lambda w, b: open_ended(b) + b"zz\r\n" + w), Incomplete, "broke", "begun"),
    Row("a chunk of many terabytes", one(lambda w, b: open_ended(b) + b"ffffffffffff\r\n" + w), keeps="begun+all"),
    Row("an empty body", one(lambda w, b: http(b"")), Incomplete, "before its first word"),
    Row("no content", one(lambda w, b: b"HTTP/1.1 204 No Content\r\n\r\n"), Incomplete, "before its first word"),
    # garbage
    Row("no HTTP", one(lambda w, b: bytes(range(256)) * 9), Unreachable, "does not speak HTTP"),
    Row("text for HTTP", one(lambda w, b: b"SSH-2.0-OpenSSH_9.6\r\n"), Unreachable, "without an answer"),
    Row("bytes for a body", one(lambda w, b: http(bytes(range(256)))), ServerError, "is not Ollama's"),
    Row("zeros for a body", one(lambda w, b: http(b"\0" * 5000, size=999)), ServerError, "is not Ollama's"),
    Row("zeros before it", one(lambda w, b: http(b"\0\0\n" + w)), keeps="all"),
    Row("bytes in its middle", one(lambda w, b: http(b + b"\xff\xfe{]}\0\n" + w)), keeps="begun+all"),
    Row("another object", one(lambda w, b: http(b'{"data": []}\n')), ServerError, "is not Ollama's"),
    Row("cut after a brace", one(lambda w, b: NO_LENGTH + b'{"message":{"content":"x"}'), Incomplete, "broke"),
    Row("deep nesting", one(lambda w, b: http(b'{"message":' + b"[" * 200_000)), Incomplete, "broke off"),
    Row("an endless number", one(lambda w, b: http(b + b'{"done":' + b"9" * 9999 + b"}\n" + w)), keeps="begun+all"),
    Row("a page in its middle", one(lambda w, b: NO_LENGTH + b + b"<html>504"), Incomplete, "504", "begun"),
    Row("a head that never ends", one(lambda w, b: b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 50_000), Unreachable, "HTTP"),
    Row("hints before the head", one(lambda w, b: b"HTTP/1.1 103 Early Hints\r\n\r\n" + http(w)), keeps="all"),
    Row("another protocol", one(lambda w, b: b"HTTP/1.1 101 Switching Protocols\r\n\r\n"), (ServerError, Unreachable)),
    Row("no such status", one(lambda w, b: refused("599 Odd")), (ServerError, Busy), "busy"),
    Row("lines end in LF", one(lambda w, b: b"HTTP/1.1 200 OK\nConnection: close\n\n" + w), keeps="all"),
    # content types and compression
    *(Row(f"of type {kind or 'none'}", one(lambda w, b, kind=kind: http(w, kind=kind)), keeps="all") for kind in KINDS),
    Row("gzip", one(lambda w, b: sized(gzip.compress(w), len(gzip.compress(w)), GZIP)), keeps="all"),
    Row("gzip in two", one(lambda w, b: sized(two_members(w), len(two_members(w)), GZIP)), keeps="all"),
    Row("gzip, cut", one(lambda w, b: http(gzip.compress(b + w)[:-9], more=GZIP)), keeps="begun+all"),
    Row("no gzip", one(lambda w, b: http(w, more=GZIP)), Incomplete, "is not the gzip"),
    Row("raw deflate", one(lambda w, b: http(zlib.compress(w)[2:-4], more=DEFLATE)), Incomplete, "not the deflate"),
    Row("brotli", one(lambda w, b: http(w, more="Content-Encoding: br\r\n")), Incomplete, "compressed (br)"),
    # too much
    Row("goes on after its end", one(lambda w, b: NO_LENGTH + w, "flood", flood=b"x" * 65536), keeps="all"),
    Row("refuses a question it does not read", one(lambda w, b: refused("413 Too Large", b"{}"), reads=False),
        (BadRequest, Unreachable)),
    # refused for now
    Row("429, in seconds", after("429 Busy", "7"), keeps="all", waits=[7.0]),
    Row("429, at a time", after("429 Busy", 20), keeps="all", waits=[20.0]),
    Row("429, at a time that is over", after("429 Busy", -900), keeps="all", waits=[0.0]),
    Row("429, at no time", after("429 Busy", "Thu, 99 Foo"), keeps="all", waits=[0.5]),
    Row("429, in an hour", after("429 Busy", 3600), Busy, "busy", waits=[]),
    Row("503, silent in its body", lambda w, b: [Play(refused("503 Busy")[:-9], "close"), Play(http(w))],
        keeps="all", waits=[0.5]),
]  # fmt: skip


async def run(wires: Wires, row: Row, surface: str) -> None:
    whole, begun = short(surface), BEGUN if surface == "native" else BEGUN_V1
    waits = Waits()
    host = wires.plays(*row.plays(whole, begun))
    stream = Client(host=host, api=surface, model=MODEL, retry=waits.policy, **row.settings).chat("Hello")
    error: OllamaMagicError | None = None
    try:
        async for _ in stream:
            pass
    except OllamaMagicError as raised:
        error = raised
    text = decode(surface, [whole]).text
    assert stream.answer.text == {"all": text, "begun": "I ", "begun+all": f"I {text}"}.get(row.keeps, "")
    if row.error is None:
        assert error is None, f"{error!r}"
        assert stream.answer.complete
    else:
        assert isinstance(error, row.error), f"{error!r}"
        assert row.words in error.message
        assert error.hint
        assert error.partial == stream.answer.text
        assert not stream.answer.complete
        assert stream.answer.error == error.message
        assert len(str(error)) < 2000
    if row.waits is not None:
        assert waits.seconds == pytest.approx(row.waits, abs=9 if max(row.waits, default=0) > 9 else 0)
    again = await Client(host=wires.plays(Play(http(whole), "next")), api=surface, model=MODEL).ask("And now?")
    assert (again.text, again.complete) == (text, True)


@pytest.mark.slow
@pytest.mark.parametrize("surface", PATHS)
def test_the_plan(surface: str) -> None:
    failed: list[str] = []

    async def main() -> None:
        async def tried(row: Row) -> None:
            try:
                async with asyncio.timeout(20):
                    await run(wires, row, surface)
            except Exception as error:
                failed.append(f"{row}: {type(error).__name__}: {error}")

        async with Wires() as wires:
            await asyncio.gather(*map(tried, PLAN))
            # What is open still is idle, and ends with the loop.
            assert asyncio.all_tasks() - wires.tasks == {asyncio.current_task()}

    with nothing_left():
        asyncio.run(main())
    assert not failed, "\n".join(failed)


# What is no list of models; each is told in words, whatever came instead.
LISTS = {
    "deep nesting": http(b"[" * 200_000),
    "an endless number": http(b'{"models": ' + b"9" * 9999 + b"}"),
    "bytes": http(bytes(range(256))),
    "cut": sized(b'{"models": [', 100),
    "nothing": http(b""),
    "gzip that is none": http(b"{}", more=GZIP),
    "no HTTP": bytes(range(256)),
    "hung up": b"",
}


def test_a_list_of_models_that_is_none() -> None:
    async def main() -> None:
        async with Wires() as wires:
            for name, answer in LISTS.items():
                with pytest.raises(OllamaMagicError) as caught:
                    await Client(host=wires.plays(Play(answer, reads=False))).version()
                assert caught.value.message, name
                assert len(str(caught.value)) < 2000, name
            await wires.until(lambda: wires.open == 0)

    with nothing_left():
        asyncio.run(main())
