"""Every error says what to do: no place that makes one leaves the hint out."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

import pytest

import ollama_magic
from ollama_magic import errors

PACKAGE = Path(ollama_magic.__file__).parent
KINDS = {name for name, kind in vars(errors).items() if inspect.isclass(kind) and issubclass(kind, Exception)}
# What these make is a value between two parts of the package; who shows it says what to do.
PASSED_ON = {"many/running.py", "panels/connection.py"}


def without_hint(source: str) -> list[int]:
    """The lines where an error is made without one. With `**more` it may be in there."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute):
            name = node.func.id if isinstance(node.func, ast.Name) else node.func.attr
            if name in KINDS and not any(each.arg in ("hint", None) for each in node.keywords):
                found.append(node.lineno)
    return found


@pytest.mark.slow
def test_every_error_has_a_hint() -> None:
    files = {path.relative_to(PACKAGE).as_posix(): path for path in PACKAGE.rglob("*.py")}
    found = {name: without_hint(path.read_text(encoding="utf-8")) for name, path in files.items()}
    assert {name for name, lines in found.items() if lines} == PASSED_ON
    assert without_hint("raise Unreachable('no server')\nraise errors.Stalled('silent', hint='Wait.')") == [1]
