"""The notebooks run from top to bottom with nothing but the embedded engine, and read well without being run."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.fake_models import model_entry
from tests.runners import cache_apart, cells, run

if TYPE_CHECKING:
    from tests.fake_ollama import FakeOllama

FOLDER = Path(__file__).parent.parent / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))

# A folder of somebody's machine: the homes of three systems, temporary folders, drives.
PLACES = re.compile(r"(?<![\w.])/(?:home|root|Users|tmp|var|work|private|opt)/|\b[A-Z]:\\\\?\w")
KEYS = re.compile(r"(?i)\bbearer\s+\S|api[_-]?key\W{1,6}[\w.-]{16,}|\bsk-\w{16,}|\b[0-9a-f]{32}\.[\w-]{20,}")

WIDGET = "application/vnd.jupyter.widget-view+json"
BAR = re.compile(r"\d+%\|")

every = pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)


def outputs(notebook: Path) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Each code cell with each of its outputs."""
    return [(cell, output) for cell in cells(notebook) for output in cell.get("outputs", [])]


def said(output: dict[str, Any]) -> str:
    """An output as plain text."""
    return "".join(output.get("data", {}).get("text/plain", output.get("text", output.get("evalue", ""))))


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


@every
def test_what_is_saved_can_be_read_without_a_kernel(notebook: Path) -> None:
    assert "widgets" not in json.loads(notebook.read_text(encoding="utf-8"))["metadata"]
    for cell, output in outputs(notebook):
        kinds = set(output.get("data", {"text/plain": ""}))
        assert WIDGET not in kinds, f"{cell['id']}: save it with scripts/notebooks.py"
        assert kinds & {"text/plain", "image/png"}
        assert set(BAR.findall(said(output))) <= {"100%|"}, f"{cell['id']}: a bar that stands still"
        assert output.get("name") != "stderr"


@every
def test_its_links_lead_somewhere(notebook: Path) -> None:
    text = "".join(line for cell in cells(notebook) if cell["cell_type"] == "markdown" for line in cell["source"])
    for target in re.findall(r'\]\((?!https?:)([^)#]+)\)|src="([^"]+)"', text):
        target = "".join(target)
        assert (FOLDER / target).is_file(), target


def test_the_quickstart_leads_to_all_others() -> None:
    text = "".join(line for cell in cells(FOLDER / "quickstart.ipynb") for line in cell["source"])
    named = re.findall(r"\]\(([\w-]+)\.ipynb\)", text)
    assert sorted(named) == [path.stem for path in NOTEBOOKS if path.stem != "quickstart"]


def test_a_picture_is_shown_as_it_would_be_sent_and_no_answer_is_made_up() -> None:
    saved = [output for _, output in outputs(FOLDER / "pictures.ipynb")]
    (sent,) = (said(output) for output in saved if "Nothing was sent" in said(output))
    assert "data:image/png;base64," in sent
    (blind,) = (output for output in saved if output["output_type"] == "error")
    assert "cannot see pictures" in blind["evalue"]
    assert "nothing was sent" in blind["evalue"]


def test_a_cloud_without_a_key_stands_beside_an_answer() -> None:
    (compared,) = (
        said(output)
        for cell, output in outputs(FOLDER / "local-and-cloud.ipynb")
        if "--compare" in "".join(cell["source"])
    )
    here, there = compared.split("── B")
    assert "smollm2:135m" in here
    assert "complete" in here
    assert "needs an API key for https://ollama.com" in there
    assert "tok/s" not in there


def test_the_panel_leaves_what_was_said() -> None:
    shown = {cell["id"]: said(output) for cell, output in outputs(FOLDER / "panel.ipynb")}
    for question, cell in (("What is a median", "first"), ("Name one advantage", "second")):
        answer, footer = shown[cell].strip().rsplit("\n\n", 1)
        assert f"> {question}" in shown["panel"]
        assert answer in shown["panel"]
        assert footer in shown["panel"]


def test_the_context_is_what_changes_the_answer() -> None:
    shown = {cell["id"]: said(output) for cell, output in outputs(FOLDER / "tokens.ipynb")}
    assert "Greta" in shown["context-with"]
    assert "Greta" not in shown["context-without"]
    assert "4096 tokens" in shown["context-cut"]


def test_there_is_something_to_replay() -> None:
    text = (FOLDER / "answers" / "replay.json").read_text(encoding="utf-8")
    replayed = [output for _, output in outputs(FOLDER / "replay.ipynb") if "replayed" in json.dumps(output)]
    assert len(json.loads(text)["answers"]) >= 2
    assert len(replayed) >= 2


@pytest.mark.slow
@pytest.mark.kernel
@pytest.mark.timeout(120)
def test_another_line_has_a_model_see_the_picture(tmp_path: Path, fake: FakeOllama) -> None:
    fake.models.append(model_entry("eyes:1b", capabilities=("completion", "vision")))
    fake.says("The first bar is twice as high.").then().says("The Danube.")
    text = (FOLDER / "pictures.ipynb").read_text(encoding="utf-8")
    assert text.count('"%ollama mode embedded"') == 1
    (tmp_path / "pictures.ipynb").write_text(text.replace("%ollama mode embedded", "%ollama use eyes:1b"))
    command = ("nbconvert", "--to", "notebook", "--execute", "--inplace", "pictures.ipynb")
    run(*command, cwd=tmp_path, timeout=110, OLLAMA_MAGIC_MODE="local", OLLAMA_HOST=fake.url)
    shown = {cell["id"]: said(output) for cell, output in outputs(tmp_path / "pictures.ipynb")}
    assert "The first bar is twice as high." in shown["ask"]
    assert "The Danube." in shown["numbers"]
    seen, read = (request.json for request in fake.recorded if request.path.startswith("/v1/chat"))
    assert "data:image/png;base64," in json.dumps(seen)
    assert "image_url" not in json.dumps(read)


@pytest.mark.slow
@pytest.mark.kernel
@pytest.mark.embedded
@pytest.mark.timeout(180)
@pytest.mark.parametrize(
    ("notebook", "render"),
    [
        *(pytest.param(path, "live", id=path.stem) for path in NOTEBOOKS),
        pytest.param(FOLDER / "quickstart.ipynb", "once", id="quickstart-once"),
    ],
)
def test_nbval(tmp_path: Path, notebook: Path, render: str) -> None:
    # With no configuration of ours: nbval's own is left out of this suite, and warns.
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "answers").mkdir()
    before = {path.name: path.read_bytes() for path in (FOLDER / "answers").iterdir()}
    for name, content in before.items():
        (tmp_path / "answers" / name).write_bytes(content)
    (tmp_path / notebook.name).write_bytes(notebook.read_bytes())
    (tmp_path / "tmp").mkdir()
    command = ("pytest", "-c", "pytest.ini", "-p", "no:cacheprovider", "--nbval-lax", "--nbval-current-env")
    own = {"OLLAMA_MAGIC_RENDER": render, "TMPDIR": str(tmp_path / "tmp"), **cache_apart(tmp_path / "cache")}
    told = run(*command, notebook.name, cwd=tmp_path, timeout=170, **own)
    code = [cell for cell in cells(notebook) if cell["cell_type"] == "code"]
    assert re.search(rf"\b{len(code)} passed\b", told), told[-2000:]
    # It leaves nothing behind, and the answers that it began with.
    left = {path.name for path in tmp_path.iterdir()} - {"__pycache__"}
    assert left == {"pytest.ini", "answers", "cache", "ipython", "tmp", notebook.name}
    assert {path.name: path.read_bytes() for path in (tmp_path / "answers").iterdir()} == before
