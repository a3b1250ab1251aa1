"""The values of this package: what an object and a prompt come to, and the error for what cannot be sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import SettingsError

if TYPE_CHECKING:
    from ..events import Image

__all__ = ["Described", "Part", "Prompt", "PromptError"]


class PromptError(SettingsError):
    """Something in the prompt cannot be put in: an expression that raises, a picture that is none. Nothing was sent."""


@dataclass(frozen=True, slots=True)
class Described:
    """An object as a model gets it. `note` says in a few words what was left out, "" when all is there."""

    text: str
    images: tuple[Image, ...] = ()
    note: str = ""
    block: bool = False
    """Whether the text has lines of its own, such as a table, and does not stand within a sentence."""


@dataclass(frozen=True, slots=True)
class Part:
    """One thing that was put into a prompt.

    `tokens` is estimated, for the text alone: what a picture costs depends on the model.
    """

    expression: str
    text: str
    images: tuple[Image, ...] = ()
    tokens: int = 0
    note: str = ""


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt ready to be sent. `left` are the names in braces that are no variable, and so stayed as they were."""

    text: str
    images: tuple[Image, ...] = ()
    parts: tuple[Part, ...] = ()
    left: tuple[str, ...] = ()
