"""Tokens put to the text that they wrote, however the server sends both."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ollama_magic.builder import AnswerBuilder
from ollama_magic.events import Restart, Text, TokenProbability, ToolCall, ToolRequest
from ollama_magic.placing import Piece, Placer, placed
from tests.tables import folded


def token(wrote: str | bytes) -> TokenProbability:
    if isinstance(wrote, bytes):
        return TokenProbability("".join(f"<0x{byte:02X}>" for byte in wrote), -1.0, (), wrote)
    return TokenProbability(wrote, -1.0)


def read(pieces: list[Piece]) -> list[tuple[str, int]]:
    """Each piece's text and how many tokens wrote it."""
    return [(piece.text, len(piece.tokens)) for piece in pieces]


CASES: list[tuple[str, list[str | bytes], list[tuple[str, int]]]] = [
    ("Hello world", ["Hello", " world"], [("Hello", 1), (" world", 1)]),
    # What wrote nothing of the text: tags around thinking, the end, a call of a tool, a control token.
    ("Hello you", ["<think>", "so", "</think>", "\n\n", "Hello", " you", "<|end|>"], [("Hello", 1), (" you", 1)]),
    ("Hi", ["", "Hi", ""], [("Hi", 1)]),
    ("Hello", [" Hello", " world"], [("Hello", 1)]),
    # Text that nobody told the probability of.
    ("Hello world and more", ["Hello", " and", " more"], [("Hello", 1), (" world", 0), (" and", 1), (" more", 1)]),
    ("one\n\ntwo", ["one", "two"], [("one", 1), ("\n\n", 0), ("two", 1)]),
    ("abc", ["x", "y", "z"], [("abc", 0)]),
    ("abc", [], [("abc", 0)]),
    ("", ["x"], []),
    # A character of several tokens: with their bytes, without, with text around the part.
    ("a \U0001f680 b", ["a", " ", b"\xf0\x9f", b"\x9a\x80", " b"], [("a", 1), (" ", 1), ("\U0001f680", 2), (" b", 1)]),
    ("a \U0001f680 b", ["a", b" \xf0\x9f", b"\x9a", b"\x80", " b"], [("a", 1), (" \U0001f680", 3), (" b", 1)]),
    ("a\U0001f680b", ["a", "\ufffd", "\ufffd", "b"], [("a", 1), ("\U0001f680", 2), ("b", 1)]),
    ("a\U0001f680", ["a", "\ufffd", "\ufffd"], [("a", 1), ("\U0001f680", 2)]),
    ("\u65e5\u672c", ["\u65e5", "\u672c"], [("\u65e5", 1), ("\u672c", 1)]),
    ("ab", [b"\xf0\x9f", "ab"], [("ab", 1)]),
    # A model may write the sign for what cannot be read.
    ("a\ufffdb", ["a", "\ufffd", "b"], [("a", 1), ("\ufffd", 1), ("b", 1)]),
]


@folded("text, tokens, expected", CASES)
def test_what_wrote_what(text: str, tokens: list[str | bytes], expected: list[tuple[str, int]]) -> None:
    assert read(placed(text, map(token, tokens))) == expected


@folded("text, tokens, expected", CASES)
def test_it_makes_no_difference_how_they_come(
    text: str, tokens: list[str | bytes], expected: list[tuple[str, int]]
) -> None:
    told = [token(each) for each in tokens]
    for lead in range(-len(text), len(told) + 1):  # text before its tokens, and after them
        placer, found = Placer(), []
        for step in range(len(text) + len(told) + abs(lead)):
            character = step - max(lead, 0)
            number = step + min(lead, 0)
            new = told[number : number + 1] if number >= 0 else []
            found += placer.feed(text[character] if 0 <= character < len(text) else "", new)
        found += placer.close()
        assert "".join(piece.text for piece in found) == text
        assert placer.rest == ""
        wrote = [(piece.text, len(piece.tokens)) for piece in found if piece.tokens]
        assert wrote == [each for each in expected if each[1]], f"text {lead} steps after the tokens"


@pytest.mark.slow
@given(st.lists(st.tuples(st.text(max_size=6), st.lists(st.text(max_size=4), max_size=4)), max_size=12))
@settings(max_examples=60, deadline=None)
def test_no_text_is_ever_lost(chunks: list[tuple[str, list[str]]]) -> None:
    placer = Placer()
    found = [piece for text, tokens in chunks for piece in placer.feed(text, map(token, tokens))] + placer.close()
    assert "".join(piece.text for piece in found) == "".join(text for text, _ in chunks)


def test_a_text_that_fits_nothing_does_not_wait_for_ever() -> None:
    placer = Placer()
    found = [piece for _ in range(300) for piece in placer.feed("abc", [token("x")])]
    assert len(placer.rest) < 1_000
    assert found == [] or all(not piece.tokens for piece in found)


def test_an_answer_has_the_tokens_of_its_text_and_no_others() -> None:
    def built(*events: Text | ToolRequest | Restart) -> list[str]:
        builder = AnswerBuilder()
        for event in events:
            builder.feed(event)
        return [each.token for each in builder.answer().probabilities]

    def said(text: str, *tokens: str) -> Text:
        return Text(text, tuple(map(token, tokens)))

    call = ToolRequest((ToolCall("f", {}),))
    assert built(said("Hi", "Hi"), said(" you", " you"), said("", "<|end|>")) == ["Hi", " you"]
    assert built(said("Let me see", "Let", " me", " see"), said("", '{"name"', ": f}"), call, said("42", "42")) == [
        *("Let", " me", " see", "42")
    ]
    assert built(said("no", "no"), Restart("again"), said("yes", "yes")) == ["yes"]
    assert built(said("no tokens")) == []


def test_perplexity() -> None:
    def perplexity(*logprobs: float) -> float | None:
        builder = AnswerBuilder()
        for logprob in logprobs:
            builder.feed(Text("a", (TokenProbability("a", logprob),)))
        return builder.answer().perplexity

    assert perplexity() is None
    assert perplexity(0.0, 0.0) == 1.0
    assert abs((perplexity(-0.6931471805599453, -0.6931471805599453) or 0) - 2.0) < 1e-9
    assert perplexity(-1e200) == float("inf")
    assert perplexity(1e-9) == 1.0 or abs((perplexity(1e-9) or 0) - 1) < 1e-6
