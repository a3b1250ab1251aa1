"""What a reader sees when the server refuses, breaks or is not there; what is asked again."""

from __future__ import annotations

import asyncio
import socket
import time

import pytest

from ollama_magic.client import Client
from ollama_magic.errors import (
    BadRequest,
    Busy,
    Forbidden,
    Incomplete,
    ModelNotFound,
    OllamaMagicError,
    ServerError,
    Unauthorized,
    Unreachable,
    Unsupported,
    UsageLimit,
)
from ollama_magic.retry import Retry
from tests.fake_ollama import FakeOllama, model_entry
from tests.questions import MODEL, SURFACES, Waits, ask, client, failure, phases, text

# ---- what fails ------------------------------------------------------------------------------------------------


@SURFACES
@pytest.mark.parametrize("how", [{}, {"clean": True}, {"reset": True}], ids=["closed", "clean end", "reset"])
def test_a_cut_answer_is_incomplete_and_its_text_is_kept(
    fake: FakeOllama, api: str, path: str, how: dict[str, bool]
) -> None:
    fake.says("I ", "don't ", "know").drops_after(2, **how)
    error, stream = failure(client(fake, api=api))
    assert type(error) is Incomplete
    assert error.partial == stream.answer.text
    # A reset may overtake what was sent before it.
    assert error.partial == "I don't " or (how == {"reset": True} and "I don't ".startswith(error.partial))
    assert (stream.answer.reason, stream.answer.complete) == ("incomplete", False)
    assert stream.answer.error == error.message
    assert len(fake.recorded) == 1, "a cut answer must not be asked for again"


@SURFACES
def test_an_error_in_mid_stream(fake: FakeOllama, api: str, path: str) -> None:
    fake.says("I ").fails_midstream("llama runner process has terminated")
    error, stream = failure(client(fake, api=api))
    assert isinstance(error, ServerError)
    assert (api == "openai") != ("has terminated" in str(error))
    assert error.partial == "I "
    assert stream.answer.error


@SURFACES
@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, '{"error": "\\"smollm2\\" does not support thinking"}', Unsupported),
        (400, '{"error": "bad things"}', BadRequest),
        (401, '{"error": "unauthorized", "signin_url": "https://ollama.com/connect"}', Unauthorized),
        (402, '{"error": "your extra usage balance is empty"}', UsageLimit),
        (403, "", Forbidden),
        (404, '{"error": "model \'smollm2:135m\' not found"}', ModelNotFound),
        (429, '{"error": "you have reached your weekly usage limit, upgrade for higher limits"}', UsageLimit),
        (500, '{"error": "Internal Server Error (ref: 1)"}', ServerError),
        (200, "<html><title>Login</title></html>", ServerError),
    ],
)
def test_what_the_server_refuses_is_not_asked_again(
    fake: FakeOllama, api: str, path: str, status: int, body: str, kind: type[OllamaMagicError]
) -> None:
    fake.fails(status, body)
    error, _ = failure(client(fake, api=api))
    assert type(error) is kind
    assert [each.path for each in fake.recorded].count(path) == 1


def test_a_page_of_a_proxy(fake: FakeOllama) -> None:
    fake.fails(502, "<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>")
    error, _ = failure(client(fake, retry=Waits().policy))
    assert type(error) is ServerError
    assert "502 Bad Gateway" in str(error)
    assert "<" not in str(error)


def test_an_endless_error_body_is_cut(fake: FakeOllama, monkeypatch: pytest.MonkeyPatch) -> None:
    fake.fails(500, '{"error": "no"}' + " " * 3_000_000)
    error, _ = failure(client(fake))
    assert "no" in error.message
    assert len(str(error)) < 1000


def test_an_unknown_model_gets_the_nearest_names(fake: FakeOllama) -> None:
    fake.models.append(model_entry("llama3.2:3b"))
    error, _ = failure(client(fake), model="lama3.2")
    assert type(error) is ModelNotFound
    assert error.hint.startswith("Did you mean llama3.2:latest or llama3.2:3b? `%ollama pull lama3.2`")


def test_the_nearest_names_never_hide_the_error(fake: FakeOllama) -> None:
    fake.fails(500, "no", path="/api/tags")
    error, _ = failure(client(fake), model="lama3.2")
    assert type(error) is ModelNotFound
    assert "ollama pull lama3.2" in error.hint


def test_a_daemon_that_is_down_is_told_at_once() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        began = time.monotonic()
        error, _ = failure(Client(host=f"localhost:{port}", model=MODEL))
        took = time.monotonic() - began
    assert type(error) is Unreachable
    assert error.message == f"no server at http://localhost:{port} (connection refused; host from Client)"
    assert "ollama serve" in error.hint
    assert "%ollama mode embedded" in error.hint
    assert took < 0.5


# ---- retries ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (503, '{"error": "server busy, please try again.  maximum pending requests exceeded"}'),
        (429, '{"error": "timed out waiting for a concurrent request slot"}'),
        (502, "<html>Bad Gateway</html>"),
        (504, "<html>Gateway Timeout</html>"),
    ],
)
def test_what_may_heal_is_asked_again_and_shown(fake: FakeOllama, status: int, body: str) -> None:
    waits = Waits()
    fake.fails(status, body, times=2).says("ok")
    events = ask(client(fake, retry=waits.policy))
    assert text(events) == "ok"
    assert waits.seconds == [0.5, 1.0]
    told = phases(events)
    assert [phase for phase in told if phase.startswith("retrying in 1 s: ")]
    assert told[0] == "connecting"
    assert told[-1] == "writing"


def test_three_tries_are_all(fake: FakeOllama) -> None:
    waits = Waits()
    fake.fails(503, '{"error": "server busy"}')
    error, _ = failure(client(fake, retry=waits.policy))
    assert type(error) is Busy
    assert len(fake.recorded) == 3


@pytest.mark.parametrize(("header", "waited"), [("7", [7.0, 7.0]), ("31", []), ("soon", [0.5, 1.0])])
def test_retry_after_is_heeded_unless_it_is_long(fake: FakeOllama, header: str, waited: list[float]) -> None:
    waits = Waits()
    fake.fails(503, '{"error": "server busy"}', {"Retry-After": header})
    failure(client(fake, retry=waits.policy))
    assert waits.seconds == waited


def test_a_proxy_that_gave_up_waiting_is_not_asked_again(fake: FakeOllama) -> None:
    clock = iter([0.0, 61.0])
    waits = Waits(clock=lambda: next(clock))
    fake.fails(504, "<html>Gateway Timeout</html>").says("never")
    error, _ = failure(client(fake, retry=waits.policy))
    assert type(error) is ServerError
    assert waits.seconds == []


@pytest.mark.parametrize("tries", [1, 4])
def test_a_connection_closed_while_idle_is_not_noticed(fake: FakeOllama, tries: int) -> None:
    async def main() -> str:
        await client(fake).tags()
        fake.drops_reused = True
        return str(await client(fake, retry=Retry(tries=tries)).ask("Hello"))

    fake.says("ok")
    assert asyncio.run(main()) == "ok"
    assert fake.connections == 2


def test_a_server_that_gives_up_on_a_request_is_not_asked_again(fake: FakeOllama) -> None:
    fake.closes_before_headers()
    error, _ = failure(client(fake, retry=Waits().policy))
    assert type(error) is Unreachable
    assert len(fake.recorded) == 1


@pytest.mark.parametrize("chance", [0.0, 0.5, 0.999])
def test_waits_grow_and_differ(chance: float) -> None:
    policy = Retry(tries=9, chance=lambda: chance)
    waits = [policy.wait_s(attempt) for attempt in range(8)]
    assert waits == sorted(waits)  # type: ignore[type-var]
    assert waits[0] == 0.5 * (1 + chance)
    assert waits[-1] == 30.0
    assert policy.wait_s(8) is None
