"""The quickstart runs from top to bottom with nothing but the embedded engine, under every runner people use."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
QUICKSTART = ROOT / "notebooks" / "quickstart.ipynb"

slow = [pytest.mark.slow, pytest.mark.kernel, pytest.mark.embedded, pytest.mark.timeout(180)]


def run(*command: str, cwd: Path, **more: str) -> str:
    """Run a tool of this environment in `cwd`; what it said. The notebook's prompts go to the embedded engine."""
    env = {**os.environ, "OLLAMA_MAGIC_MODE": "embedded", **more}
    env |= {"PYTHONPATH": str(ROOT), "IPYTHONDIR": str(cwd / "ipython")}
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=cwd, env=env, capture_output=True, text=True, timeout=170, check=False
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said[-4000:]
    return said


def cells(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return found


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
    assert not [o for c in cells(QUICKSTART) for o in c.get("outputs", []) if o["output_type"] == "error"]
    assert str(Path.home()) not in QUICKSTART.read_text(encoding="utf-8")


class TestRunners:
    pytestmark = slow

    @pytest.mark.parametrize("render", ["live", "once"])
    def test_nbval(self, tmp_path: Path, render: str) -> None:
        # With no configuration of ours: nbval's own is left out of this suite, and warns.
        (tmp_path / "pytest.ini").write_text("[pytest]\n")
        copy = tmp_path / "quickstart.ipynb"
        copy.write_bytes(QUICKSTART.read_bytes())
        command = ("pytest", "-c", "pytest.ini", "-p", "no:cacheprovider", "--nbval-lax", "--nbval-current-env")
        said = run(*command, copy.name, cwd=tmp_path, OLLAMA_MAGIC_RENDER=render)
        code = [cell for cell in cells(QUICKSTART) if cell["cell_type"] == "code"]
        assert f"{len(code)} passed" in said

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
