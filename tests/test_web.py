"""Web search and fetch: where the key goes, and what comes back."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ollama_magic.errors import SettingsError
from ollama_magic.events import ToolCall
from ollama_magic.session import Session
from ollama_magic.tools import LONGEST_RESULT, Outcome, run_tool
from ollama_magic.web import web_tools
from tests.fake_ollama import FakeOllama
from tests.questions import KEY

RESULTS = {
    "results": [
        {"title": "Ollama", "url": "https://ollama.com", "content": "Run models.", "rank": 1},
        {"title": "Blog", "url": "https://ollama.com/blog", "content": "x" * 50_000},
        "odd",
        {"url": None},
    ]
}


@pytest.fixture
def gateway(fake: FakeOllama, monkeypatch: pytest.MonkeyPatch) -> FakeOllama:
    """A cloud of our own that the user trusts."""
    monkeypatch.setenv("OLLAMA_HOST", fake.url)
    monkeypatch.setenv("OLLAMA_MAGIC_TRUSTED_HOSTS", f"127.0.0.1:{fake.port}")
    monkeypatch.setenv("OLLAMA_API_KEY", KEY)
    return fake.requires_key(KEY)


def says(fake: FakeOllama, path: str, value: Any, status: int = 200) -> None:
    fake.fails(status, json.dumps(value), path=path)


def called(name: str, **arguments: Any) -> Outcome:
    tools = web_tools(Session().settings())
    return run_tool(tools, ToolCall(name, arguments), run_async=lambda awaitable: awaitable)


def test_without_a_key_it_says_what_to_do() -> None:
    with pytest.raises(SettingsError, match="none is set") as caught:
        web_tools(Session().settings())
    assert "OLLAMA_API_KEY" in caught.value.hint


def test_a_search_goes_to_the_trusted_host_with_the_key(gateway: FakeOllama) -> None:
    says(gateway, "/api/web_search", RESULTS)
    outcome = called("web_search", query="ollama", max_results=99)
    [request] = gateway.recorded
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.json == {"query": "ollama", "max_results": 10}
    found = json.loads(outcome.text)
    assert [each["title"] for each in found] == ["Ollama", "Blog", ""]
    assert set(found[0]) == {"title", "url", "content"}
    assert len(outcome.text) <= LONGEST_RESULT


def test_all_results_are_shown_of_many_long_ones(gateway: FakeOllama) -> None:
    says(gateway, "/api/web_search", {"results": [{"title": f"t{n}", "content": "x" * 9000} for n in range(10)]})
    found = json.loads(called("web_search", query="q").text)
    assert [each["title"] for each in found] == [f"t{n}" for n in range(10)]


def test_a_page_is_read(gateway: FakeOllama) -> None:
    says(gateway, "/api/web_fetch", {"title": "T", "content": "c" * 90_000, "links": [f"l{n}" for n in range(99)]})
    outcome = called("web_fetch", url="https://ollama.com")
    assert gateway.recorded[0].json == {"url": "https://ollama.com"}
    page = json.loads(outcome.text)
    assert page["title"] == "T"
    assert len(page["links"]) == 20


@pytest.mark.parametrize("body", ["[]", '"text"', "{}", '{"results": null}', '{"results": 5}'])
def test_odd_answers_are_no_results(gateway: FakeOllama, body: str) -> None:
    gateway.fails(200, body, path="/api/web_search")
    assert called("web_search", query="q").text in ("[]", "Done; it returned nothing.")


def test_a_refusal_is_a_result_for_the_model_without_the_key(gateway: FakeOllama) -> None:
    says(gateway, "/api/web_search", {"error": f"bad key {KEY}"}, 401)
    outcome = called("web_search", query="q")
    assert outcome.failed
    assert KEY not in outcome.text


def test_a_server_that_nobody_trusts_never_sees_the_key(fake: FakeOllama, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLLAMA_API_KEY", KEY)
    settings = Session().settings({"host": fake.url})
    tools = web_tools(settings)  # would ask https://ollama.com, whatever the host
    assert [tool.name for tool in tools] == ["web_search", "web_fetch"]
    assert settings.at_cloud("--web").host is not settings.host
    assert not fake.recorded


def test_a_redirect_does_not_carry_the_key_away(gateway: FakeOllama) -> None:
    with FakeOllama() as other:
        gateway.redirects(f"{other.url}/api/web_search", path="/api/web_search")
        says(other, "/api/web_search", RESULTS)
        called("web_search", query="q")
        assert all("authorization" not in request.headers for request in other.recorded)
