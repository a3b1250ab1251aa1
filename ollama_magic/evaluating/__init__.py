"""Evaluation of models: from prompts, models and checks to pass rates with confidence intervals."""

from __future__ import annotations

from .checks import contains, equals, parses
from .comparison import Comparison
from .evaluation import Evaluation
from .judging import judge
from .running import evaluate

__all__ = ["Comparison", "Evaluation", "contains", "equals", "evaluate", "judge", "parses"]
