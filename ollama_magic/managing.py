"""`%ollama pull | rm | cp | start`: downloading, removing and copying models, and starting a daemon."""

from __future__ import annotations

import time
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from . import bridge, daemon
from .client import Client
from .errors import ModelNotFound, OllamaMagicError, SettingsError, Unsupported
from .lookups import names_near
from .models import PullProgress, copy, needs_a_server, remove
from .models import pull as pull_model
from .render import place_of
from .render.footer import seconds
from .render.progress import pull_view_for
from .units import bytes_text
from .wire.catalog import full_name

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence

    from .render.progress import PullView
    from .session import Session
    from .settings import Settings
    from .wire.catalog import Model

__all__ = ["PullStopped", "copy_model", "pull", "remove_models", "start"]

_ASK_S = 15.0
_CHANGE_S = 60.0
_LONGEST_NAME = 400
_GATHER_S = 0.1
"""Seconds between two updates of a download's progress; the server reports more than ten times a second."""


class PullStopped(KeyboardInterrupt):
    """A download was stopped by an interrupt; ends the cell, and a Run All, as any interrupt does."""

    def __init__(self, name: str) -> None:
        super().__init__(f"Stopped. %ollama pull {name} goes on from there.")

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


# ---- pull ------------------------------------------------------------------------------------------------------


def pull(session: Session, words: list[str], shell: Any) -> None:
    """`%ollama pull NAME`: download a model, showing its progress; an interrupt stops it, a later pull resumes it."""
    (name,) = _names("pull", words, 1)
    settings = session.settings()
    view = pull_view_for(place_of(shell), name)
    watched = _Watched(name, view)
    try:
        with bridge.shared().stream(lambda: _progress(settings, name)) as job:
            job.gather_s = _GATHER_S
            for batch in job.batches():
                watched.take(batch)
    except KeyboardInterrupt:
        watched.end("stopped")
        raise PullStopped(name) from None
    except OllamaMagicError:
        watched.end("not pulled")
        raise
    watched.end("")
    _look_again(session, settings)


async def _progress(settings: Settings, name: str) -> AsyncGenerator[PullProgress, None]:
    needs_a_server(settings.mode, "pull", name)
    async with Client(settings) as client, aclosing(pull_model(client, name)) as values:
        async for progress in values:
            yield progress


class _Watched:
    """The display of a download: its progress, and one line at its end."""

    def __init__(self, name: str, view: PullView) -> None:
        self._name, self._view = name, view
        self._began = time.monotonic()
        self._last: PullProgress | None = None
        self._fetched = False

    def take(self, batch: Sequence[PullProgress]) -> None:
        """Show a batch of progress; an empty batch only updates the clock."""
        for progress in batch:
            self._last = progress
            # A layer that the server already has, or gets at once, is reported once, as complete.
            self._fetched = self._fetched or any(not layer.whole for layer in progress.layers)
            self._view.show(progress)
        self._view.tick()

    def end(self, how: str) -> None:
        """Show the last line; `how` says why the download ended early, "" if it is complete."""
        last = self._last
        if last is None:
            return
        if how:
            so_far = f" after {bytes_text(last.done)} of {bytes_text(last.total)}" if last.total else ""
            self._view.finish(f"{self._name}: {how}{so_far}.")
        elif not self._fetched:
            self._view.finish(f"{self._name} is here and up to date: {bytes_text(last.total) or 'nothing to fetch'}.")
        else:
            took = seconds(time.monotonic() - self._began)
            self._view.finish(f"{self._name} is here: {bytes_text(last.total)}, in {took}.")


# ---- rm, cp ----------------------------------------------------------------------------------------------------


def remove_models(session: Session, words: list[str], ask: Callable[[str], str] | None = None) -> str:
    """`%ollama rm NAME...`: delete models from the server's disk; asks before each, unless `-y` is given."""
    sure = any(word in ("-y", "--yes") for word in words)
    names = _names("rm", [word for word in words if word not in ("-y", "--yes")], 20)
    settings = session.settings()
    told = []
    for name in names:
        model = bridge.shared().run(_there(settings, name, "remove"), _ASK_S)
        size = f" ({bytes_text(model.size)})" if model.size else ""
        if not sure and not _agreed(f"Remove {model.name}{size} from the disk? [y]es, [N]o: ", ask or _ask_user):
            told.append(f"{model.name} was kept.")
            continue
        bridge.shared().run(_removed(settings, name), _CHANGE_S)
        told.append(f"{model.name} is removed{size}.")
        _look_again(session, settings)
    return "\n".join(told)


def copy_model(session: Session, words: list[str]) -> str:
    """`%ollama cp SOURCE DESTINATION`: copy a model to another name."""
    if len(words) != 2:
        raise SettingsError(f"%ollama cp: two names, not {len(words)}", hint="%ollama cp SOURCE DESTINATION")
    source, destination = _names("cp", words, 2)
    settings = session.settings()
    bridge.shared().run(_copied(settings, source, destination), _CHANGE_S)
    _look_again(session, settings)
    return f"{destination} is now another name for {source}; both share the same files."


async def _there(settings: Settings, name: str, what: str) -> Model:
    needs_a_server(settings.mode, what, name)
    async with Client(settings) as client:
        return await _model_named(client, name, what)


async def _model_named(client: Client, name: str, what: str) -> Model:
    """The model of that name as the server lists it. Raises ModelNotFound, with similar names."""
    models = await client.tags()
    found = next((model for model in models if full_name(model.name) == full_name(name)), None)
    if found is not None:
        return found
    near = " or ".join(await names_near(name, client.tags()))
    raise ModelNotFound(
        f"{client.endpoint.host.display} has no model {name!r} to {what}",
        hint=f"{f'Did you mean {near}? ' if near else ''}%ollama list shows what is there.",
    )


async def _removed(settings: Settings, name: str) -> None:
    async with Client(settings) as client:
        await remove(client, name)


async def _copied(settings: Settings, source: str, destination: str) -> None:
    needs_a_server(settings.mode, "copy", source)
    async with Client(settings) as client:
        if any(full_name(model.name) == full_name(destination) for model in await client.tags()):
            raise SettingsError(
                f"%ollama cp: there is a model {destination} already, which would be replaced; nothing was copied",
                hint=f"Choose another name, or remove that one first: %ollama rm {destination}",
            )
        await copy(client, source, destination)


def _agreed(text: str, ask: Callable[[str], str]) -> bool:
    try:
        reply = ask(text)
    except (NotImplementedError, EOFError, OSError):  # IPython raises a subclass of the first
        raise Unsupported(
            "%ollama rm cannot ask whether it may: nothing can be typed in here; nothing was removed",
            hint="Say it in the line: %ollama rm -y NAME",
        ) from None
    return reply.strip().lower() in ("y", "yes")


def _ask_user(text: str) -> str:
    return input(text)  # looked up at each call: a kernel replaces it for each cell


def _look_again(session: Session, settings: Settings) -> None:
    """List the models again for completion, and notify the panels."""
    try:
        bridge.shared().run(session.models(settings), _ASK_S)
    except (OllamaMagicError, TimeoutError):
        pass  # a later Tab asks again
    session.changed("models")


# ---- start -----------------------------------------------------------------------------------------------------


def start(session: Session, words: list[str]) -> str:
    """`%ollama start`: start the Ollama installed on this machine, if it is not running."""
    if words:
        raise SettingsError(f"%ollama start takes nothing behind it, not {words[0]!r}", hint="See %ollama help.")
    settings = session.settings()
    started = bridge.shared().run(daemon.start(settings), _CHANGE_S)
    named = f"Ollama {started.version}".strip()
    if not started.pid:
        return f"{named} is running already, at {started.url}; nothing was started."
    models = bridge.shared().run(_count(settings), _ASK_S)
    session.changed("models")
    first = "" if models else " It has no models yet: %ollama pull llama3.2"
    return (
        f"{named} answers at {started.url} (process {started.pid}). It goes on when this kernel ends; "
        f"it writes to {started.log}.{first}"
    )


async def _count(settings: Settings) -> int:
    async with Client(settings) as client:
        return len(await client.tags())


# ---- names -----------------------------------------------------------------------------------------------------


def _names(command: str, words: list[str], most: int) -> list[str]:
    """A command's model names, exactly as typed. Raises SettingsError for a wrong number and for invalid names."""
    if not words or len(words) > most:
        wanted = "one model" if most == 1 else "the models to remove" if command == "rm" else "two names"
        raise SettingsError(f"%ollama {command}: name {wanted}, not {len(words)}", hint=f"%ollama {command} NAME")
    for word in words:
        problem = _odd(word)
        if problem:
            raise SettingsError(
                f"%ollama {command}: {word[:80]!r} is no model's name: {problem}",
                hint="A name looks like llama3.2, qwen3:8b or hf.co/user/repository:Q4_K_M.",
            )
    return words


def _odd(word: str) -> str:
    if not word.strip():
        return "it is empty"
    if word.startswith("-"):
        return "it begins with a dash, and there is no such option here"
    if any(char.isspace() or not char.isprintable() for char in word):
        return "there is a space or an unprintable character in it"
    if word.startswith(("http://", "https://")):
        return "it is an address; leave out https:// and what is before the name"
    return f"it is longer than {_LONGEST_NAME} characters" if len(word) > _LONGEST_NAME else ""
