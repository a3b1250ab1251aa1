"""What is determined before the first row is asked: the settings, the servers, the model, the basis of cache keys."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from numbers import Integral
from typing import TYPE_CHECKING, Any, Final

from ..bridge import shared
from ..cache.batches import Batches
from ..client import Client
from ..embedded.weights import cache_folder
from ..errors import OllamaMagicError, SettingsError
from ..many import Limiter
from ..models import choose_model
from ..question import Question
from ..recall import Recall
from ..session import current
from ..settings import by_setting
from .engine import Plan

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..events import Request
    from ..session import Session
    from ..settings import Settings
    from .columns import Columns

__all__ = ["How", "Prepared", "limiter_for", "prepare", "settings_for"]

_OWN: Final = ("data", "prompt", "schema", "into", "concurrency", "hosts", "progress", "refresh")
_START: Final = {"local": 32, "cloud": 4, "embedded": 4}
"""Initial concurrency. Ollama queues 512 requests; the cloud allows 1 to 10, depending on the plan."""


@dataclass(frozen=True, slots=True)
class How:
    """How rows are asked. `settings` are those for each host, by its display name."""

    settings: Mapping[str, Settings]
    columns: Columns
    concurrency: int | None = None
    refresh: bool = False


@dataclass(frozen=True, slots=True)
class Prepared:
    """A plan ready to run: `request` has no prompt yet; `digest` distinguishes versions of the model."""

    plan: Plan
    request: Request
    digest: str = ""
    notice: str = ""


def settings_for(given: Mapping[str, Any], hosts: Sequence[str] | None) -> dict[str, Settings]:
    """The settings in force overridden by those `given`, for each of `hosts`, or for the current one under "".

    A name that is not a setting is a model option. Raises SettingsError.
    """
    known = by_setting(given, "map()", _OWN)
    session = current()
    if hosts is None:
        return {"": session.settings(known, label="map()")}
    if isinstance(hosts, str) or not hosts:
        raise SettingsError(
            "hosts is not a list of servers",
            hint="Give one such as hosts=['gpu1:11434', 'gpu2:11434'], or host= for one.",
        )
    found = [session.settings({**known, "host": host}, label="map()") for host in hosts]
    return {each.host.display if each.host else "": each for each in found}


def prepare(how: How) -> Prepared:
    """Find the server and model that will answer. Raises if none can: no server, no model, no key."""
    return shared().run(_prepared(current(), how))


async def _prepared(session: Session, how: How) -> Prepared:
    settings, notice = dict(how.settings), ""
    if len(settings) == 1:
        ((name, only),) = settings.items()
        settings[name], notice = await session.reachable(only)
    first = next(iter(settings.values()))
    model = first.model or await _first_of(settings, choose_model)
    question = Question(prompt="", shape=how.columns.shape)
    request = question.request(first, model)
    policy = "use" if first.is_default("cache") else first.cache
    batches = None if policy == "off" else Batches(cache_folder(first))
    plan = Plan(
        settings,
        model,
        how.columns,
        limiter_for(how.concurrency, first),
        batches,
        how.refresh or policy == "refresh",
    )
    digest = "" if batches is None else await _digest(batches, request, settings)
    return Prepared(plan, request, digest, notice)


def limiter_for(concurrency: int | None, settings: Settings) -> Limiter:
    """The limiter for `concurrency`, adaptive if None. Raises SettingsError if it is not a positive integer."""
    if concurrency is None:
        return Limiter(_START[settings.mode])
    if isinstance(concurrency, bool) or not isinstance(concurrency, Integral) or concurrency < 1:
        raise SettingsError(
            f"concurrency cannot be {concurrency!r}",
            hint="It is how many requests run at once on each server, at least 1. Leave it out, and it adapts.",
        )
    return Limiter(int(concurrency), adapt=False)


async def _first_of(settings: Mapping[str, Settings], what: Any) -> str:
    """The result of `what` at the first server that answers. Raises the last server's error if none does."""
    failure: OllamaMagicError | None = None
    for each in settings.values():
        try:
            async with Client(each) as client:
                return str(await what(client))
        except OllamaMagicError as error:
            failure = error
    assert failure is not None
    raise failure


async def _digest(batches: Batches, request: Request, settings: Mapping[str, Settings]) -> str:
    """The model's digest, from the first server that reports it; "" if none does."""
    found = await asyncio.gather(*(Recall(batches, request, each).digest() for each in settings.values()))
    return next(filter(None, found), "")
