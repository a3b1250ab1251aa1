"""Conversations: stored by name and cell, trimmed to the context length, exported to and imported from files."""

from __future__ import annotations

from .files import export, import_json
from .store import Recorded, Threads, Turn
from .trim import IMAGE_TOKENS, fit, message_tokens

__all__ = ["IMAGE_TOKENS", "Recorded", "Threads", "Turn", "export", "fit", "import_json", "message_tokens"]
