"""Many requests under a concurrency limit: the base of compare, map and evaluate. Pure asyncio; knows no client."""

from __future__ import annotations

from .hosts import Hosts
from .jobs import Outcome, Slot
from .limiter import Limiter
from .running import run_many

__all__ = ["Hosts", "Limiter", "Outcome", "Slot", "run_many"]
