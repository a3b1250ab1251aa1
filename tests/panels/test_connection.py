"""Connection, key, parameters, models: what is set, from where, what is wrong with it; the key never comes out."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from ollama_magic.session import Session
from tests.panels.page import Page

if TYPE_CHECKING:
    import pytest

    from tests.fake_ollama import FakeOllama

KEY = "sk-typed-0123456789abcdef"


def verdict(page: Page) -> dict[str, str]:
    """Press the button and wait for what it says."""
    assert page.say("test") == {}
    assert page.shown("connection")["verdict"]["state"] in ("busy", "ok", "bad", "down")
    page.until(lambda p: p.shown("connection")["verdict"]["state"] not in ("", "busy"))
    said: dict[str, str] = page.shown("connection")["verdict"]
    return said


def test_it_is_prefilled_from_the_environment_and_says_from_where(page: Page, fake: FakeOllama) -> None:
    shown = page.shown("connection")
    assert shown["host"] == {
        "value": "",
        "placeholder": f"{fake.url} (environment: OLLAMA_HOST)",
        "origin": "environment: OLLAMA_HOST",
    }
    assert shown["mode"]["value"] == ""
    assert shown["mode"]["choices"][0]["text"] == "automatic: local"
    assert shown["error"] is None


def test_a_server_that_answers_and_one_that_does_not(page: Page, fake: FakeOllama) -> None:
    good = verdict(page)
    assert (good["state"], good["text"]) == ("ok", f"It works: {fake.url} has {len(fake.models)} models.")
    with socket.socket() as taken:  # bound and not listening: nobody answers there
        taken.bind(("127.0.0.1", 0))
        down = f"http://127.0.0.1:{taken.getsockname()[1]}"
        assert page.say("connect", host=down) == {}
        assert page.shown("connection")["verdict"]["state"] == ""  # another server, another verdict
        bad = verdict(page)
    assert bad["state"] == "down"
    assert down in bad["text"]
    assert bad["hint"]
    page.until(lambda p: p.shown("models")["state"] == "failed")
    assert page.say("connect", host="") == {}
    assert verdict(page)["state"] == "ok"
    page.until(lambda p: p.shown("models")["state"] == "ok")


def test_what_is_no_address_is_told_at_its_field_and_changes_nothing(page: Page, session: Session) -> None:
    before = session.settings().host
    for host in ("http://[", "not a host", "ftp://x", "http://a:b@ollama.com", "http://x?y"):
        error = page.say("connect", host=host)
        assert error["field"] == "host", host
        assert error["message"], host
    assert page.say("connect", mode="nowhere")["field"] == "mode"
    assert session.settings().host == before
    assert verdict(page)["state"] == "ok"


def test_a_password_in_the_host_is_never_shown_and_survives_the_form(page: Page, session: Session) -> None:
    assert page.say("connect", host="http://me:hunter2pass@127.0.0.1:9") == {}
    shown = page.shown("connection")["host"]["value"]
    assert shown == "http://***@127.0.0.1:9"
    # The form sends all of its fields: what was not changed stays what it was.
    assert page.say("connect", host=shown, mode="local") == {}
    host = session.settings().host
    assert host is not None
    assert host.userinfo is not None
    assert host.userinfo.reveal() == "me:hunter2pass"
    assert page.say("connect", host="http://***@elsewhere:1")["field"] == "host"
    assert verdict(page)["state"] == "down"
    assert "hunter2pass" not in page.raw()


def test_a_good_key_and_a_bad_one(fake: FakeOllama, monkeypatch: pytest.MonkeyPatch) -> None:
    fake.requires_key(KEY)
    monkeypatch.setenv("OLLAMA_HOST", fake.url)
    monkeypatch.setenv("OLLAMA_MAGIC_TRUSTED_HOSTS", "127.0.0.1")
    session = Session()
    with Page(session) as page:
        assert page.say("connect", mode="cloud", host="") == {}
        missing = verdict(page)
        assert missing["state"] == "bad"
        assert "key" in missing["text"]
        assert page.say("key", key="sk-wrong-9876543210") == {}
        assert page.shown("connection")["key"]["set"] is True
        refused = verdict(page)
        assert refused["state"] == "bad"
        assert "key" in refused["text"].lower()
        page.until(lambda p: p.shown("models")["state"] == "failed")
        models = page.shown("models")
        assert models["static"] is True  # the documented catalogue, marked as such
        assert "qwen3-coder:480b" in [model["name"] for model in models["models"]]
        assert page.say("key", key=f' "{KEY}" ') == {}
        assert verdict(page)["state"] == "ok"
        page.until(lambda p: p.shown("models")["state"] == "ok")
        assert fake.recorded[-1].headers["authorization"] == f"Bearer {KEY}"
        assert page.say("forget_key") == {}
        assert page.shown("connection")["key"] == {
            "set": False,
            "own": False,
            "origin": "",
            "text": "No key is set.",
        }
        sent = page.raw()
    assert KEY not in sent
    assert "sk-wrong-9876543210" not in sent
    assert KEY not in repr(page.controller)


def test_what_cannot_be_a_key_is_refused_without_an_echo(page: Page, session: Session) -> None:
    for typed in ("", "   ", "Bearer sk-1234567890", "sk-12345 67890", "sk-ümlaut12345", "sk-12345\x00678"):
        error = page.say("key", key=typed)
        assert error["field"] == "key", typed
    assert page.say("key", key=["sk-in-a-list-12345"])["field"] == "key"
    assert session.settings().key is None
    for part in ("1234567890", "67890", "mlaut", "in-a-list"):
        assert part not in page.raw()


def test_a_bad_environment_is_told_and_the_form_still_works(monkeypatch: pytest.MonkeyPatch, fake: FakeOllama) -> None:
    monkeypatch.setenv("OLLAMA_HOST", "http://[")
    session = Session()
    with Page(session) as page:
        assert "host" in page.shown("connection")["error"]["message"].lower()
        assert page.say("connect", host=fake.url) == {}
        assert page.shown("connection")["error"] is None
        assert verdict(page)["state"] == "ok"
        assert page.ask("Hi")["state"] == "done"


def test_parameters_are_the_sessions_and_unset_is_the_models_default(
    page: Page, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    fields = {field["name"]: field for field in page.shown("settings")["fields"]}
    assert list(fields) == ["temperature", "top_p", "seed", "max_tokens", "num_ctx", "think", "system"]
    assert {field["value"] for field in fields.values()} == {""}
    assert fields["temperature"]["placeholder"] == "the model's default"
    for name, typed, kept in (
        ("temperature", " 0.2 ", 0.2),
        ("seed", "7", 7),
        ("max_tokens", "100", 100),
        ("num_ctx", "4096", 4096),
        ("think", "low", "low"),
        ("system", "Be\nbrief.", "Be\nbrief."),
    ):
        assert page.say("set", name=name, value=typed) == {}, name
        assert getattr(session.settings(), name) == kept, name
        assert next(f for f in page.shown("settings")["fields"] if f["name"] == name)["value"] == typed.strip(), name
    assert page.say("set", name="top_p", value="0.9") == {}
    assert session.settings().request_options()["top_p"] == 0.9
    monkeypatch.setenv("OLLAMA_MAGIC_TEMPERATURE", "0.7")
    for name in fields:
        assert page.say("set", name=name, value="") == {}, name
    after = {field["name"]: field for field in page.shown("settings")["fields"]}
    assert {field["value"] for field in after.values()} == {""}
    assert after["temperature"]["placeholder"] == "0.7 (environment: OLLAMA_MAGIC_TEMPERATURE)"
    assert session.settings().options == {}


def test_a_value_that_cannot_be_used_is_told_at_its_field(page: Page, session: Session) -> None:
    for name, typed in (
        ("temperature", "warm"),
        ("temperature", "-1"),
        ("temperature", "nan"),
        ("top_p", "2"),
        ("seed", "1.5"),
        ("max_tokens", "0"),
        ("num_ctx", "-3"),
        ("think", "a b"),
    ):
        error = page.say("set", name=name, value=typed)
        assert error["field"] == name, (name, typed)
        assert "must be" in error["hint"], (name, typed)
    assert page.say("set", name="key", value="sk-1234567890")["message"]
    assert session.settings().rows() == Session().settings().rows()


def test_options_of_a_cell_and_of_the_panel_live_together(page: Page, session: Session) -> None:
    session.set(options="top_k=20")
    assert page.say("set", name="top_p", value="0.5") == {}
    assert session.settings().request_options() == {"top_k": 20, "top_p": 0.5}
    assert page.say("set", name="top_p", value="") == {}
    assert session.settings().request_options() == {"top_k": 20}


def test_the_models_are_listed_chosen_and_named_freely(page: Page, session: Session, fake: FakeOllama) -> None:
    shown = page.shown("models")
    assert [model["name"] for model in shown["models"]] == [model["name"] for model in fake.models]
    assert shown["models"][0]["capabilities"] == ["completion", "tools"]
    assert page.say("use", model="not-in:the-list") == {}
    assert (page.shown("models")["chosen"], page.shown("models")["origin"]) == ("not-in:the-list", "%ollama")
    assert session.settings().model == "not-in:the-list"
    assert page.say("use", model="two\nlines")["field"] == "model"
    assert page.say("use", model="") == {}
    assert session.settings().model is None


def test_hostile_names_of_models_are_plain_text(fake: FakeOllama, session: Session) -> None:
    fake.models[0]["name"] = "a\x1b[31m\n<img src=x>\u202eb"
    with Page(session) as page:
        page.until(lambda p: p.shown("models")["state"] == "ok")
        name = page.shown("models")["models"][0]["name"]
    assert name == "a <img src=x>b"  # one line, no control characters; the page shows it as text


def test_a_cell_and_another_panel_are_followed(page: Page, session: Session) -> None:
    with Page(session) as other:
        session.set(model="smollm2:135m", temperature=0.3)  # as %ollama use does
        for each in (page, other):
            assert each.shown("models")["chosen"] == "smollm2:135m"
            assert next(f for f in each.shown("settings")["fields"] if f["name"] == "temperature")["value"] == "0.3"
        assert other.say("set", name="seed", value="5") == {}
        assert next(f for f in page.shown("settings")["fields"] if f["name"] == "seed")["value"] == "5"
        session.forget()
        assert page.shown("models")["chosen"] == ""


def test_a_closed_panel_hears_and_says_nothing(page: Page, session: Session) -> None:
    other = Page(session)
    other.say("hello")
    other.controller.close()
    assert other.messages[-1]["show"] == "closed"
    count = len(other.messages)
    session.set(temperature=0.5)
    other.controller.take({"id": 99, "view": "v1", "do": "hello"})
    assert len(other.messages) == count


def test_what_no_browser_would_say_breaks_nothing(page: Page) -> None:
    for message in (None, [], "hello", 7, {}, {"do": 3}, {"do": "fly", "id": {"a": 1}}, {"do": "set"}, {"do": "send"}):
        page.controller.take(message)
    for word in ("connect", "set", "use", "pull", "thread", "send", "retry", "edit", "insert", "export", "key"):
        for value in (None, 7, ["x"], {"a": 1}):
            error = page.say(word, name=value, host=value, mode=value, model=value, prompt=value, turn=value)
            assert not error.get("message", "").startswith("The panel failed"), (word, value, error)
    assert verdict(page)["state"] == "ok"


def test_the_list_is_asked_for_anew_when_it_has_changed(page: Page, session: Session, fake: FakeOllama) -> None:
    fake.models.append({**fake.models[0], "name": "new:1b"})
    session.changed("models")  # as %ollama pull says
    page.until(lambda p: "new:1b" in [model["name"] for model in p.shown("models")["models"]])


def test_the_built_in_model_needs_no_server(page: Page, session: Session) -> None:
    assert page.say("connect", mode="embedded") == {}
    said = verdict(page)
    assert "built-in" in said["text"] or "not installed" in said["text"]
    page.until(lambda p: p.shown("models")["state"] in ("ok", "failed"))
    assert page.shown("models")["default"] == "the built-in model answers"
    assert page.shown("connection")["host"]["placeholder"].startswith("http")  # OLLAMA_HOST is still there
