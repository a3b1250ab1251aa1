"""Pulling, removing and copying models, against a scripted server: progress, failures, every way to stop."""

from __future__ import annotations

import asyncio
import threading
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import pytest

from ollama_magic import guards
from ollama_magic.endpoint import endpoint_for
from ollama_magic.errors import (
    BadRequest,
    Incomplete,
    ModelNotFound,
    OllamaMagicError,
    ServerError,
    Stalled,
    Unreachable,
    Unsupported,
)
from ollama_magic.events import Message, Request
from ollama_magic.layers import Layer, resolve
from ollama_magic.models import copy, pull, remove
from ollama_magic.retry import lost
from ollama_magic.transport import Failure
from ollama_magic.wire.catalog import full_name
from tests.fake_pulls import digest_of
from tests.questions import client

if TYPE_CHECKING:
    from ollama_magic.client import Client
    from ollama_magic.models import PullProgress
    from tests.fake_ollama import FakeOllama

LAYER = {"status": "pulling aa", "digest": "sha256:aa", "total": 100, "completed": 50}


def pulled(asked: Client, name: str = "tiny:1b") -> list[PullProgress]:
    async def all_of_it() -> list[PullProgress]:
        return [progress async for progress in pull(asked, name)]

    return asyncio.run(all_of_it())


def refused(asked: Client, name: str = "tiny:1b") -> tuple[OllamaMagicError, list[PullProgress]]:
    """What a pull raises, and what came before."""
    told: list[PullProgress] = []

    async def until_it_fails() -> None:
        async for progress in pull(asked, name):
            told.append(progress)  # noqa: PERF401  # what came before the failure is wanted too

    with pytest.raises(OllamaMagicError) as caught:
        asyncio.run(until_it_fails())
    return caught.value, told


def names(fake: FakeOllama) -> list[str]:
    return [entry["name"] for entry in fake.models]


# ---- pull ------------------------------------------------------------------------------------------------------


def test_a_pull_tells_its_progress_until_the_model_is_there(fake: FakeOllama) -> None:
    fake.offers("tiny:1b", 4_000_000, 500)
    told = pulled(client(fake))
    assert told[0].status == "pulling manifest"
    assert (told[-1].success, told[-1].done, told[-1].total) == (True, 4_000_500, 4_000_500)
    assert [layer.digest for layer in told[-1].layers] == [digest_of("tiny:1b", 0), digest_of("tiny:1b", 1)]
    assert fake.recorded[-1].json == {"model": "tiny:1b", "stream": True}
    assert "tiny:1b" in names(fake)


@pytest.mark.parametrize("name", ["Tiny:1B", "hf.co/user/Repo-GGUF:Q4_K_M", "gpt-oss-120b-cloud", "x/y"])
def test_a_name_is_sent_exactly_as_it_is_typed(fake: FakeOllama, name: str) -> None:
    fake.offers(name, 10)
    pulled(client(fake), name)
    assert fake.recorded[-1].json["model"] == name


@pytest.mark.parametrize("how", ["close", "break", "cancel"])
def test_whoever_stops_reading_closes_the_connection_and_a_later_pull_resumes(fake: FakeOllama, how: str) -> None:
    gate = threading.Event()
    fake.offers("tiny:1b", 1000).pull_waits_for(gate, at=300)

    async def some_of_it() -> None:
        async with aclosing(pull(client(fake), "tiny:1b")) as values:
            async for progress in values:
                if progress.done == 300:
                    break

    async def stopped() -> None:
        if how == "close":
            await some_of_it()
        elif how == "break":
            values = pull(client(fake), "tiny:1b")
            async for progress in values:
                if progress.done == 300:
                    break
            await values.aclose()
        else:
            reading = asyncio.create_task(_read_on(client(fake)))
            while fake.parts.get(digest_of("tiny:1b", 0), 0) < 300:
                await asyncio.sleep(0.001)
            reading.cancel()
            with pytest.raises(asyncio.CancelledError):
                await reading
        assert await asyncio.to_thread(fake.disconnected.wait, 5)

    asyncio.run(stopped())
    assert fake.open_streams == 0
    gate.set()
    told = pulled(client(fake))
    assert told[1].done == 300  # not from the start
    assert told[-1].success


async def _read_on(asked: Client) -> None:
    async for _ in pull(asked, "tiny:1b"):
        pass


def test_a_full_disk_is_said_and_how_to_go_on(fake: FakeOllama) -> None:
    fake.offers("tiny:1b", 1000).pull_breaks("write /models/blobs/x: no space left on device", at=500)
    error, told = refused(client(fake))
    assert type(error) is ServerError
    assert "no space left on device" in error.message
    assert "disk of the server is full" in error.hint
    assert "goes on from what the server has kept" in error.hint
    assert told[-1].done == 500
    assert pulled(client(fake))[-1].success


def test_an_unknown_model_is_not_found(fake: FakeOllama) -> None:
    error, told = refused(client(fake), "lama9")
    assert type(error) is ModelNotFound
    assert "file does not exist" in error.message
    assert "https://ollama.com/search" in error.hint
    assert [progress.status for progress in told] == ["pulling manifest"]


def test_an_end_without_success_is_an_error(fake: FakeOllama) -> None:
    for cut in (False, True):
        fake.pull_says({"status": "pulling manifest"}, LAYER, cut=cut)
        error, told = refused(client(fake))
        assert type(error) is Incomplete
        assert "goes on from what the server has kept" in error.hint
        assert told[-1].done == 50


@pytest.mark.slow
def test_silence_in_a_layer_is_a_stall_but_verifying_may_take_long(fake: FakeOllama) -> None:
    fake.pull_says(LAYER, silent=True)
    error, _ = refused(client(fake, stall_timeout=0.05))
    assert type(error) is Stalled
    assert "OLLAMA_MAGIC_STALL_TIMEOUT" in error.hint
    assert fake.disconnected.wait(5)
    gate = threading.Event()
    fake.pull_says({"status": "verifying sha256 digest"}, gate, {"status": "success"})
    opener = threading.Timer(0.1, gate.set)
    opener.start()
    assert pulled(client(fake, stall_timeout=0.05))[-1].success
    opener.join()
    fake.pull_says({"status": "verifying sha256 digest"}, silent=True)
    assert type(refused(client(fake, stall_timeout=0.05, first_byte_timeout=0.06))[0]) is Stalled


def test_whatever_else_answers_is_told(fake: FakeOllama) -> None:
    cases: list[tuple[int, str, type[OllamaMagicError], str]] = [
        (400, '{"error": "invalid model name"}', BadRequest, "invalid model name"),
        (500, '{"error": "pull model manifest: file does not exist"}', ModelNotFound, "does not exist"),
        (404, "404 page not found", ServerError, "404"),
        (200, "<html><title>Log in</title></html>", ServerError, "Log in"),
    ]
    for status, body, kind, words in cases:
        fake.fails(status, body, path="/api/pull")
        error, told = refused(client(fake))
        assert type(error) is kind, body
        assert words in error.message
        assert told == []


def test_a_body_in_any_shape(fake: FakeOllama) -> None:
    bodies = [
        b'{"status":"pulling manifest"}{"status":"success"}',  # glued
        b'data: {"status":"pulling manifest"}\n\ndata: {"status":"success"}\n\n',
        b'[{"status":"pulling manifest"},{"status":"success"}]',
        b'{\n "status":\n "success"\n}',
    ]
    for body in bodies:
        fake.fails(200, body, path="/api/pull")
        assert pulled(client(fake))[-1].success, body
    fake.fails(200, b'{"status":"pulling manifest"}\n{"sta', path="/api/pull")
    assert type(refused(client(fake))[0]) is Incomplete


def test_a_daemon_that_is_down_is_unreachable() -> None:
    from ollama_magic.client import Client

    error, _ = refused(Client(host="http://127.0.0.1:9"))
    assert type(error) is Unreachable
    assert "%ollama start" in error.hint


def test_a_daemon_on_another_machine_is_not_to_be_started_here() -> None:
    for host, words in (("http://10.1.2.3:11434", "on that machine"), ("http://127.0.0.1:1", "%ollama start")):
        endpoint = endpoint_for(resolve(Layer("test", {"host": host})))
        assert words in lost(endpoint, Failure("refused", "connection refused")).hint


# ---- rm, cp ----------------------------------------------------------------------------------------------------


def test_a_model_is_removed_and_copied_by_name(fake: FakeOllama) -> None:
    asyncio.run(copy(client(fake), "smollm2:135m", "mine:1"))
    assert fake.recorded[-1].json == {"source": "smollm2:135m", "destination": "mine:1"}
    asyncio.run(remove(client(fake), "smollm2:135m"))
    assert (fake.recorded[-1].method, fake.recorded[-1].json) == ("DELETE", {"model": "smollm2:135m"})
    assert "mine:1" in names(fake)
    assert "smollm2:135m" not in names(fake)


def test_an_unknown_model_gets_the_nearest_names(fake: FakeOllama) -> None:
    for change in (remove(client(fake), "smolm2"), copy(client(fake), "smolm2", "x")):
        with pytest.raises(ModelNotFound) as caught:
            asyncio.run(change)
        assert "Did you mean smollm2:135m?" in caught.value.hint


@pytest.mark.parametrize("mode", ["cloud", "embedded"])
def test_only_a_server_of_ones_own_can_be_changed(fake: FakeOllama, mode: str) -> None:
    settings: dict[str, Any] = {"mode": mode}
    if mode == "cloud":
        settings |= {"host": fake.url, "trusted_hosts": "127.0.0.1", "key": "sk-x"}
    from ollama_magic.client import Client

    asked = Client(resolve(Layer("test", settings)))
    assert type(refused(asked)[0]) is Unsupported
    for change in (remove(asked, "x"), copy(asked, "x", "y")):
        with pytest.raises(Unsupported, match="cloud" if mode == "cloud" else "built-in"):
            asyncio.run(change)
    assert fake.recorded == []


# ---- names -----------------------------------------------------------------------------------------------------


def test_two_names_of_one_model_are_known_to_be_one() -> None:
    same = ["llama3.2", "llama3.2:latest", "Llama3.2", "library/llama3.2", "registry.ollama.ai/library/llama3.2:latest"]
    assert {full_name(name) for name in same} == {"llama3.2:latest"}
    for other in ("llama3.2:1b", "me/llama3.2", "hf.co/library/llama3.2", "localhost:5000/llama3.2"):
        assert full_name(other) != "llama3.2:latest"
    assert full_name("localhost:5000/me/x") == "localhost:5000/me/x:latest"


def test_a_model_in_memory_is_found_by_any_of_its_names(fake: FakeOllama) -> None:
    fake.loaded = ["llama3.2:latest"]
    for name in ("llama3.2", "LLAMA3.2", "library/llama3.2:latest"):
        request = Request(name, (Message("user", "x"),))
        assert asyncio.run(guards._loaded_context(client(fake), request)) == 4096
    assert asyncio.run(guards._loaded_context(client(fake), Request("other", ()))) is None
