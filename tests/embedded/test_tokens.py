"""Probabilities of tokens for real: the built-in model tells them, and tells them as they are."""

from __future__ import annotations

import math

import pytest

from ollama_magic import ask
from ollama_magic.render.bundle import answer_bundle

from .real import REAL

pytestmark = [*REAL, pytest.mark.usefixtures("here")]


def test_the_most_probable_is_taken_at_temperature_0() -> None:
    answer = ask("What is the capital of France?", temperature=0, max_tokens=20, top_logprobs=5)
    assert "".join(token.token for token in answer.probabilities) == answer.text
    for token in answer.probabilities:
        best = max(token.alternatives, key=lambda each: each[1])
        assert best == (token.token, token.logprob)
        assert len(token.alternatives) == 5
        assert sum(math.exp(logprob) for _, logprob in token.alternatives) <= 1.0001
    assert answer.perplexity is not None
    assert 1 <= answer.perplexity < 3


def test_a_high_temperature_takes_what_is_less_probable() -> None:
    def perplexity(temperature: float) -> float:
        answer = ask("Tell a story.", temperature=temperature, seed=3, max_tokens=60, top_logprobs=0)
        assert all(len(token.alternatives) <= 1 for token in answer.probabilities)
        return answer.perplexity or 0.0

    assert perplexity(2.0) > 2 * perplexity(0.0)


def test_characters_of_several_tokens_are_whole() -> None:
    answer = ask("Repeat exactly: 🚀 日本", temperature=0, max_tokens=12, top_logprobs=2)
    assert "".join(token.token for token in answer.probabilities) == answer.text
    assert "🚀" in answer.text
    named = [name for token in answer.probabilities for name, _ in token.alternatives]
    assert any(name.startswith("<0x") for name in named)
    assert "\ufffd" not in "".join(named)
    assert "🚀" in answer_bundle(answer)[0]["text/html"]


def test_a_value_has_probabilities_too() -> None:
    answer = ask("Lisbon has 500000 people.", schema="name: str, people: int", temperature=0, top_logprobs=1)
    assert set(answer.value) == {"name", "people"}
    assert "".join(token.token for token in answer.probabilities).strip() == answer.text.strip()
