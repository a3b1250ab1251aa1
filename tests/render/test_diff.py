"""Two texts side by side, word by word."""

from __future__ import annotations

import io
import re

from hypothesis import given
from hypothesis import strategies as st

from ollama_magic.render.diff import Diff, show_diff

from .payloads import PAYLOADS, problems, text_of
from .test_columns import unstyled

SKY = Diff("A", "The sky is blue because air scatters it. Yes, it does.", "B", "The sea is green, since water does so.")


def test_words_that_differ_are_marked_in_each_form() -> None:
    diff = Diff("A", "The sky is blue, I think.", "B", "The sea is green, I think so.")
    assert diff.text().splitlines()[1] == "The [-sky-]{+sea+} is [-blue-]{+green+}, I think{+ so+}."
    assert diff.counts() == (4, 2, 3)
    html = diff.html()
    assert ">sky</del>" in html
    assert ">sea</ins>" in html
    assert "4 words in both, 2 only in A, 3 only in B." in text_of(html)
    from rich.console import Console

    out = io.StringIO()
    Console(file=out, width=80).print(diff.rich())
    assert "The skysea is bluegreen, I think so." in out.getvalue()


@given(st.text("ab \n.,é<", max_size=40), st.text("ab \n.,é<", max_size=40))
def test_nothing_is_lost(first: str, second: str) -> None:
    pieces = Diff("A", first, "B", second).pieces()
    assert "".join(text for kind, text in pieces if kind != "+") == first
    assert "".join(text for kind, text in pieces if kind != "-") == second
    assert all(text for _, text in pieces)


def test_the_same_is_said_to_be_the_same() -> None:
    assert Diff("A", "a b", "B", "a b").text().endswith("The same: 2 words.")
    assert Diff("A", "", "B", "").text().endswith("Both are empty.")


def test_long_texts_are_compared_by_lines() -> None:
    lines = [f"line {number} has a few words in it\n" for number in range(2_000)]
    other = [*lines[:1_000], "something else\n", *lines[1_001:]]
    diff = Diff("A", "".join(lines), "B", "".join(other))
    assert [text for kind, text in diff.pieces() if kind == "+"] == ["something else\n"]


def test_nothing_of_a_model_is_live() -> None:
    for payload in PAYLOADS:
        html = unstyled(Diff(payload, payload, "B", "b").html())
        assert problems(re.sub(r"</?(?:ins|del)>", "", html)) == [], payload


def test_without_a_notebook_it_is_written(capsys: object) -> None:
    show_diff(None, SKY)
    assert "[-" in capsys.readouterr().out  # type: ignore[attr-defined]
