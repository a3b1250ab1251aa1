"""The result types of this package, and its error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import SettingsError

if TYPE_CHECKING:
    from ..events import Image

__all__ = ["Described", "Part", "Prompt", "PromptError"]


class PromptError(SettingsError):
    """Something cannot be inserted into the prompt: an expression that raises, an invalid picture. Nothing was sent."""


@dataclass(frozen=True, slots=True)
class Described:
    """An object as a model sees it. `note` says briefly what was left out, "" if nothing."""

    text: str
    images: tuple[Image, ...] = ()
    note: str = ""
    block: bool = False
    """Whether the text needs its own lines, such as a table, and cannot be part of a sentence."""


@dataclass(frozen=True, slots=True)
class Part:
    """One thing inserted into a prompt.

    `tokens` is an estimate for the text only: the cost of a picture depends on the model.
    """

    expression: str
    text: str
    images: tuple[Image, ...] = ()
    tokens: int = 0
    note: str = ""


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt ready to be sent. `left` are the names in braces that are not variables, and were left unchanged."""

    text: str
    images: tuple[Image, ...] = ()
    parts: tuple[Part, ...] = ()
    left: tuple[str, ...] = ()
