"""What is too large to be an answer: it is cut off at a bound, with a clear error, and no more is kept in memory."""

from __future__ import annotations

import asyncio
import gzip
import tracemalloc
from typing import TYPE_CHECKING

import pytest

from ollama_magic.client import Client
from ollama_magic.errors import OllamaMagicError
from tests.wire.cases import decode

from .test_cuts import MODEL, PATHS, short
from .test_plan import BEGUN, BEGUN_V1, GZIP, NO_LENGTH
from .wires import Play, Wires, nothing_left

if TYPE_CHECKING:
    from collections.abc import Callable

MB = 1 << 20
LIMIT = 64 * MB
LUMP = b"x" * (1 << 18)
_BOMB = gzip.compress(b"x" * (100 * MB), 1)

ENDLESS: dict[str, tuple[Callable[[bytes], bytes], bytes, str]] = {
    "one string": (lambda begun: NO_LENGTH + begun + b'{"message":{"content":"', LUMP, "more than 64 MB"),
    "one line of text": (lambda begun: NO_LENGTH + begun, LUMP, "more than 64 MB"),
    "one event": (lambda begun: NO_LENGTH + begun + b"data: ", LUMP, "more than 64 MB"),
    "one nest": (lambda begun: NO_LENGTH + begun + b'{"a":', b"[" * (1 << 18), "more than 64 MB"),
    "one event of many lines": (
        lambda begun: NO_LENGTH + begun + b'data: {"a":\n',
        (b"data: " + b"1," * 999 + b"\n") * 99,
        "MB",
    ),
    "an error that never ends": (lambda begun: b"HTTP/1.1 500 No\r\n\r\n" + b'{"error": "so', LUMP, "so"),
    "a head that never ends": (lambda begun: b"HTTP/1.1 200 OK\r\nX: ", LUMP, "HTTP"),
    "gzip": (lambda begun: NO_LENGTH[:-2] + GZIP.encode() + b"\r\n" + _BOMB, _BOMB, "more than 64 MB"),
}


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.parametrize("surface", PATHS)
@pytest.mark.parametrize("name", ENDLESS)
def test_what_never_ends(surface: str, name: str) -> None:
    start, flood, words = ENDLESS[name]
    begun = BEGUN if surface == "native" else BEGUN_V1

    async def main() -> int:
        async with Wires() as wires:
            host = wires.plays(Play(start(begun), "flood", flood=flood))
            stream = Client(host=host, api=surface, model=MODEL).chat("Hello")
            tracemalloc.start()
            try:
                with pytest.raises(OllamaMagicError, match=words) as caught:
                    async for _ in stream:
                        pass
                used = tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()
            await wires.until(lambda: wires.open == 0 and len(asyncio.all_tasks()) == 1)
            assert caught.value.partial == stream.answer.text == ("I " if stream.answer.text else "")
            assert len(str(caught.value)) < 1000
            return used

    with nothing_left():
        used = asyncio.run(main())
    assert used < 3 * LIMIT


@pytest.mark.slow
@pytest.mark.parametrize("surface", PATHS)
def test_an_answer_of_many_small_objects_has_no_bound(surface: str) -> None:
    body = short(surface)
    line = (BEGUN if surface == "native" else BEGUN_V1).replace(b"I ", b"I " * 5000)

    async def main() -> str:
        async with Wires() as wires:
            host = wires.plays(Play(NO_LENGTH + line * 10_000 + body))
            return str(await Client(host=host, api=surface, model=MODEL).ask("Hello"))

    assert asyncio.run(main()) == "I " * 50_000_000 + decode(surface, [body]).text
