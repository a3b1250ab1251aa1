"""What a kernel has when it is at rest: tasks on the event loop, threads, and file handles."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.fake_ollama import FakeOllama
    from tests.kernel.harness import Kernel

__all__ = ["COUNT", "SETTLED", "Count", "asked", "counted"]

SETTLED = r"""
import asyncio, time

async def _settled():
    "The tasks that are left on the loop, once those had their time that only close something."
    others = asyncio.all_tasks() - {asyncio.current_task()}
    until = time.monotonic() + 5
    while others and time.monotonic() < until:
        await asyncio.sleep(0.01)
        others = asyncio.all_tasks() - {asyncio.current_task()}
    return len(others)
"""

COUNT = (
    SETTLED
    + r"""
import gc, json, os, resource, threading
from ollama_magic import bridge

def _handles():
    "What is open, but for the events by which a thread wakes another: the kernel's own close some time after a thread."
    found = []
    for number in os.listdir("/proc/self/fd") if os.path.isdir("/proc/self/fd") else ():
        try:
            found.append(os.readlink(f"/proc/self/fd/{number}"))
        except OSError:
            pass  # that of the listing
    return sum(not each.startswith("anon_inode:") for each in found)

def _count():
    tasks = bridge.shared().run(_settled())
    gc.collect()
    threads = sorted(t.name for t in threading.enumerate() if t.name.startswith("ollama_magic"))
    counts = json.dumps({"tasks": tasks, "threads": threads, "handles": _handles()})
    print(f"COUNT {counts}", flush=True)  # in one piece: what is flushed in between is another message
"""
)


@dataclass
class Count:
    """What a kernel has once it is at rest."""

    tasks: int
    threads: list[str]
    handles: int

    def is_like(self, before: Count, times: int = 5) -> bool:
        """Whether nothing more is there than before, but for fewer handles than what was done so many `times` since:
        a few connections are kept for a while."""
        same = (self.tasks, self.threads) == (before.tasks, before.threads)
        return same and self.handles < before.handles + times


def counted(kernel: Kernel) -> Count:
    """What a kernel has now; it has run COUNT before."""
    shown = kernel.run("_count()").shown()
    found = re.search(r"COUNT (.*)", shown)
    assert found is not None, shown
    return Count(**json.loads(found.group(1)))


def asked(kernel: Kernel, fake: FakeOllama) -> None:
    """The next cell, which works whatever happened before it."""
    fake.forget()
    fake.says("All is well")
    cell = kernel.run("%%ollama llama3.2\nand now?")
    assert cell.reply["status"] == "ok", cell.shown()[-500:]
    assert "All is well" in cell.shown()
