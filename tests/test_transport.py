"""The socket side: what is sent, where the key goes, how a request fails, and that nothing stays open."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import socket
import time
import traceback
from typing import TYPE_CHECKING, Any

import pytest

from ollama_magic import transport
from ollama_magic.endpoint import Endpoint, endpoint_for
from ollama_magic.errors import OllamaMagicError, ServerError, SettingsError
from ollama_magic.layers import Layer, resolve
from ollama_magic.retry import Call, Retry, send
from ollama_magic.secret import Secret
from ollama_magic.transport import BodyBroken, Failure, open_exchange, pool
from tests.fake_ollama import FakeOllama

if TYPE_CHECKING:
    from collections.abc import Coroutine

KEY = "TopSecretKeyOfATest-25"  # looks like no key, so only knowing it can hide it


@pytest.fixture(autouse=True, params=["direct", "client"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of it also through httpx's client, as hosts on other machines are asked."""
    if request.param == "client":
        monkeypatch.setattr(pool, "_direct", pool._client)


def endpoint(host: str, **more: object) -> Endpoint:
    return endpoint_for(resolve(Layer("test", {"host": host, **more})))


def trusted(fake: FakeOllama) -> Endpoint:
    return endpoint(fake.url, key=KEY, trusted_hosts="127.0.0.1")


async def get(where: Endpoint, path: str = "/api/tags") -> tuple[int, bytes]:
    exchange = await open_exchange(where, "GET", path)
    try:
        return exchange.status, await exchange.read(1_000_000)
    finally:
        await exchange.aclose()


def fails(coroutine: Coroutine[Any, Any, object]) -> Failure:
    with pytest.raises(Failure) as caught:
        asyncio.run(coroutine)
    return caught.value


# ---- requests and connections ----------------------------------------------------------------------------------


def test_a_connection_is_used_again(fake: FakeOllama) -> None:
    async def main() -> None:
        for _ in range(3):
            assert (await get(endpoint(fake.url)))[0] == 200

    asyncio.run(main())
    assert fake.connections == 1
    assert fake.recorded[0].headers["accept-encoding"] == "identity"


def test_a_connection_whose_closing_was_cancelled_is_closed_and_not_used_again(fake: FakeOllama) -> None:
    async def main() -> None:
        exchange = await open_exchange(endpoint(fake.url), "GET", "/api/tags")
        async for _ in exchange.chunks():
            pass
        assert exchange.whole
        closing = asyncio.create_task(exchange.aclose())
        await asyncio.sleep(0)  # it waits for httpcore's lock now
        assert not closing.done()
        closing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await closing
        assert (await get(endpoint(fake.url)))[0] == 200
        async with asyncio.timeout(10):
            while fake.open_connections > 1:
                await asyncio.sleep(0)

    asyncio.run(main())
    assert fake.connections == 2


def test_each_event_loop_has_its_own_connections_and_leaves_none_behind(fake: FakeOllama) -> None:
    gc.freeze()  # what was there before need not be looked at
    for _ in range(2):
        asyncio.run(get(endpoint(fake.url)))
        gc.collect()  # an open socket would warn, and a warning is an error here
        until = time.monotonic() + 5
        while fake.open_connections and time.monotonic() < until:
            time.sleep(0.001)
        assert fake.open_connections == 0
    assert fake.connections == 2


def test_a_loop_closed_without_its_generators_costs_no_warning(fake: FakeOllama) -> None:
    gc.freeze()
    loop = asyncio.new_event_loop()
    loop.run_until_complete(get(endpoint(fake.url)))
    loop.close()
    del loop
    asyncio.run(get(endpoint(fake.url)))
    gc.collect()


def test_closing_an_exchange_in_the_middle_closes_its_connection(fake: FakeOllama) -> None:
    fake.says("a", "b").stalls_after(1)

    async def main() -> None:
        where = endpoint(fake.url)
        exchange = await open_exchange(where, "POST", "/api/chat", b'{"model": "smollm2:135m"}')
        assert await anext(exchange.chunks())
        await exchange.aclose()
        assert await asyncio.to_thread(fake.disconnected.wait, 5)

    asyncio.run(main())
    assert fake.open_streams == 0


def test_closing_wakes_up_who_reads(fake: FakeOllama) -> None:
    fake.says("a", "b").stalls_after(1)

    async def main() -> None:
        exchange = await open_exchange(endpoint(fake.url), "POST", "/api/chat", b'{"model": "smollm2:135m"}')
        chunks = exchange.chunks()
        await anext(chunks)
        reading = asyncio.ensure_future(anext(chunks))
        await asyncio.sleep(0)
        await exchange.aclose()
        with pytest.raises(BodyBroken):
            await reading

    asyncio.run(main())


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_a_body_compressed_unasked_is_read(fake: FakeOllama, coding: str) -> None:
    fake.says("a", "b").compresses(coding)

    async def main() -> bytes:
        exchange = await open_exchange(endpoint(fake.url), "POST", "/api/chat", b'{"model": "smollm2:135m"}')
        return await exchange.read(10_000)

    assert b'"done":true' in asyncio.run(main())


def test_an_unknown_compression_is_no_answer(fake: FakeOllama) -> None:
    fake.fails(200, b"{}", {"Content-Encoding": "br"}, path="/api/tags")
    with pytest.raises(BodyBroken, match=r"compressed \(br\)"):
        asyncio.run(get(endpoint(fake.url)))


def test_no_cookie_is_kept(fake: FakeOllama) -> None:
    fake.fails(200, b"{}", {"Set-Cookie": "tracker=1; Path=/"}, path="/api/tags")

    async def main() -> None:
        await get(endpoint(fake.url))
        await get(endpoint(fake.url))

    asyncio.run(main())
    assert "cookie" not in fake.recorded[-1].headers


@pytest.mark.parametrize("way", ["direct"], indirect=True)
def test_a_loopback_host_is_never_asked_through_a_proxy(fake: FakeOllama, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert asyncio.run(get(endpoint(fake.url)))[0] == 200


def test_other_hosts_are_asked_through_the_proxy_of_the_environment(
    fake: FakeOllama, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", fake.url)
    asyncio.run(get(endpoint("http://gpu-box.test:8000")))
    assert fake.recorded[-1].path == "http://gpu-box.test:8000/api/tags"


def test_a_path_of_the_host_is_kept(fake: FakeOllama) -> None:
    asyncio.run(get(endpoint(f"{fake.url}/ollama/v1")))
    assert fake.recorded[-1].path == "/ollama/api/tags"


# ---- redirects -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [307, 308])
def test_a_redirect_that_keeps_the_request_is_followed(fake: FakeOllama, status: int) -> None:
    with FakeOllama() as other:
        fake.redirects(f"{other.url}/api/tags?a=b%20c#part", status, path="/api/tags")
        assert asyncio.run(get(trusted(fake)))[0] == 404  # the fake has no such path with a query
        assert other.recorded[-1].path == "/api/tags?a=b%20c"
        assert other.recorded[-1].headers["authorization"] == f"Bearer {KEY}"


def test_the_key_stays_behind_where_a_redirect_leaves_the_trusted_port(fake: FakeOllama) -> None:
    with FakeOllama() as other:
        fake.redirects(f"{other.url}/api/tags", path="/api/tags")
        where = endpoint(fake.url, key=KEY, trusted_hosts=f"127.0.0.1:{fake.port}")
        assert asyncio.run(get(where))[0] == 200
        assert fake.recorded[-1].headers["authorization"] == f"Bearer {KEY}"
        assert "authorization" not in other.recorded[-1].headers


@pytest.mark.parametrize("status", [301, 302, 303, 307])
def test_other_redirects_are_errors(fake: FakeOllama, status: int) -> None:
    fake.redirects("http://elsewhere.test/api/tags", status, path="/api/tags")
    with pytest.raises(ServerError, match="redirect"):
        asyncio.run(get(endpoint(fake.url)))


def test_a_circle_of_redirects_ends(fake: FakeOllama) -> None:
    fake.redirects("/api/tags", path="/api/tags")
    with pytest.raises(ServerError, match="more than 5 times"):
        asyncio.run(get(endpoint(fake.url)))
    assert len(fake.recorded) == 6


# ---- no answer -------------------------------------------------------------------------------------------------


def test_nobody_listens() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        failure = fails(get(endpoint(f"http://localhost:{free.getsockname()[1]}")))
    assert (failure.kind, failure.detail) == ("refused", "connection refused")


def test_the_connection_ends_without_an_answer(fake: FakeOllama) -> None:
    fake.closes_before_headers()
    failure = fails(open_exchange(endpoint(fake.url), "POST", "/api/chat", b'{"model": "smollm2:135m"}'))
    assert (failure.kind, failure.reused) == ("closed", False)


def test_a_connection_that_was_closed_while_idle_is_told_apart(fake: FakeOllama) -> None:
    fake.drops_reused = True

    async def main() -> None:
        await get(endpoint(fake.url))
        await get(endpoint(fake.url))

    failure = fails(main())
    assert (failure.kind, failure.reused) == ("closed", True)


def test_https_where_plain_http_is_spoken(fake: FakeOllama) -> None:
    assert fails(get(endpoint(f"https://127.0.0.1:{fake.port}"))).kind == "tls"


def test_something_else_answers() -> None:
    async def main() -> None:
        async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"220 mail.test ESMTP\r\n\r\n")
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(greet, "127.0.0.1", 0)
        async with server:
            await get(endpoint(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"))

    assert fails(main()).kind == "not http"


@pytest.mark.parametrize(
    ("error", "kind", "temporary"),
    [
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "unknown host", False),
        (socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution"), "unknown host", True),
        (OSError(113, "No route to host"), "no route", True),
        (TimeoutError("timed out"), "timeout", False),
        (ConnectionRefusedError(111, "refused"), "refused", False),
        (BaseExceptionGroup("all", [OSError(99, "no address"), ConnectionRefusedError(111, "no")]), "refused", False),
    ],
)
def test_how_a_connection_failed_is_told_apart(error: BaseException, kind: str, temporary: bool) -> None:
    import httpx

    wrapped = httpx.ConnectError("All connection attempts failed")
    wrapped.__cause__ = error
    failure = transport.failure.failure_of(wrapped, reused=False)
    assert (failure.kind, failure.temporary) == (kind, temporary)
    assert failure.__cause__ is None
    assert failure.__context__ is None


# ---- the key ---------------------------------------------------------------------------------------------------


def test_the_key_goes_to_no_host_that_is_not_trusted(fake: FakeOllama) -> None:
    asyncio.run(get(endpoint(fake.url, key=KEY)))
    assert "authorization" not in fake.recorded[-1].headers
    assert KEY.encode() not in fake.recorded[-1].body


def test_user_and_password_go_as_basic_and_not_in_the_url(fake: FakeOllama) -> None:
    asyncio.run(get(endpoint(f"http://ada:love%20lace@127.0.0.1:{fake.port}")))
    assert fake.recorded[-1].headers["authorization"] == "Basic YWRhOmxvdmUgbGFjZQ=="
    assert fake.recorded[-1].path == "/api/tags"


def test_a_key_that_cannot_be_sent_is_not_shown(fake: FakeOllama) -> None:
    where = Endpoint("local", trusted(fake).host, Secret(f"Bearer {KEY}\nX: y"))
    with pytest.raises(SettingsError) as caught:
        asyncio.run(get(where))
    assert KEY not in shown(caught.value)
    assert not fake.recorded


def shown(error: BaseException) -> str:
    """All that a traceback with locals would print of an error and of what caused it."""
    return "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format()) + repr(error)


ECHO = f'{{"error": "no access for Bearer {KEY}, you sent {KEY}"}}'


@pytest.mark.parametrize("status", [200, 400, 401, 403, 404, 429, 500, 503])
def test_the_key_is_in_no_log_error_or_traceback_even_when_the_server_sends_it_back(
    fake: FakeOllama, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    fake.fails(status, ECHO, {"X-Echo": f"Bearer {KEY}", "WWW-Authenticate": KEY}, path="/api/tags")
    caplog.set_level(logging.DEBUG)
    for name in ("httpx", "httpcore", "httpcore.http11", "httpcore.connection", "asyncio"):
        caplog.set_level(logging.DEBUG, name)
    error = None
    try:
        asyncio.run(send(trusted(fake), Call("GET", "/api/tags"), Retry(tries=1)), debug=True)
    except OllamaMagicError as caught:
        error = caught
    assert fake.recorded[-1].headers["authorization"] == f"Bearer {KEY}"
    assert any(record.name == "httpcore.http11" for record in caplog.records), "nothing was logged: a test of nothing"
    assert KEY not in "".join(f"{record.getMessage()} {record.__dict__}" for record in caplog.records)
    assert (error is None) == (status == 200)
    assert error is None or KEY not in shown(error) + str(error)


def test_the_key_is_in_no_traceback_of_a_lost_or_cancelled_request(fake: FakeOllama) -> None:
    fake.closes_before_headers().then().stalls_before_headers()
    call = Call("POST", "/api/chat", b'{"model": "smollm2:135m"}')

    async def cancelled() -> None:
        task = asyncio.ensure_future(send(trusted(fake), call, Retry()))
        await asyncio.to_thread(fake.asked.wait, 5)
        task.cancel()
        await task

    with pytest.raises(OllamaMagicError) as lost:
        asyncio.run(send(trusted(fake), call, Retry()))
    fake.asked.clear()
    with pytest.raises(asyncio.CancelledError) as stopped:
        asyncio.run(cancelled())
    assert len(fake.recorded) == 2
    assert KEY not in shown(lost.value) + shown(stopped.value)


@pytest.mark.slow
def test_half_a_key_at_the_end_of_what_is_kept_of_a_long_body_is_hidden_too(fake: FakeOllama) -> None:
    async def main() -> None:
        for length in range(0, 4000, 7):
            fake.fails(400, json.dumps({"error": "x" * length + KEY + "y" * 4000}), path="/api/tags")
            with pytest.raises(OllamaMagicError) as caught:
                await send(trusted(fake), Call("GET", "/api/tags"), Retry())
            assert KEY[:6] not in str(caught.value)

    asyncio.run(main())
