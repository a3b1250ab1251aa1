"""Starts, watches and stops the embedded engine: one llama.cpp child process per Python process.

It is a separate process so that a crash in it does not affect the kernel. It has its own session, so an interrupt of
the kernel does not reach it; it exits when its stdin closes, that is, however this process ends. `start` may be called
concurrently from any number of event loops and threads.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import importlib
import importlib.util
import json
import os
import queue
import secrets
import sys
import threading
import time
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ..endpoint import Endpoint, bearer
from ..errors import EmbeddedError
from ..events import Progress
from ..hosts import Host
from ..secret import Secret
from . import weights
from .packaged import Stopped
from .process import Child
from .waiting import in_thread
from .weights import MODEL_NAME

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ..events import Request
    from ..settings import Settings
    from .weights import Weights

__all__ = ["LONGEST_ANSWER", "MODEL_NAME", "available", "died", "model_name", "request_for", "start", "stop"]

LONGEST_ANSWER: Final = 1024
"""Tokens of the built-in model's longest answer, if nothing else is asked for: about ten seconds."""
_SCRIPT: Final = Path(__file__).with_name("child.py")
_TICK: Final = 0.05
"""Seconds between checks for cancellation."""
_START_LIMIT_S: Final = 60.0
_SLOWEST_DISK: Final = 20e6
"""Bytes per second: the limit is extended by the time to load the model at this rate."""
_INSTALL: Final = (
    'Install it with %pip install "ollama_magic[embedded]" (in a shell without the %), then run the cell again.'
)


@dataclass(frozen=True, slots=True)
class _Plan:
    """What a child was started with; it is reused only for an equal plan. `stamp` detects a replaced file."""

    gguf: Path | None
    cache_dir: Path | None
    stamp: tuple[int, int] | None

    @classmethod
    def of(cls, settings: Settings) -> _Plan:
        stamp = None
        if settings.gguf is not None:
            with contextlib.suppress(OSError):  # reported by weights.own_file
                stat = settings.gguf.stat()
                stamp = (stat.st_size, stat.st_mtime_ns)
        return cls(settings.gguf and Path(os.path.abspath(settings.gguf)), settings.cache_dir, stamp)


@dataclass(frozen=True, slots=True)
class _Engine:
    plan: _Plan
    child: Child
    name: str
    port: int
    key: Secret

    def endpoint(self, settings: Settings) -> Endpoint:
        return Endpoint(
            mode="embedded",
            host=Host("http", "127.0.0.1", self.port),
            authorization=bearer(self.key),
            surfaces=("openai",),
            api=settings.api,
            dialect="llama.cpp",
            models=(self.name,),
            host_origin="the embedded engine",
        )


class _State:
    """All mutable state: the lock for starting, the starts in progress, and the running engine."""

    def __init__(self) -> None:
        self.turn = threading.Lock()
        self.starting: dict[threading.Event, threading.Thread] = {}
        self.engine: _Engine | None = None


_state = _State()


# ---- for the client --------------------------------------------------------------------------------------------


def available() -> str | None:
    """Why the engine cannot be used here, in one line that says what to do; None if it can. Imports nothing."""
    importlib.invalidate_caches()  # it may have been installed by a cell of this notebook
    return None if _site() else f"The embedded engine is not installed. {_INSTALL}"


def model_name(settings: Settings) -> str:
    """The only model that the engine serves under `settings`."""
    return MODEL_NAME if settings.gguf is None else settings.gguf.stem


def request_for(request: Request, settings: Settings) -> Request:
    """`request` with the engine's model if it names none; the built-in model's answers have an end.

    Small as it is, it repeats itself for as long as there is room: that took minutes.
    """
    request = request if request.model else replace(request, model=model_name(settings))
    if request.model != MODEL_NAME or settings.gguf is not None or request.options.get("num_predict") is not None:
        return request
    return replace(request, options={**request.options, "num_predict": LONGEST_ANSWER})


async def start(settings: Settings, progress: Callable[[Progress], None]) -> Endpoint:
    """The endpoint of the running engine, starting it first if necessary.

    A running engine is reused, or replaced if it has other weights. `progress` is called in this event loop, while
    weights are downloaded (bytes) and while the engine starts. Cancelling stops what this call began, including the
    download; a concurrent call then starts its own. Raises EmbeddedError.
    """
    engine = _running(_Plan.of(settings))
    if engine is None:
        try:
            engine = await in_thread(partial(_ensure, settings), progress, _state.starting)
        except Stopped:
            raise EmbeddedError(
                "The embedded engine was stopped while it was being started", hint="Run the cell again to start it."
            ) from None
    return engine.endpoint(settings)


async def died() -> EmbeddedError | None:
    """The error for an engine that ended unexpectedly since it was started; None while it runs or if there is none.

    For a broken connection. A crashing process closes its connections shortly before it has exited: this waits up to
    0.3 s for that.
    """
    engine = _state.engine
    end = time.monotonic() + 0.3
    while engine is not None and engine.child.alive and time.monotonic() < end:  # noqa: ASYNC110 -- a process
        await asyncio.sleep(0.01)
    if engine is None or engine.child.alive or engine is not _state.engine:
        return None
    return EmbeddedError(
        f"The embedded engine ended unexpectedly: {engine.child.epitaph()}",
        hint="Run the cell again to start a new one.",
    )


def stop() -> None:
    """Kill the engine, which has ended on return, and cancel starts in progress. A later `start` begins anew."""
    for gave_up in list(_state.starting):
        gave_up.set()
    engine, _state.engine = _state.engine, None
    if engine is not None:
        engine.child.end()


# ---- starting --------------------------------------------------------------------------------------------------


def _running(plan: _Plan) -> _Engine | None:
    engine = _state.engine
    return engine if engine is not None and engine.plan == plan and engine.child.alive else None


def _ensure(settings: Settings, report: Callable[[Progress], None], gave_up: threading.Event) -> _Engine:
    """Blocking: the running engine, or a new one. Raises EmbeddedError, or Stopped once `gave_up` is set."""
    plan = _Plan.of(settings)
    with _turn(gave_up):
        engine = _running(plan)
        if engine is not None:
            return engine
        site = _site()
        if site is None:
            raise EmbeddedError("The embedded engine is not installed", hint=_INSTALL)
        found = weights.ensure(settings, report, lambda: not gave_up.is_set())
        report(Progress("starting the embedded engine"))
        old, _state.engine = _state.engine, None
        if old is not None:
            old.child.end()
        engine = _launch(plan, found, site, gave_up)
        _state.engine = engine
        if gave_up.is_set():  # by stop(), which may have missed the new engine
            _state.engine = None
            engine.child.end()
            raise Stopped
        return engine


@contextlib.contextmanager
def _turn(gave_up: threading.Event) -> Iterator[None]:
    turn = _state.turn
    while not turn.acquire(timeout=_TICK):
        if gave_up.is_set():
            raise Stopped
    try:
        yield
    finally:
        turn.release()


def _launch(plan: _Plan, found: Weights, site: str, gave_up: threading.Event) -> _Engine:
    key = Secret(secrets.token_urlsafe(32))
    config = {"gguf": str(found.path), "name": found.name, "site": site, "built_in": found.built_in}
    child = Child(_SCRIPT)
    try:
        child.say(json.dumps({**config, "key": key.reveal()}))
        limit = _START_LIMIT_S + found.path.stat().st_size / _SLOWEST_DISK
        return _Engine(plan, child, found.name, _port(child, found, limit, gave_up), key)
    except BaseException:
        child.end()
        raise


def _port(child: Child, found: Weights, limit: float, gave_up: threading.Event) -> int:
    """Wait for the child's port. Raises EmbeddedError with llama.cpp's log if it failed or timed out, or Stopped."""
    deadline = time.monotonic() + limit
    answer: dict[str, object] = {}
    while not gave_up.is_set():
        try:
            line = child.answers.get(timeout=_TICK)
        except queue.Empty:
            if time.monotonic() < deadline:
                continue
            answer = {"error": f"it was not ready after {limit:.0f} s"}
        else:
            answer = json.loads(line) if line else {}
        break
    else:
        raise Stopped
    port = answer.get("port")
    if isinstance(port, int):
        return port
    why = [str(answer["error"])] if "error" in answer else []
    raise EmbeddedError(
        f"The embedded engine could not be started with {found.path}: {child.epitaph(*why)}",
        hint="Run the cell again; if it stays so, reinstall it: %pip install --force-reinstall xllamacpp."
        if found.built_in
        else "Unset OLLAMA_MAGIC_GGUF to use the built-in model, or name another .gguf file.",
    )


def _site() -> str | None:
    """The folder that xllamacpp is installed in; None if it is not. The parent never imports it."""
    try:
        spec = importlib.util.find_spec("xllamacpp")
    except (ImportError, ValueError):
        return None
    if spec is None or spec.origin is None or not sys.executable:
        return None
    return str(Path(spec.origin).parent.parent)


# ---- ends and forks --------------------------------------------------------------------------------------------


@atexit.register
def _at_exit() -> None:
    threads = list(_state.starting.values())
    stop()
    for thread in threads:
        thread.join(2.0)  # so that pip is killed and its files are removed


def _after_fork() -> None:
    """In a forked process: the engine belongs to the parent, and a lock may be held by a thread that is gone."""
    global _state
    forked, _state = _state, _State()
    if forked.engine is not None:
        forked.engine.child.disown()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
