"""A real kernel: how soon the first token is on its way to the screen, and what long answers cost on the way there."""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from typing import TYPE_CHECKING, Any

from benchmarks.report import Table
from benchmarks.server import serving
from tests.kernel.harness import Cell, Kernel

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

__all__ = ["run"]

_CPU = "import time, os; print(time.process_time())"


_Lengths = tuple[tuple[int, tuple[int, ...]], ...]
"""Tokens, and at how many a second."""
_LENGTHS: _Lengths = ((1000, (50, 250, 2000)), (5000, (50, 250, 2000)), (20000, (50, 250, 2000)))
_QUICK: _Lengths = ((1000, (250, 2000)),)


def run(quick: bool, lengths: _Lengths | None = None) -> Iterator[Table]:
    """First token and interrupt in milliseconds; traffic, CPU and lag for `lengths`, all of them if none are named."""
    with (
        serving() as (url, server),
        tempfile.TemporaryDirectory() as folder,
        Kernel(folder, {"OLLAMA_HOST": url}, patience_s=900) as kernel,
    ):
        kernel.run("%%ollama 50@0\nwarm")
        _told(server, "sent")
        table = Table("How soon, in a kernel", ("what", "median, ms", "worst, ms"))
        table.add(
            "a first token, from the wire to a front end's queue", *_first_token(kernel, server, 5 if quick else 20)
        )
        table.add("an interrupt, to the socket closed", *_interrupt(kernel, server, 5 if quick else 20))
        yield table
        yield _traffic(kernel, server, lengths or (_QUICK if quick else _LENGTHS))


def _first_token(kernel: Kernel, server: subprocess.Popen[str], rounds: int) -> tuple[str, str]:
    """From the server's first write to the display message at a front end, on one machine's clock."""
    taken = []
    for _ in range(rounds):
        cell = kernel.start("%%ollama 1@10\nfirst")  # its only token at once, its end 0.1 s later
        kernel.wait_for_text(cell, "The")
        seen = time.monotonic()
        taken.append((seen - _told(server, "first")) * 1000)
        kernel.finish(cell)
    return f"{statistics.median(taken):.1f}", f"{max(taken):.1f}"


def _interrupt(kernel: Kernel, server: subprocess.Popen[str], rounds: int) -> tuple[str, str]:
    """From the interrupt to the server seeing the socket closed."""
    taken = []
    for _ in range(rounds):
        while_running = kernel.start("%%ollama 100000@200\nlong")
        kernel.wait_for_text(while_running, "brown")
        asked = kernel.interrupt()
        taken.append((_told(server, "closed") - asked) * 1000)
        kernel.finish(while_running)
    return f"{statistics.median(taken):.1f}", f"{max(taken):.1f}"


def _traffic(kernel: Kernel, server: subprocess.Popen[str], lengths: _Lengths) -> Table:
    table = Table(
        "Long answers in a kernel",
        ("tokens", "tok/s", "answer kB", "iopub MB", "messages", "kernel CPU s", "lag at the end s", "saved outputs"),
    )
    for tokens, rates in lengths:
        for rate in rates:
            before = float(kernel.run(_CPU).shown())
            cell = kernel.run(f"%%ollama {tokens}@{rate}\nlong")
            ended = time.monotonic()
            cpu = float(kernel.run(_CPU).shown()) - before
            table.add(*_row(cell, tokens, rate, cpu, ended - _told(server, "sent")))
    return table


def _told(server: subprocess.Popen[str], what: str) -> float:
    """The time of the server's next word of that kind."""
    assert server.stdout is not None
    while not (line := server.stdout.readline()).startswith(what):
        pass
    return float(line.split()[1])


def _row(cell: Cell, tokens: int, rate: int, cpu: float, lag: float) -> tuple[str, ...]:
    shown: list[dict[str, Any]] = [m for m in cell.messages if m["msg_type"] != "status"]
    size = sum(len(json.dumps(message["content"])) for message in shown)
    answer = len(cell.outputs[-1]["data"]["text/markdown"]) if cell.outputs else 0
    return (
        f"{tokens:,}", f"{rate:,}" if rate else "full", f"{answer / 1e3:.0f}", f"{size / 1e6:.2f}", str(len(shown)),
        f"{cpu:.2f}", f"{lag:.2f}", str(len(cell.outputs)),
    )  # fmt: skip
