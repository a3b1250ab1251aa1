"""Estimated tokens against those of a real tokenizer, and cutting to a budget."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ollama_magic.context.tokens import cut, estimate, head
from tests.tables import folded

# (text, tokens by the tokenizer of smollm2:135m, asked of the embedded engine's /tokenize)
SAMPLES = {
    "english": (
        (
            "The quick brown fox jumps over the lazy dog, and everybody who saw it was surprised by how easily it "
            "happened on such a warm afternoon in the middle of the summer. Nobody had expected anything of the kind."
        ),
        42,
    ),
    "code": (
        (
            "def mean(values: list[float]) -> float:\n"
            '    """The arithmetic mean; ValueError for no values."""\n'
            "    if not values:\n"
            '        raise ValueError("no values")\n'
            "    return sum(values) / len(values)\n"
        ),
        47,
    ),
    "numbers": ("0.1257 -0.1321 0.6404 0.1049 -0.5357 0.3616 1.304 0.9471 -0.7037 -1.2654", 68),
    "table": (
        "| city | price | n |\n| --- | --- | --- |\n| Berlin | 92.42 | 990300 |\n| Paris | 57.28 | 613651 |\n",
        54,
    ),
    "json": ('[{"a": 1, "name": "alice", "tags": ["x", "y"], "score": 0.25}, {"a": 2, "name": "bob", "tags": []}]', 50),
    "german": (
        (
            "Die Würde des Menschen ist unantastbar. Sie zu achten und zu schützen ist Verpflichtung aller staatlichen "
            "Gewalt. Das Deutsche Volk bekennt sich darum zu unverletzlichen Menschenrechten."
        ),
        67,
    ),
    "french": (
        (
            "Tous les êtres humains naissent libres et égaux en dignité et en droits. Ils sont doués de raison et de "
            "conscience et doivent agir les uns envers les autres dans un esprit de fraternité."
        ),
        60,
    ),
    "russian": ("Все люди рождаются свободными и равными в своем достоинстве и правах. Они наделены разумом.", 69),
    "chinese": ("人人生而自由,在尊严和权利上一律平等。他们赋有理性和良心,并应以兄弟关系的精神相对待。", 74),
    "japanese": ("すべての人間は、生まれながらにして自由であり、かつ、尊厳と権利とについて平等である。", 72),
    "korean": ("모든 인간은 태어날 때부터 자유로우며 그 존엄과 권리에 있어 동등하다.", 85),
    "emoji": ("😀🎉🚀🔥" * 5, 60),
    "indented": ("    if x:\n        y = 1\n            z = 2\n\n" * 5, 71),
}


@folded("name", SAMPLES)
def test_an_estimate_is_near_what_a_tokenizer_says(name: str) -> None:
    text, tokens = SAMPLES[name]
    assert 0.65 <= estimate(text) / tokens <= 1.2


def test_a_long_text_is_sampled() -> None:
    text = SAMPLES["english"][0] * 5000
    assert estimate(text) == pytest.approx(SAMPLES["english"][1] * 5000, rel=0.15)


def test_nothing_costs_nothing() -> None:
    assert estimate("") == 0


@given(st.text(max_size=400), st.integers(0, 60))
def test_a_head_fits_and_is_a_beginning(text: str, budget: int) -> None:
    found = head(text, budget)
    assert text.startswith(found)
    assert estimate(found) <= budget


@given(st.text(max_size=400), st.integers(0, 60))
def test_a_cut_text_fits_and_says_so(text: str, budget: int) -> None:
    found, note = cut(text, budget)
    assert estimate(found) <= budget
    assert (found == text) == (note == "")


def test_a_cut_keeps_both_ends() -> None:
    text = "first words. " + "word " * 10_000 + "last words."
    found, note = cut(text, 200)
    assert found.startswith("first words.")
    assert found.endswith("last words.")
    assert "characters left out" in found
    assert note.endswith(f"of {len(text):,} characters left out")
    assert 100 < estimate(found) <= 200


@folded("text", ["=" * 5_000_000, "x" * 5_000_000, "日本" * 1_000_000, "\n" * 3_000_000])
def test_an_odd_long_text_is_cut_all_the_same(text: str) -> None:
    found, note = cut(text, 100)
    assert estimate(found) <= 100
    assert note
