"""Checks before a request is sent and after its answer: images for a model without vision, a thinking level that it
does not have, a prompt that does not fit into its context.

A server silently truncates a prompt that is too long and answers the rest; the only sign is its count of prompt
tokens. So the length is estimated before, and compared with that count after.
"""

from __future__ import annotations

import difflib
import json
import re
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from .context import estimate
from .errors import OllamaMagicError, Unsupported
from .threads import fit, message_tokens
from .units import counted
from .wire.catalog import full_name

if TYPE_CHECKING:
    from .client import Client
    from .events import Request, Stats
    from .wire.catalog import ModelDetails

__all__ = ["Checked", "check", "context_length", "cut_notice", "prompt_tokens", "tool_tokens", "untold_notice"]

_EMBEDDED_CONTEXT: Final = 4096
_LOOK_FROM: Final = 1500
"""Estimated prompt tokens below which no context is too short, so that the server need not be asked."""
_ROOM: Final = 0.9
"""The fraction of a context that a prompt may take: the estimate errs, and the answer needs room as well."""
_PROBABILITIES: Final = (0, 12, 11)
"""The version of Ollama that first reported token probabilities; older ones ignore the option."""
_CUT: Final = 0.6
"""A prompt of which the server read less than this fraction of the estimate was truncated."""


@dataclass(frozen=True, slots=True)
class Checked:
    """A request that may be sent, and what the user should know first.

    `tokens` is the estimate for the prompt, `context` the context length in tokens, if it was looked up.
    """

    request: Request
    tokens: int
    notices: tuple[str, ...] = ()
    context: int | None = None


async def check(client: Client, request: Request) -> Checked:
    """`request`, its history trimmed to the context if that is known; raises Unsupported before anything is sent."""
    details = await _details(client, request)
    if any(message.images for message in request.messages):
        _check_vision(client, request, details)
    if request.think is not None and details is not None:
        _check_thinking(request, details)
    tokens, notices = prompt_tokens(request), []
    if request.tools and client.settings.mode == "embedded" and client.settings.gguf is None:
        notices.append("The built-in model cannot call tools; it answers without them.")
    if tokens < _look_from(request):
        return Checked(request, tokens, tuple(notices))
    context = await _context_length(client, request, details)
    if context is None or tokens <= context * _ROOM:
        return Checked(request, tokens, tuple(notices), context)
    kept, gone = fit(request.messages, int(context * _ROOM) - tool_tokens(request), estimate)
    if gone:
        turns = sum(message.role == "user" for message in gone)
        notices.append(
            f"The thread is longer than the context of {context:,} tokens: its oldest "
            f"{counted(turns, 'turn')} {'was' if turns == 1 else 'were'} left out."
        )
    request = replace(request, messages=kept)
    tokens = prompt_tokens(request)
    if tokens > context * _ROOM:
        does = "that may be refused" if client.settings.mode == "embedded" else "the server may drop its beginning"
        notices.append(
            f"The prompt has about {tokens:,} tokens and the context {context:,}: {does}. "
            f"{_repair(client, tokens, details)}"
        )
    return Checked(request, tokens, tuple(notices), context)


def prompt_tokens(request: Request) -> int:
    """The estimated tokens of the messages and tools of a request."""
    return sum(message_tokens(message, estimate) for message in request.messages) + tool_tokens(request)


def tool_tokens(request: Request) -> int:
    """The estimated tokens of the tool definitions, which the model's template writes into the prompt."""
    return sum(estimate(json.dumps(tool, ensure_ascii=False)) for tool in request.tools)


async def cut_notice(client: Client, checked: Checked, stats: Stats) -> str:
    """The notice if the server read much less than was sent; "" otherwise."""
    read = stats.prompt_tokens
    images = any(message.images for message in checked.request.messages)
    if read is None or images or checked.tokens < _look_from(checked.request) or read >= checked.tokens * _CUT:
        return ""
    # Some tokenizers need far fewer tokens than estimated. A prompt that fits was not truncated; now that the model is
    # loaded, the server can report its context.
    context = await _loaded_context(client, checked.request) or checked.context
    if context is not None and checked.tokens <= context:
        return ""
    repair = _repair(client, checked.tokens, None)
    told = any(repair in notice for notice in checked.notices)
    return (
        f"The server read {read:,} tokens of a prompt of about {checked.tokens:,}: it dropped the rest."
        f"{'' if told else f' {repair}'}"
    )


async def untold_notice(client: Client) -> str:
    """The notice if token probabilities were requested and none came, with the reason if known."""
    version = ""
    if client.settings.mode == "local":
        with suppress(OllamaMagicError):
            version = await client.version()
    numbers = tuple(int(part) for part in re.findall(r"\d+", version)[:3])
    if numbers and numbers < _PROBABILITIES:
        since = ".".join(map(str, _PROBABILITIES))
        return f"No token probabilities came: Ollama tells them since {since}, and this server is {version}: update it."
    return "No token probabilities came: this server does not tell them, or not for this model."


def _look_from(request: Request) -> int:
    asked = request.options.get("num_ctx")
    return min(_LOOK_FROM, int(asked * _ROOM)) if isinstance(asked, int) else _LOOK_FROM


def _repair(client: Client, tokens: int, details: ModelDetails | None) -> str:
    if client.settings.mode == "embedded":
        return "The built-in model reads no more; use another one, or a shorter prompt."
    wanted = 1 << max(int(tokens * 1.3).bit_length(), 12)
    most = details.context_length if details is not None else None
    if most is not None and most < tokens:
        return f"The model reads at most {most:,}: use another one, or a shorter prompt."
    return f"To give it room: --num-ctx {min(wanted, most) if most else wanted}"


async def _details(client: Client, request: Request) -> ModelDetails | None:
    """The model's details from the server, requested only if something depends on them."""
    wanted = request.think is not None or any(message.images for message in request.messages)
    if client.settings.mode == "embedded" or not (wanted or prompt_tokens(request) >= _look_from(request)):
        return None
    try:
        return await client.show(request.model)
    except OllamaMagicError:
        return None  # the chat request will report what is wrong, if anything


def _check_vision(client: Client, request: Request, details: ModelDetails | None) -> None:
    if client.settings.mode == "embedded" or (details is not None and details.can("vision") is False):
        raise Unsupported(
            f"{request.model} cannot see pictures, and the prompt has one; nothing was sent",
            hint="Use a model with vision, such as llama3.2-vision or qwen2.5vl; %ollama list shows capabilities.",
        )


def _check_thinking(request: Request, details: ModelDetails) -> None:
    values, asked = details.thinking_values, request.think
    if isinstance(asked, str) and values is not None and asked not in values:
        levels = [str(value) for value in values if isinstance(value, str)]
        near = difflib.get_close_matches(asked, levels, n=1)
        raise Unsupported(
            f"{request.model} has no thinking level {asked!r}; nothing was sent",
            hint=f"{f'Did you mean {near[0]}? ' if near else ''}"
            + (f"It has {', '.join(levels)}." if levels else "It has no levels: use --think or --no-think."),
        )
    if asked not in (None, False) and details.can("thinking") is False:
        raise Unsupported(
            f"{request.model} does not think; nothing was sent", hint="Leave --think out, or use a thinking model."
        )


async def context_length(client: Client, request: Request) -> int | None:
    """The context length, in tokens, that the request will have; None if unknown. Sends nothing of the request."""
    if not request.model:
        return None
    details = None
    if client.settings.mode != "embedded" and "num_ctx" not in request.options:
        with suppress(OllamaMagicError):
            details = await client.show(request.model)
    return await _context_length(client, request, details)


async def _context_length(client: Client, request: Request, details: ModelDetails | None) -> int | None:
    """The context that the request will have: as requested, as loaded, else the model's own; None if unknown."""
    asked = request.options.get("num_ctx")
    most = details.context_length if details is not None else None
    if isinstance(asked, int):
        return min(asked, most) if most else asked
    if client.settings.mode == "embedded":
        return _EMBEDDED_CONTEXT
    return await _loaded_context(client, request) or most


async def _loaded_context(client: Client, request: Request) -> int | None:
    """The context of the model as loaded by the server; None if it is not loaded, or unknown."""
    if client.settings.mode != "local":
        return None
    try:
        running = await client.ps()
    except OllamaMagicError:
        return None  # not every server supports it
    wanted = full_name(request.model)
    return next((each.context_length for each in running if full_name(each.name) == wanted), None)
