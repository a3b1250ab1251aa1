"""The client against a scripted server: answers, keys, models."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from ollama_magic import opening
from ollama_magic.client import Client
from ollama_magic.errors import (
    ModelNotFound,
    ServerError,
    SettingsError,
    Unauthorized,
    Unsupported,
)
from ollama_magic.events import Done, Message, Request, Start, Thinking, ToolRequest
from ollama_magic.models import choose_model
from tests.fake_ollama import FakeOllama, model_entry
from tests.questions import KEY, MODEL, SURFACES, ask, client, failure, phases, read, text

if TYPE_CHECKING:
    from pathlib import Path

# ---- answers ---------------------------------------------------------------------------------------------------


@SURFACES
@pytest.mark.parametrize("shape", ["2024", "0.32.5", "new"])
def test_an_answer_from_every_version_of_the_server(fake: FakeOllama, api: str, path: str, shape: Any) -> None:
    fake.shape = shape
    fake.thinks("hm, ", "well").says("I ", "don't ", "know").calls_tool("look_up", word="sky")
    events = ask(client(fake, api=api))
    assert isinstance(events[0], Start)
    assert (events[0].model, events[0].mode, events[0].host) == (MODEL, "local", fake.url)
    assert phases(events) == ["connecting", "reading prompt", "writing"]
    assert text(events) == "I don't know"
    assert "".join(e.text for e in events if isinstance(e, Thinking)) == "hm, well"
    (asked,) = (e for e in events if isinstance(e, ToolRequest))
    assert [(call.name, dict(call.arguments)) for call in asked.calls] == [("look_up", {"word": "sky"})]
    done = events[-1]
    assert isinstance(done, Done)
    assert done.stats.first_token_s is not None
    assert done.stats.total_s is not None
    assert 0 < done.stats.first_token_s <= done.stats.total_s < 5
    assert done.stats.output_tokens == (None if (shape, api) == ("2024", "openai") else 6)
    assert fake.recorded[-1].path == path


@pytest.mark.parametrize("sizes", [[1], [3, 1], [1000]], ids=str)
@SURFACES
def test_where_the_body_is_cut_makes_no_difference(fake: FakeOllama, api: str, path: str, sizes: list[int]) -> None:
    fake.says("naïve ", "日本", "\u2028\x85 end").chunked_at(sizes)
    assert text(ask(client(fake, api=api))) == "naïve 日本\u2028\x85 end"


@SURFACES
@pytest.mark.parametrize("framing", ["as_sse", "as_ndjson", "compresses", "without_length"])
def test_the_bytes_decide(fake: FakeOllama, api: str, path: str, framing: str) -> None:
    getattr(fake.says("a", "b"), framing)()
    assert text(ask(client(fake, api=api))) == "ab"


def test_what_only_the_native_surface_can_say_goes_there(fake: FakeOllama) -> None:
    fake.says("ok")
    asked = client(fake, num_ctx=2048, system="Be brief.", max_tokens=7)
    ask(asked, top_k=3, think=False, keep_alive="5m")
    sent = fake.recorded[-1]
    assert sent.path == "/api/chat"
    assert sent.json["options"] == {"num_ctx": 2048, "num_predict": 7, "top_k": 3}
    assert sent.json["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hello"},
    ]
    assert (sent.json["think"], sent.json["keep_alive"], sent.json["stream"]) == (False, "5m", True)


def test_a_conversation_and_a_request_are_prompts_too(fake: FakeOllama) -> None:
    fake.says("ok")
    messages = [Message("user", "a"), Message("assistant", "b"), Message("user", "c")]
    ask(client(fake), messages)
    assert [m["content"] for m in fake.recorded[-1].json["messages"]] == ["a", "b", "c"]
    ask(client(fake, system="not added"), Request("llama3.2", (Message("user", "x"),)))
    assert fake.recorded[-1].json["model"] == "llama3.2"
    assert len(fake.recorded[-1].json["messages"]) == 1


def test_the_whole_answer_at_once(fake: FakeOllama) -> None:
    fake.says("I ", "don't").ends_with("length")
    answer = asyncio.run(client(fake).ask("Hello", max_tokens=2))
    assert (str(answer), answer.reason, answer.complete, answer.model) == ("I don't", "length", True, MODEL)


def test_no_model_is_an_error_that_says_how_to_name_one(fake: FakeOllama) -> None:
    with pytest.raises(SettingsError, match="no model is named"):
        Client(host=fake.url).chat("Hello")
    assert not fake.recorded


def test_an_answer_can_be_read_once(fake: FakeOllama) -> None:
    async def main() -> None:
        stream = client(fake).chat("Hello")
        await read(stream)
        with pytest.raises(RuntimeError, match="read already"):
            await read(stream)
        assert stream.answer.complete

    asyncio.run(main())


# ---- key and modes ---------------------------------------------------------------------------------------------


def test_in_local_mode_no_request_carries_the_key(fake: FakeOllama, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLLAMA_API_KEY", KEY)
    monkeypatch.setenv("OLLAMA_HOST", fake.url)

    async def main() -> None:
        asked = Client(model=MODEL)
        await asked.ask("Hello")
        await asked.ask("Hello", top_k=1)
        await asyncio.gather(asked.tags(), asked.ps(), asked.version(), asked.show(MODEL))

    asyncio.run(main())
    assert len(fake.recorded) == 6
    for sent in fake.recorded:
        assert KEY not in f"{sent.headers}{sent.path}{sent.body!r}"


def test_in_cloud_mode_every_request_carries_it(fake: FakeOllama) -> None:
    fake.requires_key(KEY).says("ok")
    asked = client(fake, mode="cloud", key=KEY, trusted_hosts=f"127.0.0.1:{fake.port}")

    async def main() -> str:
        assert len(await asked.test_key()) == 3
        return str(await asked.ask("Hello"))

    assert asyncio.run(main()) == "ok"
    assert [sent.path for sent in fake.recorded] == ["/api/tags", "/api/chat"]
    assert KEY not in repr(vars(asked))


def test_a_wrong_key(fake: FakeOllama) -> None:
    fake.requires_key(KEY)
    asked = client(fake, mode="cloud", key="wrong-key", trusted_hosts="127.0.0.1")
    with pytest.raises(Unauthorized) as caught:
        asyncio.run(asked.test_key())
    assert "wrong-key" not in str(caught.value)
    error, _ = failure(asked)
    assert type(error) is Unauthorized


def test_a_key_that_the_server_sends_back_in_mid_stream_is_hidden(fake: FakeOllama) -> None:
    fake.says("a").fails_midstream(f"no access with {KEY}")
    error, stream = failure(client(fake, mode="cloud", key=KEY, trusted_hosts="127.0.0.1"))
    assert KEY not in f"{error}{error!r}{stream.answer!r}"
    assert "***" in error.message


def test_mode_embedded_knows_its_model_without_being_started(monkeypatch: pytest.MonkeyPatch) -> None:
    async def start(*_: object) -> None:
        pytest.fail("it was started")

    monkeypatch.setattr("ollama_magic.embedded.engine.start", start)
    asked = Client(mode="embedded")
    error, _ = failure(asked, model="llama3.2")
    assert type(error) is ModelNotFound
    assert "llama3.2" in error.message
    assert [model.name for model in asyncio.run(asked.tags())] == [MODEL]
    with pytest.raises(Unsupported):
        _ = asked.endpoint


@pytest.mark.parametrize(
    ("settings", "options", "expected"),
    [({}, {}, 1024), ({"max_tokens": 2000}, {}, 2000), ({}, {"num_predict": 5}, 5), ({"max_tokens": -1}, {}, -1)],
)
def test_the_built_in_model_writes_no_endless_answer(
    settings: dict[str, Any], options: dict[str, Any], expected: int
) -> None:
    asked = Client(mode="embedded", **settings).chat("Hi", **options).request
    assert (asked.model, asked.options["num_predict"]) == (MODEL, expected)


def test_other_weights_of_the_engine_write_what_they_like(tmp_path: Path) -> None:
    asked = Client(mode="embedded", gguf=tmp_path / "own.gguf").chat("Hi").request
    assert (asked.model, asked.options) == ("own", {})


def test_the_environment_is_read_once(fake: FakeOllama, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLLAMA_HOST", fake.url)
    asked = Client(model=MODEL)
    monkeypatch.setenv("OLLAMA_HOST", "http://127.0.0.1:1")
    assert asyncio.run(asked.version()) == "0.33.0"
    with pytest.raises(TypeError):
        Client(asked.settings, model="other")


# ---- models ----------------------------------------------------------------------------------------------------


def test_models_of_a_server_that_is_not_ollama(fake: FakeOllama) -> None:
    fake.fails(404, "404 page not found", path="/api/tags")
    assert [model.name for model in asyncio.run(client(fake).tags())][:2] == ["llama3.2:latest", MODEL]


def test_something_else_than_json(fake: FakeOllama) -> None:
    fake.fails(200, "<html><title>Welcome</title></html>", path="/api/tags")
    with pytest.raises(ServerError, match="Welcome"):
        asyncio.run(client(fake).tags())


@pytest.mark.parametrize(
    ("loaded", "expected"),
    [([], "newer:1b"), (["smollm2:135m"], "smollm2:135m"), (["nomic-embed-text:latest"], "newer:1b")],
)
def test_the_model_when_none_is_named(fake: FakeOllama, loaded: list[str], expected: str) -> None:
    fake.models.append({**model_entry("newer:1b"), "modified_at": "2026-09-01T00:00:00Z"})
    old = {**model_entry("old-bert:1b", family="bert"), "modified_at": "2026-10-01T00:00:00Z"}
    del old["capabilities"]
    fake.models.append(old)
    fake.loaded = loaded
    assert asyncio.run(choose_model(Client(host=fake.url))) == expected


def test_the_model_of_the_cloud(fake: FakeOllama) -> None:
    asked = Client(mode="cloud", host=fake.url, key=KEY, trusted_hosts="127.0.0.1")
    assert asyncio.run(choose_model(asked)) == "llama3.2:latest"
    fake.models.append(model_entry("kimi-k2:1t"))
    assert asyncio.run(choose_model(asked)) == "kimi-k2:1t"


def test_no_model_at_all(fake: FakeOllama) -> None:
    fake.models = [entry for entry in fake.models if "embed" in entry["name"]]
    with pytest.raises(SettingsError, match="none that can answer") as caught:
        asyncio.run(choose_model(Client(host=fake.url)))
    assert "ollama pull" in caught.value.hint


def test_limits_of_settings_reach_the_stream(fake: FakeOllama) -> None:
    asked = client(fake, connect_timeout=3, first_byte_timeout="off", stall_timeout=7)
    assert asked.chat("?", model=MODEL)._server.limits == opening.Limits(3, None, 7)
