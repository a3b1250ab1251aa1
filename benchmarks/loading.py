"""What `%load_ext ollama_magic` costs after IPython itself, in fresh processes."""

from __future__ import annotations

import statistics
import subprocess
import sys

from benchmarks.report import Table

__all__ = ["run"]

_SCRIPT = """
import sys, time
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
modules = len(sys.modules)
begun = time.perf_counter()
{code}
print((time.perf_counter() - begun) * 1000, len(sys.modules) - modules)
"""

_WAYS = {
    "%load_ext ollama_magic": "shell.run_line_magic('load_ext', 'ollama_magic')",
    "import httpx": "import httpx",
    "import ollama": "import ollama",
    "import openai": "import openai",
}


def run(quick: bool) -> list[Table]:
    """Milliseconds, medians of fresh processes taken in turn."""
    table = Table("Loading, after IPython itself", ("what", "ms", "least", "modules"))
    times: dict[str, list[float]] = {name: [] for name in _WAYS}
    modules = {}
    for _ in range(3 if quick else 9):
        for name, code in _WAYS.items():
            command = [sys.executable, "-c", _SCRIPT.format(code=code)]
            taken, count = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
            times[name].append(float(taken))
            modules[name] = count
    for name, each in times.items():
        table.add(name, f"{statistics.median(each):.1f}", f"{min(each):.1f}", modules[name])
    return [table]
