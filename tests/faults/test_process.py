"""What happens to the process that asks: a fork, another working directory, another time, a full disk, a new server."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import threading
import time
from typing import TYPE_CHECKING

import pytest

from ollama_magic import ask, bridge
from ollama_magic.client import Client
from ollama_magic.events import Done, Notice, Text
from ollama_magic.question import Question
from ollama_magic.session import Session
from tests.fake_ollama import FakeOllama
from tests.questions import MODEL, client

from .wires import nothing_left

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterator
    from pathlib import Path

    from ollama_magic.events import Event

resource = pytest.importorskip("resource", reason="limits of a process are Unix's")


@pytest.fixture
def asked(fake: FakeOllama, monkeypatch: pytest.MonkeyPatch) -> Callable[[], str]:
    """A question of a notebook's to the fake server; the text of its answer."""
    monkeypatch.setenv("OLLAMA_HOST", fake.url)
    return lambda: ask("Hello", model=MODEL).text


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    made = threading.Event()
    yield made
    made.set()


def forked(work: Callable[[], bool]) -> int:
    """The exit code of a child that does some work: 0 where it gives True."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            code = 0 if work() else 2
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


# ---- fork ------------------------------------------------------------------------------------------------------


def test_a_forked_child_asks_and_its_parent_goes_on(fake: FakeOllama, asked: Callable[[], str]) -> None:
    fake.says("Hi")
    assert asked() == "Hi"
    assert forked(lambda: asked() == "Hi") == 0
    assert asked() == "Hi"


def test_stopping_hangs_up_while_a_forked_child_holds_the_socket(fake: FakeOllama, gate: threading.Event) -> None:
    fake.says("I ").waits_for(gate).says("don't")

    async def events() -> AsyncGenerator[Event, None]:
        async for event in client(fake).chat("Hello"):
            yield event

    with bridge.shared().stream(events) as job:
        next(batch for batch in job.batches() if any(isinstance(event, Text) for event in batch))
        hold, let_go = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(let_go)
            os.read(hold, 1)  # until the parent has seen what it wants to see
            os._exit(0)
        try:
            job.stop()
            assert fake.disconnected.wait(5)
        finally:
            os.close(let_go)
            os.close(hold)
            os.waitpid(child, 0)


# ---- the working directory -----------------------------------------------------------------------------------------


def test_a_working_directory_that_is_gone_costs_nothing(
    fake: FakeOllama, asked: Callable[[], str], tmp_path: Path
) -> None:
    fake.says("Hi")
    gone = tmp_path / "gone"
    gone.mkdir()
    os.chdir(gone)
    gone.rmdir()
    assert asked() == "Hi"
    assert asyncio.run(Client().ask("Hello", model=MODEL)).text == "Hi"


def test_the_env_file_of_where_the_notebook_is_now_counts(
    fake: FakeOllama, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.says("Hi")
    (tmp_path / ".env").write_text(f"OLLAMA_HOST={fake.url}\n")
    monkeypatch.setenv("OLLAMA_MODEL", MODEL)
    os.chdir(tmp_path)
    assert ask("Hello").text == "Hi"


# ---- the clock ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("jump", [86_400.0, -86_400.0, -1.7e9], ids=["a day on", "a day back", "to 1971"])
def test_a_clock_that_jumps_in_mid_answer(
    fake: FakeOllama, gate: threading.Event, monkeypatch: pytest.MonkeyPatch, jump: float
) -> None:
    fake.says("I ").waits_for(gate).says("do")
    real = time.time

    async def main() -> None:
        stream = client(fake, stall_timeout=30, first_byte_timeout=30).chat("Hello")
        async for event in stream:
            if isinstance(event, Text) and not gate.is_set():
                monkeypatch.setattr(time, "time", lambda: real() + jump)
                gate.set()
        stats = stream.answer.stats
        assert stream.answer.text == "I do"
        assert stats.first_token_s is not None
        assert stats.total_s is not None
        assert 0 < stats.first_token_s <= stats.total_s < 30

    asyncio.run(main())


# ---- the disk ----------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def full_disk() -> Iterator[None]:
    """No file of this process can grow, as on a disk that is full. Not a fixture: pytest writes after each test."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_costs_a_notice_and_no_answer(
    fake: FakeOllama, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.says("Hi")
    monkeypatch.setenv("OLLAMA_HOST", fake.url)
    session = Session()
    settings = session.settings({"model": MODEL, "cache": "use", "cache_dir": str(tmp_path)})

    async def main() -> list[Event]:
        return [event async for event in session.events(Question("Hello", cache="use"), settings)]

    for _ in range(2):
        with full_disk():
            events = asyncio.run(main())
        assert "".join(event.text for event in events if isinstance(event, Text)) == "Hi"
        assert isinstance(events[-1], Done)
        assert [event.text for event in events if isinstance(event, Notice)]
    assert len(fake.recorded) >= 2


# ---- the server --------------------------------------------------------------------------------------------------


def test_a_server_that_restarts_between_two_questions(monkeypatch: pytest.MonkeyPatch) -> None:
    with FakeOllama() as first:
        first.says("one")
        monkeypatch.setenv("OLLAMA_HOST", first.url)
        assert ask("Hello", model=MODEL).text == "one"
    with FakeOllama(port=first.port) as second:
        second.says("two")
        assert ask("Hello", model=MODEL).text == "two"
        assert len(second.recorded) == 1


@pytest.mark.slow
def test_many_questions_leave_as_much_as_one(fake: FakeOllama, asked: Callable[[], str]) -> None:
    fake.says("Hi")

    async def tasks() -> int:
        return len(asyncio.all_tasks())

    asked()
    gc.collect()
    with nothing_left():
        for _ in range(20):
            asked()
        assert bridge.shared().run(tasks()) == 1
