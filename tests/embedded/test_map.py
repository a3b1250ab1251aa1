"""Twenty rows mapped for real, on the embedded engine."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pandas
import pytest

import ollama_magic
from ollama_magic import session
from ollama_magic.embedded import engine

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [
    pytest.mark.embedded,
    pytest.mark.slow,
    pytest.mark.timeout(300),  # the first one may have to fetch the weights
    pytest.mark.skipif(find_spec("xllamacpp") is None, reason="the extra `embedded` is not installed"),
    pytest.mark.skipif(sys.platform != "linux", reason="as test_real.py"),
]


@pytest.fixture(scope="module", autouse=True)
def ended() -> Iterator[None]:
    yield
    engine.stop()


def test_twenty_rows_with_a_schema(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("OLLAMA_MAGIC_MODE", "embedded")
    monkeypatch.setattr(session, "_session", session.Session())
    # Kept beside the test, with the weights that are there.
    kept = tmp_path / "kept"
    kept.mkdir()
    from ollama_magic.embedded.weights import cache_folder

    for file in cache_folder(session.current().settings()).glob("*.gguf"):
        (kept / file.name).symlink_to(file)
    words = ["sun", "rain", "snow", "wind", "fog", "ice", "heat", "hail", "storm", "cloud"]
    frame = pandas.DataFrame({"word": words * 2, "place": ["Rome"] * 10 + ["Oslo"] * 10}, index=range(100, 120))
    how = {"schema": "mood: 'good' | 'bad', degrees: int", "temperature": 0, "cache_dir": kept, "progress": False}
    found = ollama_magic.map(frame, "The weather in {place}: {word}. Is that good or bad?", max_tokens=60, **how)
    assert list(found.index) == list(frame.index)
    assert len(found) == 20
    right = found[found["error"].isna()]
    assert len(right) >= 15, list(found["error"].dropna())
    assert set(right["mood"]) <= {"good", "bad"}
    assert str(found["degrees"].dtype) == "Int64"
    engine.stop()  # what is kept needs no engine
    again = ollama_magic.map(
        frame.loc[right.index], "The weather in {place}: {word}. Is that good or bad?", max_tokens=60, **how
    )
    pandas.testing.assert_frame_equal(again, right)
