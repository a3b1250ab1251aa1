"""Probabilities of tokens through both decoders: streamed, whole, apart from the text, parts of characters."""

from __future__ import annotations

from typing import Any

from ollama_magic.builder import AnswerBuilder
from ollama_magic.events import Done, TokenProbability
from ollama_magic.wire.decoding import probabilities_of
from tests.tables import folded

from .cases import decode, ndjson, recorded, sse


def told(token: str, logprob: float = -0.5, data: bytes | None = None, *top: dict[str, Any]) -> dict[str, Any]:
    """An entry as servers write it."""
    bytes_ = list(token.encode() if data is None else data)
    return {"token": token, "logprob": logprob, "bytes": bytes_, **({"top_logprobs": list(top)} if top else {})}


def native(*chunks: tuple[dict[str, Any], list[dict[str, Any]] | None]) -> bytes:
    objects: list[dict[str, Any]] = []
    for message, tokens in chunks:
        value = {"model": "m", "created_at": "t", "message": {"role": "assistant", "content": "", **message}}
        objects.append({**value, "done": False, **({} if tokens is None else {"logprobs": tokens})})
    return ndjson(
        *objects, {**objects[-1], "message": {"role": "assistant", "content": ""}, "logprobs": [], "done": True}
    )


def openai(*chunks: tuple[dict[str, Any], list[dict[str, Any]] | None]) -> bytes:
    objects: list[dict[str, Any]] = []
    for message, tokens in chunks:
        delta = {{"thinking": "reasoning"}.get(name, name): value for name, value in message.items()}
        choice = {
            "index": 0,
            "delta": delta,
            "finish_reason": None,
            "logprobs": {"content": tokens} if tokens else None,
        }
        objects.append({"model": "m", "choices": [choice]})
    return sse(*objects, {"model": "m", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}, "[DONE]")


STREAMS: dict[str, tuple[list[tuple[dict[str, Any], list[dict[str, Any]] | None]], list[str]]] = {
    "with its text": ([({"content": "Hi"}, [told("Hi")]), ({"content": " you"}, [told(" you")])], ["Hi", " you"]),
    "before its text": ([({}, [told("Hi")]), ({"content": "Hi"}, None)], ["Hi"]),
    "after its text": ([({"content": "Hi"}, None), ({}, [told("Hi")])], ["Hi"]),
    "several in a chunk": ([({"content": "Hi you"}, [told("Hi"), told(" you")])], ["Hi", " you"]),
    "of thinking": (
        [
            ({}, [told("<think>")]),
            ({"thinking": "hm"}, [told("hm")]),
            ({}, [told("</think>")]),
            ({"content": "Hi"}, [told("Hi")]),
        ],
        ["Hi"],
    ),
    "of thinking, in one object": (
        [({"thinking": "Hi Hi", "content": "Hi you"}, [told("Hi"), told(" Hi"), told("Hi"), told(" you")])],
        ["Hi", " you"],
    ),
    "of a character in two": (
        [({"content": "\U0001f680!"}, [told("\ufffd", -1, b"\xf0\x9f"), told("", -2, b"\x9a\x80"), told("!")])],
        ["<0xF0><0x9F>", "<0x9A><0x80>", "!"],
    ),
    "of the end": ([({"content": "Hi"}, [told("Hi")]), ({}, [told("", -0.1, b"")])], ["Hi"]),
    "without the field": ([({"content": "Hi"}, None), ({"content": " you"}, None)], []),
    "an empty list": ([({"content": "Hi"}, [])], []),
}


@folded("surface", ["native", "openai"])
@folded("name", STREAMS)
def test_tokens_of_the_text(name: str, surface: str) -> None:
    chunks, expected = STREAMS[name]
    outcome = decode(surface, [(native if surface == "native" else openai)(*chunks)])
    assert outcome.failure is None
    builder = AnswerBuilder()
    for event in outcome.events:
        builder.feed(event)
    answer = builder.answer()
    assert [each.token for each in answer.probabilities] == expected
    assert isinstance(outcome.events[-1], Done)


@folded(
    "surface, name",
    [("native", "chat_logprobs_stream"), ("openai", "v1_logprobs_stream"), ("openai", "v1_logprobs_nostream")],
)
def test_as_recorded(surface: str, name: str) -> None:
    builder = AnswerBuilder()
    for event in decode(surface, [recorded(name)]).events:
        builder.feed(event)
    answer = builder.answer()
    assert "".join(each.token for each in answer.probabilities) == answer.text
    assert all(len(each.alternatives) == 2 and not each.raw for each in answer.probabilities)


ODD: list[tuple[Any, list[TokenProbability]]] = [
    ([told("a", -1, None, told("b", -2))], [TokenProbability("a", -1, (("b", -2.0),))]),
    # A part of a character: as nothing, as U+FFFD, with what stands before it; its bytes tell.
    ([told("", -1, b"\xe7")], [TokenProbability("<0xE7>", -1, (), b"\xe7")]),
    ([told("\ufffd", -1, b"\xf0\x9f")], [TokenProbability("<0xF0><0x9F>", -1, (), b"\xf0\x9f")]),
    ([told(" \ufffd", -1, b" \xf0")], [TokenProbability("<0x20><0xF0>", -1, (), b" \xf0")]),
    ([told("a", -1, None, told("", -2, b"\xe7"))], [TokenProbability("a", -1, (("<0xE7>", -2.0),))]),
    # Bytes that are a whole character after all, and a sign that the model wrote.
    ([told("", -1, "\u65e5".encode())], [TokenProbability("\u65e5", -1)]),
    ([told("\ufffd", -1, "\ufffd".encode())], [TokenProbability("\ufffd", -1)]),
    # No bytes, or what are none.
    ([{"token": "\ufffd", "logprob": -1}], [TokenProbability("\ufffd", -1)]),
    ([{"token": "", "logprob": -1, "bytes": None}], [TokenProbability("", -1)]),
    ([{"token": "", "logprob": -1, "bytes": [300, "x"]}], [TokenProbability("", -1)]),
    ([{"token": "", "logprob": -1, "bytes": 3_000_000_000}], [TokenProbability("", -1)]),
    # No list, or a list of something else.
    ({"content": [told("a")]}, [TokenProbability("a", -0.5)]),
    ({"content": "a"}, []),
    ("a", []),
    ([None, 5, {"token": "a"}, {"token": 5, "logprob": 1}, {"token": "a", "logprob": True}], []),
    ([{"token": "a", "logprob": float("-inf")}, {"token": "a", "logprob": float("nan")}], []),
    ([{"token": "a", "logprob": -1, "top_logprobs": {"b": -2}}], [TokenProbability("a", -1)]),
]


@folded("entries, expected", ODD)
def test_entries(entries: Any, expected: list[TokenProbability]) -> None:
    assert list(probabilities_of(entries)) == expected
