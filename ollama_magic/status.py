"""The status card: what is set, what responds, and how to fix what does not."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from . import bridge, daemon
from .client import Client
from .embedded import engine
from .endpoint import endpoint_for, gets_key, may_fall_back, meaning_of
from .errors import OllamaMagicError, Unauthorized, Unreachable
from .render import Card
from .units import counted
from .wire.catalog import full_name, runs_in_cloud

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence

    from .session import Session
    from .settings import Settings
    from .wire.catalog import Model, RunningModel

__all__ = ["card", "mode_line"]

T = TypeVar("T")

_ASK_S = 6.0

Row = tuple[str, str] | tuple[str, str, str]


def card(session: Session) -> Card:
    """The state of mode, server, key, models, engine and last answer, each problem with its remedy."""
    settings = session.settings()
    found = bridge.shared().run(_look(session, settings))
    rows: list[Row] = [("mode", mode_line(settings))]
    if settings.mode != "embedded":
        rows.append(_server_row(settings, found))
    rows.append(_key_row(settings, found))
    if isinstance(found.models, list) and settings.mode != "embedded":
        rows.append(_models_row(settings, found.models, found.running))
    rows += [_model_row(settings, found), _engine_row(settings)]
    last = session.last
    if last is not None:
        rows.append(("last answer", f"{last.model}, {len(last.text):,} characters ({last.reason})"))
    return Card("ollama_magic", rows, note="All options and commands: %ollama help")


# ---- checks ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Found:
    """The results of the checks, each a value or the error raised instead; None for those that were not made."""

    host: str
    version: str | OllamaMagicError | None = None
    models: list[Model] | OllamaMagicError | None = None
    running: list[RunningModel] | OllamaMagicError | None = None
    key: list[Model] | OllamaMagicError | None = None


async def _look(session: Session, settings: Settings) -> _Found:
    """Send all requests concurrently."""
    # In mode cloud, listing the models tests the key; in the other modes the cloud is asked separately.
    key = _try(session.check_key(settings.key)) if settings.key and settings.mode != "cloud" else _nothing()
    if settings.mode == "embedded":
        return _Found("", key=await key)
    try:
        host = endpoint_for(settings).host.display
    except OllamaMagicError as error:
        return _Found("", models=error, key=await key)
    local = settings.mode == "local"
    async with Client(settings) as client:
        # ollama.com reports no version; a daemon reports one even if listing its models fails.
        version, models, running, checked = await asyncio.gather(
            _try(client.version()) if local else _nothing(),
            _try(client.tags()),
            _try(client.ps()) if local else _nothing(),
            key,
        )
    return _Found(host, version, models, running, checked if local else models)


async def _nothing() -> None:
    return None


async def _try(asked: Coroutine[Any, Any, T]) -> T | OllamaMagicError:
    try:
        return await asyncio.wait_for(asked, _ASK_S)
    except OllamaMagicError as error:
        return error
    except TimeoutError:
        return Unreachable(f"no answer within {_ASK_S:g} s", hint="The server may be busy: try again in a moment.")


# ---- rows of the card ------------------------------------------------------------------------------------------


def _server_row(settings: Settings, found: _Found) -> Row:
    where = f"{found.host} ({settings.origin('host')})"
    problem = found.models
    if not isinstance(problem, OllamaMagicError) or (isinstance(problem, Unauthorized) and settings.mode == "cloud"):
        return ("server", f"{where}, Ollama {found.version}" if found.version else where)
    if not found.host:
        return ("server", problem.message, problem.hint)
    return ("server", f"{where}: {problem.message}", _repair(settings, problem))


def _repair(settings: Settings, problem: OllamaMagicError) -> str:
    """What to do about a server that does not answer; on this machine depending on whether Ollama is installed."""
    if not isinstance(problem, Unreachable) or settings.mode != "local" or not daemon.is_mine(settings.host):
        return problem.hint
    if daemon.find_program() is None:
        return "Ollama is not installed here: https://ollama.com/download. Without it: %ollama mode embedded"
    return "%ollama start starts it"


def _key_row(settings: Settings, found: _Found) -> Row:
    if not settings.key:
        if settings.mode == "cloud":
            return ("key", "not set", "get one at https://ollama.com/settings/keys, then %ollama login")
        return ("key", "not set, and not needed")
    is_set = f"set ({settings.origin('key')})"
    checked = found.key
    if isinstance(checked, Unauthorized):
        return ("key", f"{is_set}, but refused: {checked.message}", checked.hint)
    if isinstance(checked, OllamaMagicError):
        return ("key", f"{is_set}, not tested: {checked.message}", checked.hint)
    if checked is None:
        return ("key", is_set)
    if settings.mode != "cloud" and gets_key(settings):
        return ("key", f"{is_set}, works: {counted(len(checked), 'model')}")
    unused = "" if settings.mode == "cloud" else "; it is for --mode cloud and is not sent otherwise"
    return ("key", f"{is_set}, works: {counted(len(checked), 'cloud model')}{unused}")


def _models_row(settings: Settings, models: Sequence[Model], running: object) -> Row:
    if not models:
        return ("models", "none", "get one with %ollama pull llama3.2")
    loaded = f", {len(running)} in memory (%ollama ps)" if isinstance(running, list) and running else ""
    return ("models", f"{len(models)}{loaded}: %ollama list")


def _model_row(settings: Settings, found: _Found) -> Row:
    name = settings.model
    if not name:
        return ("default model", "none named: one in memory answers, else the newest")
    told = f"{name} ({settings.origin('model')})"
    if isinstance(found.models, list) and settings.mode == "local" and not runs_in_cloud(name):
        there = {full_name(model.name) for model in found.models}
        if full_name(name) not in there:
            return ("default model", f"{told}, which this server does not have", f"%ollama pull {name} fetches it")
    return ("default model", told)


def _engine_row(settings: Settings) -> Row:
    problem = engine.available()
    if problem is not None:
        return ("embedded engine", problem)
    steps_in = "; answers where no Ollama listens and no model is named" if may_fall_back(settings) else ""
    return ("embedded engine", f"installed: {engine.model_name(settings)}, needs no server and no key{steps_in}")


def mode_line(settings: Settings) -> str:
    """The mode in one line: its name, its origin, and what it means."""
    return f"{settings.mode} ({settings.origin('mode')}): {meaning_of(settings)}"
