"""`%ollama list | ps | show`: the models of the server and the cloud, those in memory, and one in detail."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import bridge
from .client import Client
from .errors import OllamaMagicError, SettingsError
from .options import nearest
from .render import Card, Table
from .units import ago, bytes_text, moment_text, until_text
from .wire.catalog import CLOUD_CATALOGUE, Model

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .session import Session
    from .settings import Settings
    from .wire.catalog import ModelDetails, RunningModel

__all__ = ["Listing", "list_models", "listing", "ps", "show", "show_parts"]

_ASK_S = 15.0
_PARTS = {"licence": "license", "license": "license", "template": "template", "parameters": "parameters"}
_PARTS |= {"system": "system"}
_COLUMNS = ("name", "size", "parameters", "quantization", "capabilities", "context", "modified", "where")
_RIGHT = frozenset({"size", "parameters", "context"})


@dataclass(frozen=True, slots=True)
class Listing:
    """The models of one place: "local", "cloud" or "embedded". `problem` says why they could not be listed.

    `suggested`: they could not be listed, and `models` are names from Ollama's documentation instead.
    """

    where: str
    models: Sequence[Model]
    problem: OllamaMagicError | None = None
    suggested: bool = False


async def listing(session: Session, settings: Settings) -> list[Listing]:
    """The models of the server in use, and those of the cloud if a key is set; errors are in `problem`."""
    places = [_here(session, settings)]
    if settings.mode != "cloud" and settings.key:
        places.append(_cloud(session, settings))
    return list(await asyncio.gather(*places))


async def _here(session: Session, settings: Settings) -> Listing:
    try:
        return Listing(settings.mode, await session.models(settings))
    except OllamaMagicError as error:
        return _suggestion(error) if settings.mode == "cloud" else Listing(settings.mode, (), error)


async def _cloud(session: Session, settings: Settings) -> Listing:
    assert settings.key is not None
    try:
        return Listing("cloud", await asyncio.wait_for(session.check_key(settings.key), _ASK_S - 1))
    except OllamaMagicError as error:
        return _suggestion(error)
    except TimeoutError:
        return _suggestion(OllamaMagicError("the cloud does not answer", hint="Try again in a moment."))


def _suggestion(error: OllamaMagicError) -> Listing:
    return Listing("cloud", [Model(name) for name in CLOUD_CATALOGUE], error, suggested=True)


def list_models(session: Session, words: list[str]) -> Table:
    """`%ollama list`: the models of the server in use, and the cloud's if a key is set."""
    if words:
        raise SettingsError(
            f"%ollama list takes nothing behind it, not {words[0]!r}", hint="One model: %ollama show NAME"
        )
    settings = session.settings()
    found = bridge.shared().run(listing(session, settings), 2 * _ASK_S)
    if len(found) == 1 and found[0].problem is not None and not found[0].suggested:
        raise found[0].problem
    rows = [row for place in found for row in _rows(place)]
    title = "Models" if len(found) > 1 else f"Models ({settings.mode})"
    return Table(_COLUMNS, rows, title, " ".join(filter(None, map(_note, found))), right=_RIGHT, empty="no models")


def _rows(place: Listing) -> list[tuple[str, ...]]:
    return [
        (
            model.name,
            bytes_text(model.size or None),
            model.parameters,
            model.quantization,
            ", ".join(model.capabilities or ()),
            f"{model.context_length:,}" if model.context_length else "",
            ago(model.modified),
            _where(place, model),
        )
        for model in place.models
    ]


def _where(place: Listing, model: Model) -> str:
    if place.suggested:
        return "cloud (suggestion)"
    return "cloud, by this daemon" if model.remote_host and place.where == "local" else place.where


def _note(place: Listing) -> str:
    if place.suggested and place.problem is not None:
        return (
            f"The cloud's own list cannot be had ({place.problem.message}); these are names from Ollama's documents. "
            f"{place.problem.hint}"
        )
    if place.problem is not None:
        return f"{place.problem.message}. {place.problem.hint}"
    if not place.models and place.where == "local":
        return "No models here. Get one with `%ollama pull llama3.2`."
    return ""


# ---- in memory -------------------------------------------------------------------------------------------------


def ps(session: Session, words: list[str]) -> Table:
    """`%ollama ps`: the models in the server's memory."""
    if words:
        raise SettingsError(f"%ollama ps takes nothing behind it, not {words[0]!r}", hint="See %ollama help.")
    settings = session.settings()
    rows = [] if settings.mode != "local" else [_running(each) for each in bridge.shared().run(_ps(settings), _ASK_S)]
    empty = {
        "local": "No model is in memory; the first question loads one.",
        "cloud": "The cloud does not tell what it has in memory: nothing there waits for you to unload it.",
        "embedded": "The built-in model is in memory from its first answer until the kernel ends; nothing else is.",
    }[settings.mode]
    return Table(
        ("name", "memory", "on the GPU", "context", "time left"),
        rows,
        f"In memory ({settings.mode})",
        right=frozenset({"memory", "context"}),
        empty=empty,
    )


async def _ps(settings: Settings) -> list[RunningModel]:
    async with Client(settings) as client:
        return await client.ps()


def _running(model: RunningModel) -> tuple[str, ...]:
    share = model.gpu_share
    where = "" if share is None else "none of it" if share == 0 else "all" if share == 1 else f"{share:.0%}"
    context = f"{model.context_length:,}" if model.context_length else ""
    return (model.name, bytes_text(model.size), where, context, until_text(model.expires_at))


# ---- one model -------------------------------------------------------------------------------------------------


def show(session: Session, words: list[str]) -> Card | str:
    """`%ollama show NAME`: what the server knows about a model; `show NAME template`: one of its texts in full."""
    settings = session.settings()
    name = words[0] if words else settings.model
    if not name or len(words) > 2:
        raise SettingsError(
            "%ollama show: one model, and perhaps one of its texts", hint="%ollama show NAME [template|licence|...]"
        )
    part = words[1].lstrip("-").lower() if len(words) == 2 else ""
    if part and part not in _PARTS:
        raise SettingsError(f"%ollama show NAME: no text {words[1]!r}{nearest(part, _PARTS)}", hint=_PARTS_HINT)
    details = bridge.shared().run(_show(settings, name), _ASK_S)
    if part:
        return str(getattr(details, _PARTS[part])) or f"{name} has no {part}."
    return _card(details)


_PARTS_HINT = "One of template, parameters, system, licence."


def show_parts() -> tuple[str, ...]:
    """The texts that `show NAME` can return in full."""
    return ("template", "parameters", "system", "licence")


async def _show(settings: Settings, name: str) -> ModelDetails:
    async with Client(settings) as client:
        return await client.show(name)


def _card(details: ModelDetails) -> Card:
    thinking = details.thinking_values
    levels = ", ".join("off" if value is False else "on" if value is True else value for value in thinking or ())
    rows = [
        ("capabilities", ", ".join(details.capabilities) if details.capabilities is not None else "not told"),
        ("context length", f"{details.context_length:,} tokens" if details.context_length else ""),
        ("parameters", details.parameter_size),
        ("quantization", details.quantization),
        ("family", details.family),
        ("thinking", levels),
        ("runs at", f"{details.remote_host} as {details.remote_model}" if details.remote_host else ""),
        ("modified", moment_text(details.modified)),
    ]
    texts = (
        ("default parameters", details.parameters),
        ("system prompt", details.system),
        ("template", details.template),
        ("licence", details.license),
    )
    return Card(
        details.name,
        [row for row in rows if row[1]],
        folded=[(title, text) for title, text in texts if text.strip()],
    )
