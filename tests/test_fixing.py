"""`%ollama fix`: what is asked about the last error, and what is done with the answer."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from ollama_magic.errors import SettingsError
from ollama_magic.fixing import fix, question_about
from ollama_magic.secret import Secret
from ollama_magic.session import Session
from tests.questions import KEY, MODEL

if TYPE_CHECKING:
    from tests.fake_ollama import FakeOllama


class Shell(SimpleNamespace):
    def set_next_input(self, text: str) -> None:
        self.next_input = text


@pytest.fixture
def session(fake: FakeOllama, monkeypatch: pytest.MonkeyPatch) -> Session:
    monkeypatch.setenv("OLLAMA_HOST", fake.url)
    monkeypatch.setenv("OLLAMA_MODEL", MODEL)
    return Session()


def fails(session: Session, cell: str, **namespace: Any) -> dict[str, Any]:
    """Run a cell that fails, as a notebook notes it."""
    try:
        exec(cell, namespace)
    except Exception as error:
        session.failures.note(3, cell, error)
    else:
        raise AssertionError("it should have failed")
    return namespace


def test_the_question_has_the_error_the_cell_and_its_values(session: Session) -> None:
    namespace = fails(session, "total = 10\nprint(total / count)", count=0, other="not named", sys=sys)
    question = question_about(session, namespace)
    for piece in ("ZeroDivisionError", "print(total / count)", "`count` is:", "`total` is:"):
        assert piece in question.prompt
    assert "not named" not in question.prompt
    assert "`print`" not in question.prompt
    [(name, tokens)] = question.included
    assert "last error" in name
    assert tokens > 20


def test_modules_and_what_is_private_are_left_out(session: Session) -> None:
    namespace = fails(session, "sys.x + _secret + In", _secret="hush", In=["a"], sys=sys)
    text = question_about(session, namespace).prompt
    assert "hush" not in text
    assert "`sys` is:" not in text
    assert "`In` is:" not in text


def test_a_cell_with_a_magic_or_a_slip_still_shows_its_values(session: Session) -> None:
    error = SyntaxError("invalid syntax")
    session.failures.note(4, "%time work(prices\n!ls", error)
    text = question_about(session, {"prices": [1, 2, 3]}).prompt
    assert "`prices` is:" in text
    assert "[1, 2, 3]" in text


def test_a_value_that_cannot_be_shown_stops_nothing(session: Session) -> None:
    class Odd:
        def __repr__(self) -> str:
            raise RuntimeError("no")

    namespace = fails(session, "odd + 1", odd=Odd())
    assert "TypeError" in question_about(session, namespace).prompt


@pytest.mark.slow
def test_it_is_bounded(session: Session) -> None:
    lines = "\n".join(f"v{n} = [0] * 100000" for n in range(40))
    namespace = fails(session, f"{lines}\n# {'x' * 50_000}\n1 / 0")
    assert len(question_about(session, namespace).prompt) < 40_000


def test_a_key_never_goes_along(session: Session) -> None:
    namespace = fails(session, "int(key)", key=KEY)
    assert KEY not in question_about(session, namespace, (Secret(KEY),)).prompt


def test_without_an_error_it_says_so(session: Session, fake: FakeOllama) -> None:
    with pytest.raises(SettingsError, match="no cell has failed"):
        fix(session, [], Shell(user_ns={}))
    assert not fake.recorded


def test_it_explains(session: Session, fake: FakeOllama, capsys: pytest.CaptureFixture[str]) -> None:
    fake.says("You divided by zero.")
    namespace = fails(session, "1 / 0")
    fix(session, ["--temperature", "0", "llama3.2"], Shell(user_ns=namespace))
    assert "You divided by zero." in capsys.readouterr().out
    body = fake.recorded[-1].json
    assert body["model"] == "llama3.2"
    assert body["temperature"] == 0
    assert body["messages"][0]["role"] == "system"


def test_its_own_system_prompt_gives_way_to_yours(session: Session, fake: FakeOllama) -> None:
    fake.says("Bonjour.")
    fix(session, ["-s", "It's French: don't \\frac"], Shell(user_ns=fails(session, "1 / 0")))
    assert fake.recorded[-1].json["messages"][0]["content"] == "It's French: don't \\frac"


def test_a_corrected_cell_is_offered_and_not_run(session: Session, fake: FakeOllama) -> None:
    fake.says("Try:\n```python\nraise SystemExit\n```")
    shell = Shell(user_ns=fails(session, "1 / 0"), pt_app=object())
    fix(session, ["--code"], shell)
    assert shell.next_input == "raise SystemExit"


@pytest.mark.parametrize("words", [["--tools", "f"], ["-i", "talk"], ["--dry-run"]])
def test_what_makes_no_sense_here_is_refused(session: Session, fake: FakeOllama, words: list[str]) -> None:
    namespace = fails(session, "1 / 0")
    with pytest.raises(SettingsError):
        fix(session, words, Shell(user_ns=namespace))
    assert not fake.recorded


def test_our_own_errors_and_interrupts_are_no_mistakes(session: Session) -> None:
    session.failures.note(1, "x", SettingsError("no model"))
    session.failures.note(2, "x", KeyboardInterrupt())
    assert session.failures.last is None
