"""What `%load_ext ollama_magic` costs after IPython itself, and what others do, in fresh processes taken in turn."""

from __future__ import annotations

import statistics
import subprocess

from benchmarks.notebook import OFFLINE
from benchmarks.peers import PEERS, installed
from benchmarks.report import Table

__all__ = ["run"]

_SCRIPT = """
import os, sys, time
os.environ.update({offline!r})
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
modules = len(sys.modules)
begun = time.perf_counter()
assert shell.run_cell({code!r}).success
print((time.perf_counter() - begun) * 1000, len(sys.modules) - modules)
"""


def run(quick: bool) -> list[Table]:
    """Milliseconds, medians; and how many modules were imported."""
    table = Table("Loading, after IPython itself", ("what", "ms", "least", "modules"))
    python = PEERS[0].python
    ways = {"what our first cell imports": (python, "import ollama_magic.asking"), "httpx": (python, "import httpx")}
    # Without the lines that only make a client.
    ways |= {peer.distribution: (peer.python, peer.load.partition("\n")[0]) for peer in installed()}
    times: dict[str, list[float]] = {name: [] for name in ways}
    modules = {}
    for _ in range(3 if quick else 9):
        for name, (interpreter, code) in ways.items():
            command = [interpreter, "-c", _SCRIPT.format(code=code, offline=OFFLINE)]
            told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            taken, modules[name] = told.splitlines()[-1].split()
            times[name].append(float(taken))
    for name, each in times.items():
        table.add(f"{name}: `{ways[name][1]}`", f"{statistics.median(each):.1f}", f"{min(each):.1f}", modules[name])
    return [table]
