"""An answer from the cache, or a fresh one that is stored there."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .cache import Cache, CacheError, Recorder, key_of, replay
from .chat import ToolWork
from .client import Client
from .errors import OllamaMagicError
from .events import Done, Notice, Progress, Restart, Start
from .wire.catalog import full_name

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from .events import Event, Request
    from .settings import Settings

__all__ = ["Recall", "remembered"]

_DIGEST_S = 2.0


@dataclass(frozen=True, slots=True)
class Recall:
    """What to look up in which cache: `request` is the question as asked, with model "" if none was named."""

    cache: Cache
    request: Request
    settings: Settings
    used: dict[str, None] = field(default_factory=dict)
    """The keys of the answers that this kernel stored or replayed, in order."""

    async def digest(self) -> str:
        """The digest of the model as installed now; "" if unknown, as without a server, and outside of mode local."""
        if self.settings.mode != "local" or not self.request.model:
            return ""
        wanted = full_name(self.request.model)
        with suppress(OllamaMagicError, TimeoutError):
            async with asyncio.timeout(_DIGEST_S), Client(self.settings) as client:
                return next((model.digest for model in await client.tags() if full_name(model.name) == wanted), "")
        return ""


async def remembered(
    fresh: AsyncGenerator[Event | ToolWork, None], recall: Recall, *, refresh: bool
) -> AsyncGenerator[Event | ToolWork, None]:
    """The recorded answer, if there is one; else `fresh`, recorded as it arrives.

    An unusable cache leads to a notice, never to the loss of an answer.
    """
    async with aclosing(fresh):
        key = key_of(recall.request, await recall.digest())
        try:
            found = None if refresh else await asyncio.to_thread(recall.cache.get, key)
            recorded = await asyncio.to_thread(recall.cache.model_of, key) if found is not None else ""
        except CacheError as error:
            yield Notice(str(error))
            found = None
        if found is not None:
            recall.used[key] = None
            model = recorded or recall.request.model or "a model that was not noted"
            yield Start(model, "", "replayed", "", recall.request)
            async for again in replay(found, pace=recall.settings.pace):
                yield again
            return
        recorder = Recorder()
        model = ""
        async for event in fresh:
            if isinstance(event, Restart):
                recorder = Recorder()
            elif isinstance(event, Start):
                model = event.model
            elif not isinstance(event, Progress | ToolWork):
                recorder.feed(event)
            if isinstance(event, Done):
                try:
                    await asyncio.to_thread(recall.cache.put, key, recorder.events, model=model)
                    recall.used[key] = None
                except CacheError as error:
                    yield Notice(str(error))
            yield event
