"""Code from an answer into the next cell. It is put there to be read and run by a person; it is never run from here."""

from __future__ import annotations

import re
from typing import Any

from .errors import strip_control
from .render import say

__all__ = ["code_in", "offer_code"]

# Deeper in than Markdown allows too: models put code into lists.
_FENCE = re.compile(
    r"^([ \t]*)(`{3,}(?=[^`\n]*$)|~{3,})[ \t]*([^\s`]*)[^\n]*\n(.*?)(?:^[ \t]*\2[`~]*[ \t]*$|\Z)",
    re.MULTILINE | re.DOTALL,
)
_PYTHON = ("python", "python3", "py", "ipython", "ipython3")


def code_in(text: str) -> str:
    """The fenced code blocks of an answer, one after another; the whole text where it has no fence but is Python.

    Where blocks are marked as Python, the others (a shell's commands, the output to expect) are left out.
    """
    text = text.replace("\r\n", "\n")
    blocks = [(match[3].lower().strip("{}."), _outdented(match[4], match[1])) for match in _FENCE.finditer(text)]
    python = [block for block in blocks if block[0] in _PYTHON]
    code = "\n\n".join(block for _, block in python or blocks if block.strip())
    if not code and text.strip() and _is_python(text):
        code = text.strip()
    return strip_control(code)


def _outdented(block: str, indent: str) -> str:
    """A block without the indentation of its fence."""
    lines = block.rstrip().split("\n")
    return "\n".join(line.removeprefix(indent) if line.strip() else "" for line in lines)


def _is_python(text: str) -> bool:
    import ast

    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, MemoryError, RecursionError):  # the last two for a text that nests too deep
        return False
    # A single word or sentence that happens to parse is prose.
    return any(not isinstance(node, ast.Expr) or isinstance(node.value, ast.Call) for node in tree.body)


def offer_code(shell: Any, text: str) -> None:
    """Put the code of an answer into the next cell (in a terminal: the next prompt), or print it in a plain script."""
    code = code_in(text)
    if not code:
        say(shell, "There is no code in the answer.")
    elif hasattr(shell, "kernel") or getattr(shell, "pt_app", None) is not None:
        shell.set_next_input(code)
    else:
        say(shell, code)
