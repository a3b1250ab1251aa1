"""A prompt, a tool's result or a fix that comes upon a key: the server that is asked never gets to see it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import ollama_magic
from ollama_magic import session as sessions
from ollama_magic.asking import run_cell
from ollama_magic.commands import run_command
from ollama_magic.session import Session
from tests.secrets.planted import HOST_PASSWORD, KEY, PASSWORD, files_below, found_in, with_password

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.fake_ollama import FakeOllama

MODEL = "smollm2:135m"


@pytest.fixture
def shell() -> Iterator[Any]:
    """IPython in a terminal."""
    from IPython.core.interactiveshell import InteractiveShell

    made = InteractiveShell()
    yield made
    made.history_manager.end_session()


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch, fake: FakeOllama) -> Session:
    """A kernel that knows a key from its environment, one from a file and one that was typed, and a password."""
    monkeypatch.setattr(sessions, "_session", Session())
    monkeypatch.setenv("OLLAMA_API_KEY", KEY)
    monkeypatch.setenv("OLLAMA_HOST", with_password(fake.url))
    monkeypatch.setenv("OLLAMA_MODEL", MODEL)
    Path(".env").write_text(f"OLLAMA_HOST={with_password('other.test')}\n")
    made = sessions.current()
    made.set(key="typed-0123456789")
    return made


def sent(fake: FakeOllama) -> str:
    """All that the server was told, but for the header that is meant for it."""
    assert any(each.body for each in fake.recorded)
    told = [(each.method, each.path, each.body) for each in fake.recorded]
    headers = [{n: v for n, v in each.headers.items() if n != "authorization"} for each in fake.recorded]
    return repr((told, headers))


@pytest.mark.slow
def test_what_is_put_into_a_prompt_carries_no_key_in_force_or_not(
    session: Session, shell: Any, fake: FakeOllama, capsys: pytest.CaptureFixture[str]
) -> None:
    fake.says("I see.")
    shell.user_ns.update(environment=dict(os.environ), pair=(KEY, HOST_PASSWORD), text=f"typed-0123456789 {PASSWORD}")
    prompt = "{environment} {environment['OLLAMA_API_KEY']} {pair} {text!r} {pair[0]:>80} {'x' + pair[0]} {text}"
    for line in ("", "-a .env", "-a environment -a pair", "--cache", "--dry-run -a .env", "-i talk -a text", "--raw"):
        run_cell(session, line, prompt if "raw" not in line else "nothing", shell)
    assert found_in(sent(fake)) == []
    assert "typed-0123456789" not in sent(fake)
    assert "***" in sent(fake)
    for command in ("export talk talk.md", "export talk talk.json", "export talk talk.ipynb", "cache export kept.json"):
        run_command(session, command, shell)
    assert {"talk.md", "talk.json", "talk.ipynb", "kept.json"} <= set(os.listdir())
    Path(".env").unlink()
    assert files_below(Path.cwd(), Path.home()) == {}
    shown = capsys.readouterr()
    assert found_in(shown.out, shown.err) == []


def test_a_tool_that_gives_away_a_key_gives_it_to_no_model(session: Session, fake: FakeOllama) -> None:
    def look_around() -> dict[str, str]:
        """All that is set."""
        return dict(os.environ)

    def fail() -> None:
        """Fails."""
        raise ValueError(f"{KEY} {PASSWORD}")

    fake.calls_tool("look_around").then().calls_tool("fail").then().says("Thank you.")
    answer = ollama_magic.ask("Look around", tools=[look_around, fail])
    assert answer.text == "Thank you."
    results = [result.text for result in answer.tool_results]
    assert len(results) == 2
    assert "OLLAMA_HOST" in results[0]
    assert "ValueError" in results[1]
    assert found_in(sent(fake), repr(answer)) == []


def test_a_fix_tells_no_key_of_the_failing_cell_or_its_values(session: Session, shell: Any, fake: FakeOllama) -> None:
    fake.says("Because.")
    shell.user_ns.update(secret=KEY, host=with_password("gpu"))
    try:
        raise ValueError(f"no luck with {KEY} at {with_password('gpu')}")
    except ValueError as error:
        session.failures.note(3, f"login({KEY!r}, secret, host, {PASSWORD!r})", error)
    run_command(session, "fix", shell)
    assert "no luck with ***" in sent(fake)
    assert found_in(sent(fake)) == []


def test_an_ordinary_word_that_is_a_key_too_changes_no_data(
    monkeypatch: pytest.MonkeyPatch, shell: Any, fake: FakeOllama
) -> None:
    """`OLLAMA_API_KEY=ollama` is written where any key will do; a frame that names Ollama stays as it is."""
    fake.says("Yes.")
    session = Session()
    session.set(key="ollama", host=f"http://me:demo@127.0.0.1:{fake.port}")
    shell.user_ns["text"] = "an ollama, demo"
    run_cell(session, MODEL, "{text}", shell)
    assert fake.recorded[-1].json["messages"][-1]["content"] == "an ollama, demo"
