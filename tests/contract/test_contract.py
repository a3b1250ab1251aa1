"""What every server must do for the client: the scripted one, the embedded engine, and a real one.

    OLLAMA_MAGIC_LIVE=1 OLLAMA_HOST=... pytest -m live tests/contract

The live run uses OLLAMA_MODEL, or else the model that the client would choose itself.
"""

from __future__ import annotations

import asyncio
import os
import threading
from typing import TYPE_CHECKING, Any

import pytest

from ollama_magic.client import Client
from ollama_magic.embedded import engine
from ollama_magic.errors import ModelNotFound, OllamaMagicError, Unsupported
from ollama_magic.events import Done, Message, Progress, Start, Text
from ollama_magic.models import choose_model
from tests.fake_ollama import FakeOllama

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ollama_magic.events import Event

_LIVE = os.environ.get("OLLAMA_MAGIC_LIVE") == "1"

SERVERS = [
    pytest.param("fake 2024", id="fake-2024"),
    pytest.param("fake 0.32.5", id="fake-0.32.5"),
    pytest.param("fake new", id="fake-new"),
    pytest.param("embedded", marks=[pytest.mark.embedded, pytest.mark.slow, pytest.mark.timeout(300)]),
    pytest.param(
        "live",
        marks=[
            pytest.mark.live,
            pytest.mark.slow,
            pytest.mark.timeout(600),
            pytest.mark.skipif(not _LIVE, reason="needs OLLAMA_MAGIC_LIVE=1 and a server at OLLAMA_HOST"),
        ],
    ),
]


class Server:
    """One of the servers: `client()` asks it, `model` is one that it has, `surfaces` are what it serves."""

    def __init__(self, name: str, fake: FakeOllama | None) -> None:
        self.name, self.fake = name, fake
        self.settings: dict[str, Any] = {}
        if fake is not None:
            self.settings = {"host": fake.url, "model": "smollm2:135m"}
        elif name == "embedded":
            self.settings = {"mode": "embedded"}
        elif "OLLAMA_MODEL" not in os.environ:
            self.settings = {"model": asyncio.run(choose_model(Client()))}

    def client(self, **more: Any) -> Client:
        return Client(**{**self.settings, **more})

    @property
    def surfaces(self) -> list[str]:
        mode = self.client().settings.mode
        return {"embedded": ["auto"], "cloud": ["auto"], "local": ["auto", "openai", "native"]}[mode]


@pytest.fixture(params=SERVERS)
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    name: str = request.param
    if name.startswith("fake"):
        with FakeOllama(shape=name.removeprefix("fake ")) as fake:
            yield Server(name, fake)
        return
    if name == "embedded" and engine.available() is not None:
        if os.environ.get("CI"):
            pytest.fail(str(engine.available()))
        pytest.skip(str(engine.available()))
    yield Server(name, None)


def read(client: Client, prompt: Any, **how: Any) -> list[Event]:
    async def main() -> list[Event]:
        return [event async for event in client.chat(prompt, **how)]

    return asyncio.run(main())


def test_an_answer_streams_on_every_surface(server: Server) -> None:
    for api in server.surfaces:
        events = read(server.client(api=api), "Count from one to five.", temperature=0.0, seed=1, num_predict=40)
        start, done = next(event for event in events if isinstance(event, Start)), events[-1]
        texts = [event for event in events if isinstance(event, Text)]
        assert start.surface == (api if api != "auto" else start.surface)
        assert isinstance(done, Done)
        assert len([event for event in events if isinstance(event, Done)]) == 1
        assert len(texts) > 1, "it did not stream"
        assert "".join(event.text for event in texts).strip()
        assert events.index(Progress("connecting")) < events.index(Progress("writing")) < events.index(texts[0])
        assert done.reason in ("stop", "length")
        stats = done.stats
        assert stats.first_token_s is not None
        assert stats.total_s is not None
        assert 0 < stats.first_token_s <= stats.total_s
        if server.name != "fake 2024" or start.surface == "native":
            assert stats.output_tokens
            assert stats.prompt_tokens


def test_the_longest_answer_is_heeded_and_said(server: Server) -> None:
    if server.fake is not None:
        server.fake.says(*["one", "two", "three"]).ends_with("length")
    for api in server.surfaces:
        events = read(server.client(api=api), "Tell a long story.", temperature=0.0, num_predict=3)
        assert isinstance(events[-1], Done)
        assert events[-1].reason == "length"


def test_a_conversation_is_understood(server: Server) -> None:
    messages = [
        Message("system", "You answer in one word."),
        Message("user", "My name is Ada. Say yes."),
        Message("assistant", "Yes"),
        Message("user", "Say yes again."),
    ]
    answer = asyncio.run(server.client().ask(messages, temperature=0.0, num_predict=20))
    assert answer.text
    assert answer.complete


def test_an_unknown_model_is_never_answered_by_another(server: Server) -> None:
    for api in server.surfaces:
        with pytest.raises(ModelNotFound) as caught:
            read(server.client(api=api), "Hello", model="no-such-model:7b")
        assert "no-such-model:7b" in str(caught.value)
        assert caught.value.hint


def test_its_models_are_listed(server: Server) -> None:
    client = server.client()
    names = [model.name for model in asyncio.run(client.tags())]
    assert asyncio.run(choose_model(client)) in names
    if client.settings.model:
        assert client.settings.model in names


def test_stopping_leaves_a_server_that_answers(server: Server) -> None:
    gate = threading.Event()
    if server.fake is not None:
        server.fake.says("one ", "two ").waits_for(gate).says("three").then().says("ok")

    async def main() -> None:
        client = server.client()
        stream = client.chat("Count from one to one hundred, in words.", temperature=0.0, num_predict=400)
        async with stream:
            async for event in stream:
                if isinstance(event, Text):
                    break
        assert stream.answer.text
        assert stream.answer.reason == "stopped"
        gate.set()
        assert (await client.ask("Hello", num_predict=5)).text

    asyncio.run(main())


def test_many_at_once(server: Server) -> None:
    async def main() -> list[str]:
        client = server.client()
        answers = await asyncio.gather(*(client.ask(f"Say {n}.", num_predict=8, temperature=0.0) for n in range(3)))
        return [answer.text for answer in answers]

    assert all(asyncio.run(main()))


def test_json_by_a_schema(server: Server) -> None:
    if server.fake is not None:
        server.fake.says('{"year"', ": 1969}")
    schema = {"type": "object", "properties": {"year": {"type": "integer"}}, "required": ["year"]}
    answer = asyncio.run(server.client().ask("When was the moon landing?", format=schema, temperature=0.0, seed=3))
    assert isinstance(answer.value["year"], int)


def test_what_a_surface_cannot_do_is_said_and_not_ignored(server: Server) -> None:
    if "native" in server.surfaces:
        with pytest.raises(Unsupported, match="num_ctx"):
            read(server.client(api="openai"), "Hello", num_ctx=1024)
        assert isinstance(read(server.client(api="native"), "Hello", num_ctx=1024, num_predict=2)[-1], Done)
    elif server.name == "embedded":
        with pytest.raises(Unsupported, match="num_ctx"):
            read(server.client(), "Hello", num_ctx=1024)


def test_probabilities_where_they_are_asked_for(server: Server) -> None:
    events = read(server.client(), "Hello", top_logprobs=2, num_predict=3, temperature=0.0)
    found = [entry for event in events if isinstance(event, Text) for entry in event.probabilities]
    if server.name == "fake 2024":
        assert not found  # as that server did: it ignored the question
    else:
        assert found
        assert all(entry.logprob <= 0 for entry in found)


def test_too_long_a_prompt_is_an_error_or_an_answer_never_silence(server: Server) -> None:
    if server.name != "embedded":
        pytest.skip("Ollama drops what does not fit; a live server's context may be any length")
    with pytest.raises(OllamaMagicError) as caught:
        read(server.client(), "word " * 20_000)
    assert caught.value.hint
