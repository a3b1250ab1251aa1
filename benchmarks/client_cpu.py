"""CPU of the client for each token of a 10,000-token stream, both surfaces, in fresh processes taken in turn."""

from __future__ import annotations

import statistics
import subprocess
import sys

from benchmarks.contenders import CONTENDERS
from benchmarks.report import Table
from benchmarks.server import serving

__all__ = ["run"]


def run(quick: bool) -> list[Table]:
    """Microseconds of CPU a token, and the ratio to httpx on the same surface."""
    return [
        _table("as fast as it goes (many tokens in one read)", "10000@0", 3 if quick else 7),
        _table("one token in one read, 2,000 a second", "10000@2000", 1 if quick else 3),
    ]


def _table(title: str, model: str, rounds: int) -> Table:
    seconds: dict[str, list[float]] = {name: [] for name in CONTENDERS}
    tokens = int(model.partition("@")[0])
    lengths = set()
    with serving() as (url, _):
        for _ in range(rounds):
            for name in CONTENDERS:
                command = [sys.executable, "-m", "benchmarks.contenders", name, url, model]
                cpu, length = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
                seconds[name].append(float(cpu))
                lengths.add(length)
    assert len(lengths) == 1, f"the clients saw different answers: {lengths}"
    medians = {name: statistics.median(each) for name, each in seconds.items()}
    table = Table(f"Client CPU a token, {title}", ("client", "µs a token", "least", "against httpx"))
    for name, each in seconds.items():
        base = medians["httpx " + name.rpartition(" ")[2]]
        table.add(
            name,
            f"{medians[name] / tokens * 1e6:.1f}",
            f"{min(each) / tokens * 1e6:.1f}",
            f"{medians[name] / base:.2f}",
        )
    return table
