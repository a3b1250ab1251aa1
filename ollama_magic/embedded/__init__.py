"""The built-in model: `weights` finds or downloads it, `engine` runs a llama.cpp server in a child process.

Nothing is downloaded or started until `engine.start` or `weights.ensure` is called.
"""

from __future__ import annotations

__all__: list[str] = []
