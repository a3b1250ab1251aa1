"""The notebooks run from top to bottom with nothing but the embedded engine, and read well without being run."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.runners import cells, run

FOLDER = Path(__file__).parent.parent / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))

# A folder of somebody's machine: the homes of three systems, temporary folders, drives.
PLACES = re.compile(r"(?<![\w.])/(?:home|root|Users|tmp|var|work|private|opt)/|\b[A-Z]:\\\\?\w")
KEYS = re.compile(r"(?i)\bbearer\s+\S|api[_-]?key\W{1,6}[\w.-]{16,}|\bsk-\w{16,}|\b[0-9a-f]{32}\.[\w-]{20,}")

every = pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)


def outputs(notebook: Path) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Each code cell with each of its outputs."""
    return [(cell, output) for cell in cells(notebook) for output in cell.get("outputs", [])]


def tags(cell: dict[str, Any]) -> list[str]:
    found: list[str] = cell["metadata"].get("tags", [])
    return found


@every
def test_it_was_run_from_top_to_bottom(notebook: Path) -> None:
    counts = [cell["execution_count"] for cell in cells(notebook) if cell["cell_type"] == "code"]
    assert counts == list(range(1, len(counts) + 1)), "run it from a fresh kernel, and save it"


@every
def test_its_outputs_are_saved(notebook: Path) -> None:
    # What these print is what the notebook is about.
    shown = [cell for cell in cells(notebook) if "".join(cell["source"]).startswith(("%%ollama", "%ollama fix"))]
    assert all(cell["outputs"] for cell in shown)
    assert any(output["output_type"] in ("display_data", "execute_result") for _, output in outputs(notebook))


@every
def test_only_cells_that_are_to_fail_failed(notebook: Path) -> None:
    failed = [cell for cell, output in outputs(notebook) if output["output_type"] == "error"]
    assert failed == [cell for cell in cells(notebook) if "raises-exception" in tags(cell)]


@every
def test_what_varies_is_marked(notebook: Path) -> None:
    for cell in cells(notebook):
        if "".join(cell["source"]).startswith(("%%ollama", "%ollama")):
            assert "nbval-ignore-output" in tags(cell), f"{cell['id']}: its output is never the same"


@every
def test_it_runs_on_any_python_and_tells_nothing_of_the_machine_it_ran_on(notebook: Path) -> None:
    text = notebook.read_text(encoding="utf-8")
    assert json.loads(text)["metadata"]["kernelspec"]["name"] == "python3"
    assert not PLACES.findall(text)
    assert not KEYS.findall(text)


def test_there_is_something_to_replay() -> None:
    text = (FOLDER / "answers" / "replay.json").read_text(encoding="utf-8")
    replayed = [output for _, output in outputs(FOLDER / "replay.ipynb") if "replayed" in json.dumps(output)]
    assert len(json.loads(text)["answers"]) >= 2
    assert len(replayed) >= 2


@pytest.mark.slow
@pytest.mark.kernel
@pytest.mark.embedded
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("render", "notebooks"),
    [pytest.param("live", NOTEBOOKS, id="all"), pytest.param("once", [FOLDER / "quickstart.ipynb"], id="once")],
)
def test_nbval(tmp_path: Path, render: str, notebooks: list[Path]) -> None:
    # With no configuration of ours: nbval's own is left out of this suite, and warns.
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "answers").mkdir()
    before = {path.name: path.read_bytes() for path in (FOLDER / "answers").iterdir()}
    for name, content in before.items():
        (tmp_path / "answers" / name).write_bytes(content)
    for notebook in notebooks:
        (tmp_path / notebook.name).write_bytes(notebook.read_bytes())
    (tmp_path / "tmp").mkdir()
    command = ("pytest", "-c", "pytest.ini", "-p", "no:cacheprovider", "--nbval-lax", "--nbval-current-env")
    names = [notebook.name for notebook in notebooks]
    said = run(*command, *names, cwd=tmp_path, timeout=280, OLLAMA_MAGIC_RENDER=render, TMPDIR=str(tmp_path / "tmp"))
    code = [cell for notebook in notebooks for cell in cells(notebook) if cell["cell_type"] == "code"]
    assert re.search(rf"\b{len(code)} passed\b", said), said[-2000:]
    # They leave nothing behind, and write the answers they began with.
    left = {path.name for path in tmp_path.iterdir()} - {"__pycache__"}
    assert left == {"pytest.ini", "answers", "ipython", "tmp", *names}
    assert {path.name: path.read_bytes() for path in (tmp_path / "answers").iterdir()} == before
