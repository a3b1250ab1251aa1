"""Many requests under a limit: what compare, map and evaluate run on. Pure asyncio; knows no client."""

from __future__ import annotations

from .hosts import Hosts
from .jobs import Outcome, Slot
from .limiter import Limiter
from .running import run_many

__all__ = ["Hosts", "Limiter", "Outcome", "Slot", "run_many"]
