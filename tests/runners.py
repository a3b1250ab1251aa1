"""Notebooks in tests: their cells, and the tools that run them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from ollama_magic.embedded.weights import ensure
from ollama_magic.layers import environment_layer, resolve

__all__ = ["ROOT", "cache_apart", "cells", "run"]

ROOT = Path(__file__).parent.parent


def run(*command: str, cwd: Path, timeout: float = 170, **more: str) -> str:
    """Run a tool of this environment in `cwd`; what it said. The notebook's prompts go to the embedded engine."""
    env = {**os.environ, "OLLAMA_MAGIC_MODE": "embedded", **more}
    env |= {"PYTHONPATH": str(ROOT), "IPYTHONDIR": str(cwd / "ipython")}
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=cwd, env=env, capture_output=True, text=True, timeout=timeout, check=False
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said[-4000:]
    return said


def cache_apart(folder: Path) -> dict[str, str]:
    """What a kernel's environment needs to keep answers and votes in `folder`, a new one; the weights are there too.

    Else it would replay what an earlier run has kept, and count its picks among the votes of whoever runs the tests.
    """
    weights = ensure(resolve(environment_layer()), lambda _: None)
    folder.mkdir()
    (folder / weights.path.name).symlink_to(weights.path)
    return {"OLLAMA_MAGIC_CACHE_DIR": str(folder)}


def cells(path: Path) -> list[dict[str, Any]]:
    """The cells of a notebook's file."""
    found: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return found
