"""A server's models: which can chat, which one answers by default; and pulling, removing and copying them."""

from __future__ import annotations

import time
from contextlib import aclosing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from .errors import Incomplete, OllamaMagicError, SettingsError, Stalled, Unsupported
from .wire.catalog import CLOUD_CATALOGUE
from .wire.pulling import Pulling, PullProgress, advise

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from .client import Client
    from .wire.catalog import Model

__all__ = ["PullProgress", "can_chat", "choose_model", "copy", "needs_a_server", "pull", "remove"]

_EPOCH: Final = datetime.fromtimestamp(0, UTC)
_EMBEDDING_FAMILIES: Final = ("bert", "nomic-bert", "gte", "jina-bert")


def can_chat(model: Model) -> bool:
    """Whether a model generates text, not only embeddings; on servers too old to say, judged by its family and name."""
    if model.capabilities:
        return "completion" in model.capabilities or "embedding" not in model.capabilities
    family = model.family.lower()
    return not (family in _EMBEDDING_FAMILIES or "bert" in family or "embed" in model.name.lower())


async def choose_model(client: Client) -> str:
    """The model to use if none is named.

    Local: one that is already in memory, else the one modified last. Cloud: the first of the documented catalogue that
    is listed, else the first listed. Models for embeddings only are skipped. Embedded: the built-in model.
    Raises SettingsError if there is none, and what `Client.tags` raises.
    """
    if client.settings.mode == "embedded":
        return (await client.tags())[0].name
    if client.endpoint.mode == "cloud":
        names = [model.name for model in await client.tags() if can_chat(model)]
        chosen = next((name for name in CLOUD_CATALOGUE if name in names), names[0] if names else "")
    else:
        usable = sorted(filter(can_chat, await client.tags()), key=lambda model: model.modified or _EPOCH, reverse=True)
        names = [model.name for model in usable]
        chosen = next((name for name in await _running(client) if name in names), names[0] if names else "")
    if not chosen:
        where = client.endpoint.host.display
        raise SettingsError(
            f"no model is named, and {where} has none that can answer",
            hint="Get one with `%ollama pull llama3.2`, or use the built-in one: %ollama mode embedded"
            if client.endpoint.mode == "local"
            else "Name one in the cell, such as %%ollama " + CLOUD_CATALOGUE[0],
        )
    return chosen


async def _running(client: Client) -> list[str]:
    try:
        return [model.name for model in await client.ps()]
    except OllamaMagicError:
        return []  # not every server reports them; the list of all models decides then


# ---- pull, remove, copy ----------------------------------------------------------------------------------------

_RESUMES: Final = "Pull it again: it goes on from what the server has kept."


async def pull(client: Client, name: str) -> AsyncGenerator[PullProgress, None]:
    """Download model `name` to the client's server, yielding progress until it is usable.

    `PullProgress.done` and `.total` are bytes; None while the server only reports a status. The last value has
    `success`. Closing the generator or cancelling its reader closes the connection, which stops the download; a later
    pull resumes it, also after an error.
    Raises Unsupported if the client's mode has no models to pull, ModelNotFound, Unreachable, Stalled, Incomplete if
    the stream ends without reporting success, and other ResponseErrors, such as for a full disk.

    Source: ollama docs/api.md, "Pull a Model"
    """
    needs_a_server(client.settings.mode, "pull", name)
    pulling, problem = Pulling(), None
    body = {"model": name, "stream": True}
    try:
        async with aclosing(client.stream("/api/pull", body, model=name, may_rest=_may_rest)) as objects:
            async for obj in objects:
                progress = pulling.feed(obj, time.monotonic())
                if progress is not None:
                    yield progress
                    if progress.success:
                        return
    except OllamaMagicError as error:
        problem = advise(error)
        if isinstance(problem, Stalled | Incomplete):
            problem.hint = f"{_RESUMES} {problem.hint}" if isinstance(problem, Stalled) else _RESUMES
    if problem is not None:
        raise problem
    raise Incomplete(
        f"the pull of {name} ended before {client.endpoint.host.display} said that it was done", hint=_RESUMES
    )


async def remove(client: Client, name: str) -> None:
    """Delete model `name` from the disk of the client's server. Raises Unsupported in modes cloud and embedded."""
    needs_a_server(client.settings.mode, "remove", name)
    await client.delete(name)


async def copy(client: Client, source: str, destination: str) -> None:
    """Give model `source` the name `destination` as well. Raises Unsupported in modes cloud and embedded."""
    needs_a_server(client.settings.mode, "copy", source)
    await client.copy(source, destination)


def _may_rest(obj: dict[str, Any]) -> bool:
    """Whether the server may be silent for long after `obj`: it reports nothing while it verifies the download."""
    return not obj.get("digest")


def needs_a_server(mode: str, what: str, name: str) -> None:
    """Raise Unsupported, saying why `name` cannot be pulled, removed or copied, in modes cloud and embedded."""
    if mode == "cloud":
        raise Unsupported(
            f"there is nothing to {what} in mode cloud: {name} and the others run at ollama.com, by name",
            hint="For the models of an Ollama of your own: %ollama mode local",
        )
    if mode == "embedded":
        raise Unsupported(
            f"the built-in engine has one model, and none to {what}",
            hint="For the models of an Ollama of your own: %ollama mode local (%ollama start starts it).",
        )
