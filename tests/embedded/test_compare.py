"""Compare for real: the built-in model at two temperatures, side by side."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest

from ollama_magic import compare, session, sweep
from ollama_magic.embedded import engine

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [
    pytest.mark.embedded,
    pytest.mark.slow,
    pytest.mark.timeout(300),  # the first one may have to fetch the weights
    pytest.mark.skipif(find_spec("xllamacpp") is None, reason="the extra `embedded` is not installed"),
    pytest.mark.skipif(sys.platform != "linux", reason="the engine is tried on Linux"),
]


@pytest.fixture(autouse=True)
def kernel(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(session, "_session", session.Session())
    yield
    engine.stop()


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
