"""The composition root: one Session per kernel, shared by the magic, the panel and the Python functions.

It owns this kernel's own settings (`%ollama use`, `connect()`), decides what answers when no model is named, and keeps
the last answer. Of its methods only `model_names` and `context_length` wait for a server, in seconds given.
"""

from __future__ import annotations

import time
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING

from . import bridge
from .cache import Cache
from .chat import converse
from .client import Client
from .embedded import engine
from .embedded.weights import cache_folder
from .endpoint import may_fall_back
from .errors import OllamaMagicError, SettingsError, Unreachable
from .events import Answer, Done, Included, Notice, Progress
from .failed import Failures
from .guards import check, context_length, cut_notice
from .layers import Layer, dotenv_layer, environment_layer, resolve
from .listening import Listeners
from .models import choose_model
from .recall import Recall, remembered
from .secret import Secret, hidden, parse_key
from .threads import Threads
from .wire.catalog import CLOUD_CATALOGUE

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping

    from .bridge import Job
    from .chat import ToolWork
    from .events import Event, Request
    from .listening import Listener
    from .question import Question
    from .settings import Settings
    from .wire.catalog import Model

__all__ = ["Session", "current"]

_NAMES_FRESH_S = 30.0


class Session:
    """The state of one kernel: its own settings, the model chosen for each server, the threads, the last answer."""

    def __init__(self) -> None:
        self._listeners = Listeners()
        self.last: Answer | None = None
        self.threads = Threads(lambda name: self.changed("threads", name))
        self.kept: dict[str, None] = {}
        """The keys of the answers that this kernel kept or replayed, in order: what `%ollama cache export` writes."""
        self.failures = Failures()
        self.thread = ""
        """The conversation that `-c` continues: the one used last."""
        self.configuration: Callable[[], Mapping[str, object]] = dict
        """Values from IPython's configuration; the extension puts its traits here."""
        self._kernel: dict[str, object] = {}
        self._chosen: dict[tuple[str, str], str] = {}
        self._said_embedded = False
        self._names: dict[tuple[str, str], tuple[float, list[str]]] = {}

    # ---- settings ----------------------------------------------------------------------------------------------

    def settings(self, cell: Mapping[str, object] | None = None, *, label: str = "cell") -> Settings:
        """The settings in effect, by precedence: `cell`, kernel, environment, .env, configuration, defaults."""
        return resolve(*self._layers(hidden(cell or {}), self._kernel, label))

    def secrets(self, settings: Settings) -> tuple[Secret, ...]:
        """What no prompt may contain: the keys and host passwords that this kernel knows, in effect or not.

        Those so short that they could be ordinary words are left out.
        """
        found = [settings.key, settings.host.userinfo if settings.host else None]
        found += [secret for layer in self._layers({}, self._kernel, "cell") for secret in layer.secrets]
        return tuple({secret: None for secret in found if secret and not secret.is_short})

    def _layers(self, cell: Mapping[str, object], kernel: Mapping[str, object], label: str) -> tuple[Layer, ...]:
        return (
            Layer(label, cell),
            Layer("%ollama", kernel),
            environment_layer(),
            dotenv_layer(Path()),
            Layer("configuration", self.configuration()),
        )

    def set(self, **values: object) -> Settings:
        """Set `values` for this kernel, in memory only; None unsets one. If any is unusable, nothing is changed.

        Raises SettingsError for an unusable value.
        """
        values = hidden(values)  # no repr shows the secrets in them any more
        if isinstance(key := values.get("key"), Secret):
            values["key"] = parse_key(key.reveal())
        wanted = {**self._kernel, **values}
        before, self._kernel = self._kernel, {name: value for name, value in wanted.items() if value is not None}
        try:
            settings = self.settings()
        except SettingsError:
            self._kernel = before
            raise
        self.changed("settings")
        return settings

    def forget(self) -> None:
        """Unset all of this kernel's own settings, including the key."""
        self._kernel = {}
        self.changed("settings")

    def own(self, name: str) -> object:
        """This kernel's own value of a setting; None if unset."""
        return self._kernel.get(name)

    def inherited(self) -> Settings:
        """The settings that would be in effect without this kernel's own."""
        return resolve(*self._layers({}, {}, "cell"))

    # ---- changes -----------------------------------------------------------------------------------------------

    def listen(self, listener: Listener) -> None:
        """Notify `listener` of each change: "settings"; "threads" with the name of one; "models" for a server's list.

        It is referenced weakly, and called in the thread that makes the change.
        """
        self._listeners.add(listener)

    def changed(self, what: str, name: str = "") -> None:
        """Notify the listeners."""
        self._listeners.tell(what, name)

    # ---- asking ------------------------------------------------------------------------------------------------

    def stream(self, question: Question, settings: Settings) -> Job[Event | ToolWork]:
        """A job for an answer, which starts with its first batch; the caller's thread reads the events from it."""
        return bridge.shared().stream(lambda: self.events(question, settings))

    async def events(self, question: Question, settings: Settings) -> AsyncGenerator[Event | ToolWork, None]:
        """The events of one answer, from the first attempt to connect to Done; see `converse` for ToolWork."""
        for notice in question.notices:
            yield Notice(notice)
        if question.included:
            yield Included(question.included)
        answers = self._answers(question, settings)
        if question.cache == "off":
            source = answers
        else:
            source = remembered(answers, self._recall(question, settings), refresh=question.cache == "refresh")
        async with aclosing(source) as events:
            async for event in events:
                yield event

    def cache(self, settings: Settings) -> Cache:
        """The answers kept on disk."""
        return Cache(cache_folder(settings))

    def _recall(self, question: Question, settings: Settings) -> Recall:
        return Recall(self.cache(settings), question.request(settings, settings.model or ""), settings, self.kept)

    async def _answers(self, question: Question, settings: Settings) -> AsyncGenerator[Event | ToolWork, None]:
        yield Progress("connecting")
        settings, notice = await self.reachable(settings)
        if notice:
            yield Notice(notice)
        async with Client(settings) as client:
            chosen = "" if settings.model else await self._default_model(client, settings)
            checked = await check(client, question.request(settings, settings.model or chosen))
            for said in checked.notices:
                yield Notice(said)
            try:
                talk = converse(client, checked.request, shape=question.shape, rounds=question.rounds)
                async with aclosing(talk) as events:
                    async for event in events:
                        if isinstance(event, Done) and (cut := await cut_notice(client, checked, event.stats)):
                            yield Notice(cut)
                        yield event
            except OllamaMagicError:
                if chosen:  # it may have been removed since: look again next time
                    self._chosen.clear()
                raise

    async def reachable(self, settings: Settings) -> tuple[Settings, str]:
        """`settings`, or those of the embedded engine if no mode, host or model was set and no Ollama listens or it has
        no models; and the notice to show. Raises Unreachable if no Ollama listens and the engine is not available."""
        if not may_fall_back(settings):
            return settings, ""
        way = "pull a model (%ollama pull llama3.2)"
        async with Client(settings) as client:
            try:
                listening = await client.tags()
                why = "" if listening else f"the Ollama at {client.endpoint.host.display} has no models"
            except Unreachable as error:
                why, way = f"no Ollama at {client.endpoint.host.display}", "start Ollama"
                if engine.available() is not None:
                    raise _with_way_out(error) from None
        if not why or engine.available() is not None:
            return settings, ""
        embedded = settings.in_mode("embedded", why)
        notice = (
            ""
            if self._said_embedded
            else (
                f"Answered by the built-in model, a very small one: {why}, and no model is named. "
                f"For another one, {way}, name a model (%%ollama MODEL), or use %ollama mode cloud."
            )
        )
        self._said_embedded = True
        return embedded, notice

    def context_length(self, request: Request, settings: Settings, wait_s: float = 2.0) -> int | None:
        """The context length, in tokens, that a request would have; None if not known within `wait_s` seconds."""

        async def asked() -> int | None:
            async with Client(settings) as client:
                return await context_length(client, request)

        try:
            return bridge.shared().run(asked(), wait_s)
        except (OllamaMagicError, TimeoutError):
            return None

    async def _default_model(self, client: Client, settings: Settings) -> str:
        key = (settings.mode, str(settings.host))
        if key not in self._chosen:
            self._chosen[key] = await choose_model(client)
        return self._chosen[key]

    # ---- models ------------------------------------------------------------------------------------------------

    async def models(self, settings: Settings) -> list[Model]:
        """The models that the server lists; remembers their names for completion."""
        async with Client(settings) as client:
            models = await client.tags()
        self._names[settings.mode, str(settings.host)] = (time.monotonic(), [model.name for model in models])
        return models

    def model_names(self, settings: Settings, wait_s: float = 0.25) -> list[str]:
        """Names to complete: current if the server lists them within `wait_s` seconds, else those last known.

        Does not raise if the server is down: without known names it returns [], or the cloud's static catalogue.
        """
        key = (settings.mode, str(settings.host))
        asked, names = self._names.get(key, (float("-inf"), []))
        if time.monotonic() - asked > _NAMES_FRESH_S:
            # Not asked again for a while even if this fails, so that not every Tab waits for a host that is down.
            self._names[key] = (time.monotonic(), names)
            future = bridge.shared().submit(self.models(settings))
            try:
                names = [model.name for model in future.result(wait_s)]
            except (OllamaMagicError, TimeoutError):
                # A slow answer still arrives later and fills the cache for the next Tab.
                names = self._names[key][1]
        return names or (list(CLOUD_CATALOGUE) if settings.mode == "cloud" else [])

    async def check_key(self, key: Secret) -> list[Model]:
        """The models that `key` can list in the cloud; raises Unauthorized if it is refused. Stores nothing."""
        async with Client(self.settings({"key": key}, label="login").at_cloud("login")) as client:
            return await client.test_key()


def _with_way_out(error: Unreachable) -> Unreachable:
    return Unreachable(
        error.message,
        hint=f'{error.hint}\nOr answer without any server: %pip install "ollama_magic[embedded]", then run it again.',
    )


_session: Session | None = None


def current() -> Session:
    """This kernel's session, created at the first call."""
    global _session
    if _session is None:
        _session = Session()
    return _session
