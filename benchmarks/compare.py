"""Traffic in a real kernel: up to six columns that stream concurrently, beside one answer at the same token rate."""

from __future__ import annotations

import json
import tempfile
from typing import TYPE_CHECKING, Any

from benchmarks.report import Table
from benchmarks.server import serving
from tests.kernel.harness import Cell, Kernel

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["run"]

_CPU = "import time, os; print(time.process_time())"
_RATE = 100


def run(quick: bool) -> Iterator[Table]:
    """Messages and bytes per second, and CPU, of one answer and of two and six columns, each at 100 tokens/s."""
    tokens = 500 if quick else 2_000
    table = Table(
        f"Columns in a kernel, each {tokens:,} tokens at {_RATE} a second",
        ("columns", "messages/s", "iopub kB/s", "kernel CPU s", "seconds", "saved outputs"),
    )
    with (
        serving() as (url, _),
        tempfile.TemporaryDirectory() as folder,
        Kernel(folder, {"OLLAMA_HOST": url}, patience_s=900) as kernel,
    ):
        kernel.run("%%ollama -n 2 -m 50@0\nwarm")
        for columns in (1, 2, 6):
            # A single column is an ordinary cell.
            line = f"{tokens}@{_RATE}" if columns == 1 else f"{tokens}@{_RATE} -n {columns}"
            before = float(kernel.run(_CPU).shown())
            cell = kernel.run(f"%%ollama {line}\nlong")
            cpu = float(kernel.run(_CPU).shown()) - before
            table.add(*_row(cell, columns, tokens / _RATE, cpu))
    yield table


def _row(cell: Cell, columns: int, seconds: float, cpu: float) -> tuple[str, ...]:
    shown: list[dict[str, Any]] = [m for m in cell.messages if m["msg_type"] != "status"]
    # The last message is the final output, as long as the answers, and is sent once.
    live = shown[:-1]
    size = sum(len(json.dumps(message["content"])) for message in live)
    return (
        str(columns), f"{len(live) / seconds:.1f}", f"{size / seconds / 1e3:.1f}", f"{cpu:.2f}", f"{seconds:.0f}",
        str(len(cell.outputs)),
    )  # fmt: skip
