"""What a soak must not show: growth, and cells that ended in a strange way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.soak.soak import DROPPED, UNANSWERED

if TYPE_CHECKING:
    from tests.soak.soak import Report, Sample

__all__ = ["faults", "growth"]

MB = 12.0
"""Memory may grow by this much once warm, whatever the number of cells: the allocator takes it in lumps of some MB."""
KB_A_CELL = 4.0
"""And by this much a cell: IPython keeps the text of each, under several names, and its line of the history."""
BLOCKS = 4000
"""Objects may grow by this many once warm: what was imported late, and a cache that was not full."""
BLOCKS_A_CELL = 25.0
"""And by this many a cell, of IPython's again. A Turn, an Answer or a task that is left behind is more."""
HANDLES = 24
"""Idle connections, and the kernel's own events for threads that ended a moment ago."""
NOT_OURS = 0.002
"""The share of interrupts that may strike between two steps of ipykernel's own, which then goes on with the cell."""
THREADS = 6
"""Those that asyncio keeps for the next work."""


def faults(report: Report) -> list[str]:
    """Each in a sentence. What was imported and cached in the first third of the samples counts as warm."""
    found = list(report.strange)
    struck = sum(report.ended.values())
    unanswered, dropped = (report.ended.get(name, 0) for name in (UNANSWERED, DROPPED))
    if unanswered > 1 + struck * NOT_OURS:
        found.append(f"{unanswered} of {struck} interrupts were {UNANSWERED}")
    if dropped:
        found.append(f"{dropped} of {struck} interrupts were {DROPPED}")
    warm, last = _ends(report)
    cells = last.cells - warm.cells
    more, allowed = last.memory_mb - warm.memory_mb, MB + cells * KB_A_CELL / 1000
    if more > allowed:
        found.append(f"memory grew by {more:.1f} MB in {cells} cells; {allowed:.1f} is much")
    blocks, most = last.blocks - warm.blocks, BLOCKS + cells * BLOCKS_A_CELL
    if blocks > most:
        found.append(f"{blocks} more objects are kept after {cells} cells; {most:.0f} is many")
    if last.handles - warm.handles > HANDLES:
        found.append(f"handles grew from {warm.handles} to {last.handles}")
    if last.threads - warm.threads > THREADS:
        found.append(f"threads grew from {warm.threads} to {last.threads}")
    if last.tasks:
        found.append(f"{last.tasks} tasks are left on the event loop")
    return found


def growth(report: Report) -> str:
    """By how much a cell grows the kernel once it is warm."""
    warm, last = _ends(report)
    cells = max(1, last.cells - warm.cells)
    kilobytes, blocks = 1000 * (last.memory_mb - warm.memory_mb) / cells, (last.blocks - warm.blocks) / cells
    return f"in the last {cells} cells: {kilobytes:+.1f} kB and {blocks:+.1f} objects a cell"


def _ends(report: Report) -> tuple[Sample, Sample]:
    return report.samples[len(report.samples) // 3], report.samples[-1]
