"""Who is asked, and who gets the key: one table for the whole question."""

from __future__ import annotations

import base64
import copy
from pathlib import Path

import pytest

from ollama_magic.endpoint import Endpoint, authorization_for, bearer, endpoint_for, may_fall_back, redirect_target
from ollama_magic.errors import ServerError, SettingsError, Unsupported
from ollama_magic.hosts import CLOUD, LOCAL, parse_host, parse_trusted
from ollama_magic.layers import Layer, environment_layer, resolve
from ollama_magic.secret import Secret
from tests.tables import folded

KEY = "sk-secret-0123456789"
BEARER = f"Bearer {KEY}"


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


def endpoint(**values):
    return endpoint_for(resolve(Layer("cell", values)))


def header(target: Endpoint) -> str | None:
    return target.authorization.reveal() if target.authorization else None


# (settings, mode, url, Authorization). The key is always set.
WHO_GETS_THE_KEY = [
    ({}, "local", "http://localhost:11434", None),
    ({"host": ""}, "local", "http://localhost:11434", None),
    ({"mode": "local"}, "local", "http://localhost:11434", None),
    ({"host": "127.0.0.1"}, "local", "http://127.0.0.1:11434", None),
    ({"host": "https://gw.example"}, "local", "https://gw.example", None),
    ({"host": "https://ollama.com.evil"}, "local", "https://ollama.com.evil", None),
    ({"host": "https://ollama.com:444"}, "local", "https://ollama.com:444", None),
    ({"host": "http://ollama.com:11434"}, "local", "http://ollama.com:11434", None),
    ({"host": "https://gw.example", "trusted_hosts": "gw.example"}, "local", "https://gw.example", BEARER),
    ({"host": "https://gw.example", "trusted_hosts": "other.example"}, "local", "https://gw.example", None),
    ({"host": "http://gw.example", "trusted_hosts": "gw.example"}, "local", "http://gw.example", None),
    ({"host": "http://localhost:5", "trusted_hosts": "localhost:5"}, "local", "http://localhost:5", BEARER),
    ({"host": "http://127.0.0.1:5", "trusted_hosts": "localhost:5"}, "local", "http://127.0.0.1:5", None),
    ({"trusted_hosts": "localhost"}, "local", "http://localhost:11434", BEARER),
    ({"host": "http://me:pw@h"}, "local", "http://h", basic("me:pw")),
    ({"host": "https://me:p%40w@gw.a", "trusted_hosts": "gw.a"}, "local", "https://gw.a", basic("me:p@w")),
    ({"host": "ollama.com"}, "cloud", "https://ollama.com", BEARER),
    ({"host": "http://ollama.com/v1"}, "cloud", "https://ollama.com", BEARER),
    ({"mode": "cloud"}, "cloud", "https://ollama.com", BEARER),
    ({"mode": "cloud", "host": ""}, "cloud", "https://ollama.com", BEARER),
    ({"mode": "cloud", "host": "https://ollama.com/api/"}, "cloud", "https://ollama.com", BEARER),
    ({"mode": "cloud", "host": "http://[::1]:5", "trusted_hosts": "[::1]:5"}, "cloud", "http://[::1]:5", BEARER),
    ({"mode": "cloud", "host": "https://gw.a/o", "trusted_hosts": "gw.a"}, "cloud", "https://gw.a/o", BEARER),
]  # fmt: skip


@folded(("values", "mode", "url", "authorization"), WHO_GETS_THE_KEY)
def test_who_gets_the_key(values, mode, url, authorization):
    found = endpoint(key=KEY, **values)
    assert (found.mode, found.host.url, header(found)) == (mode, url, authorization)
    assert found.surfaces == (("native",) if mode == "cloud" else ("openai", "native"))


@folded(("values", "mode", "url", "authorization"), WHO_GETS_THE_KEY)
def test_an_endpoint_shows_no_secret(values, mode, url, authorization):
    found = endpoint(key=KEY, **values)
    for shown in (repr(found), str(found), repr(copy.deepcopy(found))):
        assert "secret" not in shown
        assert "pw" not in shown
    assert Secret(KEY) in found.secrets


REFUSED = [
    ({"mode": "cloud", "key": None}, "needs an API key", "%ollama login"),
    ({"host": "ollama.com", "key": None}, "needs an API key", "OLLAMA_API_KEY"),
    ({"mode": "cloud", "host": "http://localhost:11434"}, "may not have the key; nothing was sent", "mode local"),
    ({"mode": "cloud", "host": "https://gw.example"}, "https://gw.example", "TRUSTED_HOSTS"),
    ({"mode": "cloud", "host": "http://gw.example", "trusted_hosts": "gw.example"}, "http://gw.example", "https"),
    ({"mode": "cloud", "host": "https://ollama.com:444"}, "https://ollama.com:444", "https://ollama.com"),
    ({"mode": "cloud", "host": "https://ollama.com.evil"}, "ollama.com.evil", "https://ollama.com"),
    ({"mode": "cloud", "host": "https://me:pw@gw.example"}, "***@gw.example", "TRUSTED_HOSTS"),
    ({"mode": "local", "host": "ollama.com"}, "Mode local", "mode cloud"),
]


@folded(("values", "message", "hint"), REFUSED)
def test_what_is_refused_before_anything_is_sent(values, message, hint):
    with pytest.raises(SettingsError) as caught:
        endpoint(**{"key": KEY, **values})
    assert message in caught.value.message
    assert "cell" in caught.value.message
    assert hint in caught.value.hint
    assert KEY not in str(caught.value)
    assert "pw" not in str(caught.value)


def test_the_cloud_serves_one_surface():
    with pytest.raises(Unsupported, match="/api only"):
        endpoint(mode="cloud", key=KEY, api="openai")
    assert endpoint(mode="cloud", key=KEY, api="native").api == "native"
    assert endpoint(api="openai").api == "openai"


def test_the_embedded_engine_makes_its_own():
    with pytest.raises(ValueError, match="embedded"):
        endpoint(mode="embedded")


def test_an_endpoint_knows_where_its_host_was_set():
    settings = resolve(environment_layer({"OLLAMA_HOST": "gpu:1"}))
    assert endpoint_for(settings).host_origin == "environment: OLLAMA_HOST"
    assert endpoint().host_origin == "default"


# ---- a folder's file ------------------------------------------------------------------------------------------


def dotenv(**values):
    return Layer(".env", values, file=Path("/somewhere/.env"))


TRUST = {"host": "https://gw.example", "trusted_hosts": "gw.example"}


@folded("mode", ["local", "cloud"])
def test_a_folders_file_may_not_say_where_my_key_goes(mode):
    with pytest.raises(SettingsError, match="nothing was sent") as caught:
        endpoint_for(resolve(Layer("environment", {"key": KEY}), dotenv(mode=mode, **TRUST)))
    assert "OLLAMA_MAGIC_TRUSTED_HOSTS" in caught.value.hint


@folded(
    ("layers", "expected"),
    [
        ([dotenv(key=KEY, **TRUST)], BEARER),
        (
            [Layer("environment", {"trusted_hosts": "gw.example", "key": KEY}), dotenv(host="https://gw.example")],
            BEARER,
        ),
        ([Layer("environment", {"trusted_hosts": "gw.example"}), dotenv(host="https://gw.example", key=KEY)], BEARER),
        ([Layer("environment", {"key": KEY}), dotenv(trusted_hosts="gw.example")], None),
        ([Layer("environment", {"key": KEY}), dotenv(trusted_hosts="gw.example", host="ollama.com")], BEARER),
        ([Layer("environment", {"key": KEY}), dotenv(**{**TRUST, "host": "https://a:b@gw.example"})], basic("a:b")),
        ([dotenv(**TRUST)], None),
    ],
)
def test_what_a_folders_file_may_do(layers, expected):
    assert header(endpoint_for(resolve(*layers))) == expected


# ---- falling back ----------------------------------------------------------------------------------------------


@folded(
    ("values", "expected"),
    [
        ({}, True),
        ({"temperature": 0, "system": "x", "key": KEY}, True),
        ({"model": ""}, True),
        ({"model": "m"}, False),
        ({"mode": "local"}, False),
        ({"mode": "cloud"}, False),
        ({"host": "http://localhost:11434"}, False),
        ({"host": "gpu"}, False),
        ({"host": ""}, True),
    ],
)
@folded("label", ["cell", "%ollama", "configuration"])
def test_the_built_in_model_answers_only_where_nothing_was_named(values, expected, label):
    assert may_fall_back(resolve(Layer("cell", {}), Layer(label, values))) is expected


def test_use_direct_cloud_off_is_no_choice():
    assert may_fall_back(resolve(environment_layer({"USE_DIRECT_CLOUD": "0"})))


# ---- redirects -------------------------------------------------------------------------------------------------

CLOUD_KEY = endpoint(mode="cloud", key=KEY)
GATEWAY = endpoint(host="https://gw.example/sub", trusted_hosts="gw.example:443", key=KEY)
PLAIN_GATEWAY = endpoint(host="http://gw.example", trusted_hosts="https://gw.example", key=KEY)
LOOPBACK = endpoint(host="http://localhost:5", trusted_hosts="http://localhost:5", key=KEY)
WITH_PASSWORD = endpoint(host="http://me:pw@gw.example", key=KEY)
EMBEDDED = Endpoint("embedded", parse_host("127.0.0.1:5"), bearer(Secret("random")), dialect="llama.cpp")


@folded(
    ("start", "from_url", "to_url", "host", "authorization"),
    [
        (CLOUD_KEY, "https://ollama.com/api/chat", "https://ollama.com/x", "https://ollama.com", BEARER),
        (CLOUD_KEY, "https://ollama.com/api/chat", "https://OLLAMA.com:443/x", "https://ollama.com", BEARER),
        (CLOUD_KEY, "https://ollama.com/api/chat", "https://ollama.com:444/x", "https://ollama.com:444", None),
        (CLOUD_KEY, "https://ollama.com/api/chat", "/x/chat", "https://ollama.com", BEARER),
        (CLOUD_KEY, "https://ollama.com/api/chat", "https:evil", "https://ollama.com", BEARER),
        (GATEWAY, "https://gw.example/sub/a", "../b?c", "https://gw.example/sub", BEARER),
        (GATEWAY, "https://gw.example/sub/a", "https://gw.example/b?c#d", "https://gw.example/sub", BEARER),
        (GATEWAY, "https://gw.example/sub/a", "https://gw.example:444/", "https://gw.example:444/sub", None),
        (PLAIN_GATEWAY, "http://gw.example/a", "https://gw.example/a", "https://gw.example", BEARER),
        (PLAIN_GATEWAY, "http://gw.example/a", "http://gw.example:81/a", "http://gw.example:81", None),
        (LOOPBACK, "http://localhost:5/a", "http://localhost:5/b", "http://localhost:5", BEARER),
        (LOOPBACK, "http://localhost:5/a", "http://localhost:6/b", "http://localhost:6", None),
        (WITH_PASSWORD, "http://gw.example/a", "http://gw.example/b", "http://***@gw.example", basic("me:pw")),
        (WITH_PASSWORD, "http://gw.example/a", "https://gw.example/b", "https://***@gw.example", basic("me:pw")),
        (WITH_PASSWORD, "http://gw.example/a", "http://gw.example:81/b", "http://gw.example:81", None),
        (EMBEDDED, "http://127.0.0.1:5/a", "http://127.0.0.1:5/b", "http://127.0.0.1:5", "Bearer random"),
        (EMBEDDED, "http://127.0.0.1:5/a", "http://127.0.0.1:6/b", "http://127.0.0.1:6", None),
    ],
)
def test_authorization_is_decided_again_for_a_redirect(start, from_url, to_url, host, authorization):
    target = redirect_target(start, from_url, to_url)
    assert (target.host.display, header(target)) == (host, authorization)
    assert (target.mode, target.surfaces) == (start.mode, start.surfaces)


def test_ollama_com_in_plain_http_gets_no_key_from_a_redirect():
    start = endpoint(host="http://ollama.com:11434", key=KEY)
    assert header(redirect_target(start, "http://ollama.com:11434/a", "http://ollama.com/a")) is None
    assert header(redirect_target(start, "http://ollama.com:11434/a", "https://ollama.com/a")) == BEARER


def test_what_was_lost_on_the_way_does_not_come_back():
    step = redirect_target(WITH_PASSWORD, "http://gw.example/a", "http://gw.example:81/b")
    assert header(redirect_target(step, "http://gw.example:81/b", "http://gw.example/a")) is None


@folded(
    ("to_url", "named"),
    [
        ("https://evil.example/api/chat", "https://evil.example"),
        ("https://ollama.com.evil/api/chat", "https://ollama.com.evil"),
        ("https://www.ollama.com/api/chat", "https://www.ollama.com"),
        ("http://ollama.com/api/chat", "http://ollama.com"),
        ("https://ollama.com@evil.example/", "evil.example"),
        ("https://me:pw@ollama.com/", "ollama.com"),
        (r"https://ollama.com\@evil.example/", "evil.example"),
        ("https://ollama.com./", "ollama.com."),
        ("ftp://ollama.com/", "ftp://ollama.com"),
        ("//evil.example/", "//evil.example"),
        (r"/\evil.example/", "evil.example"),
        ("https:\\\\evil.example", "evil.example"),
        ("https://[evil.example/", "cannot be followed"),
        ("https://ollama.com/\n", "ollama.com"),
        ("", ""),
    ],
    ids=ascii,
)
def test_a_redirect_that_is_not_followed_names_both(to_url, named):
    with pytest.raises(ServerError) as caught:
        redirect_target(CLOUD_KEY, "https://ollama.com/api/chat", to_url)
    assert "https://ollama.com redirects to" in caught.value.message
    assert named in caught.value.message
    assert "pw" not in caught.value.message
    assert caught.value.hint


def test_authorization_for_takes_a_host_as_it_is():
    assert authorization_for(LOCAL, Secret(KEY), ()) is None
    assert authorization_for(LOCAL, None, parse_trusted("localhost")) is None
    assert authorization_for(CLOUD, Secret(""), ()) is None
    assert authorization_for(CLOUD, Secret(KEY), ()) == Secret(BEARER)
