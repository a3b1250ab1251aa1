"""The export file of answers, kept next to a notebook: JSON, one answer per line, identical for identical answers."""

from __future__ import annotations

import json
import math
import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from .codec import is_whole, read_rows, rows_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["Carried", "read_file", "write_file"]

VERSION: Final = 1
_FORMAT: Final = "ollama_magic answers"
_KEY: Final = re.compile(r"[0-9a-f]{64}(?:\.[0-9a-f]{16})?")


@dataclass(frozen=True, slots=True)
class Carried:
    """One answer of an export file; `events` holds its rows as JSON."""

    key: str
    model: str
    created: float
    events: str


def write_file(file: Path, answers: Iterable[Mapping[str, Any]]) -> None:
    """Write `answers`, each with key, model, created and events; an old file is kept until the new one is complete.

    Raises ValueError if `file` exists and is not an export file, or OSError.
    """
    if file.exists() and file.stat().st_size:
        try:
            _header(file.read_text(encoding="utf-8"))
        except ValueError:
            raise ValueError("it is there already and is no file of answers, so it was not overwritten") from None
    lines = ",\n".join(json.dumps(each, separators=(",", ":")) for each in answers)
    text = f'{{"format":"{_FORMAT}","version":{VERSION},"answers":[\n{lines}\n]}}\n'
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as out:
            out.write(text)
        mask = os.umask(0)
        os.umask(mask)
        Path(name).chmod(0o666 & ~mask)  # the usual permissions of a new file; mkstemp's are private
        Path(name).replace(file)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def read_file(file: Path) -> list[Carried]:
    """The answers of an export file. Raises ValueError, saying what is wrong with it, or OSError."""
    try:
        body = _header(file.read_text(encoding="utf-8"))
    except UnicodeDecodeError:
        raise ValueError("it is no text, and so no file of answers") from None
    version = body.get("version")
    if version != VERSION:
        newer = isinstance(version, int) and version > VERSION
        what = "update ollama_magic to read it" if newer else "export it again"
        raise ValueError(f"it has version {version!r}, this ollama_magic reads version {VERSION}; {what}")
    answers = body.get("answers")
    if not isinstance(answers, list):
        raise ValueError("it has no list of answers")
    return [_answer(each, number) for number, each in enumerate(answers, start=1)]


def _header(text: str) -> dict[str, Any]:
    try:
        body = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"it is not valid JSON, or cut off ({error})") from None
    if not isinstance(body, dict) or body.get("format") != _FORMAT:
        raise ValueError("it is no file of answers; those are made by %ollama cache export")
    return body


def _answer(body: Any, number: int) -> Carried:
    try:
        key, model, created = body["key"], body["model"], float(body["created"])
        events = read_rows(body["events"])
    except (KeyError, TypeError, ValueError, OverflowError, RecursionError) as error:
        raise ValueError(f"answer {number} cannot be read: {error}") from None
    if not isinstance(key, str) or not _KEY.fullmatch(key):
        raise ValueError(f"answer {number} has a key that is none")
    if not isinstance(model, str) or not math.isfinite(created) or not is_whole(events):
        raise ValueError(f"answer {number} is not whole")
    return Carried(key, model, created, json.dumps(rows_of(events), separators=(",", ":")))
