"""Puts code from an answer into the next cell, for the user to read and run; it is never run from here."""

from __future__ import annotations

import re
from typing import Any

from .errors import strip_control
from .render import say

__all__ = ["code_in", "offer_code"]

# Also indented deeper than Markdown allows: models put code into lists.
_FENCE = re.compile(
    r"^([ \t]*)(`{3,}(?=[^`\n]*$)|~{3,})[ \t]*([^\s`]*)[^\n]*\n(.*?)(?:^[ \t]*\2[`~]*[ \t]*$|\Z)",
    re.MULTILINE | re.DOTALL,
)
_PYTHON = ("python", "python3", "py", "ipython", "ipython3")


def code_in(text: str) -> str:
    """The fenced code blocks of an answer, joined by blank lines; the whole text if it has no fence but is Python.

    If any blocks are marked as Python, the others (shell commands, expected output) are left out.
    """
    text = text.replace("\r\n", "\n")
    blocks = [(match[3].lower().strip("{}."), _outdented(match[4], match[1])) for match in _FENCE.finditer(text)]
    python = [block for block in blocks if block[0] in _PYTHON]
    code = "\n\n".join(block for _, block in python or blocks if block.strip())
    if not code and text.strip() and _is_python(text):
        code = text.strip()
    return strip_control(code)


def _outdented(block: str, indent: str) -> str:
    """A block without its fence's indentation."""
    lines = block.rstrip().split("\n")
    return "\n".join(line.removeprefix(indent) if line.strip() else "" for line in lines)


def _is_python(text: str) -> bool:
    import ast

    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, MemoryError, RecursionError):  # the last two if it nests too deeply
        return False
    # A word or sentence that happens to parse as an expression is prose.
    return any(not isinstance(node, ast.Expr) or isinstance(node.value, ast.Call) for node in tree.body)


def offer_code(shell: Any, text: str) -> None:
    """Put the code of an answer into the next cell (in a terminal: the next prompt); in a plain script print it."""
    code = code_in(text)
    if not code:
        say(shell, "There is no code in the answer.")
    elif hasattr(shell, "kernel") or getattr(shell, "pt_app", None) is not None:
        shell.set_next_input(code)
    else:
        say(shell, code)
