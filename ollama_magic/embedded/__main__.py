"""`python -m ollama_magic.embedded`: download the built-in model now, so that the first answer does not wait for it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import OllamaMagicError
from ..layers import dotenv_layer, environment_layer, resolve
from . import weights

if TYPE_CHECKING:
    from ..events import Progress


__all__ = ["main"]


def main() -> int:
    """Download it unless it is there; 0 if it is usable, 1 with the reason on stderr if not, 130 if interrupted."""
    shown = _Line()
    try:
        found = weights.ensure(resolve(environment_layer(), dotenv_layer(Path())), shown.progress)
    except OllamaMagicError as error:
        shown.end()
        sys.stderr.write(f"{error}\n")
        return 1
    except KeyboardInterrupt:
        shown.end()
        return 130
    shown.end()
    sys.stdout.write(f"{found.name}: {found.path}\n")
    return 0


class _Line:
    """One line, overwritten in place on a terminal; in a log, one line per phase. Terminal only, so not in `render`."""

    def __init__(self) -> None:
        self._live = sys.stdout.isatty()
        self._phase = ""

    def progress(self, progress: Progress) -> None:
        if self._live:
            amount = f" {progress.done / 1e6:.0f}" if progress.done is not None else ""
            amount += f" of {progress.total / 1e6:.0f} MB" if amount and progress.total else ""
            sys.stdout.write(f"\r\x1b[K{progress.phase}{amount}")
        elif progress.phase != self._phase:
            sys.stdout.write(f"{progress.phase}\n")
        self._phase = progress.phase
        sys.stdout.flush()

    def end(self) -> None:
        if self._live and self._phase:
            sys.stdout.write("\r\x1b[K")


if __name__ == "__main__":
    sys.exit(main())
