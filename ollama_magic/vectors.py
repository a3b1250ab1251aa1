"""Embeddings of a batch of texts in one request; if it is refused, a search for the text that is to blame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from .embedded import engine
from .endpoint import endpoint_for
from .errors import BadRequest, PromptTooLong, ServerError, SettingsError, Unsupported
from .jsoncalls import ask_json, json_call
from .models import can_chat
from .retry import Retry
from .wire.embeddings import decode_embed, encode_embed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .client import Client
    from .endpoint import Endpoint, Surface
    from .events import Progress
    from .settings import Settings
    from .wire.embeddings import Vector

__all__ = ["Embedder", "choose_embedder"]

_NO_MODEL: Final = "`ollama pull nomic-embed-text` in a terminal fetches a good one."
_LIMIT_S: Final = 1800.0
_BLAMED: Final = 60
"""Characters of the refused text that a message shows."""


@dataclass(slots=True)
class Embedder:
    """Asks `model` at the server of `settings`. It determines once which surface has embeddings."""

    settings: Settings
    model: str
    dimensions: int | None = None
    truncate: bool = False
    failures: list[Exception] | None = None
    """If a list, it collects the error of each refused text, whose vector is None; if None, errors are raised."""
    _surface: Surface | None = None

    async def vectors(self, texts: Sequence[str], first: int = 0) -> list[Vector[float] | None]:
        """The vectors of `texts`, in order; `first` is the index of the first one, for messages.

        Raises PromptTooLong or BadRequest naming the refused text, Unsupported if there are no embeddings, and what any
        request raises. A server refuses a whole batch for a single text: it is then found by bisection.
        """
        try:
            found = await self._ask(texts)
        except BadRequest as error:
            if len(texts) == 1:
                blamed = _blamed(error, texts[0], first, self.settings.mode)
                if self.failures is None:
                    raise blamed from None
                self.failures.append(blamed)
                return [None]
            middle = len(texts) // 2
            head = await self.vectors(texts[:middle], first)
            return head + await self.vectors(texts[middle:], first + middle)
        if self.dimensions is not None and found and len(found[0]) != self.dimensions:
            raise Unsupported(
                f"{self.model} gave vectors of {len(found[0])} numbers, not of {self.dimensions}",
                hint="Leave dimensions out, or use a model and a server that can shorten them.",
            )
        return list(found)

    async def _ask(self, texts: Sequence[str]) -> list[Vector[float]]:
        endpoint = await _endpoint(self.settings, lambda _: None)
        surface = self._surface or _surface(endpoint)
        try:
            found = await self._post(endpoint, surface, texts)
        except (BadRequest, ServerError) as error:
            if "pooling type" in error.message.lower():  # llama.cpp's error for a model that only generates text
                raise Unsupported(
                    f"{self.model} makes no embeddings ({error.message})", hint=f"Use an embedding model. {_NO_MODEL}"
                ) from None
            # An older server, or one that is not Ollama, has only the other surface's path.
            if not (isinstance(error, ServerError) and error.status == 404 and surface == "native"):
                raise
            if "openai" not in endpoint.surfaces or endpoint.api == "native":
                raise Unsupported(
                    f"{endpoint.host.display} has no embeddings ({error.message})",
                    hint="Use a local Ollama: embed(texts, model='nomic-embed-text', mode='local').",
                ) from None
            surface = "openai"
            found = await self._post(endpoint, surface, texts)
        self._surface = surface
        return found

    async def _post(self, endpoint: Endpoint, surface: Surface, texts: Sequence[str]) -> list[Vector[float]]:
        settings = self.settings
        path, body = encode_embed(
            surface,
            self.model,
            texts,
            dimensions=self.dimensions,
            truncate=self.truncate,
            keep_alive=settings.keep_alive,
            options={name: value for name, value in settings.request_options().items() if name in _OPTIONS},
        )
        limit = settings.first_byte_timeout or _LIMIT_S
        value = await ask_json(
            endpoint,
            json_call("POST", path, body, self.model),
            Retry(tries=1),  # run_many retries
            limit_s=limit,
            connect_s=settings.connect_timeout,
        )
        return decode_embed(value, len(texts))


# Sampling options have no meaning here, and a server may refuse options that it does not know.
_OPTIONS: Final = ("num_ctx", "num_thread", "num_gpu", "num_batch", "main_gpu", "use_mmap")


async def choose_embedder(client: Client) -> str:
    """The embedding model to use if none was named. Raises SettingsError if the server has none."""
    if client.settings.mode == "embedded":
        return engine.model_name(client.settings)
    models = await client.tags()
    named = [model.name for model in models if "embedding" in (model.capabilities or ()) or not can_chat(model)]
    if not named:
        raise SettingsError(
            f"no model is named, and {client.endpoint.host.display} has none for embeddings", hint=_NO_MODEL
        )
    return named[0]


async def _endpoint(settings: Settings, tell: Callable[[Progress], None]) -> Endpoint:
    return await engine.start(settings, tell) if settings.mode == "embedded" else endpoint_for(settings)


def _surface(endpoint: Endpoint) -> Surface:
    """The native surface if available, since only it can be told not to truncate a text silently."""
    if endpoint.api == "openai" or "native" not in endpoint.surfaces:
        return "openai"
    return "native"


def _blamed(error: BadRequest, text: str, number: int, mode: str) -> BadRequest:
    start = " ".join(text.split())[:_BLAMED]
    way = (
        "The built-in model takes about 200 words: split it, or use a larger model."
        if mode == "embedded"
        else "Split it, give the model a longer num_ctx, or let its end be cut: truncate=True."
    )
    hint = way if isinstance(error, PromptTooLong) else error.hint
    return type(error)(f"text {number} (“{start}…”): {error.message}", hint=hint, status=error.status)
