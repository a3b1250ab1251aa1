"""Twenty rows mapped for real, on the embedded engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas

import ollama_magic
from ollama_magic.embedded import engine
from ollama_magic.embedded.weights import cache_folder

from .real import REAL

if TYPE_CHECKING:
    from pathlib import Path

    from ollama_magic.session import Session

pytestmark = REAL


def test_twenty_rows_with_a_schema(here: Session, tmp_path: Path) -> None:
    # Kept beside the test, with the weights that are there.
    kept = tmp_path / "kept"
    kept.mkdir()
    for file in cache_folder(here.settings()).glob("*.gguf"):
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
