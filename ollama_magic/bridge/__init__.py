"""The only interface between blocking cells and asynchronous code."""

from .dropped import heeding
from .loop import Bridge, Job, Worker, shared, this_thread
from .nested import run_on_this_thread

__all__ = ["Bridge", "Job", "Worker", "heeding", "run_on_this_thread", "shared", "this_thread"]
