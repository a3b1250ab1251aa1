"""Kernel front ends that are not notebooks: `jupyter console` and `jupyter qtconsole`.

They display an output once and ignore every update of it, so a streaming answer would stay empty. A kernel is not told
what its front end is, but a console that started it is its parent process.
"""

from __future__ import annotations

import re
from functools import cache

__all__ = ["in_console"]

_CONSOLE = re.compile(r"\bjupyter[-_ ](?:qt)?console\b|\bqtconsole\b")


@cache
def in_console() -> bool:
    """Whether this kernel was started by a console. A console that joined a notebook's kernel is not detected."""
    try:
        import psutil  # ipykernel depends on it
    except ImportError:
        return False
    try:
        parent = psutil.Process().parent()
        return parent is not None and bool(_CONSOLE.search(" ".join(parent.cmdline()[:4])))
    except (OSError, psutil.Error):
        return False
