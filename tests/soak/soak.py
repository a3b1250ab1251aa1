"""Thousands of cells in one real kernel, and interrupts at random moments: what grows, and what does not come back.

Every choice is drawn from a seed. What is random still is the moment of an interrupt in the kernel's own time, and that
is the point: an interrupt may strike anywhere between the first import and the last repaint.
"""

from __future__ import annotations

import json
import random
import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.fake_ollama import FakeOllama
from tests.kernel.counting import SETTLED
from tests.kernel.harness import Kernel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.kernel.harness import Cell

__all__ = ["Report", "Sample", "soak"]

LOOK = (
    SETTLED
    + r"""
import gc, json, os, resource, sys, threading, time
import ollama_magic
from ollama_magic import bridge

def _memory():
    if os.path.exists("/proc/self/statm"):
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * resource.getpagesize() / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6  # macOS has bytes, and only the most there was

def _look():
    tasks = bridge.shared().run(_settled())
    gc.collect()
    handles = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    seen = {"memory_mb": _memory(), "blocks": sys.getallocatedblocks()}
    seen |= {"handles": handles, "threads": threading.active_count(), "tasks": tasks}
    print(f"LOOK {json.dumps(seen)}", flush=True)

# Else IPython keeps the parsed source of every file that a traceback went through: 3 to 6 MB each, for ever.
get_ipython().run_line_magic("xmode", "Minimal")

def note(text: str) -> str:
    "Keep a note."
    return f"kept: {text}"

rows = {"a": list(range(50)), "text": "some text " * 20}
"""
)
WORDS = "**Bold** and `code`, a list:\n\n- one\n- two\n\n```python\nprint(1)\n```\n\n$x^2$ is maths. "
UNANSWERED = "unanswered by ipykernel"
DROPPED = "dropped by Python"
UNANSWERED_S = 12.0
LATE_S = 3.0
"""A cell that is interrupted ends within this time."""


@dataclass(frozen=True)
class Sample:
    """What the kernel has after so many cells. `blocks`: objects, by Python's own count, which no allocator blurs."""

    cells: int
    memory_mb: float
    blocks: int
    handles: int
    threads: int
    tasks: int


@dataclass
class Report:
    """What came of it. `ended` counts how interrupted cells ended; `slowest_s`: from an interrupt to the cell's end."""

    samples: list[Sample] = field(default_factory=list)
    ended: dict[str, int] = field(default_factory=dict)
    slowest_s: float = 0.0
    took_s: float = 0.0
    strange: list[str] = field(default_factory=list)

    def note(self, name: str) -> None:
        """One more interrupted cell that ended so."""
        self.ended[name] = self.ended.get(name, 0) + 1

    def __str__(self) -> str:
        lines = ["cells  memory MB   blocks  handles  threads  tasks"]
        lines += [
            f"{s.cells:5}  {s.memory_mb:9.1f}  {s.blocks:7}  {s.handles:7}  {s.threads:7}  {s.tasks:5}"
            for s in self.samples
        ]
        ends = ", ".join(f"{count} {name}" for name, count in sorted(self.ended.items()))
        lines.append(f"interrupted: {ends or 'none'}; the slowest ended {self.slowest_s:.2f} s later")
        lines.append(f"{self.took_s:.0f} s in all")
        return "\n".join([*lines, *self.strange])


def soak(folder: Path, cells: int, interrupts: int, seed: int = 0) -> Report:
    """Run so many cells, then so many that are interrupted, in one kernel; nothing is judged here."""
    report, chance, began = Report(), random.Random(seed), time.monotonic()
    with FakeOllama() as fake, Kernel(str(folder), _environment(fake, folder), patience_s=60) as kernel:
        kernel.run(LOOK)
        done = 0
        every = max(10, (cells + interrupts) // 12)
        for work in _plan(chance, cells, interrupts):
            if done % every == 0 and done:
                report.samples.append(_look(kernel, done))
            work(kernel, fake, chance, report)
            done += 1
        # What was interrupted may have left cells of its own queue behind: the kernel is asked once more.
        _whole(kernel, fake, chance, report)
        kernel.until(lambda: fake.open_streams == 0)
        report.samples.append(_look(kernel, done))
    report.took_s = time.monotonic() - began
    return report


def _environment(fake: FakeOllama, folder: Path) -> dict[str, str]:
    return {"OLLAMA_HOST": fake.url, "OLLAMA_MODEL": "llama3.2", "OLLAMA_MAGIC_CACHE_DIR": str(folder / "cache")}


def _plan(chance: random.Random, cells: int, interrupts: int) -> Iterator[Callable[..., None]]:
    yield from (chance.choice(_KINDS) for _ in range(cells))
    yield from (_interrupted for _ in range(interrupts))


def _look(kernel: Kernel, cells: int) -> Sample:
    kernel.forget()
    shown = kernel.run("_look()").shown()
    found = re.search(r"LOOK (.*)", shown)
    assert found is not None, shown
    return Sample(cells, **json.loads(found.group(1)))


# ---- cells -------------------------------------------------------------------------------------------------------


def _script(fake: FakeOllama, chance: random.Random) -> None:
    fake.forget()
    fake.recorded.clear()
    fake.says(*(WORDS * chance.randint(1, 4)).split(" "))


def _ran(cell: Cell, report: Report, words: str = "") -> None:
    if cell.reply["status"] != "ok" or words not in cell.shown():
        report.strange.append(f"a cell ended in {cell.reply.get('ename', 'ok')}: {cell.shown()[-200:]}")


def _whole(kernel: Kernel, fake: FakeOllama, chance: random.Random, report: Report) -> None:
    _script(fake, chance)
    _ran(kernel.run("%%ollama\nTell me about {rows['text'][:20]}"), report, "print")


def _threaded(kernel: Kernel, fake: FakeOllama, chance: random.Random, report: Report) -> None:
    _script(fake, chance)
    cell_id = f"cell-{chance.randint(1, 6)}"
    _ran(kernel.run("%%ollama -i talk\nAnd then?", cell_id), report, "print")


def _cached(kernel: Kernel, fake: FakeOllama, chance: random.Random, report: Report) -> None:
    _script(fake, chance)
    _ran(kernel.run(f"%%ollama --cache\nquestion {chance.randint(1, 30)}"), report, "print")


def _typed(kernel: Kernel, fake: FakeOllama, chance: random.Random, report: Report) -> None:
    fake.forget()
    fake.says('{"name": "Ada", ', '"age": 36}')
    _ran(kernel.run('%%ollama --schema "name: str, age: int" --out person\nWho?'), report, "Ada")


def _tooled(kernel: Kernel, fake: FakeOllama, chance: random.Random, report: Report) -> None:
    fake.forget()
    fake.calls_tool("note", text="x").then().says("Noted.")
    _ran(kernel.run("%%ollama --tools note\nNote it"), report, "Noted")


def _background(kernel: Kernel, fake: FakeOllama, chance: random.Random, report: Report) -> None:
    _script(fake, chance)
    _ran(kernel.run("%%ollama --bg\nGo"), report)
    _ran(kernel.run("%ollama jobs wait all"), report)


def _failing(kernel: Kernel, fake: FakeOllama, chance: random.Random, report: Report) -> None:
    fake.forget()
    fake.says("I ", "don't ", "know").drops_after(2, reset=chance.random() < 0.3)
    cell = kernel.run("%%ollama\nFail")
    if cell.reply["status"] != "error" or cell.reply["ename"] != "Incomplete":
        report.strange.append(f"a cut answer ended in {cell.reply.get('ename', 'ok')}")


def _python(kernel: Kernel, fake: FakeOllama, chance: random.Random, report: Report) -> None:
    _script(fake, chance)
    _ran(kernel.run("len(ollama_magic.ask('Hello').text)" if chance.random() < 0.9 else "%ollama status"), report)


_KINDS = (_whole, _whole, _whole, _threaded, _threaded, _cached, _typed, _tooled, _background, _failing, _python)


# ---- interrupts ----------------------------------------------------------------------------------------------------


def _interrupted(kernel: Kernel, fake: FakeOllama, chance: random.Random, report: Report) -> None:
    """Interrupt a cell somewhere after its beginning; its answer does not end before that."""
    fake.forget()
    fake.recorded.clear()
    fake.pace(2000).says(*(WORDS * 400).split(" "))
    code = f"{chance.choice(_LONG)} {chance.random()}"  # another question each time, so that none is replayed
    # In a cell that is known: elsewhere each stopped answer is one more turn of the conversation, and all are kept.
    cell = kernel.start(code, f"cell-{chance.randint(1, 6)}")
    kernel.until(lambda: any(message["msg_type"] == "execute_input" for message in cell.messages))
    kernel.listen(0.003 + chance.random() ** 2 * 0.25)  # the beginning is where most can go wrong
    struck = kernel.interrupt()
    try:
        kernel.finish(cell, UNANSWERED_S)
    except AssertionError:
        # Between its own steps ipykernel leaves the cell to itself: "KeyboardInterrupt caught in kernel". It goes on.
        report.note(DROPPED if _is_dropped(cell) else UNANSWERED)
        fake.pace(0)
        _whole(kernel, fake, chance, report)
        return
    finally:
        fake.pace(0)
    late = time.monotonic() - struck
    if _is_dropped(cell):
        report.note(DROPPED)
        return
    name = cell.reply.get("ename", "ok") if cell.reply["status"] != "aborted" else "aborted"
    report.note(name)
    report.slowest_s = max(report.slowest_s, late)
    if name not in ("Stopped", "KeyboardInterrupt") or late > LATE_S:
        report.strange.append(
            f"an interrupted cell ended in {name} after {late:.1f} s: {code!r}, {cell.shown()[-400:]}"
        )
    if chance.random() < 0.1:
        kernel.until(lambda: fake.open_streams == 0)
        _whole(kernel, fake, chance, report)


def _is_dropped(cell: Cell) -> bool:
    """Whether Python says that it struck where nobody can catch it: in a weak reference's callback, for one."""
    texts = [str(message["content"].get("text")) for message in cell.messages]
    return any("Exception ignored in" in text for text in texts) and any("KeyboardInterrupt" in text for text in texts)


_LONG = (
    "%%ollama\nTell me",
    "%%ollama -i talk\nTell me",
    "%%ollama --cache\nTell me",
    "%%ollama --tools note\nTell me",
    "for word in 'ab':\n    get_ipython().run_cell_magic('ollama', '', word) #",
    "ollama_magic.ask('Hello') #",
)
