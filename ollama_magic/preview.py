"""`--dry-run`: exactly what would be sent, and how many tokens each part costs. No prompt is sent."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from .context import estimate
from .embedded import engine
from .endpoint import endpoint_for, may_fall_back
from .guards import prompt_tokens, tool_tokens
from .render import Preview
from .threads import IMAGE_TOKENS, message_tokens
from .units import counted
from .wire import native, openai
from .wire.surface import choose

if TYPE_CHECKING:
    from .question import Question
    from .session import Session
    from .settings import Settings

__all__ = ["preview"]

_LONGEST_PICTURE = 40


def preview(session: Session, question: Question, settings: Settings) -> Preview:
    """The address, each message and variable with its estimated tokens, and the JSON body.

    Raises what asking would raise before it sends a prompt.
    """
    own = engine.model_name(settings) if settings.mode == "embedded" else ""
    request = question.request(settings, settings.model or own)
    context = session.context_length(request, settings)
    request = replace(request, model=request.model or "(chosen when asked)")
    if settings.mode == "embedded":
        where, surface = "the embedded engine", choose(settings.api, ("openai",), request)
        path, body = openai.encode_chat(engine.request_for(request, settings), dialect="llama.cpp")
    else:
        endpoint = endpoint_for(settings)
        where, surface = endpoint.host.display, choose(settings.api, endpoint.surfaces, request)
        path, body = (native if surface == "native" else openai).encode_chat(request)
    rows: list[tuple[str, str, str, str]] = [
        (message.role, _tokens(message_tokens(message, estimate)), message.content, _pictures(len(message.images)))
        for message in request.messages
    ]
    if request.tools:
        names = ", ".join(str(tool["function"]["name"]) for tool in request.tools)
        rows.append(("tools", _tokens(tool_tokens(request)), names, ""))
    total = prompt_tokens(request)
    parts = [(f"{{{name}}}", _tokens(cost)) for name, cost in question.included]
    share = f"{total / context:.0%}" if context and total * 100 >= context else "under 1%"
    fits = f", {share} of a context of {context:,}" if context else ""
    stands_in = "; if no Ollama listens there, the built-in model answers" if may_fall_back(settings) else ""
    over = ""
    if context and total > context:
        over = f" That is too much: {'it would refuse' if own else 'the server would drop the beginning'}."
    if own and any(message.images for message in request.messages):
        over += " It has a picture, which the built-in model cannot see: asked, it would refuse."
    return Preview(
        title=f"Would be sent: POST {path} to {where}{stands_in}",
        messages=rows,
        parts=parts,
        body=json.dumps(_shortened(body), indent=2, ensure_ascii=False),
        note=f"About {total:,} tokens{fits}.{over} Nothing was sent.",
    )


def _tokens(count: int) -> str:
    return f"~{count:,}"


def _pictures(count: int) -> str:
    return f"{counted(count, 'picture')}, ~{count * IMAGE_TOKENS:,} tokens" if count else ""


def _shortened(value: Any) -> Any:
    """The body with pictures abbreviated: base64 is of no use to a reader."""
    if isinstance(value, dict):
        return {name: _shortened(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_shortened(inner) for inner in value]
    if isinstance(value, str) and len(value) > 2000 and " " not in value[:2000]:
        return f"{value[:_LONGEST_PICTURE]}… ({len(value):,} characters)"
    return value
