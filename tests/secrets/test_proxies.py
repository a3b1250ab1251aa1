"""A proxy of the environment: it gets its own password, and no key; one that cannot be used is told without it."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest

from tests.secrets.planted import PASSWORD, found_in, shown
from tests.secrets.test_who_gets_it import BEARER, asked
from tests.tables import folded

if TYPE_CHECKING:
    from tests.secrets.internet import Internet


def test_the_proxys_password_gets_to_the_proxy_alone(internet: Internet, monkeypatch: pytest.MonkeyPatch) -> None:
    internet.enter_through(monkeypatch, "ada:open%20sesame@")
    internet.server("https://ollama.com")
    server = internet.server("http://gpu.test:11434")
    assert asked(mode="cloud") is None
    assert asked(host="http://gpu.test:11434") is None
    sent = "Proxy-Authorization: Basic " + base64.b64encode(b"ada:open sesame").decode()
    assert all(sent.lower() in head.lower() for head in internet.heads)
    assert found_in(*internet.heads) == []
    assert internet.reached == {"ollama.com:443": [BEARER], "gpu.test:11434": [None]}
    assert "proxy-authorization" not in internet.server("https://ollama.com").recorded[0].headers
    assert server.recorded


@folded(
    "proxy",
    [
        f"http://ada:{PASSWORD}@127.0.0.1:1",
        f"http://ada:{PASSWORD}@127.0.0.1:none",
        f"gopher://ada:{PASSWORD}@proxy.test",
        f"http://ada:{PASSWORD}",
        f"socks5://ada:{PASSWORD}@127.0.0.1:1",
        f"http://ada:{PASSWORD} @ [",
    ],
)
def test_a_proxy_that_cannot_be_used_is_an_error_without_its_password(proxy: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HTTPS_PROXY", proxy)
        error = asked(mode="cloud")
    assert error is not None
    assert "HTTPS_PROXY" in error.hint or "refused" in error.message
    assert found_in(shown(error)) == []


def test_certificates_that_cannot_be_read_are_an_error(monkeypatch: pytest.MonkeyPatch, internet: Internet) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere/at/all.pem")
    error = asked(mode="cloud")
    assert error is not None
    assert "SSL_CERT_FILE" in error.message
    assert internet.heads == []
