"""What a server's models are good for."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from .errors import OllamaMagicError, SettingsError
from .wire.catalog import CLOUD_CATALOGUE

if TYPE_CHECKING:
    from .client import Client
    from .wire.catalog import Model

__all__ = ["can_chat", "choose_model"]

_EPOCH: Final = datetime.fromtimestamp(0, UTC)
_EMBEDDING_FAMILIES: Final = ("bert", "nomic-bert", "gte", "jina-bert")


def can_chat(model: Model) -> bool:
    """Whether a model writes text, rather than embeddings alone; by its family where the server is too old to say."""
    if model.capabilities:
        return "completion" in model.capabilities or "embedding" not in model.capabilities
    family = model.family.lower()
    return not (family in _EMBEDDING_FAMILIES or "bert" in family or "embed" in model.name.lower())


async def choose_model(client: Client) -> str:
    """The model to use where none was named.

    Local: one that is in memory already, else the one that was changed last. Cloud: the first of the documented
    catalogue that is there, else the first of the list. Models that only embed are passed over.
    Raises SettingsError where there is none, and what `Client.tags` raises.
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
            hint="Get one with `ollama pull llama3.2` in a terminal, or use the built-in one: %ollama mode embedded"
            if client.endpoint.mode == "local"
            else "Name one in the cell, such as %%ollama " + CLOUD_CATALOGUE[0],
        )
    return chosen


async def _running(client: Client) -> list[str]:
    try:
        return [model.name for model in await client.ps()]
    except OllamaMagicError:
        return []  # not every server tells; the list of all models decides then
