"""A thousand rows against a server with 32 slots and 50 ms latency: how close to the ideal, beside the official client.

The server runs in its own process. The variants alternate, so that other load on the machine affects all alike, and the
garbage collector runs before each, so that none is charged for the garbage of the one before; figures are medians.
Memory is that of fresh processes, which map an iterable of the given number of rows.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import math
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.report import Table
from benchmarks.slots import serving_slots

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["run"]

SLOTS, SECONDS, ROWS = 32, 0.05, 1000
SCHEMA = "label: str, score: float"


def run(quick: bool) -> Iterator[Table]:
    """Time, memory, and two Dask workers against one."""
    yield _times(2 if quick else 9)
    yield _memory((1000, 10_000) if quick else (1000, 10_000, 100_000))
    yield _dask(2 if quick else 3)


# ---- time ------------------------------------------------------------------------------------------------------


def _ours(url: str, concurrency: int | None, cache: str) -> None:
    import pandas

    from ollama_magic import map

    frame = pandas.DataFrame({"n": range(ROWS)})
    with tempfile.TemporaryDirectory() as folder:
        found = map(
            frame, "Classify: {n}", "m", schema=SCHEMA, host=url, concurrency=concurrency, progress=False,
            cache=cache, cache_dir=folder,
        )  # fmt: skip
    assert found["error"].isna().all()


def _official(url: str, concurrency: int) -> None:
    """The usual hand-written code: a semaphore around the official client, and a list of all tasks."""
    import json

    import ollama

    form = {"type": "object", "properties": {"label": {"type": "string"}, "score": {"type": "number"}}}

    async def main() -> None:
        client, semaphore = ollama.AsyncClient(host=url), asyncio.Semaphore(concurrency)

        async def one(n: int) -> float:
            messages = [{"role": "user", "content": f"Classify: {n}"}]
            async with semaphore:
                answer = await client.chat(model="m", messages=messages, format=form)
            return float(json.loads(answer.message.content or "")["score"])

        await asyncio.gather(*(one(n) for n in range(ROWS)))

    asyncio.run(main())


def _times(rounds: int) -> Table:
    ways: dict[str, Callable[[str], None]] = {
        "ollama_magic.map, adaptive": lambda url: _ours(url, None, "use"),
        "the same, nothing kept": lambda url: _ours(url, None, "off"),
        "ollama_magic.map, 32 at once": lambda url: _ours(url, SLOTS, "use"),
        "ollama_magic.map, 64 at once": lambda url: _ours(url, 2 * SLOTS, "use"),
        "ollama AsyncClient, semaphore of 32": lambda url: _official(url, SLOTS),
        "ollama AsyncClient, semaphore of 64": lambda url: _official(url, 2 * SLOTS),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    cpu: dict[str, list[float]] = {name: [] for name in ways}
    with serving_slots(SLOTS, SECONDS) as url:
        for number in range(rounds + 1):
            for name, way in ways.items():
                gc.collect()
                began, spent = time.monotonic(), time.process_time()
                way(url)
                if number:  # the first round is a warm-up
                    seconds[name].append(time.monotonic() - began)
                    cpu[name].append(time.process_time() - spent)
    waves = math.ceil(ROWS / SLOTS)
    ideal = waves * SECONDS
    title = f"{ROWS:,} rows, {SLOTS} slots, {SECONDS * 1000:g} ms: the ideal is {waves} waves, {ideal:.2f} s"
    table = Table(title, ("", "seconds", "share of the ideal", "best share", "CPU a row, ms"))
    for name, each in seconds.items():
        middle = statistics.median(each)
        row = (f"{middle:.2f}", f"{ideal / middle:.3f}", f"{ideal / min(each):.3f}")
        table.add(name, *row, f"{statistics.median(cpu[name]) / ROWS * 1000:.2f}")
    return table


# ---- memory ----------------------------------------------------------------------------------------------------


def _memory(counts: tuple[int, ...]) -> Table:
    table = Table("Memory of a process that maps an iterable", ("rows", "most, MB", "against the first"))
    first = 0.0
    with serving_slots(64, 0.0) as url:
        for count in counts:
            command = [sys.executable, "-m", "benchmarks.mapping", url, str(count)]
            most = float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            first = first or most
            table.add(f"{count:,}", f"{most:.1f}", f"{most / first:.2f}")
    return table


def _map_iterable(url: str, count: int) -> None:
    from ollama_magic import map

    with tempfile.TemporaryDirectory() as folder:
        rows = map(
            ({"n": n} for n in range(count)), "Classify: {n}", "m", schema=SCHEMA, host=url, progress=False,
            cache_dir=folder,
        )  # fmt: skip
        assert sum(row["error"] is None for row in rows) == count
    # Not ru_maxrss, which a process inherits from its parent.
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    most = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    sys.stdout.write(f"{int(most.split()[1]) / 1024}\n")


# ---- Dask ------------------------------------------------------------------------------------------------------


def _dask(rounds: int) -> Table:
    """Each worker has 8 requests in flight; the server has slots for all of them."""
    import dask.dataframe as frames
    import dask.distributed as cluster
    import pandas

    from ollama_magic import map

    start: Any = cluster.LocalCluster
    connect: Any = cluster.Client
    from_pandas: Any = frames.from_pandas
    seconds: dict[int, list[float]] = {1: [], 2: []}
    frame = from_pandas(pandas.DataFrame({"n": range(ROWS)}), npartitions=4)
    warnings.simplefilter("ignore")
    with serving_slots(64, SECONDS) as url:
        for workers in seconds:
            quiet = {"dashboard_address": None, "silence_logs": logging.CRITICAL}
            with start(n_workers=workers, threads_per_worker=1, **quiet) as running, connect(running):
                for number in range(rounds + 1):
                    # A new prompt each time: Dask would reuse the results of the same one.
                    mapped = map(
                        frame, f"{number}: {{n}}", "m", schema=SCHEMA, host=url, concurrency=8, cache="off"
                    )  # fmt: skip
                    began = time.monotonic()
                    mapped.compute()
                    if number:
                        seconds[workers].append(time.monotonic() - began)
    table = Table(f"{ROWS:,} rows on Dask, 8 at once on each worker", ("workers", "seconds", "times as fast"))
    one = statistics.median(seconds[1])
    for workers, each in seconds.items():
        middle = statistics.median(each)
        table.add(str(workers), f"{middle:.2f}", f"{one / middle:.2f}")
    return table


if __name__ == "__main__":
    _map_iterable(sys.argv[1], int(sys.argv[2]))
