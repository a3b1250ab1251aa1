"""A question: what is asked, with what, and how its answer is kept. A value; no I/O."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from .chat import MOST_ROUNDS
from .errors import SettingsError
from .events import Image, Message, Request

if TYPE_CHECKING:
    from .schema import Shape
    from .settings import Settings
    from .tools import Tool

__all__ = ["MOST_ALTERNATIVES", "CachePolicy", "Question", "Transcript"]

MOST_ALTERNATIVES = 20
"""The most alternatives per token that Ollama accepts."""

CachePolicy = Literal["off", "use", "refresh"]


@dataclass(frozen=True, slots=True)
class Transcript:
    """The conversation that a question belongs to: its name, the cell that asks, and whether it starts over."""

    name: str
    cell: str = ""
    run: str = ""
    new: bool = False


@dataclass(frozen=True, slots=True)
class Question:
    """A prompt with everything it needs. `included` lists what it contains of the notebook, with estimated tokens.

    `top_logprobs`: how many alternatives to report for each token, 0 to 20; None for no probabilities at all.
    """

    prompt: str
    images: tuple[Image, ...] = ()
    history: tuple[Message, ...] = ()
    included: tuple[tuple[str, int], ...] = ()
    notices: tuple[str, ...] = ()
    shape: Shape | None = None
    tools: tuple[Tool, ...] = ()
    rounds: int = MOST_ROUNDS
    cache: CachePolicy = "off"
    top_logprobs: int | None = None
    transcript: Transcript | None = field(default=None)

    def __post_init__(self) -> None:
        wanted = self.top_logprobs
        if wanted is not None and (type(wanted) is not int or not 0 <= wanted <= MOST_ALTERNATIVES):
            raise SettingsError(
                f"tokens come with 0 to {MOST_ALTERNATIVES} alternatives, not {wanted!r}",
                hint=f"For the most write --tokens {MOST_ALTERNATIVES}, or in Python top_logprobs={MOST_ALTERNATIVES}.",
            )

    @property
    def user(self) -> Message:
        """The user's message."""
        return Message("user", self.prompt, images=self.images)

    def request(self, settings: Settings, model: str) -> Request:
        """The request to `model`: system prompt, history and question, with the settings' options."""
        system = (Message("system", settings.system),) if settings.system else ()
        wanted: Any = None
        if self.shape is not None:
            wanted = self.shape.json_schema
        elif settings.format == "json":
            wanted = "json"
        return Request(
            model=model,
            messages=(*system, *self.history, self.user),
            options=settings.request_options(),
            think=settings.think,
            format=wanted,
            tools=tuple(tool.schema for tool in self.tools),
            keep_alive=settings.keep_alive,
            top_logprobs=self.top_logprobs,
        )
