"""The quickstart under the runners that people use; nbval runs it with the others, in test_notebooks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.runners import ROOT, cells, run

if TYPE_CHECKING:
    from pathlib import Path

QUICKSTART = ROOT / "notebooks" / "quickstart.ipynb"

slow = [pytest.mark.slow, pytest.mark.kernel, pytest.mark.embedded, pytest.mark.timeout(180)]


def answers(path: Path) -> list[str]:
    """The plain text of each prompt cell's one output."""
    texts = []
    for cell in cells(path):
        if "".join(cell["source"]).startswith("%%ollama"):
            (output,) = cell["outputs"]
            assert output["output_type"] == "display_data"
            texts.append("".join(output["data"]["text/plain"]))
    return texts


def test_the_saved_notebook_reads_well_without_running() -> None:
    texts = answers(QUICKSTART)
    assert len(texts) >= 4
    assert all("tok/s" in text for text in texts), "run it again with `make demo`, and keep the executed copy"


class TestRunners:
    pytestmark = slow

    def test_papermill(self, tmp_path: Path) -> None:
        out = tmp_path / "out.ipynb"
        run("papermill", "--kernel", "python3", "--no-progress-bar", str(QUICKSTART), str(out), cwd=tmp_path)
        texts = answers(out)
        assert all("smollm2:135m" in text for text in texts)
        # What the first lines say was obeyed: a limit, and JSON.
        (limited,) = (cell for cell in cells(out) if "pirate" in "".join(cell["source"]))
        assert limited["outputs"][0]["metadata"]["ollama_magic"]["output_tokens"] <= 120
        (value,) = (cell for cell in cells(out) if cell["source"] == ["place.value"])
        assert "'river'" in value["outputs"][0]["data"]["text/plain"][0]

    def test_nbconvert(self, tmp_path: Path) -> None:
        command = ("nbconvert", "--to", "notebook", "--execute", "--output-dir", str(tmp_path), "--output", "out.ipynb")
        run(*command, str(QUICKSTART), cwd=tmp_path)
        texts = answers(tmp_path / "out.ipynb")
        assert all("smollm2:135m" in text for text in texts)
        run("nbconvert", "--to", "markdown", "--output", "out.md", "out.ipynb", cwd=tmp_path)
        assert "smollm2:135m" in (tmp_path / "out.md").read_text(encoding="utf-8")
