"""To which server a key or a password gets, seen from the servers: over TLS, through a proxy, after redirects."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import itertools
import string
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx
import pytest

import ollama_magic
from ollama_magic.client import Client
from ollama_magic.endpoint import endpoint_for
from ollama_magic.errors import OllamaMagicError, SettingsError
from ollama_magic.hosts import may_receive_key, parse_host
from ollama_magic.layers import Layer, resolve
from ollama_magic.retry import Retry
from tests.secrets.planted import KEY, PASSWORD, found_in, shown, with_password
from tests.tables import folded

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.fake_ollama import FakeOllama
    from tests.secrets.internet import Internet

BEARER = f"Bearer {KEY}"
BASIC = "Basic " + base64.b64encode(f"ada:{PASSWORD}".encode()).decode()
ONCE = Retry(tries=1)


def asked(**settings: object) -> OllamaMagicError | None:
    """The error of listing the models."""
    try:
        made = Client(resolve(Layer("cell", {"key": KEY, **settings})), retry=ONCE)
        settings.clear()  # a traceback shows this function's variables too
        asyncio.run(made.tags())
    except OllamaMagicError as error:
        return error
    return None


# ---- as an option of a model -----------------------------------------------------------------------------------


async def _asked_by_client(**options: object) -> None:
    given = [dict(options)]
    options.clear()
    async with Client(host="localhost:9", model="m") as client:
        await client.ask("x", **given.pop())


def _python(name: str) -> list[Callable[[], object]]:
    key = {name: KEY}
    return [
        lambda: ollama_magic.ask("x", **key),
        lambda: ollama_magic.ask("x", options=dict(key)),
        lambda: ollama_magic.Chat("talk", **key)("x"),
        lambda: ollama_magic.compare("x", ["m"], **key),
        lambda: ollama_magic.sweep("x", {"top_k": [1]}, **key),
        lambda: ollama_magic.sweep("x", {name: [KEY]}),
        lambda: ollama_magic.map(["a"], "x {text}", **key),
        lambda: ollama_magic.embed("a", **key),
        lambda: ollama_magic.evaluate("a", ["m"], ["a"], **key),
        lambda: ollama_magic.evaluate("a", [{"model": "m", **key}], ["a"]),
        lambda: ollama_magic.evaluate("a", ["m"], [ollama_magic.judge("Good?", "m", **key)]),
        lambda: ollama_magic.connect(options=dict(key)),
        lambda: ollama_magic.connect(**key),
        lambda: asyncio.run(_asked_by_client(**key)),
    ]


def test_a_key_by_another_name_is_no_option_of_a_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server in use would get it, and Ollama writes the options that it does not know into its log."""
    monkeypatch.setenv("OLLAMA_HOST", "http://localhost:9")
    calls = [call for name in ("api_key", "API_KEY", "token", "auth") for call in _python(name)]
    for call in calls:
        with pytest.raises(SettingsError) as caught:
            call()
        assert found_in(f"{caught.value}") == []
        assert "sends it" not in caught.value.hint
    monkeypatch.setenv("OLLAMA_MAGIC_OPTIONS", f"api_key={KEY}")
    with pytest.raises(SettingsError) as caught:
        ollama_magic.ask("x")
    assert found_in(f"{caught.value}") == []


# ---- by name ---------------------------------------------------------------------------------------------------


def test_ollama_com_gets_the_key_through_tls_and_the_proxy_does_not(internet: Internet) -> None:
    internet.server("https://ollama.com")
    assert asked(mode="cloud") is None
    assert internet.reached == {"ollama.com:443": [BEARER]}
    assert internet.asked == ["ollama.com:443"]
    assert found_in(*internet.heads) == []


CYRILLIC = "оllama.com".encode("idna").decode()  # its first letter is

# What reads like ollama.com, and where it would go; None where it goes nowhere.
ALIKE = [
    ("http://ollama.com:80/", "ollama.com:443"),
    ("ollama.com", "ollama.com:443"),
    ("HTTPS://OLLAMA.COM:0443", "ollama.com:443"),
    ("http://ollama.com:11434", "ollama.com:11434"),
    ("https://ollama.com:8443", "ollama.com:8443"),
    ("https://ollama.com.evil.test", "ollama.com.evil.test:443"),
    ("https://x:ollama.com@evil.test", "evil.test:443"),
    ("https://ollama.com:443@evil.test", "evil.test:443"),
    ("https://evil.test/ollama.com", "evil.test:443"),
    ("https://evil.test:443/https:/ollama.com", "evil.test:443"),
    ("https://оllama.com", f"{CYRILLIC}:443"),
    ("https://ollama.com@evil.test", None),
    ("https://ollama.com\\@evil.test", None),
    ("https://ollama.com%2eevil.test", None),
    ("https://ollama.com%00.evil.test", None),
    ("https://ollama.com/../", None),
    ("https://ollama.com//evil.test", None),
    ("https:///ollama.com", None),
    ("https://ollama.com.", None),
    ("https://ollama.com.:443", None),
    ("https://ollama.com:443:80", None),
    ("https://ollama.com:４４３", None),
    ("https://ollama.com\t.evil.test", None),
    ("https://ollama.com\n", "ollama.com:443"),
    ("https://ollama.com\r\nHost: evil.test", None),
    ("https://[::ffff:ollama.com]", None),
    ("https://ollama\u3002com", None),
    ("https://ollama.com\u2044evil.test", None),  # a slash of fractions
    ("https://ollama.com\uff0fevil.test", None),  # a fullwidth slash
    ("https://evil.test#@ollama.com", None),
    ("https://evil.test?@ollama.com", None),
    ("https://ollama.com;evil.test", None),
    ("https://ollama.com,evil.test", None),
]


@pytest.mark.slow
def test_what_only_reads_like_ollama_com_gets_nothing(internet: Internet) -> None:
    """Each form as OLLAMA_HOST: every request is looked at where it came in, under all of the names."""
    for url in ("https://ollama.com", "https://evil.test", "https://ollama.com.evil.test", "https://ollama.com:8443"):
        internet.server(url)
    internet.server(f"https://{CYRILLIC}")
    internet.server("http://ollama.com:11434")
    for text, where in ALIKE:
        internet.forget()
        error = asked(host=text)
        reached = dict(internet.reached)
        assert list(reached) == ([where] if where else []), ascii(text)
        assert where or error is not None, ascii(text)
        if where == "ollama.com:443":
            assert reached[where] == [BEARER], ascii(text)
        elif where:
            assert found_in(repr(reached)) == [], ascii(text)
        assert found_in(*internet.heads) == [], ascii(text)
        assert error is None or found_in(shown(error)) == [], ascii(text)


def test_whoever_poses_as_ollama_com_without_its_certificate_gets_nothing(internet: Internet) -> None:
    """A name server or a proxy that lies: the connection gets there, and ends before a request."""
    internet.server("https://ollama.com:444", known=False)
    internet.server("https://ollama.com:445", certificate_for="evil.test")
    for port in (444, 445):
        error = asked(host=f"https://ollama.com:{port}", trusted_hosts=f"ollama.com:{port}")
        assert error is not None
        assert "certificate" in error.message
    assert internet.asked == ["ollama.com:444", "ollama.com:445"]
    assert internet.reached == {}
    assert found_in(*internet.heads) == []


def test_a_name_that_leads_to_this_machine_is_not_this_machine(fake: FakeOllama, internet: Internet) -> None:
    """Plain http is trusted on the loopback interface by its own names alone, whatever a name server says."""
    internet.server("http://gateway.test:5000")
    assert asked(host="http://gateway.test:5000", trusted_hosts="gateway.test localhost 127.0.0.1") is None
    assert internet.reached == {"gateway.test:5000": [None]}
    assert asked(host="http://gateway.test:5000", trusted_hosts="gateway.test", mode="cloud") is not None
    assert len(internet.asked) == 1


PIECES = [
    "ollama.com",
    "https://",
    "http://",
    "@",
    ":",
    "/",
    "\\",
    "?",
    "#",
    "%2e",
    "%40",
    ".",
    "..",
    "evil.test",
    "443",
]
PIECES += ["[", "]", "::1", "localhost", "ada:pw@", "\u3002", "\uff0e", "\u200b", "\t", "xn--", "OLLAMA.com"]


@pytest.mark.slow
def test_no_other_reader_sees_another_server_than_the_one_that_the_key_was_decided_for() -> None:
    """All short combinations of what addresses are made of: whoever may have the key is ollama.com for httpx and for
    the standard library too, read from the address as written."""
    decided = 0
    for parts in itertools.chain.from_iterable(itertools.product(PIECES, repeat=n) for n in (1, 2, 3)):
        text = "".join(parts)
        try:
            host = parse_host(text)
        except SettingsError:
            continue
        if not may_receive_key(host, ()):
            continue
        decided += 1
        assert (host.scheme, host.hostname, host.port) == ("https", "ollama.com", 443)
        url = text.strip() if "://" in text else f"https://{text.strip()}"
        assert urlsplit(url).hostname == "ollama.com", ascii(text)
        with contextlib.suppress(httpx.InvalidURL):  # a port that is none; Ollama takes the usual one then
            assert httpx.URL(url).host == "ollama.com", ascii(text)
        assert set(text.strip()) <= set(string.printable), ascii(text)
    assert decided > 20


# ---- redirects -------------------------------------------------------------------------------------------------


GATEWAY = {"host": "https://gw.test", "trusted_hosts": "https://gw.test", "mode": "local"}
AWAY = [
    "https://evil.test/api/tags",
    "https://gw.test.evil.test/",
    "http://gw.test/api/tags",
    "http://gw.test:443/api/tags",
    "https://gw.test@evil.test/",
    "https://gw.test:443@evil.test/",
    "https://ada:pw@gw.test/api/tags",
    "//evil.test/api/tags",
    "/\\evil.test/api/tags",
    "\\\\evil.test/api/tags",
    "https:\\\\evil.test/api/tags",
    "ftp://gw.test/",
    "file:///etc/passwd",
    "https://gw.test./api/tags",
    "https://gw%2etest/api/tags",
    "https://ollama.com/api/tags",
    f"https://evil.test/?key={KEY.encode('unicode_escape').decode()}",
]


@pytest.mark.slow
def test_a_redirect_takes_the_key_nowhere_else(internet: Internet) -> None:
    gateway = internet.server("https://gw.test")
    for url in ("https://evil.test", "http://gw.test", "https://ollama.com", "https://gw.test:444"):
        internet.server(url)
    for location in AWAY:
        for status in (301, 302, 303, 307, 308):
            internet.forget()
            gateway.redirects(location, status, path="/api/tags")
            error = asked(**GATEWAY)
            assert error is not None, location
            assert internet.reached == {"gw.test:443": [BEARER]}, location
            assert found_in(shown(error), *internet.heads) == [], location


def test_a_redirect_within_the_server_keeps_the_key_and_one_to_another_port_loses_it(internet: Internet) -> None:
    gateway = internet.server("https://gw.test")
    internet.server("https://gw.test:444")
    gateway.redirects("https://GW.test:443/api/tags", path="/api/tags")
    gateway.redirects("https://gw.test:444/api/tags", path="/api/tags", times=2)
    assert asked(**GATEWAY) is None
    assert internet.reached == {"gw.test:443": [BEARER, BEARER], "gw.test:444": [None]}


def test_a_password_follows_its_server_from_http_to_https_and_nowhere_else(internet: Internet) -> None:
    plain = internet.server("http://gw.test")
    secure = internet.server("https://gw.test")
    other = internet.server("https://gw.test:444")
    plain.redirects("https://gw.test/api/tags", path="/api/tags")
    assert asked(host=with_password("http://gw.test")) is None
    assert internet.reached == {"gw.test:80": [BASIC], "gw.test:443": [BASIC]}
    internet.forget()
    plain.redirects("https://gw.test:444/api/tags", path="/api/tags")
    other.redirects("https://gw.test/api/tags", path="/api/tags")
    assert asked(host=with_password("http://gw.test")) is None
    assert internet.reached == {"gw.test:80": [BASIC], "gw.test:443": [None], "gw.test:444": [None]}
    internet.forget()
    secure.redirects("http://gw.test/api/tags", path="/api/tags")
    error = asked(host=with_password("https://gw.test"))
    assert error is not None
    assert internet.reached == {"gw.test:443": [BASIC]}
    assert found_in(shown(error), *internet.heads) == []


@pytest.mark.slow
@folded("status", [301, 302, 303, 307, 308])
def test_a_server_that_puts_the_key_into_a_redirect_is_not_quoted(fake: FakeOllama, status: int) -> None:
    header = KEY.replace("\\", "%5C").replace('"', "%22").replace("<", "%3C")
    for location in (
        f"https://evil.test/{header}/x",
        f"https://evil.test/?authorization=Bearer%20{header}",
        f"https://{header}@evil.test/",
        f"https://ada:{header}@evil.test/",
        "https://Planted7Q4x9Zr2Lw8Kd.evil.test/",
        f"/{KEY}",
        KEY,
    ):
        fake.forget().redirects(location, status, path="/api/tags")
        error = asked(host=fake.url, trusted_hosts="127.0.0.1")
        assert error is not None
        if "://Planted" not in location:  # the middle of the key alone is not the key
            assert found_in(shown(error)) == [], location


def test_each_retry_carries_the_key_to_the_same_server_alone(internet: Internet) -> None:
    internet.server("https://gw.test").fails(503, b'{"error": "later"}', times=2, path="/api/tags").fails(
        200, b'{"models": []}', path="/api/tags"
    )

    async def at_once(seconds: float) -> None:
        pass

    made = Client(resolve(Layer("cell", {"key": KEY, **GATEWAY})), retry=Retry(sleep=at_once))
    asyncio.run(made.tags())
    assert internet.reached == {"gw.test:443": [BEARER] * 3}
    assert found_in(*internet.heads) == []


def test_every_request_of_a_host_is_decided_by_one_function() -> None:
    """The table of tests/test_endpoint.py speaks of `endpoint_for`: a client has no other way to a header."""
    for host, trusted in (("https://gw.test", ""), ("http://gw.test", "gw.test"), ("https://ollama.com:444", "")):
        settings = resolve(Layer("cell", {"key": KEY, "host": host, "trusted_hosts": trusted}))
        assert endpoint_for(settings).authorization is None
        assert Client(settings).endpoint.authorization is None
