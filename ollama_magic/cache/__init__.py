"""Answers cached on disk, so that Run All, a test run or a classroom can reuse them without a server."""

from __future__ import annotations

from .codec import Recorder, replay
from .keys import Keys, key_of
from .store import Cache, CacheError, CacheStatus

__all__ = ["Cache", "CacheError", "CacheStatus", "Keys", "Recorder", "key_of", "replay"]
