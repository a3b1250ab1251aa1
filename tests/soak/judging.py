"""What a soak must not show: growth, and cells that ended in a strange way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.soak.soak import DROPPED, UNANSWERED

if TYPE_CHECKING:
    from tests.soak.soak import Report

__all__ = ["faults"]

MB = 12.0
"""Memory may grow by this much once warm, whatever the number of cells: the allocator is never quite flat."""
KB_A_CELL = 12.0
"""And by this much a cell: IPython keeps the text, history and result of each."""
HANDLES = 24
"""Idle connections, and the kernel's own events for threads that ended a moment ago."""
NOT_OURS = 0.005
"""The share of interrupts that strike between two steps of ipykernel's, or where Python drops them."""
THREADS = 6
"""Those that asyncio keeps for the next work."""


def faults(report: Report) -> list[str]:
    """Each in a sentence. What was imported and cached in the first third of the samples counts as warm."""
    found = list(report.strange)
    struck = sum(report.ended.values())
    few = 1 + struck * NOT_OURS
    counts = {name: report.ended.get(name, 0) for name in (UNANSWERED, DROPPED)}
    found += [f"{count} of {struck} interrupts were {name}" for name, count in counts.items() if count > few]
    warm, last = report.samples[len(report.samples) // 3], report.samples[-1]
    cells = last.cells - warm.cells
    allowed = MB + cells * KB_A_CELL / 1000
    if last.memory_mb - warm.memory_mb > allowed:
        found.append(f"memory grew by {last.memory_mb - warm.memory_mb:.1f} MB in {cells} cells; {allowed:.1f} is much")
    if last.handles - warm.handles > HANDLES:
        found.append(f"handles grew from {warm.handles} to {last.handles}")
    if last.threads - warm.threads > THREADS:
        found.append(f"threads grew from {warm.threads} to {last.threads}")
    if last.tasks:
        found.append(f"{last.tasks} tasks are left on the event loop")
    return found
