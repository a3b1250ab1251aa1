"""Trying models out in earnest: prompts, models and checks to pass rates, with how sure they are."""

from __future__ import annotations

from .checks import contains, equals, parses
from .comparison import Comparison
from .evaluation import Evaluation
from .judging import judge
from .running import evaluate

__all__ = ["Comparison", "Evaluation", "contains", "equals", "evaluate", "judge", "parses"]
