"""`python -m tests.soak [--cells N] [--interrupts N] [--seed N]`: prints what was seen; 1 where something grows."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tests.soak.judging import faults, growth
from tests.soak.soak import soak


def main() -> int:
    """Soak, print, judge."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description="Thousands of cells in one kernel.")
    parser.add_argument("--cells", type=int, default=2000)
    parser.add_argument("--interrupts", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        report = soak(Path(folder), given.cells, given.interrupts, given.seed)
    found = faults(report)
    print(report, growth(report), *found, "flat" if not found else "not flat", sep="\n")  # noqa: T201
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
