"""The lines around an answer: its progress, its statistics, and what the reader must know about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ollama_magic.events import CUT_OFF, READING
from ollama_magic.render.text import one_line
from ollama_magic.render.tokens import surety
from ollama_magic.units import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ollama_magic.events import Answer, Progress, Stats

__all__ = ["count_words", "footer_line", "included_line", "marks", "megabytes", "progress_line", "rate_line", "seconds"]

_MAYBE_QUEUED_S: Final = 10.0
"""After so long others may be asking the server too: it does not say whether it has begun."""
_SURFACES: Final = {"openai": "/v1", "native": "/api"}
_REASONS: Final = {
    "stop": "complete",
    "length": "cut off by the token limit",
    "tool_calls": "asked for tools",
    "load": "model loaded",
    "unload": "model unloaded",
    "stopped": "stopped by you",
    "incomplete": "incomplete",
}


def footer_line(answer: Answer) -> str:
    """Model · mode and API · tokens in → out · time to first token · certainty · speed · included · finish reason."""
    stats = answer.stats
    speed = stats.tokens_per_second
    surface = _SURFACES.get(answer.surface, answer.surface)
    parts = [
        one_line(answer.model, 80),
        one_line(f"{answer.mode} {surface}".strip(), 40),
        _tokens(stats),
        f"first token {seconds(stats.first_token_s)}" if stats.first_token_s is not None else "",
        surety(answer),
        f"{speed:,.0f} tok/s" if speed and speed >= 10 else f"{speed:.1f} tok/s" if speed else "",
        included_line(answer.included),
        _REASONS.get(answer.reason) or one_line(answer.reason, 40),
    ]
    return " · ".join(part for part in parts if part)


def marks(answer: Answer) -> list[str]:
    """What the reader must not miss, shown even without a footer: stopped, incomplete, cut off, tool calls, empty."""
    found: list[str] = []
    if answer.reason == "stopped":
        found.append("stopped — this is what had arrived" if answer.text else "stopped — nothing had arrived")
    elif answer.reason == "incomplete":
        found.append(f"incomplete: {one_line(answer.error) or 'the answer ended before the server said it was done'}")
    elif answer.reason == "length":
        found.append(CUT_OFF)
    if answer.tool_calls and not answer.tool_results:
        names = ", ".join(one_line(call.name, 60) for call in answer.tool_calls[:10])
        found.append(f"the model asks to call: {names}")
    elif not answer.text.strip() and answer.complete and answer.reason not in ("load", "unload"):
        found.append("the model thought, but gave no answer" if answer.thinking else "the answer is empty")
    return found


def progress_line(progress: Progress, waited: float) -> str:
    """The current phase and its progress: "loading model… 12 s", "downloading… 12 of 98 MB (12%)"."""
    phase = one_line(progress.phase, 120)
    if progress.done is not None:
        if progress.total:
            share = min(100, 100 * progress.done // progress.total)
            return f"{phase}… {megabytes(progress.done)} of {megabytes(progress.total)} MB ({share}%)"
        return f"{phase}… {megabytes(progress.done)} MB"
    if phase == READING and waited >= _MAYBE_QUEUED_S:
        phase += ", or waiting its turn"
    if waited < 1:
        return f"{phase}…"
    return f"{phase}… {waited:.0f} s" if waited < 120 else f"{phase}… {seconds(waited)}"


def rate_line(tokens: int, writing: float, silent: float) -> str:
    """The speed, or for how long nothing has arrived: a slow model and a stuck one must look different."""
    if silent >= 3:
        step = 1 if silent < 10 else 5 if silent < 60 else 15
        return f"nothing new for {int(silent // step * step)} s"
    return f"{tokens / writing:.0f} tok/s" if tokens > 1 and writing >= 0.3 else "writing…"


def seconds(value: float) -> str:
    """A human-readable duration: 0.21 s, 12 s, 3 min 5 s."""
    if value < 10:
        return f"{value:.2f} s"
    return f"{value:.0f} s" if value < 120 else f"{int(value // 60)} min {int(value % 60)} s"


def megabytes(size: int) -> str:
    """Bytes as a number of MB, without the unit."""
    value = size / 1e6
    return f"{value:.1f}" if value < 10 else f"{value:.0f}"


def count_words(text: str) -> str:
    """ "1 word", "123 words"."""
    return counted(len(text.split()), "word")


def included_line(included: Sequence[tuple[str, int]]) -> str:
    """The parts of the notebook that the question included: "with df ~526 tokens, city ~3 tokens"."""
    shown = [f"{one_line(name, 40)} ~{tokens:,} tokens" for name, tokens in included[:4]]
    more = len(included) - len(shown)
    return f"with {', '.join(shown)}{f' and {more} more' if more > 0 else ''}" if shown else ""


def _tokens(stats: Stats) -> str:
    known = stats.prompt_tokens, stats.output_tokens
    if known == (None, None):
        return ""
    into, out = ("?" if count is None else f"{count:,}" for count in known)
    cached = f" ({stats.cached_tokens:,} cached)" if stats.cached_tokens else ""
    return f"{into}{cached} → {out} {'token' if out == '1' else 'tokens'}"
