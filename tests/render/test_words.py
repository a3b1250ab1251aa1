"""The lines around an answer, and cleaning."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ollama_magic.errors import strip_control
from ollama_magic.events import Answer, Progress, Stats
from ollama_magic.render.footer import footer_line, marks, progress_line, rate_line, seconds
from ollama_magic.render.tables import Card, Table, card_html, card_text, table_html, table_text
from ollama_magic.render.text import ControlFilter, clean, host_of, one_line
from tests.tables import folded

from .payloads import PAYLOADS, problems, text_of


@folded(
    ("answer", "line"),
    [
        (Answer("x"), "complete"),
        (
            Answer(
                "x",
                model="a:b",
                mode="cloud",
                surface="native",
                stats=Stats(prompt_tokens=1200, cached_tokens=7, output_tokens=34, first_token_s=12.3, total_s=22.3),
            ),
            "a:b · cloud /api · 1,200 (7 cached) → 34 tokens · first token 12 s · 3.4 tok/s · complete",
        ),
        (Answer("x", stats=Stats(output_tokens=3), reason="length"), "? → 3 tokens · cut off by the token limit"),
        (Answer("x", model="a\nb\x1b[31m", reason="stopped"), "a b · stopped by you"),
    ],
)
def test_footer(answer: Answer, line: str) -> None:
    assert footer_line(answer) == line


def test_a_complete_answer_has_no_marks() -> None:
    assert marks(Answer("x")) == []
    assert marks(Answer("", reason="load")) == []


@folded(
    ("progress", "waited", "line"),
    [
        (Progress("connecting"), 0.2, "connecting…"),
        (Progress("loading model"), 12.4, "loading model… 12 s"),
        (Progress("reading prompt"), 7.9, "reading prompt… 8 s"),
        (Progress("reading prompt"), 12.4, "reading prompt, or waiting its turn… 12 s"),
        (Progress("pulling", 1_500_000), 3, "pulling… 1.5 MB"),
        (Progress("pulling", 50_000_000, 100_000_000), 3, "pulling… 50 of 100 MB (50%)"),
        (Progress("pulling", 5, 0), 3, "pulling… 0.0 MB"),
        (Progress("<b>\n\x1b[2J"), 0, "<b>…"),
    ],
)
def test_progress(progress: Progress, waited: float, line: str) -> None:
    assert progress_line(progress, waited) == line


def test_rate_and_durations() -> None:
    assert rate_line(1, 0, 0) == "writing…"
    assert rate_line(68, 2, 0) == "34 tok/s"
    assert rate_line(68, 2, 7.9) == "nothing new for 7 s"
    assert [seconds(s) for s in (0.214, 12.3, 185)] == ["0.21 s", "12 s", "3 min 5 s"]


def test_clean() -> None:
    assert clean("a\x1b[31mb\x1b]0;title\x07c\r\nd\te\x00\u202ef\x9b") == "abc\nd\tef"
    assert clean("\ud800x") == "?x"
    assert one_line("a\n  b" * 100, 10) == "a ba ba b…"
    assert [host_of(u) for u in ("https://u:p@a.org:1/x", "mailto:x", "")] == ["a.org", "", ""]


@pytest.mark.slow
@given(st.text(alphabet="a\x1b[31m]0;\x07\n\\ \r", max_size=40), st.lists(st.integers(0, 40), max_size=8))
def test_a_sequence_cut_in_two_is_one_sequence(text: str, cuts: list[int]) -> None:
    filtered = ControlFilter()
    places = sorted({0, len(text), *(min(c, len(text)) for c in cuts)})
    pieces = [text[a:b] for a, b in pairwise(places)]
    result = "".join(filtered.feed(piece) for piece in pieces) + filtered.close()
    assert "\x1b" not in result
    assert "\r" not in result
    if text.count("\x1b") < 2:
        assert result == strip_control(text)


def test_tables_and_cards_as_text() -> None:
    table = Table(
        ("name", "size"), [("a", "1 GB"), ("longer",)], title="Models", note="a note", right=frozenset({"size"})
    )
    assert table_text(table) == "Models\nname    size\na       1 GB\nlonger\na note"
    assert table_text(Table(("a",), [])) == "nothing to list"
    card = Card("Status", [("mode", "local"), ("server", "no", "Start one.")])
    assert card_text(card) == "Status\nmode    local\nserver  no\n        → Start one."


@folded("text", PAYLOADS)
def test_tables_and_cards_are_safe(text: str) -> None:
    for html in (
        table_html(Table(("a", "b"), [(text, text)], title=text, note=text)),
        card_html(Card(text, [(text, text, text)], note=text)),
    ):
        assert problems(html) == []


def test_a_table_shows_its_cells() -> None:
    assert "a < b" in text_of(table_html(Table(("x",), [("a < b",)])))
