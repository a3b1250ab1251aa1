"""Notebook objects in prompts: `{expr}` and attachments become text within a token budget, or images."""

from __future__ import annotations

from .describe import describe
from .expand import attach, expand
from .parts import Described, Part, Prompt, PromptError
from .pictures import current_figure
from .tokens import estimate

__all__ = ["Described", "Part", "Prompt", "PromptError", "attach", "current_figure", "describe", "estimate", "expand"]
