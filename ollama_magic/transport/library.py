"""httpx without its command line, which imports click, pygments and half of rich if they are installed.

That is a quarter of the first cell's imports, for something that no notebook calls. Import this before anything that
imports httpx.
"""

from __future__ import annotations

import sys

__all__ = ["httpx"]

_COMMAND_LINE = "httpx._main"

_first = "httpx" not in sys.modules
if _first:
    # With None the import fails, which httpx takes for its extra `cli` not being installed.
    sys.modules[_COMMAND_LINE] = None  # type: ignore[assignment]
try:
    import httpx
finally:
    if _first:
        del sys.modules[_COMMAND_LINE]
