"""Notebooks in tests: their cells, and the tools that run them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

__all__ = ["ROOT", "cells", "run"]

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


def cells(path: Path) -> list[dict[str, Any]]:
    """The cells of a notebook's file."""
    found: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return found
