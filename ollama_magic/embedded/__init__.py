"""The built-in model: `weights` finds or fetches it, `engine` starts and ends a llama.cpp server in a child process.

Nothing is imported, fetched or started until `engine.start` is called.
"""

from __future__ import annotations

__all__: list[str] = []
