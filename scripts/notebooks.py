"""Runs the notebooks, or those that are named, each in a fresh kernel, and saves them with their outputs.

    python scripts/notebooks.py [NAME ...]

The built-in model answers if no Ollama is running. State of this machine (cached answers, votes, a key, IPython's
configuration) is not used. Outputs that need a running kernel are not saved.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

import nbformat
from nbclient import NotebookClient

from ollama_magic.embedded.weights import ensure
from ollama_magic.layers import environment_layer, resolve

NOTEBOOKS: Final = Path(__file__).parent.parent / "notebooks"

_WIDGET: Final = "application/vnd.jupyter.widget-view+json"


def main(names: list[str]) -> int:
    """Run and save them; returns 2 if a named notebook does not exist."""
    paths = [NOTEBOOKS / f"{Path(name).stem}.ipynb" for name in names] or sorted(NOTEBOOKS.glob("*.ipynb"))
    missing = [path.stem for path in paths if not path.exists()]
    if missing:
        print(f"There is no notebook {', '.join(missing)} in {NOTEBOOKS.name}/.")
        return 2
    weights = ensure(resolve(environment_layer()), lambda _: None)
    for path in paths:
        print(path.name, flush=True)
        with tempfile.TemporaryDirectory() as folder:
            there = Path(folder)
            (there / "cache").mkdir()
            shutil.copy(weights.path, there / "cache")
            shutil.copytree(NOTEBOOKS, there / "notebooks", ignore=shutil.ignore_patterns(".*"))
            save(path, there)
    return 0


def save(path: Path, there: Path) -> None:
    """Run the notebook in the folder `there`, which also has the kernel's own folders, and write it to `path`."""
    notebook = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OLLAMA", "USE_DIRECT"))}
    own = {"OLLAMA_MAGIC_CACHE_DIR": str(there / "cache"), "IPYTHONDIR": str(there / "ipython"), "TMPDIR": str(there)}
    client = NotebookClient(
        notebook,
        timeout=300,
        record_timing=False,
        store_widget_state=False,
        kernel_name="python3",
        extra_arguments=["--IPKernelApp.log_level=ERROR"],
        resources={"metadata": {"path": str(there / "notebooks")}},
    )
    client.execute(env=kept | own)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if lasts(output)]
    nbformat.write(notebook, path)  # type: ignore[no-untyped-call]


def lasts(output: Any) -> bool:
    """Whether an output shows something without its kernel; removes a widget from it."""
    return output.get("data", {}).pop(_WIDGET, None) is None or bool(output.data)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
