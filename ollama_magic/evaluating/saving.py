"""An evaluation to a JSON file and back. The file has prompts, answers and verdicts, and never a key or a host."""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from .._version import __version__
from ..errors import SettingsError
from .checks import Verdict
from .trials import Trial

if TYPE_CHECKING:
    from .evaluation import Evaluation

__all__ = ["encode", "read", "write"]

_FORMAT: Final = "ollama_magic evaluation"
_VERSION: Final = 1
_TRIAL: Final = frozenset(field.name for field in fields(Trial))
_VERDICT: Final = frozenset(field.name for field in fields(Verdict))


def encode(evaluation: Evaluation) -> dict[str, Any]:
    """The evaluation as JSON-compatible values."""
    return {
        "format": _FORMAT,
        "version": _VERSION,
        "written_by": __version__,
        "made": evaluation.made,
        "prompts": list(evaluation.prompts),
        "models": list(evaluation.models),
        "checks": list(evaluation.checks),
        "repeats": evaluation.repeats,
        "settings": {model: dict(values) for model, values in evaluation.settings.items()},
        "trials": [asdict(trial) for trial in evaluation.trials],
    }


def write(path: str | Path, content: dict[str, Any]) -> Path:
    """Write `content` atomically. Raises SettingsError if the path is a folder or its folder is missing, OSError."""
    path = Path(path).expanduser()
    if not path.parent.is_dir():
        raise SettingsError(
            f"{path} cannot be written: there is no folder {path.parent}", hint="Create the folder first."
        )
    if path.is_dir():
        raise SettingsError(f"{path} is a folder", hint=f"Name a file in it, such as {path / 'run1.json'}.")
    text = json.dumps(content, ensure_ascii=True, indent=1, default=str)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        draft.write_text(text + "\n", encoding="utf-8")
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)
    return path


def read(path: str | Path) -> dict[str, Any]:
    """The values of an Evaluation from a file. Raises SettingsError for another kind of file, OSError."""
    path = Path(path).expanduser()
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))  # some editors write a byte order mark
    except (ValueError, RecursionError):
        raise _refused(path, "it is not valid JSON") from None
    if not isinstance(content, dict) or content.get("format") != _FORMAT:
        raise _refused(path, "it is something else")
    if content.get("version") != _VERSION:
        raise SettingsError(
            f"{path} was written by a later version of ollama_magic ({content.get('written_by', 'unknown')})",
            hint="%pip install --upgrade ollama_magic",
        )
    try:
        return _decoded(content)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise _refused(path, f"{type(error).__name__}: {error}") from None


def _decoded(content: dict[str, Any]) -> dict[str, Any]:
    named = {name: tuple(map(str, content[name])) for name in ("prompts", "models", "checks")}
    return {
        **named,
        "repeats": int(content["repeats"]),
        "made": str(content.get("made", "")),
        "settings": {str(model): dict(values) for model, values in content.get("settings", {}).items()},
        "trials": tuple(map(_trial, content["trials"])),
    }


def _trial(found: dict[str, Any]) -> Trial:
    known = {name: value for name, value in found.items() if name in _TRIAL}
    verdicts = (
        Verdict(**{name: value for name, value in each.items() if name in _VERDICT}) for each in found["verdicts"]
    )
    return Trial(**{**known, "verdicts": tuple(verdicts)})


def _refused(path: Path, why: str) -> SettingsError:
    return SettingsError(
        f"{path} is not a saved evaluation: {why}", hint="Write one with evaluation.save('run1.json')."
    )
