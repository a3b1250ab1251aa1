"""Starting an installed Ollama: a stand-in on the PATH that really listens, and every reason not to start one."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import TYPE_CHECKING, Any

import pytest

from ollama_magic import daemon
from ollama_magic.commands import run_command
from ollama_magic.errors import SettingsError, Unreachable, Unsupported
from ollama_magic.hosts import parse_host
from ollama_magic.layers import Layer, environment_layer, resolve
from ollama_magic.session import Session
from tests.standin import StandIn, free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.fake_ollama import FakeOllama

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the stand-in is a script with a first line of Unix")


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., StandIn]]:
    """Puts a stand-in on the PATH, as its only program."""
    made: list[StandIn] = []

    def install(*body: str) -> StandIn:
        made.append(StandIn(tmp_path, *body))
        monkeypatch.setenv("PATH", str(made[0].folder))
        return made[0]

    yield install
    for each in made:
        each.stop()


def start(wait_s: float = 20, **settings: Any) -> daemon.Started:
    return asyncio.run(daemon.start(resolve(Layer("test", settings), environment_layer()), wait_s))


@pytest.mark.slow
def test_it_is_started_apart_from_the_kernel_and_answers(
    installed: Callable[..., StandIn], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OLLAMA_API_KEY", "TopSecret")
    program, url = installed(), f"http://127.0.0.1:{free_port()}"
    session = Session()
    session.set(host=url, key=None)
    run_command(session, "start", None)
    said = " ".join(capsys.readouterr().out.split())
    notes = program.notes
    assert f"Ollama 0.33.0 answers at {url} (process {notes['pid']})" in said
    assert str(daemon.log_file()) in said
    assert "the stand-in begins" in daemon.log_file().read_text()
    assert notes["argv"] == ["serve"]
    assert notes["env"]["OLLAMA_HOST"] == url.removeprefix("http://")
    assert "OLLAMA_API_KEY" not in notes["env"]
    assert notes["session"] != os.getsid(0)  # no signal of the kernel's reaches it
    assert notes["cwd"] != os.getcwd()
    assert os.listdir() == []
    run_command(session, "start", None)
    assert "is running already" in capsys.readouterr().out
    assert program.notes == notes


@pytest.mark.slow
def test_what_ollama_host_says_is_left_to_it(
    installed: Callable[..., StandIn], monkeypatch: pytest.MonkeyPatch
) -> None:
    address = f"0.0.0.0:{free_port()}"
    monkeypatch.setenv("OLLAMA_HOST", address)
    program = installed()
    assert start().pid == program.notes["pid"]
    assert program.notes["env"]["OLLAMA_HOST"] == address


@pytest.mark.slow
def test_one_that_ends_says_why(installed: Callable[..., StandIn]) -> None:
    installed('print("Error: listen tcp: bind: address already in use", file=sys.stderr); sys.exit(1)')
    with pytest.raises(Unreachable) as caught:
        start(host=f"127.0.0.1:{free_port()}")
    assert "ended at once (exit code 1)" in caught.value.message
    assert caught.value.message.endswith("the stand-in begins Error: listen tcp: bind: address already in use")
    assert str(daemon.log_file()) in caught.value.hint


@pytest.mark.slow
def test_one_that_does_not_answer_is_given_up(installed: Callable[..., StandIn]) -> None:
    installed("import time; time.sleep(60)")
    with pytest.raises(Unreachable, match="does not answer at http://127") as caught:
        start(0.1, host=f"127.0.0.1:{free_port()}")
    assert "%ollama status" in caught.value.hint


def test_a_program_that_cannot_be_run_says_so(installed: Callable[..., StandIn]) -> None:
    program = installed().folder / "ollama"
    program.write_text("#!/nonexistent/python\n")
    with pytest.raises(Unreachable, match="could not be started"):
        start(host=f"127.0.0.1:{free_port()}")


def test_where_it_is_not_installed_that_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(daemon, "_PLACES", ("~/bin/ollama",))
    with pytest.raises(Unsupported) as caught:
        start(host=f"127.0.0.1:{free_port()}")
    assert "https://ollama.com/download" in caught.value.hint
    assert "embedded" in caught.value.hint
    place = tmp_path / "bin" / "ollama"
    place.parent.mkdir()
    place.touch()
    monkeypatch.setenv("HOME", str(tmp_path))
    assert daemon.find_program() == str(place)


def test_another_machine_is_not_started(installed: Callable[..., StandIn]) -> None:
    installed()
    for host in ("http://nosuch.invalid:11434", f"https://localhost:{free_port()}"):
        with pytest.raises(Unsupported, match="not this machine's own address"):
            start(host=host)
    mine = ["", "localhost", "127.0.0.9:1", "[::1]", "0.0.0.0", ":1234"]
    assert all(daemon.is_mine(parse_host(text)) for text in mine)
    assert not any(daemon.is_mine(parse_host(text)) for text in ("10.0.0.1", "https://localhost", "localhost/sub"))


def test_a_port_that_something_else_holds_is_left_alone(installed: Callable[..., StandIn], fake: FakeOllama) -> None:
    program = installed()
    fake.fails(404, "<html><title>Jupyter Server</title></html>", path="/api/version")
    with pytest.raises(SettingsError, match="not an Ollama") as caught:
        start(host=fake.url)
    assert "Jupyter Server" in caught.value.message
    assert "%ollama config host" in caught.value.hint
    assert not program._notes.exists()


@pytest.mark.slow
def test_the_log_does_not_grow_for_ever(installed: Callable[..., StandIn]) -> None:
    log = daemon.log_file()
    log.parent.mkdir(parents=True)
    log.write_bytes(b"x" * 5_000_001)
    installed("sys.exit(3)")
    for _ in range(2):
        with pytest.raises(Unreachable, match="exit code 3"):
            start(host=f"127.0.0.1:{free_port()}")
    assert log.read_text() == "the stand-in begins\n" * 2


def test_status_names_start_where_there_is_something_to_start(
    installed: Callable[..., StandIn], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    session = Session()
    session.set(host=f"127.0.0.1:{free_port()}")
    monkeypatch.setattr(daemon, "_PLACES", ())
    monkeypatch.setenv("PATH", "")
    run_command(session, "status", None)
    assert "Ollama is not installed here" in capsys.readouterr().out
    installed()
    run_command(session, "status", None)
    assert "%ollama start starts it" in capsys.readouterr().out
