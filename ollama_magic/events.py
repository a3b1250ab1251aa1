"""The values that pass between the parts: what is asked (Request), what arrives (Event), what it comes to (Answer).

Nothing here does any I/O or knows a surface. All durations are seconds, all sizes bytes, all counts tokens.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "Answer",
    "AnswerBuilder",
    "Done",
    "Event",
    "Image",
    "Message",
    "Notice",
    "Progress",
    "Request",
    "Start",
    "Stats",
    "Text",
    "Thinking",
    "TokenProbability",
    "ToolCall",
    "ToolRequest",
    "parse_json_answer",
]

Role = Literal["system", "user", "assistant", "tool"]


# ---- what is asked ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Image:
    """A picture for a model: encoded bytes and their media type."""

    data: bytes = field(repr=False)
    media_type: str = "image/png"

    def base64(self) -> str:
        """The bytes as base64 text, without a `data:` prefix."""
        return base64.b64encode(self.data).decode("ascii")


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A function the model wants called. `arguments` is the parsed object; `id` is "" where the server gives none."""

    name: str
    arguments: Mapping[str, Any]
    id: str = ""


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation, surface-independent."""

    role: Role
    content: str = ""
    thinking: str = ""
    images: tuple[Image, ...] = ()
    tool_calls: tuple[ToolCall, ...] = ()
    tool_name: str = ""
    tool_call_id: str = ""


@dataclass(frozen=True, slots=True)
class Request:
    """One question, surface-independent.

    `options` has Ollama's own names (temperature, seed, num_predict, num_ctx, top_p, stop, ...) whatever the surface.
    `think`: True, False, a level such as "low", or None for the model's default.
    `format`: "json", a JSON schema, or None. `keep_alive`: seconds, or a Go duration such as "5m".
    `top_logprobs`: how many alternatives to report for each token; None for no probabilities at all.
    """

    model: str
    messages: tuple[Message, ...]
    options: Mapping[str, Any] = field(default_factory=dict)
    think: bool | str | None = None
    format: str | Mapping[str, Any] | None = None
    tools: tuple[Mapping[str, Any], ...] = ()
    keep_alive: str | float | None = None
    top_logprobs: int | None = None


# ---- what arrives ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TokenProbability:
    """A token with its natural-log probability, and the alternatives the model weighed at that place."""

    token: str
    logprob: float
    alternatives: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Start:
    """Who is about to answer: sent once, before anything else of an answer."""

    model: str
    mode: str
    surface: str
    host: str
    request: Request


@dataclass(frozen=True, slots=True)
class Notice:
    """Something the reader should see: one plain line, kept with the answer."""

    text: str


@dataclass(frozen=True, slots=True)
class Progress:
    """What is being waited for. `done` and `total` are bytes, None while nobody knows."""

    phase: str
    done: int | None = None
    total: int | None = None


@dataclass(frozen=True, slots=True)
class Text:
    """A piece of the answer."""

    text: str
    probabilities: tuple[TokenProbability, ...] = ()


@dataclass(frozen=True, slots=True)
class Thinking:
    """A piece of the model's reasoning."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolRequest:
    """Functions the model wants called, complete."""

    calls: tuple[ToolCall, ...]


@dataclass(frozen=True, slots=True)
class Stats:
    """Counts and times of one answer; None where nobody said. Times with `server_` are the server's own account."""

    prompt_tokens: int | None = None
    cached_tokens: int | None = None
    output_tokens: int | None = None
    server_total_s: float | None = None
    server_load_s: float | None = None
    server_prompt_s: float | None = None
    server_output_s: float | None = None
    first_token_s: float | None = None
    """From sending the request to the first piece of text or thinking, measured here."""
    total_s: float | None = None
    """From sending the request to the end, measured here."""

    @property
    def tokens_per_second(self) -> float | None:
        """Output tokens a second while writing, by the server's clock where it told, else by ours."""
        seconds = self.server_output_s
        if not seconds and self.total_s is not None and self.first_token_s is not None:
            seconds = self.total_s - self.first_token_s
        return self.output_tokens / seconds if self.output_tokens and seconds else None


@dataclass(frozen=True, slots=True)
class Done:
    """The server said that the answer is whole. `reason` is its word: "stop", "length", "tool_calls", "load", ..."""

    reason: str = "stop"
    stats: Stats = field(default_factory=Stats)


Event = Start | Notice | Progress | Text | Thinking | ToolRequest | Done


# ---- what it comes to ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer: `text`, `thinking`, `value` (parsed, where a format was asked), `stats`, `request`.

    `reason` says why it ended: the server's word ("stop", "length", ...), "stopped" when the reader stopped it, or
    "incomplete" when it was cut off or failed; then `error` says how. `str(answer)` is the text.
    """

    text: str
    thinking: str = ""
    value: Any = None
    tool_calls: tuple[ToolCall, ...] = ()
    stats: Stats = field(default_factory=Stats)
    reason: str = "stop"
    error: str = ""
    model: str = ""
    mode: str = ""
    surface: str = ""
    host: str = ""
    notices: tuple[str, ...] = ()
    probabilities: tuple[TokenProbability, ...] = field(default=(), repr=False)
    request: Request | None = field(default=None, repr=False)

    @property
    def complete(self) -> bool:
        """Whether the server said that the answer is whole."""
        return self.reason not in ("stopped", "incomplete")

    def __str__(self) -> str:
        return self.text


class AnswerBuilder:
    """Collects events into an Answer; can be asked for what there is at any moment."""

    def __init__(self) -> None:
        self._text: list[str] = []
        self._thinking: list[str] = []
        self._probabilities: list[TokenProbability] = []
        self._calls: list[ToolCall] = []
        self._notices: list[str] = []
        self._start: Start | None = None
        self._done: Done | None = None

    def feed(self, event: Event) -> None:
        """Take one event."""
        if isinstance(event, Text):
            self._text.append(event.text)
            self._probabilities.extend(event.probabilities)
        elif isinstance(event, Thinking):
            self._thinking.append(event.text)
        elif isinstance(event, ToolRequest):
            self._calls.extend(event.calls)
        elif isinstance(event, Notice):
            self._notices.append(event.text)
        elif isinstance(event, Start):
            self._start = event
        elif isinstance(event, Done):
            self._done = event

    @property
    def text(self) -> str:
        """The text so far."""
        return "".join(self._text)

    def answer(self, *, error: str = "", stopped: bool = False, stats: Stats | None = None) -> Answer:
        """The Answer so far. Without a Done it is "stopped" if the reader did so, else "incomplete"."""
        start, done = self._start, self._done
        reason = done.reason if done else ("stopped" if stopped else "incomplete")
        if error:
            reason = "incomplete"
        text = self.text
        request = start.request if start else None
        return Answer(
            text=text,
            thinking="".join(self._thinking),
            value=parse_json_answer(text) if request is not None and request.format is not None and done else None,
            tool_calls=tuple(self._calls),
            stats=done.stats if done else (stats or Stats()),
            reason=reason,
            error=error,
            model=start.model if start else "",
            mode=start.mode if start else "",
            surface=start.surface if start else "",
            host=start.host if start else "",
            notices=tuple(self._notices),
            probabilities=tuple(self._probabilities),
            request=request,
        )


def parse_json_answer(text: str) -> Any:
    """The JSON value of an answer, also when the model wrapped it in a code fence; None when there is none."""
    body = text.strip()
    if body.startswith("```"):
        body = body.partition("\n")[2].rpartition("```")[0]
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None
