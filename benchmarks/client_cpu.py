"""CPU of the client for each token of a 10,000-token stream, both surfaces, in fresh processes taken in turn."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec

from benchmarks.contenders import CONTENDERS, WARM
from benchmarks.report import Table, ratio
from benchmarks.server import serving

__all__ = ["run"]

_TOKENS = 10_000


def run(quick: bool) -> list[Table]:
    """Microseconds of CPU a token, and how many times ours on the same surface that is."""
    names = []
    for name in CONTENDERS:
        if find_spec(name.partition(" ")[0]) is None:
            print(f"left out, not installed: {name}", file=sys.stderr)
        else:
            names.append(name)
    fast = _rounds(names, f"{_TOKENS}@0", 3 if quick else 7)
    paced = _rounds(names, f"{_TOKENS}@2000", 1 if quick else 3)
    table = Table(
        f"Client CPU a token, {_TOKENS:,} tokens",
        ("client", "many tokens in a read, µs", "least", "one in a read, 2,000 a second, µs"),
    )
    for name in names:
        ours = "ollama_magic " + name.rpartition(" ")[2]
        least = f"{min(fast[name]):.1f}"
        table.add(name, ratio(fast[name], fast[ours]), least, ratio(paced[name], paced[ours]))
    return [table]


def _rounds(names: list[str], model: str, rounds: int) -> dict[str, list[float]]:
    """Microseconds a token, by client, a value for each round."""
    taken: dict[str, list[float]] = {name: [] for name in names}
    lengths = set()
    with serving(WARM, model) as (url, _):
        for _ in range(rounds):
            for name in names:
                command = [sys.executable, "-m", "benchmarks.contenders", name, url, model]
                cpu, length = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
                taken[name].append(float(cpu) / _TOKENS * 1e6)
                lengths.add(length)
    assert len(lengths) == 1, f"the clients saw different answers: {lengths}"
    return taken
