from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ollama_magic.render.blocks import Splitter
from tests.tables import folded

LINES = st.sampled_from(
    [
        "",
        " ",
        "text",
        "longer line of text",
        "- a",
        "  b",
        "1. c",
        "```",
        "```py",
        "~~~",
        "    d",
        "| e |",
        "# f",
        "> g",
    ]
)
TEXTS = st.one_of(st.text(alphabet="a\n `-$|1. ", max_size=200), st.lists(LINES, max_size=40).map("\n".join))


def split(text: str, cuts: list[int], **options: int | bool) -> list[str]:
    splitter = Splitter(size=20, growth=0.1, least_forced=40, **options)  # type: ignore[arg-type]
    places = sorted({0, len(text), *(cut % (len(text) + 1) for cut in cuts)})
    chunks = [c for a, b in pairwise(places) for c in splitter.feed(text[a:b])]
    return [c.text + "\x00" + c.markdown for c in (*chunks, splitter.tail)]


@pytest.mark.slow
@given(TEXTS, st.lists(st.integers(0, 10_000), max_size=30), st.booleans())
@settings(max_examples=300, deadline=None)
def test_the_chunks_are_the_text_however_it_arrives(text: str, cuts: list[int], lines: bool) -> None:
    chunks = split(text, cuts, lines=lines)
    assert "".join(chunk.partition("\x00")[0] for chunk in chunks) == text
    assert chunks == split(text, list(range(len(text))), lines=lines)
    assert chunks == split(text, [], lines=lines)


def chunks_of(text: str, size: int = 10, forced: int = 1_000) -> list[str]:
    splitter = Splitter(size=size, growth=0, least_forced=forced)
    return [c.markdown for c in (*splitter.feed(text), splitter.tail)]


@folded(
    ("text", "expected"),
    [
        ("first paragraph\n\nsecond paragraph\n", ["first paragraph\n\n", "second paragraph\n"]),
        ("```\nlong code\n\nmore of it\n```\n\nafter\n", ["```\nlong code\n\nmore of it\n```\n\n", "after\n"]),
        ("- one item here\n\n- two items here\n\nafter\n", ["- one item here\n\n- two items here\n\n", "after\n"]),
        ("- one item here\n\n  its paragraph\n\nafter\n", ["- one item here\n\n  its paragraph\n\n", "after\n"]),
        ("words words words\n\n    indented code", ["words words words\n\n    indented code"]),
        ("| a table | b |\n|---|---|\n| 1 | 2 |\n\nafter\n", ["| a table | b |\n|---|---|\n| 1 | 2 |\n\n", "after\n"]),
    ],
)
def test_cuts_fall_between_blocks(text: str, expected: list[str]) -> None:
    assert chunks_of(text) == expected


def test_a_fence_that_is_cut_is_closed_and_opened_again() -> None:
    code = "".join(f"line {n}\n" for n in range(20))
    first, *others = chunks_of(f"```python\n{code}```\n", size=10, forced=60)
    assert first.startswith("```python\nline 0\n")
    assert first.endswith("\n```")
    assert others
    assert all(chunk.startswith("```python\n") for chunk in others)


def test_a_line_without_end_is_cut_at_a_space() -> None:
    chunks = chunks_of("word " * 100, size=10, forced=62)
    assert all(chunk.endswith(" ") and len(chunk) <= 62 for chunk in chunks[:-1])
    assert all(len(chunk) == 62 for chunk in chunks_of("x" * 200, size=10, forced=62)[:-1])


@pytest.mark.slow
@folded("block", ["words and words. " * 8 + "\n\n", "x" * 500, "- item\n", "```\ncode\n```\n\n"])
def test_the_number_of_chunks_grows_with_the_logarithm(block: str) -> None:
    splitter = Splitter()
    count = sum(len(splitter.feed(block * 20)) for _ in range(400_000 // len(block) // 20))
    assert 5 < count < 47
