"""Servers that send the key back: in a body, a header, the middle of a stream, a page, in pieces, in any writing."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import html
import json
import logging
import pickle
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from ollama_magic import models
from ollama_magic.client import Client
from ollama_magic.errors import OllamaMagicError
from ollama_magic.layers import Layer, resolve
from ollama_magic.retry import Retry
from ollama_magic.secret import Secret, redact
from tests.secrets.planted import KEY, PASSWORD, found_in, shown, with_password
from tests.tables import folded

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from tests.fake_ollama import FakeOllama

MODEL = "smollm2:135m"
BASIC = base64.b64encode(f"ada:{PASSWORD}".encode()).decode()
UNICODE = "".join(f"\\u{ord(sign):04x}" for sign in KEY)

# How a server may write what it was sent; each stands in for %s below.
WRITTEN = {
    "plain": KEY,
    "with its scheme": f"Bearer {KEY}",
    "in JSON": json.dumps(KEY)[1:-1],
    "in JSON in JSON": json.dumps(json.dumps(KEY))[1:-1],
    "in HTML": html.escape(KEY),
    "in HTML by number": "".join(c if c.isalnum() else f"&#{ord(c)};" for c in KEY),
    "in a URL": quote(KEY, safe=""),
    "in a URL, some of it": quote(KEY, safe="/+&="),
    "in a URL in a URL": quote(quote(KEY, safe=""), safe=""),
    "in Markdown": "".join(c if c.isalnum() else f"\\{c}" for c in KEY),
    "as repr": repr(KEY),
    "the password": PASSWORD,
    "user and password": f"ada:{PASSWORD}",
    "the password as it was sent": f"Basic {BASIC}",
}
PASSWORDS = ("the password", "user and password")


@pytest.fixture(autouse=True)
def logged(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """All that is logged at debug level is looked at after each test."""
    for name in (None, "httpx", "httpcore", "httpcore.http11", "httpcore.connection", "httpcore.proxy", "asyncio"):
        caplog.set_level(logging.DEBUG, name)
    yield caplog
    assert found_in(*(f"{record.getMessage()} {record.__dict__}" for record in caplog.records)) == []


def client(fake: FakeOllama, **more: Any) -> Client:
    """One that sends the fake server the key, or with `password` that."""
    password = more.pop("password", False)
    host = with_password(fake.url) if password else fake.url
    settings = {"key": KEY, "host": host, "trusted_hosts": "127.0.0.1", "model": MODEL, **more}
    made = Client(resolve(Layer("cell", settings)), retry=Retry(tries=2, first_s=0.0))
    settings.clear()
    return made


def outcome(work: Callable[[], Awaitable[Any]]) -> tuple[OllamaMagicError | None, list[str | bytes]]:
    """The error of `work`, and all that may be seen of it or of what it gave, with asyncio's debug mode on."""
    seen: list[str | bytes] = []

    async def main() -> None:
        seen.append(repr(await work()))

    try:
        asyncio.run(main(), debug=True)
    except OllamaMagicError as error:
        seen += [shown(error), pickle.dumps(error), repr(error.hint), error.partial, *error._render_traceback_()]
        return error, seen
    return None, seen


async def answered(asked: Client) -> list[Any]:
    """An answer's events, and the answer; also of one that fails, noted at its error."""
    events: list[Any] = []
    stream = asked.chat("Hello")
    try:
        async for event in stream:
            events.append(event)  # noqa: PERF401  # they are wanted up to where it fails
    except OllamaMagicError as error:
        error.add_note(repr((events, stream.answer, vars(stream))))
        raise
    return [events, stream.answer]


async def pulled(asked: Client) -> list[Any]:
    """What a download tells."""
    return [each async for each in models.pull(asked, MODEL)]


async def listed(asked: Client) -> list[Any]:
    """The models, whose names are a server's to choose: not what is looked at here."""
    await asked.tags()
    return []


WAYS: dict[str, tuple[str, Callable[[Client], Awaitable[Any]]]] = {
    "a list": ("/api/tags", listed),
    "an answer": ("", answered),
    "a download": ("/api/pull", pulled),
    "details": ("/api/show", lambda asked: asked.show(MODEL)),
    "any other": ("/api/web_search", lambda asked: asked.post("/api/web_search", {"query": "x"})),
}
BODIES = (
    '{"error": "no access for %s"}',
    '{"error": {"message": "no access for %s", "type": "x", "code": "%s"}}',
    '{"error": "{\\"error\\": \\"no access\\"} %s"}',
    '{"detail": [{"msg": "%s"}], "signin_url": "https://ollama.com/connect?%s"}',
    "<html><head><title>Denied: %s</title></head><body>%s</body></html>",
    "denied %s, and again %s",
    '{"message": "broken %s',
)


def body_of(form: str, text: str) -> bytes:
    """The body with `text` for each %s, as JSON wants it."""
    return form.replace("%s", json.dumps(text)[1:-1] if form.startswith("{") else text).encode()


STATUSES = (200, 400, 401, 403, 404, 407, 429, 500, 502, 503)


@pytest.mark.slow
@folded("number", range(len(STATUSES) * len(WRITTEN)))
def test_no_body_or_header_of_an_error_brings_it_back(fake: FakeOllama, number: int) -> None:
    """Each status with each way of writing it; the request and the body go round, so that all pairs come up."""
    name, text = list(WRITTEN.items())[number % len(WRITTEN)]
    status = STATUSES[number // len(WRITTEN)]
    path, work = list(WAYS.values())[number % len(WAYS)]
    body = BODIES[(number + number // len(BODIES)) % len(BODIES)]
    headers = {"X-Echo": KEY, "WWW-Authenticate": f'Bearer realm="{KEY}"', "Location": f"/{KEY}", "Retry-After": KEY}
    fake.forget().fails(status, body_of(body, text), headers, path=path, times=3)
    error, seen = outcome(lambda: work(client(fake, password=name.startswith(PASSWORDS))))
    assert error is not None or status == 200 or (path, status) == ("/api/tags", 404)  # then /v1/models is asked
    assert error is None or found_in(*seen) == [], (name, body, path, status)  # a value is the caller's


def test_the_key_was_sent_or_all_this_proves_nothing(fake: FakeOllama) -> None:
    fake.says("fine")
    for password, sent in ((False, f"Bearer {KEY}"), (True, f"Basic {BASIC}")):
        outcome(lambda password=password: answered(client(fake, password=password)))
        assert fake.recorded[-1].headers["authorization"] == sent
    assert found_in(KEY) == ["the key"]
    assert found_in(PASSWORD) == found_in(BASIC) == ["the password"]
    assert found_in(KEY[:15]) == ["half the key", "half the key, bare"]


@pytest.mark.slow
@folded("surface", ["native", "openai"])
def test_no_failure_in_mid_stream_brings_it_back(fake: FakeOllama, surface: str) -> None:
    for name, text in WRITTEN.items():
        for sizes in ([], [1], [7], [len(text)]):
            fake.forget().says("so far ").fails_midstream(f"no access with {text}")
            if sizes:
                fake.chunked_at(sizes)
            password = name.startswith(PASSWORDS)
            error, seen = outcome(lambda password=password: answered(client(fake, api=surface, password=password)))
            assert error is not None
            assert error.partial == "so far "
            assert found_in(*seen) == [], (name, sizes)


@pytest.mark.slow
@folded("surface", ["native", "openai"])
def test_nothing_strange_in_a_stream_brings_it_back(fake: FakeOllama, surface: str) -> None:
    page = f"<html><body>{html.escape(KEY)}</body></html>"
    for raw in (
        page,
        KEY,
        f"data: {KEY}\n\n",
        f'{{"error": "{UNICODE}"}}\n',
        f'{{"x": "{UNICODE}',
        f": {KEY}\n\n{{",
        page * 90,
    ):
        fake.forget().sends_raw(raw.encode())
        error, seen = outcome(lambda: answered(client(fake, api=surface)))
        assert error is not None, raw[:40]
        assert found_in(*seen) == [], raw[:40]
        fake.forget().says("so far ").sends_raw(raw.encode()).drops_after(1)
        error, seen = outcome(lambda: answered(client(fake, api=surface)))
        assert found_in(*seen) == [], raw[:40]


@pytest.mark.slow
def test_no_download_brings_it_back(fake: FakeOllama) -> None:
    for name, text in WRITTEN.items():
        for line in ({"error": f"pull of {text} failed"}, {"status": "pulling"}, {"error": {"message": text}}):
            fake.forget().fails(200, (json.dumps(line) + "\n").encode(), path="/api/pull")
            _, seen = outcome(lambda name=name: pulled(client(fake, password=name.startswith(PASSWORDS))))
            assert found_in(*seen) == [], (name, line)


CUTS = range(440, 520)


@pytest.mark.slow
def test_half_a_key_where_a_long_text_is_cut_is_hidden_too(fake: FakeOllama) -> None:
    """Messages keep some 500 characters of a server's words: here the key lies across every place near there."""
    asked = client(fake)

    async def all_of_them() -> None:
        for length in CUTS:
            text = "x" * (length - 5) + " key=" + KEY + "y" * 3000
            for raw in ({"error": text}, {"error": {"message": text}}):
                fake.forget().sends_raw(json.dumps(raw).encode() + b"\n")
                await failed(answered(asked), length)
            fake.forget().sends_raw(text.encode())
            await failed(answered(asked), length)
            fake.forget().fails(200, text, path="/api/tags")
            await failed(asked.tags(), length)
            fake.forget().fails(200, json.dumps({"error": text}) + "\n", path="/api/pull")
            await failed(pulled(asked), length)

    async def failed(work: Awaitable[Any], length: int) -> None:
        with pytest.raises(OllamaMagicError) as caught:
            await work
        assert found_in(shown(caught.value)) == [], length

    asyncio.run(all_of_them())


def test_the_key_is_in_no_event_of_a_retry(fake: FakeOllama) -> None:
    fake.fails(503, json.dumps({"error": f"later, {KEY}"}), {"Retry-After": "0"}).then().says("fine")
    error, seen = outcome(lambda: answered(client(fake)))
    assert error is None
    assert "retrying" in str(seen)
    assert found_in(*seen) == []


@folded("text", WRITTEN.values(), ids=WRITTEN)
def test_every_way_of_writing_it_is_recognised(text: str) -> None:
    secrets = [Secret(f"Bearer {KEY}"), Secret(f"Basic {BASIC}")]
    told = redact(f"before {text} after", secrets)
    assert found_in(told) == []
    assert told.startswith("before ")
    assert told.endswith(" after")
    assert "***" in told


def test_a_cancelled_request_and_a_lost_one_hold_nothing_in_their_frames(fake: FakeOllama) -> None:
    fake.says("half").stalls_after(1)

    async def interrupted() -> BaseException:
        task = asyncio.ensure_future(answered(client(fake)))
        await asyncio.to_thread(fake.asked.wait, 5)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        return asyncio.CancelledError() if task.cancelled() else task.exception() or RuntimeError("it ended")

    stopped = asyncio.run(interrupted(), debug=True)
    assert isinstance(stopped, asyncio.CancelledError)
    fake.forget().says("half", "more").drops_after(1, reset=True)
    error, seen = outcome(lambda: answered(client(fake)))
    assert error is not None
    assert found_in(shown(stopped), *seen) == []


def test_an_error_that_nobody_thought_of_has_no_frames_with_the_header(
    fake: FakeOllama, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A library below that fails in its own way, with the request at hand."""
    import httpcore

    async def broken(self: Any, request: Any) -> Any:
        head = list(request.headers)
        raise RuntimeError(f"no luck with {len(head)} headers") from ValueError(str(head))

    monkeypatch.setattr(httpcore.AsyncHTTPConnection, "handle_async_request", broken)
    with pytest.raises(RuntimeError, match="no luck") as caught:
        asyncio.run(answered(client(fake)))
    assert found_in(shown(caught.value)) == []
