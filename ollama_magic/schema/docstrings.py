"""Reads the descriptions of a function and its parameters from a Google, NumPy or Sphinx docstring. Pure."""

from __future__ import annotations

import inspect
import re
from typing import Final

__all__ = ["read_docstring"]

_LONGEST: Final = 1000
_HEADS: Final = (
    "args|arguments|parameters|params|other parameters|keyword args|keyword arguments|returns?|yields?|raises|examples?"
    "|notes?|references|see also|warns|warnings?|attributes|todo"
)
_GOOGLE: Final = re.compile(rf"^({_HEADS}):\s*$", re.IGNORECASE)
_NUMPY: Final = re.compile(rf"^({_HEADS})\s*$", re.IGNORECASE)
_UNDERLINE: Final = re.compile(r"^-{3,}\s*$")
_SPHINX: Final = re.compile(r"^:(?:param|parameter|arg|argument|key|keyword)\s+(?:[^:]*\s)?\*{0,2}(\w+)\s*:\s*(.*)$")
_FIELD: Final = re.compile(r"^:(?:param|parameter|arg|argument|key|keyword|type|returns?|rtype|raises?|yields?)\b")
_GOOGLE_ENTRY: Final = re.compile(r"^\*{0,2}(\w+)\s*(?:\([^)]*\))?\s*:\s*(.*)$")
_NUMPY_ENTRY: Final = re.compile(r"^(\*{0,2}\w+(?:\s*,\s*\*{0,2}\w+)*)\s*(?::.*)?$")


def read_docstring(text: str | None) -> tuple[str, dict[str, str]]:
    """The description of the function, and of each parameter by name; both may be empty."""
    lines = inspect.cleandoc(text or "").splitlines()
    about: list[str] = []
    parameters: dict[str, str] = {}
    at = 0
    while at < len(lines):
        line = lines[at]
        underlined = at + 1 < len(lines) and _UNDERLINE.match(lines[at + 1]) is not None
        if _FIELD.match(line):
            at = _sphinx(lines, at, parameters)
        elif (head := _GOOGLE.match(line)) or (underlined and (head := _NUMPY.match(line))):
            body, at = _section(lines, at + (2 if underlined else 1), indented=not underlined)
            if head[1].lower().startswith(("arg", "param", "other", "keyword")):
                (_numpy if underlined else _google)(body, parameters)
        else:
            about.append(line)
            at += 1
    return _cut("\n".join(about).strip()), {name: _cut(said) for name, said in parameters.items() if said}


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _section(lines: list[str], at: int, *, indented: bool) -> tuple[list[str], int]:
    """The lines of a section from `at`, and where it ends: at the next heading, or where the indentation ends."""
    start = at
    while at < len(lines):
        line = lines[at]
        next_head = at + 1 < len(lines) and _NUMPY.match(line) and _UNDERLINE.match(lines[at + 1])
        if line.strip() and (next_head or _FIELD.match(line) or (indented and not line[0].isspace())):
            break
        at += 1
    return inspect.cleandoc("\n" + "\n".join(lines[start:at])).splitlines(), at


def _google(body: list[str], parameters: dict[str, str]) -> None:
    name = ""
    for line in body:
        entry = _GOOGLE_ENTRY.match(line)
        if entry:
            name = entry[1]
            parameters[name] = entry[2].strip()
        elif name and line.strip():
            parameters[name] = f"{parameters[name]} {line.strip()}".strip()


def _numpy(body: list[str], parameters: dict[str, str]) -> None:
    names: list[str] = []
    for line in body:
        entry = _NUMPY_ENTRY.match(line) if line[:1].strip() else None
        if entry:
            names = [each.strip().lstrip("*") for each in entry[1].split(",")]
            parameters.update(dict.fromkeys(names, ""))
        elif line.strip():
            for name in names:
                parameters[name] = f"{parameters[name]} {line.strip()}".strip()


def _sphinx(lines: list[str], at: int, parameters: dict[str, str]) -> int:
    entry = _SPHINX.match(lines[at])
    said = entry[2] if entry else ""
    at += 1
    while at < len(lines) and lines[at][:1].isspace() and lines[at].strip():
        said += " " + lines[at].strip()
        at += 1
    if entry:
        parameters[entry[1]] = said.strip()
    return at
