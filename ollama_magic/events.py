"""The values passed between the parts: what is asked (Request), what arrives (Event), what results (Answer).

Nothing here does I/O or depends on a surface. All durations are seconds, all sizes bytes, all counts tokens.
"""

from __future__ import annotations

import base64
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "CUT_OFF",
    "READING",
    "Answer",
    "Done",
    "Event",
    "Image",
    "Included",
    "Message",
    "Notice",
    "Progress",
    "Request",
    "Restart",
    "Start",
    "Stats",
    "Text",
    "Thinking",
    "TokenProbability",
    "ToolCall",
    "ToolRequest",
    "ToolResult",
]

Role = Literal["system", "user", "assistant", "tool"]

_LARGEST_EXPONENT = 700.0  # beyond it exp() overflows


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
    """A function the model wants called. `arguments` is the parsed object; `id` is "" if the server gives none."""

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
    """One chat request, surface-independent.

    `options` uses Ollama's names (temperature, seed, num_predict, num_ctx, top_p, stop, ...) on every surface.
    `think`: True, False, a level such as "low", or None for the model's default.
    `format`: "json", a JSON schema, or None. `keep_alive`: seconds, or a Go duration such as "5m".
    `top_logprobs`: how many alternatives to report for each token; None for no probabilities.
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
    """A token with its natural-log probability, and the alternatives considered at that position.

    `raw` has the bytes of a token that is only part of a character; `token` then spells them, such as "<0xF0>".
    """

    token: str
    logprob: float
    alternatives: tuple[tuple[str, float], ...] = ()
    raw: bytes = b""

    @property
    def probability(self) -> float:
        """From 0 to 1."""
        return math.exp(min(self.logprob, 0.0))


@dataclass(frozen=True, slots=True)
class Start:
    """Who is about to answer: sent once, before any part of the answer itself."""

    model: str
    mode: str
    surface: str
    host: str
    request: Request


@dataclass(frozen=True, slots=True)
class Notice:
    """Something the user should see: one plain line, kept with the answer."""

    text: str


@dataclass(frozen=True, slots=True)
class Progress:
    """What is being waited for. `done` and `total` are bytes, None while unknown."""

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
class ToolResult:
    """The result of one call: the text that the model gets, and whether the call failed."""

    call: ToolCall
    text: str
    failed: bool = False

    @property
    def message(self) -> Message:
        """The turn that passes it to the model."""
        return Message("tool", self.text, tool_name=self.call.name, tool_call_id=self.call.id)


@dataclass(frozen=True, slots=True)
class Restart:
    """The text so far is void: the answer starts over, for the reason given."""

    reason: str


@dataclass(frozen=True, slots=True)
class Included:
    """What of the notebook went into the prompt: each item as it was written, with its estimated tokens."""

    items: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Stats:
    """Token counts and times of one answer; None if not reported. Times with `server_` are the server's."""

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
        """Output tokens per second of generation, by the server's time if it reports one, else by ours."""
        seconds = self.server_output_s
        if not seconds and self.total_s is not None and self.first_token_s is not None:
            seconds = self.total_s - self.first_token_s
        return self.output_tokens / seconds if self.output_tokens and seconds else None


@dataclass(frozen=True, slots=True)
class Done:
    """The server finished the answer. `reason` is its finish reason: "stop", "length", "tool_calls", "load", ..."""

    reason: str = "stop"
    stats: Stats = field(default_factory=Stats)


READING: Final = "reading prompt"
"""The phase in which the server has the request and the model, and nothing has come yet."""
CUT_OFF: Final = "cut off: the limit on tokens was reached (--max-tokens, or the model's context)"
"""The message for an answer with finish reason "length"."""


Event = Start | Notice | Progress | Included | Text | Thinking | ToolRequest | ToolResult | Restart | Done


# ---- what it comes to ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer: `text`, `thinking`, `value` (parsed, if a format was requested), `stats`, `request`.

    `reason` says why it ended: the server's finish reason ("stop", "length", ...), "stopped" if the user stopped it, or
    "incomplete" if it was cut off or failed; `error` then says how. `str(answer)` is the text.
    """

    text: str
    thinking: str = ""
    value: Any = None
    tool_calls: tuple[ToolCall, ...] = ()
    tool_results: tuple[ToolResult, ...] = ()
    stats: Stats = field(default_factory=Stats)
    reason: str = "stop"
    error: str = ""
    model: str = ""
    mode: str = ""
    surface: str = ""
    host: str = field(default="", repr=False)
    notices: tuple[str, ...] = ()
    included: tuple[tuple[str, int], ...] = ()
    """What of the notebook went into the prompt, with estimated tokens."""
    replies: tuple[Message, ...] = field(default=(), repr=False)
    """The turns of the answer: the model's and the tool results, in order."""
    probabilities: tuple[TokenProbability, ...] = field(default=(), repr=False)
    """The tokens that make up the text, in order, if the request asked for them."""
    request: Request | None = field(default=None, repr=False)

    @property
    def complete(self) -> bool:
        """Whether the server said that the answer is complete."""
        return self.reason not in ("stopped", "incomplete")

    @property
    def perplexity(self) -> float | None:
        """The effective number of tokens chosen between: 1 if the model is certain of each. None without probabilities.

        The exponential of the mean of the tokens' negative log probabilities.
        """
        if not self.probabilities:
            return None
        mean = -sum(each.logprob for each in self.probabilities) / len(self.probabilities)
        return math.exp(mean) if mean < _LARGEST_EXPONENT else math.inf

    def __str__(self) -> str:
        return self.text
