"""Code from an answer into the next cell. It is put there to be read and run by a person; it is never run from here."""

from __future__ import annotations

import re
from typing import Any

from .errors import strip_control
from .render import say

__all__ = ["code_in", "offer_code"]

_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})[^\n]*\n(.*?)(?:^ {0,3}\1[`~]*[ \t]*$|\Z)", re.MULTILINE | re.DOTALL)


def code_in(text: str) -> str:
    """The fenced code blocks of an answer, one after another; the whole text where it has no fence but is Python."""
    blocks = [match[2].rstrip() for match in _FENCE.finditer(text)]
    code = "\n\n".join(block for block in blocks if block.strip())
    if not code and text.strip() and _is_python(text):
        code = text.strip()
    return strip_control(code)


def _is_python(text: str) -> bool:
    import ast

    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
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
