"""Evaluating and embedding for real, on the embedded engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy
import pytest

from ollama_magic import Evaluation, ask, embed, evaluate, judge, similarity
from ollama_magic.errors import PromptTooLong

from .real import REAL

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [*REAL, pytest.mark.usefixtures("here")]

TOWNS = {"France": "Paris", "Italy": "Rome", "Japan": "Tokyo", "Australia": "Canberra", "Peru": "Lima"}


def test_five_prompts_with_three_kinds_of_checks(tmp_path: Path) -> None:
    found = evaluate(
        [{"land": land, "town": town} for land, town in TOWNS.items()],
        [{"temperature": 0, "label": "cold"}, {"temperature": 1.5, "label": "hot"}, "none"],
        ["{town}", lambda answer: len(answer) < 400, judge("Does the answer name a town?")],
        template="What is the capital of {land}? Answer in one sentence.",
        max_tokens=40,
        seed=1,
        cache="off",
        progress=False,
    )
    assert len(found.trials) == 15
    cold = [trial for trial in found.trials if trial.model == "cold"]
    assert all(trial.answer and trial.seconds and trial.output_tokens for trial in cold)
    assert found.rate("cold", "contains {town}").passed >= 3  # so much even this model knows
    assert all(verdict.passed is not None for trial in cold for verdict in trial.verdicts)
    assert all(trial.error.startswith("ModelNotFound") for trial in found.trials if trial.model == "none")
    again = Evaluation.load(found.save(tmp_path / "run.json"))
    assert again.compare(found).regressions == ()
    assert set(found.heatmap().bundle()[0]) >= {"application/vnd.vegalite.v5+json", "text/plain"}


def test_vectors_of_the_model_that_also_answers() -> None:
    texts = ["a cat on a mat", "a dog in a garden", "the price of a share"]
    rows = embed(texts)
    assert rows.shape == (3, 576)
    assert numpy.linalg.norm(rows, axis=1) == pytest.approx([1, 1, 1], abs=1e-3)
    found = similarity(rows, labels=texts)
    assert found.pairs(1)[0][:2] == ("a cat on a mat", "a dog in a garden")
    assert ask("Say something.", max_tokens=8).text  # the same engine


def test_a_text_that_is_too_long_for_it_is_named() -> None:
    with pytest.raises(PromptTooLong, match="text 1 ") as caught:
        embed(["short", "long " * 600])
    assert "200 words" in caught.value.hint
