"""A screen that remembers, a clock that obeys, and settings."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ollama_magic.builder import AnswerBuilder
from ollama_magic.events import Done, Event, Start, Stats, Text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ollama_magic.events import Answer
    from ollama_magic.render.bundle import Bundle


@dataclass
class FakeSettings:
    format: str = "markdown"
    render: str = "live"
    quiet: bool = False


class Clock:
    """Time goes on when told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Screen:
    """A cell's outputs, and everything that was ever sent to it."""

    clock: Clock
    outputs: list[Bundle] = field(default_factory=list)
    sent: list[tuple[float, str, Bundle]] = field(default_factory=list)

    def add(self, bundle: Bundle) -> None:
        self.sent.append((self.clock.now, "add", bundle))
        self.outputs.append(bundle)

    def update(self, bundle: Bundle) -> None:
        self.sent.append((self.clock.now, "update", bundle))
        self.outputs[-1] = bundle

    def replace_all(self, bundle: Bundle) -> None:
        self.sent.append((self.clock.now, "replace", bundle))
        self.outputs[:] = [bundle]

    def clear(self) -> None:
        self.sent.append((self.clock.now, "clear", ({}, {})))
        self.outputs.clear()

    @property
    def size(self) -> int:
        """Characters sent."""
        return sum(len(text) for _, _, (data, _) in self.sent for text in data.values())

    def htmls(self) -> Iterator[str]:
        """Every HTML that was ever on the screen."""
        for _, _, (data, _) in self.sent:
            if "text/html" in data:
                yield data["text/html"]


def start(model: str = "llama3.2:3b") -> Start:
    from ollama_magic.events import Request

    return Start(model, "local", "openai", "http://localhost:11434", Request(model, ()))


def answer_of(*events: Event, stopped: bool = False, error: str = "") -> Answer:
    builder = AnswerBuilder()
    for event in events:
        builder.feed(event)
    return builder.answer(stopped=stopped, error=error)


def whole(text: str, **stats: float) -> Answer:
    """A complete answer."""
    return answer_of(start(), Text(text), Done("stop", Stats(**stats)))  # type: ignore[arg-type]
