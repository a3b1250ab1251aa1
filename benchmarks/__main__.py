"""`python -m benchmarks [NAME ...] [--quick] [--readme]`: figures on standard output, thresholds nowhere."""

from __future__ import annotations

import argparse
import platform
from typing import TYPE_CHECKING

from benchmarks import client_cpu, compare, loading, mapping, notebook, objects, panel, readme, screen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from benchmarks.report import Table

_ALL: dict[str, Callable[[bool], Iterable[Table]]] = {
    "load": loading.run,
    "notebook": notebook.run,
    "client": client_cpu.run,
    "screen": screen.run,
    "objects": objects.run,
    "mapping": mapping.run,
    "compare": compare.run,
    "panel": panel.run,
}


def main() -> None:
    """Run the benchmarks asked for, one after another."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Figures, side by side in one run.")
    parser.add_argument("names", nargs="*", choices=[*_ALL, []], help="which ones; all if none is named")
    parser.add_argument("--quick", action="store_true", help="fewer rounds and shorter answers")
    parser.add_argument("--readme", action="store_true", help="the tables of the README instead, as Markdown")
    given = parser.parse_args()
    if given.readme:
        for part in readme.section(given.quick):
            print(f"{part}\n", flush=True)
        return
    print(f"Python {platform.python_version()}, {platform.machine()}, {platform.system()}\n")
    for name in given.names or _ALL:
        for table in _ALL[name](given.quick):
            print(table, flush=True)


if __name__ == "__main__":
    main()
