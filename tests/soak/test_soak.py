"""The quick part of `make soak`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.soak.judging import faults
from tests.soak.soak import Report, Sample, soak

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
    flat = [Sample(100 * n, 80.0, 60, 12, 0) for n in range(1, 5)]
    assert not faults(Report(flat))
    for grown in (Sample(500, 120.0, 60, 12, 0), Sample(500, 80.0, 90, 12, 0), Sample(500, 80.0, 60, 30, 0)):
        assert len(faults(Report([*flat, grown]))) == 1
    assert len(faults(Report([*flat, Sample(500, 80.0, 60, 12, 1)]))) == 1
