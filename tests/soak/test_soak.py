"""The quick part of `make soak`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.soak.judging import faults
from tests.soak.soak import DROPPED, UNANSWERED, Report, Sample, soak

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.slow
@pytest.mark.kernel
@pytest.mark.timeout(180)
def test_fifty_cells_and_thirty_interrupts_leave_a_kernel_as_it_was(tmp_path: Path) -> None:
    report = soak(tmp_path, cells=50, interrupts=30, seed=1)
    assert not faults(report), report
    assert sum(report.ended.values()) == 30
    assert report.ended.get("Stopped", 0) > 5, "interrupts strike while answers come"


def test_what_grows_is_seen() -> None:
    flat = [Sample(100 * n, 80.0, 900_000, 60, 12, 0) for n in range(1, 5)]
    last = Sample(500, 80.0, 900_000, 60, 12, 0)
    assert not faults(Report([*flat, last]))
    for name, much in (("memory_mb", 110.0), ("blocks", 950_000), ("handles", 90), ("threads", 30), ("tasks", 1)):
        assert len(faults(Report([*flat, replace(last, **{name: much})]))) == 1, name  # type: ignore[arg-type]


def test_interrupts_that_are_lost_are_seen() -> None:
    flat = [Sample(100 * n, 80.0, 900_000, 60, 12, 0) for n in range(1, 5)]
    assert not faults(Report(flat, {"Stopped": 997, UNANSWERED: 3}))
    assert len(faults(Report(flat, {"Stopped": 996, UNANSWERED: 4}))) == 1
    assert len(faults(Report(flat, {"Stopped": 999, DROPPED: 1}))) == 1
