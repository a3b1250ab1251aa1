"""The status card and the model table: what is set, what answers, and how to mend what does not."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

from . import bridge
from .client import Client
from .embedded import engine
from .endpoint import endpoint_for, may_fall_back
from .errors import OllamaMagicError, Unauthorized, Unreachable
from .render import Card, Table

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence

    from .session import Session
    from .settings import Settings
    from .wire.catalog import Model

__all__ = ["card", "mode_line", "models_table"]

T = TypeVar("T")

_ASK_S = 6.0


def card(session: Session) -> Card:
    """Mode, server, key, models and engine: what is there, and for each problem its repair."""
    settings = session.settings()
    rows = [("mode", mode_line(settings))]
    if settings.mode == "embedded":
        rows.append(_key_row(settings))
    else:
        rows += bridge.shared().run(_server_rows(settings))
    rows.append(("default model", settings.model or "none named: one in memory answers, else the newest"))
    rows.append(_engine_row(settings))
    last = session.last
    if last is not None:
        rows.append(("last answer", f"{last.model}, {len(last.text):,} characters ({last.reason})"))
    return Card("ollama_magic", rows, note="All options and commands: %ollama help")


async def _server_rows(settings: Settings) -> list[tuple[str, str]]:
    try:
        host = endpoint_for(settings).host.display
    except OllamaMagicError as error:
        return [("server", _mend(error.message, error.hint)), _key_row(settings)]
    async with Client(settings) as client:
        # ollama.com tells no version; a daemon tells one even where it lists no models.
        asked = _try(client.version()) if settings.mode == "local" else _nothing()
        version, models = await asyncio.gather(asked, _try(client.tags()))
    where = f"{host} ({settings.origin('host')})"
    if isinstance(models, Unauthorized):
        return [("server", where), ("key", _mend(f"refused: {models.message}", models.hint))]
    if isinstance(models, OllamaMagicError):
        return [("server", _mend(f"{where}: {models.message}", models.hint)), _key_row(settings)]
    named = f"{where}, Ollama {version}" if isinstance(version, str) and version else where
    advice = "list them with %ollama list" if models else "get one with `ollama pull llama3.2`"
    return [("server", named), _key_row(settings), ("models", _mend(str(len(models)), advice))]


def _mend(what: str, repair: str) -> str:
    return f"{what} → {repair}" if repair else what


async def _nothing() -> str:
    return ""


async def _try(asked: Coroutine[Any, Any, T]) -> T | OllamaMagicError:
    try:
        return await asyncio.wait_for(asked, _ASK_S)
    except OllamaMagicError as error:
        return error
    except TimeoutError:
        return Unreachable(f"no answer within {_ASK_S:g} s", hint="The server may be busy: try again in a moment.")


def _key_row(settings: Settings) -> tuple[str, str]:
    if settings.key:
        return ("key", f"set ({settings.origin('key')})")
    if settings.mode == "cloud":
        return ("key", _mend("not set", "get one at https://ollama.com/settings/keys, then %ollama login"))
    return ("key", "not set, and not needed")


def _engine_row(settings: Settings) -> tuple[str, str]:
    problem = engine.available()
    if problem is not None:
        return ("embedded engine", problem)
    steps_in = "; answers where no Ollama listens and no model is named" if may_fall_back(settings) else ""
    return ("embedded engine", f"installed: {engine.model_name(settings)}, needs no server and no key{steps_in}")


def mode_line(settings: Settings) -> str:
    """The mode in one line: its name, where it was set, and what it means."""
    meaning = {
        "local": "the Ollama at your host; no key is sent",
        "cloud": "https://ollama.com with your key",
        "embedded": "a small model inside this environment; no server, no key",
    }[settings.mode]
    return f"{settings.mode} ({settings.origin('mode')}): {meaning}"


def models_table(models: Sequence[Model], settings: Settings) -> Table:
    """The server's models as a table."""
    rows = [
        (
            model.name,
            _gigabytes(model.size),
            model.parameters,
            model.quantization,
            ", ".join(model.capabilities or ()),
            f"{model.context_length:,}" if model.context_length else "",
            "cloud" if model.remote_host or settings.mode == "cloud" else settings.mode,
        )
        for model in models
    ]
    note = "" if rows else "No models here. Get one with `ollama pull llama3.2`."
    columns = ("name", "size", "parameters", "quantization", "capabilities", "context", "where")
    return Table(columns, rows, f"Models ({settings.mode})", note, right=frozenset({"size", "parameters", "context"}))


def _gigabytes(size: int | None) -> str:
    if not size:
        return ""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"
