"""The inputs that stay: one file a target, a bytes literal on each line, shortest first."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["NAMES", "read_seeds", "write_seeds"]

NAMES = ("framing", "native", "openai", "failures")
_FOLDER = Path(__file__).parent / "seeds"


def read_seeds(name: str) -> list[bytes]:
    """The seeds of a target."""
    file = _FOLDER / f"{name}.txt"
    return [ast.literal_eval(line) for line in file.read_text("ascii").splitlines()] if file.exists() else []


def write_seeds(name: str, seeds: Iterable[bytes]) -> None:
    """Keep these, each once."""
    lines = [repr(seed) for seed in sorted(set(seeds), key=lambda seed: (len(seed), seed))]
    _FOLDER.mkdir(exist_ok=True)
    (_FOLDER / f"{name}.txt").write_text("".join(f"{line}\n" for line in lines), "ascii")
