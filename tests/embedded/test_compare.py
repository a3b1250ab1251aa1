"""Compare for real: the built-in model at two temperatures, side by side."""

from __future__ import annotations

import pytest

from ollama_magic import compare, sweep

from .real import REAL

pytestmark = [*REAL, pytest.mark.usefixtures("here")]


def test_two_temperatures_of_the_built_in_model() -> None:
    runs = sweep(
        "Write one sentence about the sea.", {"temperature": [0, 1.5], "seed": [1, 2]}, mode="embedded", max_tokens=30
    )
    assert [run.error for run in runs.runs] == [""] * 4
    cold, _, warm, other = (answer.text for answer in runs)
    assert len({cold, warm, other}) == 3
    assert all(row["output_tokens"] > 3 and row["first_token_s"] > 0 and row["mode"] == "embedded" for row in runs.rows)
    _, first, second = runs.diff("A", "C").counts()
    assert first
    assert second


def test_the_built_in_model_beside_a_server_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLLAMA_HOST", "127.0.0.1:9")  # nobody listens there
    runs = compare("Say hello.", "local/llama3.2,embedded", max_tokens=8)
    assert runs.runs[0].error.startswith("Unreachable")
    assert runs.runs[1].whole
    assert runs.rows[1]["model"] == "smollm2:135m"
