"""Front ends of a kernel that are no notebook: `jupyter console` and `jupyter qtconsole`.

They show an output once and pass over every update of it, so an answer that is painted while it comes would stay empty.
A kernel is not told who talks to it, but it is their child.
"""

from __future__ import annotations

import re
from functools import cache

__all__ = ["in_console"]

_CONSOLE = re.compile(r"\bjupyter[-_ ](?:qt)?console\b|\bqtconsole\b")


@cache
def in_console() -> bool:
    """Whether this kernel was started by a console. One that joined a notebook's kernel is not known."""
    try:
        import psutil  # every kernel brings it
    except ImportError:
        return False
    try:
        parent = psutil.Process().parent()
        return parent is not None and bool(_CONSOLE.search(" ".join(parent.cmdline()[:4])))
    except (OSError, psutil.Error):
        return False
