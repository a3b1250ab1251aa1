"""What is fuzzed: functions of bytes that raise AssertionError where a promise of the wire does not hold.

The first byte of an input says how the rest is cut, the second how long an object may be; the rest is a body.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ollama_magic.errors import OllamaMagicError
from ollama_magic.events import Done, Text, Thinking, ToolRequest
from ollama_magic.wire.failures import Target, error_from_response
from ollama_magic.wire.framing import Framer
from ollama_magic.wire.native import NativeDecoder
from ollama_magic.wire.openai import OpenAIDecoder
from ollama_magic.wire.scanner import EndMark, RawText

if TYPE_CHECKING:
    from collections.abc import Callable

    from ollama_magic.events import Event
    from ollama_magic.wire.decoding import Decoder
    from ollama_magic.wire.scanner import Frame

__all__ = ["TARGETS"]

_ASKED = Target("POST", "http://localhost:11434/api/chat", "llama3.2")
_LONE = re.compile("[\ud800-\udfff]")
_LARGEST = 64 << 20


def framing(data: bytes) -> None:
    """Where the bytes are cut makes no difference to the frames, the limit included."""
    pieces, body, limit = _parts(data)
    whole, cut = _frames([body], limit), _frames(pieces, limit)
    assert whole == cut, (whole, cut)


def native(data: bytes) -> None:
    """The promises of a decoder, for /api/chat."""
    _decoder(NativeDecoder, data)


def openai(data: bytes) -> None:
    """The promises of a decoder, for /v1/chat/completions."""
    _decoder(OpenAIDecoder, data)


def failures(data: bytes) -> None:
    """Any body of any status makes one error of a bounded length, with its time to wait."""
    status = 400 + data[0] % 200 if data else 500
    head, _, body = data[1:].partition(b"\n")
    headers = {"Retry-After": head.decode("latin-1")}
    error = error_from_response(status, body, headers, _ASKED, now=1e9)
    assert isinstance(error, OllamaMagicError)
    assert error.message
    assert len(str(error)) < 3000, len(str(error))
    wait = getattr(error, "retry_after", None)
    assert wait is None or 0 <= wait < 1e15


TARGETS: dict[str, Callable[[bytes], None]] = {
    "framing": framing,
    "native": native,
    "openai": openai,
    "failures": failures,
}


def _parts(data: bytes) -> tuple[list[bytes], bytes, int]:
    size, how, body = data[:1], data[1:2], data[2:]
    step = 1 + (size[0] if size else 0)
    limit = _LARGEST if not how or how[0] < 128 else how[0] - 120
    return [body[at : at + step] for at in range(0, len(body), step)], body, limit


def _frames(pieces: list[bytes], limit: int) -> tuple[list[Any], str]:
    framer = Framer(limit)
    found: list[Frame] = []
    for piece in pieces:
        found += framer.feed(piece)
    found += framer.close()
    assert all(isinstance(frame, (dict, list, RawText, EndMark)) for frame in found)
    # NaN is not itself.
    return [repr(frame) for frame in found], str(framer.failure)


def _decoder(kind: type[Decoder], data: bytes) -> None:
    pieces, body, _ = _parts(data)
    whole, cut = _events(kind, [body]), _events(kind, pieces)
    assert whole == cut, (whole, cut)


def _events(kind: type[Decoder], pieces: list[bytes]) -> tuple[list[str], str]:
    framer, decoder = Framer(), kind(_ASKED)
    events: list[Event] = []
    for piece in pieces:
        events += decoder.feed(framer.feed(piece))
    events += decoder.feed(framer.close())
    events += decoder.close()
    ends = [event for event in events if isinstance(event, Done)]
    assert len(ends) == (decoder.failure is None), "one end, or one failure"
    assert not ends or events[-1] is ends[0], "nothing after the end"
    texts = [event.text for event in events if isinstance(event, (Text, Thinking))]
    texts += [call.name for event in events if isinstance(event, ToolRequest) for call in event.calls]
    assert not any(map(_LONE.search, texts)), "a text that cannot be shown"
    said = "".join(event.text for event in events if isinstance(event, Text))
    assert decoder.text == said
    if decoder.failure is not None:
        assert decoder.failure.partial in (said, "")
        assert decoder.failure.message
        assert len(str(decoder.failure)) < 3000
    return list(map(repr, events)), str(decoder.failure)
