"""httpx without its command line, which brings click, pygments and half of rich wherever they are installed.

That is a quarter of what the first cell imports, for something that no notebook calls. To be imported before all that
imports httpx.
"""

from __future__ import annotations

import sys

__all__ = ["httpx"]

_COMMAND_LINE = "httpx._main"

_first = "httpx" not in sys.modules
if _first:
    # None is an import that fails, which httpx takes for its extra `cli` not being installed.
    sys.modules[_COMMAND_LINE] = None  # type: ignore[assignment]
try:
    import httpx
finally:
    if _first:
        del sys.modules[_COMMAND_LINE]
