"""Answers in scripts that are written from right to left."""

from __future__ import annotations

import pytest

from ollama_magic.render.direction import is_from_right
from ollama_magic.render.markdown import markdown_html
from tests.render.payloads import problems
from tests.tables import folded

HEBREW, ARABIC = "שלום", "مرحبا"


@folded(
    ("text", "expected"),
    [
        ("", False),
        ("Hello", False),
        ("123 – !", False),
        ("你好", False),
        (HEBREW, True),
        (f"1. {ARABIC} world", True),
        (f"Hello {HEBREW}", False),
        (f"😀 {ARABIC}", True),
    ],
)
def test_the_first_letter_decides(text: str, expected: bool) -> None:
    assert is_from_right(text) is expected


@pytest.mark.parametrize("word", [HEBREW, ARABIC], ids=["Hebrew", "Arabic"])
def test_each_block_has_the_direction_of_its_text(word: str) -> None:
    text = f"# {word}\n\n{word} `x`\n\nHello\n\n1. {word}\n2. two\n\n   ```py\n   a\n   ```\n\n> {word}\n"
    html = markdown_html(text)
    assert problems(html) == []
    assert f'<h1 dir="rtl">{word}</h1>' in html
    assert f'<p dir="rtl">{word} <code dir="ltr">x</code></p>' in html
    assert "<p>Hello</p>" in html
    assert html.count('<ol dir="rtl">') == html.count('<blockquote dir="rtl">') == 1
    assert '<pre dir="ltr" style=' in html
    assert "<li>\n" in html  # what lies in a block has its direction


def test_the_columns_of_a_table_begin_where_it_does() -> None:
    html = markdown_html(f"| {HEBREW} | b | c |\n|---|:--|:-:|\n| 1 | 2 | 3 |\n")
    assert problems(html) == []
    assert '<table dir="rtl">' in html
    for side, count in (("right", 2), ("left", 2), ("center", 2)):
        assert html.count(f"text-align:{side}") == count


def test_what_is_read_from_the_left_is_as_it_was() -> None:
    assert "dir=" not in markdown_html(f"Hello {HEBREW}\n\n- a\n\n| a |\n|---|\n| {ARABIC} |\n\n```\n{HEBREW}\n```\n")
