"""The client of Ollama: asks and streams, manages models, tests a key. The same for all three modes.

    client = Client()                                     # as the environment and .env say
    async for event in client.chat("Why is the sky blue?", model="llama3.2"):
        if isinstance(event, Text):
            ...

Works in a notebook with top-level `await`, in a script with `asyncio.run`. All clients of an event loop share their
connections, so creating one costs nothing.
"""

from __future__ import annotations

import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from .chatstream import ChatStream
from .embedded import engine
from .endpoint import endpoint_for
from .errors import (
    Incomplete,
    ModelNotFound,
    OllamaMagicError,
    ServerError,
    SettingsError,
    Unreachable,
    Unsupported,
)
from .events import Message, Request
from .jsoncalls import ask_json, json_call, stream_json
from .layers import Layer, dotenv_layer, environment_layer, resolve
from .lookups import names_near
from .opening import Limits, Server
from .retry import Retry, without_key
from .secret import hidden, refuse_keys
from .wire.catalog import Model, decode_models_v1, decode_ps, decode_show, decode_tags, full_name, runs_in_cloud
from .wire.hints import pull_hint

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
    from types import TracebackType
    from typing import Self

    from .endpoint import Endpoint
    from .events import Answer, Progress
    from .settings import Settings
    from .wire.catalog import ModelDetails, RunningModel

__all__ = ["Client"]

_LIST_S: Final = 30.0
_HELD_S: Final = 600.0
"""A server may delay its list of loaded models for as long as it loads one."""


class Client:
    """An asynchronous client of one server. Give resolved `settings`, or single ones by name; the rest comes from the
    environment and a .env file.

        async with Client(model="llama3.2") as client:
            answer = await client.ask("Why is the sky blue?")

    Raises SettingsError for settings that cannot be used together, such as mode cloud without a key. Nothing is sent or
    started before the first request.
    """

    _tells_phases = True
    """Whether a stream reports what it waits for before the first byte, and polls the server for that."""

    def __init__(self, settings: Settings | None = None, *, retry: Retry | None = None, **overrides: object) -> None:
        overrides = hidden(overrides)
        if settings is not None and overrides:
            raise TypeError("give resolved settings or single ones by name, not both")
        if settings is None:
            settings = resolve(Layer("Client", overrides), environment_layer(), dotenv_layer(Path()))
        self.settings = settings
        self._retry = retry or Retry()
        self._limits = Limits(settings.connect_timeout, settings.first_byte_timeout, settings.stall_timeout)
        self._endpoint = None if settings.mode == "embedded" else endpoint_for(settings)
        self._streams: weakref.WeakSet[ChatStream] = weakref.WeakSet()

    @property
    def endpoint(self) -> Endpoint:
        """Where requests go. Raises Unsupported in mode embedded, whose server is started by the first request."""
        if self._endpoint is None:
            raise Unsupported("the built-in engine has no address before it is started", hint="Ask it something.")
        return self._endpoint

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Stop this client's open streams. The event loop keeps idle connections for other clients for a while."""
        for stream in list(self._streams):
            await stream.aclose()

    # ---- asking ------------------------------------------------------------------------------------------------

    def chat(
        self,
        prompt: str | Sequence[Message] | Request,
        *,
        model: str | None = None,
        system: str | None = None,
        think: bool | str | None = None,
        format: str | Mapping[str, Any] | None = None,
        tools: Sequence[Mapping[str, Any]] = (),
        keep_alive: str | float | None = None,
        top_logprobs: int | None = None,
        **options: Any,
    ) -> ChatStream:
        """Ask, and stream the answer; see ChatStream. Nothing is sent before the stream is read.

        `prompt`: a text, a conversation, or a complete Request, to which nothing is added. Arguments not given come
        from the settings. `options` are model options (temperature, seed, num_ctx, num_predict, top_k, stop, ...).
        Raises SettingsError if no model is named, and for a key among the options.
        """
        options = hidden(options)
        refuse_keys(options)
        if isinstance(prompt, Request):
            request = prompt
        else:
            settings = self.settings
            said = settings.system if system is None else system
            messages = (Message("user", prompt),) if isinstance(prompt, str) else tuple(prompt)
            wanted = {**settings.request_options(), **options}
            if "max_tokens" in wanted:
                wanted["num_predict"] = wanted.pop("max_tokens")
            request = Request(
                model=model or settings.model or "",
                messages=(*((Message("system", said),) if said else ()), *messages),
                options={name: value for name, value in wanted.items() if value is not None},
                think=settings.think if think is None else think,
                format=format if format is not None else "json" if settings.format == "json" else None,
                tools=tuple(tools),
                keep_alive=settings.keep_alive if keep_alive is None else keep_alive,
                top_logprobs=top_logprobs,
            )
        is_loaded = self._is_loaded if self._tells_phases else None
        server = Server(self._connect, self._explain, is_loaded, self._limits, self._retry)
        stream = ChatStream(self._with_model(request), server)
        self._streams.add(stream)
        return stream

    async def ask(self, prompt: str | Sequence[Message] | Request, **how: Any) -> Answer:
        """Ask, and wait for the complete answer. Takes what `chat` takes, and raises what its stream raises."""
        how = hidden(how)
        async with self.chat(prompt, **how) as stream:
            async for _ in stream:
                pass
            return stream.answer

    def _with_model(self, request: Request) -> Request:
        if self.settings.mode == "embedded":
            return engine.request_for(request, self.settings)
        if request.model:
            return request
        raise SettingsError(
            "no model is named",
            hint="Name one: client.chat(prompt, model=...), Client(model=...) or OLLAMA_MODEL; "
            "`await client.tags()` lists them, `await choose_model(client)` picks one.",
        )

    # ---- models ------------------------------------------------------------------------------------------------

    async def tags(self) -> list[Model]:
        """The models that the server has; from /v1/models if the server is not Ollama.

        Raises Unreachable, Stalled, Unauthorized and other ResponseErrors. In mode embedded nothing is started.
        """
        if self._endpoint is None:
            return [Model(engine.model_name(self.settings))]
        try:
            return decode_tags(await self._json("GET", "/api/tags"))
        except ServerError as error:
            if error.status != 404 or self._endpoint.mode == "cloud":
                raise
        return decode_models_v1(await self._json("GET", "/v1/models"))

    async def test_key(self) -> list[Model]:
        """The models that the key can list. Raises Unauthorized if the key is refused.

        Sends GET /api/tags. A server may answer that without checking the key, as ollama.com once did: so a refusal is
        conclusive, but an answer is no proof. Only a chat request proves it then.
        """
        return await self.tags()

    async def ps(self) -> list[RunningModel]:
        """The models in the server's memory, the one that stays longest first. In mode embedded always empty."""
        return [] if self._endpoint is None else decode_ps(await self._json("GET", "/api/ps"))

    async def show(self, name: str) -> ModelDetails:
        """What the server knows about model `name`. Raises ModelNotFound with the nearest names."""
        if self._endpoint is None:
            raise Unsupported("the built-in engine cannot describe its model", hint="Use mode local or cloud.")
        return decode_show(name, await self._about(name, "POST", "/api/show", {"model": name}))

    async def delete(self, name: str) -> None:
        """Remove model `name` from the server's disk. Raises ModelNotFound with the nearest names."""
        await self._about(name, "DELETE", "/api/delete", {"model": name}, or_nothing=True)

    async def copy(self, source: str, destination: str) -> None:
        """Give model `source` a second name, at no disk space. Raises ModelNotFound with the nearest names."""
        body = {"source": source, "destination": destination}
        await self._about(source, "POST", "/api/copy", body, or_nothing=True)

    async def version(self) -> str:
        """The server's version, such as "0.33.0"; "" if it reports none."""
        if self._endpoint is None:
            raise Unsupported("the built-in engine is not Ollama and has no version", hint="Use mode local.")
        found = await self._json("GET", "/api/version")
        version = found.get("version") if isinstance(found, dict) else None
        return version if isinstance(version, str) else ""

    async def post(self, path: str, body: Mapping[str, Any]) -> object:
        """POST `body` and return the server's JSON value, for endpoints without a method here."""
        return await self._json("POST", path, dict(body))

    def stream(
        self,
        path: str,
        body: Mapping[str, Any],
        *,
        model: str = "",
        may_rest: Callable[[dict[str, Any]], bool] = lambda _: False,
    ) -> AsyncGenerator[dict[str, Any], None]:
        """The JSON objects that the server streams after a POST of `body`; see `jsoncalls.stream_json`."""
        call = json_call("POST", path, dict(body), model)
        return stream_json(self.endpoint, call, self._retry, self._limits, may_rest=may_rest)

    # ---- inside ------------------------------------------------------------------------------------------------

    async def _json(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        model: str = "",
        limit_s: float = _LIST_S,
        or_nothing: bool = False,
    ) -> object:
        """The JSON value of the server's response."""
        call = json_call(method, path, body, model)
        connect_s = self.settings.connect_timeout
        return await ask_json(
            self.endpoint, call, self._retry, limit_s=limit_s, connect_s=connect_s, or_nothing=or_nothing
        )

    async def _about(self, name: str, method: str, path: str, body: object, *, or_nothing: bool = False) -> object:
        """The response to a request about the model `name`; ModelNotFound suggests similar names."""
        try:
            return await self._json(method, path, body, model=name, or_nothing=or_nothing)
        except ModelNotFound as error:
            failure = await self._explain(error, self._endpoint, name)
        raise failure

    async def _connect(self, tell: Callable[[Progress], None], model: str) -> Endpoint:
        """The endpoint; the embedded engine is started if need be, but not for a model that it does not have."""
        if self._endpoint is not None:
            return self._endpoint
        own = engine.model_name(self.settings)
        if model and model != own:
            raise ModelNotFound(
                f"the built-in engine has no model {model!r}, only {own!r}",
                hint=pull_hint(model, "embedded"),
            )
        return await engine.start(self.settings, tell)

    async def _is_loaded(self, endpoint: Endpoint, model: str) -> bool | None:
        """Whether the model is in memory; None if the server cannot tell, or it runs in the cloud."""
        if endpoint.mode != "local" or runs_in_cloud(model):
            return None
        try:
            running = decode_ps(await self._json("GET", "/api/ps", limit_s=_HELD_S))
        except OllamaMagicError:
            return None
        return full_name(model) in {full_name(each.name) for each in running}

    async def _explain(self, error: OllamaMagicError, endpoint: Endpoint | None, model: str) -> OllamaMagicError:
        """`error` with more detail: names similar to an unknown one, or why the engine died."""
        if isinstance(error, Unreachable | Incomplete) and endpoint is not None and endpoint.mode == "embedded":
            death = await engine.died()
            if death is not None:
                death.partial = error.partial
            return death or error
        if isinstance(error, ModelNotFound) and self._endpoint is not None:
            near = await names_near(model, self.tags())
            if near:
                error.hint = f"Did you mean {' or '.join(near)}? {error.hint}"
        return error if endpoint is None else without_key(error, endpoint)
