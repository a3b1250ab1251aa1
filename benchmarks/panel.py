"""The panel in a real page: whether it stays responsive with long conversations, long answers and fast ones.

The page watches itself (PerformanceObserver: tasks longer than 50 ms), its websocket is counted frame by frame, and the
kernel tells its CPU time. Needs a Chromium; without one there is no table.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.report import Table
from benchmarks.server import serving
from tests.browser.lab import find_browser, running_lab
from tests.browser.panel import Panel

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

__all__ = ["run"]

_PATIENCE_MS = 300_000
_WATCH = """
() => {
    window.tasks = [];
    new PerformanceObserver((list) => window.tasks.push(...list.getEntries().map((task) => task.duration)))
        .observe({ type: 'longtask' });
}
"""
_TOLD = "() => { const told = window.tasks; window.tasks = []; return told; }"
# A conversation of somebody who has used the panel for days: prose, a formula, a table and code in each turn.
_THREAD = r"""
from ollama_magic.events import Message
from ollama_magic.session import current
from ollama_magic.threads import Turn

table = "| a | b |\n| - | - |\n| 1 | 2 |\n\n"
text = "It is **so**: $x^2$ grows.\n\n" + table + "```python\nprint({n})\n```\n\n" + "And so on. " * 60
turns = [
    Turn(Message("user", f"Question {n}?"), (Message("assistant", text.replace("{n}", str(n))),), model="m")
    for n in range(TURNS)
]
current().threads.put("days", turns)
"""
_ENDED = "() => document.querySelector('.om-turn.om-last')?.getAttribute('aria-busy') === 'false'"
_CPU = "__import__('time').process_time()"
_SETTLE_MS = 2_000


@dataclass
class _Seen:
    """What one answer cost."""

    seconds: float
    messages: int
    bytes: int
    tasks: list[float]
    cpu_s: float
    lag_s: float


def run(quick: bool) -> Iterator[Table]:
    """Answers of growing length and speed in one panel, and the same after 500 turns."""
    browser = find_browser()
    if browser is None:
        return
    from playwright.sync_api import sync_playwright

    arguments = ["--disable-dev-shm-usage", *(["--no-sandbox"] if hasattr(os, "getuid") and os.getuid() == 0 else [])]
    with (
        serving() as (url, server),
        tempfile.TemporaryDirectory() as folder,
        running_lab(Path(folder), {"OLLAMA_HOST": url}) as lab,
        sync_playwright() as playwright,
        contextlib.closing(playwright.chromium.launch(executable_path=browser, args=arguments)) as chromium,
    ):
        page = chromium.new_page(viewport={"width": 1400, "height": 1200})
        panel = Panel(lab, page, "lab", "panel.ipynb")
        panel.open()
        page.set_default_timeout(_PATIENCE_MS)
        page.evaluate(_WATCH)
        yield from _tables(panel, server, quick)


def _tables(panel: Panel, server: subprocess.Popen[str], quick: bool) -> Iterator[Table]:
    columns = (
        "answer", "turns before it", "longest task ms", "tasks over 50 ms", "iopub messages/s", "kB/s", "MB in all",
        "kernel CPU s", "lag at the end s",
    )  # fmt: skip
    table = Table("The panel in JupyterLab", columns)
    for tokens, rate in ((2_000, 250),) if quick else ((2_000, 50), (2_000, 250), (20_000, 250), (20_000, 2_000)):
        table.add(f"{tokens:,} tokens at {rate:,}/s", "few", *_cells(_answer(panel, server, tokens, rate)))
    turns = 50 if quick else 500
    filled = _fill(panel, turns)
    table.add("(showing them)", f"{turns}", f"{max(filled, default=0):.0f}", str(len(filled)), *["-"] * 5)
    for tokens, rate in ((2_000, 250),) if quick else ((2_000, 250), (5_000, 2_000)):
        table.add(f"{tokens:,} tokens at {rate:,}/s", f"{turns}", *_cells(_answer(panel, server, tokens, rate)))
    yield table


def _cells(seen: _Seen) -> list[str]:
    return [
        f"{max(seen.tasks, default=0):.0f}", str(len(seen.tasks)), f"{seen.messages / seen.seconds:.1f}",
        f"{seen.bytes / seen.seconds / 1e3:.1f}", f"{seen.bytes / 1e6:.2f}", f"{seen.cpu_s:.2f}", f"{seen.lag_s:.2f}",
    ]  # fmt: skip


def _answer(panel: Panel, server: subprocess.Popen[str], tokens: int, rate: int) -> _Seen:
    """Ask for that answer, and wait until all of it is in the page."""
    panel.model.fill(f"{tokens}@{rate}")
    panel.model.press("Enter")
    panel.page.evaluate(_TOLD)
    cpu, begun, first = _cpu(panel), time.monotonic(), len(panel.received)
    panel.send("long")
    panel.page.wait_for_function(_ENDED, polling=50)
    ended = time.monotonic()
    while not (line := server.stdout.readline() if server.stdout else "sent 0").startswith("sent"):
        pass
    # The page settles: what is left to lay out and to typeset counts too.
    panel.page.wait_for_timeout(_SETTLE_MS)
    frames = panel.received[first:]
    shown = [frame for frame in frames if b'"comm_msg"' in frame or b"display_data" in frame]
    return _Seen(
        ended - begun,
        len(shown),
        sum(map(len, frames)),
        panel.page.evaluate(_TOLD),
        _cpu(panel) - cpu,
        ended - float(line.split()[1]),
    )


def _fill(panel: Panel, turns: int) -> list[float]:
    """So many turns in another thread, shown; the long tasks of that."""
    panel.run(_THREAD.replace("TURNS", str(turns)))
    panel.page.evaluate(_TOLD)
    panel.root.get_by_label("Thread", exact=True).select_option("days")
    panel.page.wait_for_function(f"() => document.querySelectorAll('.om-turn').length === {turns}")
    panel.page.wait_for_timeout(_SETTLE_MS)
    told: list[float] = panel.page.evaluate(_TOLD)
    return told


def _cpu(panel: Panel) -> float:
    return float(panel.value(_CPU))
