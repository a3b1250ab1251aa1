"""An answer in a thread of its own: what it shows where, how it is ended, what it tells, and what cannot end it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from ollama_magic import background, jobs
from ollama_magic.answering import Reading, Stopped
from ollama_magic.errors import ServerError, SettingsError
from ollama_magic.events import Text
from ollama_magic.parsing import parse_cell_line
from ollama_magic.question import Question
from ollama_magic.session import Session
from ollama_magic.tools import tools_from
from tests.questions import MODEL

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ollama_magic.background import BackgroundJob
    from ollama_magic.events import Answer, Event
    from tests.fake_ollama import FakeOllama

WAIT_S = 10


class Screen:
    """A view that remembers, and tells when something has come."""

    def __init__(self) -> None:
        self.text = ""
        self.finished: list[tuple[Answer, Exception | None]] = []
        self.threads: set[str] = set()
        self.came = threading.Event()

    def show(self, events: Sequence[Event]) -> None:
        self.text += "".join(event.text for event in events if isinstance(event, Text))
        self.threads.add(threading.current_thread().name)
        if self.text:
            self.came.set()

    def finish(self, answer: Answer, error: Exception | None = None) -> None:
        self.finished.append((answer, error))


class Broken:
    """A view whose place is gone."""

    def show(self, events: Sequence[Event]) -> None:
        raise OSError("no such place")

    def finish(self, answer: Answer, error: Exception | None = None) -> None:
        raise OSError("no such place")


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    made = threading.Event()
    yield made
    made.set()


def reading(fake: FakeOllama, *tools: Any) -> Reading:
    session = Session()
    settings = session.settings({"host": fake.url, "model": MODEL, "api": "native"})
    return Reading(session, Question("Go", tools=tuple(tools_from({}, list(tools)))), settings)


def started(fake: FakeOllama, **how: Any) -> tuple[BackgroundJob, Screen]:
    """A job that has shown its first words."""
    screen = Screen()
    job = background.start(reading(fake), screen, **how)
    assert screen.came.wait(WAIT_S)
    return job, screen


def test_it_shows_and_ends(fake: FakeOllama, gate: threading.Event) -> None:
    fake.says("one ").waits_for(gate).says("two")
    told: list[tuple[Answer, BaseException | None]] = []
    job, screen = started(fake, label="Go", ended=lambda answer, problem: told.append((answer, problem)))
    assert (job.state, job.done, job.answer, job.so_far.text, job.tokens) == ("running", False, None, "one ", 1)
    assert not job.wait(0)
    gate.set()
    assert job.wait(WAIT_S)
    assert job.answer is not None
    assert (job.state, job.done, job.answer.text, job.so_far) == ("done", True, "one two", job.answer)
    assert screen.text == "one two"
    assert screen.threads == {"ollama_magic worker"}
    assert told == [(job.answer, None)]
    assert screen.finished == [(job.answer, None)]
    assert job.stop()  # there is nothing left to stop
    assert job.state == "done"


def test_stop_closes_the_socket_before_it_returns(fake: FakeOllama, gate: threading.Event) -> None:
    fake.says("half ").waits_for(gate)
    job, screen = started(fake)
    assert job.stop(WAIT_S)
    assert fake.disconnected.wait(WAIT_S)
    assert (job.state, type(job.problem)) == ("stopped", Stopped)
    [(answer, error)] = screen.finished
    assert (answer.text, answer.reason, error) == ("half ", "stopped", None)


def test_one_stopped_before_it_has_begun_asks_nothing(fake: FakeOllama) -> None:
    asked = reading(fake)
    assert asked.stop()
    job = background.start(asked)
    assert job.wait(WAIT_S)
    assert job.state == "stopped"
    assert not [each for each in fake.recorded if each.method == "POST"]


def test_a_failure_is_kept_and_shown_not_raised(fake: FakeOllama) -> None:
    fake.says("some ").fails_midstream("the runner died")
    screen = Screen()
    job = background.start(reading(fake), screen)
    assert job.wait(WAIT_S)
    assert job.state == "failed"
    assert isinstance(job.problem, ServerError)
    [(answer, error)] = screen.finished
    assert (answer.text, error) == ("some ", job.problem)


def test_a_fault_of_ours_is_told_too(fake: FakeOllama) -> None:
    fake.says("some")
    screen = Screen()

    def ended(answer: Answer, problem: BaseException | None) -> None:
        raise LookupError("where is it?")

    job = background.start(reading(fake), screen, ended=ended)
    assert job.wait(WAIT_S)
    assert job.state == "failed"
    assert "LookupError: where is it?" in str(job.problem)
    assert [answer.text for answer, _ in screen.finished] == ["some"]


def test_a_view_that_fails_does_not_end_the_answer(fake: FakeOllama) -> None:
    fake.says("some")
    job = background.start(reading(fake), Broken())
    job.show_in(Broken())
    assert job.wait(WAIT_S)
    assert (job.state, job.so_far.text) == ("done", "some")
    job.show_in(Broken())


@pytest.mark.slow
def test_views_may_join_at_any_time(fake: FakeOllama, gate: threading.Event) -> None:
    fake.says("one ").waits_for(gate).says("two")
    job, first = started(fake)
    second, third = Screen(), Screen()
    job.show_in(second)
    assert second.came.wait(WAIT_S)
    assert second.text == "one "
    gate.set()
    assert job.wait(WAIT_S)
    job.show_in(third)
    assert first.text == second.text == "one two"
    assert first.finished == second.finished == third.finished == [(job.answer, None)]


@pytest.mark.slow
def test_each_view_is_finished_once_whenever_it_joins(fake: FakeOllama) -> None:
    for _ in range(3):
        gate = threading.Event()
        fake.says("one ").waits_for(gate).says("two")
        job = background.start(reading(fake))
        screens = []
        while not job.done:
            screens.append(Screen())
            job.show_in(screens[-1])
            gate.set()
        assert screens
        assert {len(screen.finished) for screen in screens} == {1}


def test_a_tool_runs_in_its_thread_and_none_after_a_stop(fake: FakeOllama) -> None:
    fake.calls_tool("work").calls_tool("work").then().says("Done.")
    running, go_on = threading.Event(), threading.Event()
    called: list[str] = []

    def work() -> str:
        """Work."""
        called.append(threading.current_thread().name)
        running.set()
        go_on.wait(WAIT_S)
        return "worked"

    job = background.start(reading(fake, work))
    assert running.wait(WAIT_S)
    assert not job.stop(0)  # the tool cannot be ended
    go_on.set()
    assert job.wait(WAIT_S)
    assert (job.state, called) == ("stopped", ["ollama_magic worker"])


# ---- cells and the command, where nothing can be updated -------------------------------------------------------


class Shell:
    """A plain script's: no notebook, no terminal."""

    def __init__(self) -> None:
        self.user_ns: dict[str, Any] = {}


class Script:
    """Background cells of one session, and what is printed."""

    def __init__(self, fake: FakeOllama, capsys: pytest.CaptureFixture[str]) -> None:
        self.session, self.shell, self._capsys = Session(), Shell(), capsys
        self.settings = self.session.settings({"host": fake.url, "model": MODEL})

    def begin(self, line: str = "", prompt: str = "Go", cell: str = "", **question: Any) -> str:
        asked = Question(prompt, **question)
        jobs.begin(self.session, asked, self.settings, parse_cell_line(f"--bg {line}").how, self.shell, cell)
        return self._capsys.readouterr().out

    def jobs(self, *words: str) -> str:
        jobs.jobs(self.session, list(words), self.shell)
        return self._capsys.readouterr().out


@pytest.fixture
def script(fake: FakeOllama, capsys: pytest.CaptureFixture[str]) -> Script:
    return Script(fake, capsys)


def test_in_a_script_it_says_where_the_answer_is(fake: FakeOllama, gate: threading.Event, script: Script) -> None:
    fake.says("one ").waits_for(gate).says("two")
    assert "no cell has been asked" in script.jobs().lower()
    begun = script.begin("--out a")
    assert "a is bound when it ends" in begun
    assert "%ollama jobs" in begun
    assert "running" in script.jobs()
    gate.set()
    waited = script.jobs("wait")
    assert "Job 1: done" in waited
    assert "Job 1 has its answer" in waited
    assert script.shell.user_ns["a"].text == "one two"
    assert "one two" in script.jobs("show", "1")
    listed = script.jobs()
    assert "done" in listed
    assert MODEL in listed


def test_a_long_prompt_and_control_characters_are_listed_as_one_short_line(fake: FakeOllama, script: Script) -> None:
    fake.says("x")
    script.begin(prompt="Line one\n\x1b[31mline two " + "and more " * 50)
    script.jobs("wait", "all")
    listed = script.jobs()
    assert "\x1b" not in listed
    assert "Line one" in listed
    assert all(len(line) < 200 for line in listed.splitlines())


def test_what_failed_is_told(fake: FakeOllama, script: Script) -> None:
    fake.fails(500, '{"error":"no more memory"}', times=9)
    script.begin("--out a")
    assert "Job 1: failed" in script.jobs("wait")
    assert "no more memory" in script.jobs("show")
    assert "a" not in script.shell.user_ns


def test_code_is_printed_when_it_is_there(fake: FakeOllama, gate: threading.Event, script: Script) -> None:
    fake.says("```python\nprint(6 * 7)\n```").waits_for(gate)
    script.begin()
    with pytest.raises(SettingsError, match="still at work"):
        script.jobs("code")
    assert "still at work" in script.jobs("show")
    gate.set()
    script.jobs("wait")
    assert script.jobs("code") == "print(6 * 7)\n"


def test_all_are_stopped_at_once(fake: FakeOllama, gate: threading.Event, script: Script) -> None:
    fake.says("on and on").waits_for(gate)
    for _ in range(3):
        script.begin()
    assert script.jobs("stop", "2").startswith("Stopped: job 2.")
    assert "Stopped: job 1, 3." in script.jobs("stop", "all")
    assert "Nothing was running." in script.jobs("stop", "all")


def test_only_the_cell_that_is_run_again_is_stopped(fake: FakeOllama, gate: threading.Event, script: Script) -> None:
    fake.says("on and on").waits_for(gate)
    for cell in ("a", "b", ""):
        script.begin(cell=cell)
    jobs.stop_in_cell(script.session, "")
    jobs.stop_in_cell(script.session, "a")
    assert "Stopped: job 2, 3." in script.jobs("stop", "all")


@pytest.mark.slow
def test_old_jobs_are_forgotten_and_running_ones_are_not(
    fake: FakeOllama, gate: threading.Event, script: Script
) -> None:
    fake.says("on and on").waits_for(gate)
    script.begin()
    while "on and on" not in script.jobs("show"):
        pass
    fake.says("short")
    for _ in range(60):
        script.begin()
        script.jobs("wait")
    assert "running" in script.jobs()
    assert "on and on" in script.jobs("show", "1")
    with pytest.raises(SettingsError, match="no job 2"):
        script.jobs("show", "2")
    assert "short" in script.jobs("show", "61")


def test_wrong_words(script: Script, fake: FakeOllama) -> None:
    with pytest.raises(SettingsError, match="there is none"):
        script.jobs("show")
    fake.says("x")
    script.begin()
    script.jobs("wait")
    for words, message in (
        (("stp",), "did you mean 'stop'"),
        (("show", "7"), "there is no job 7"),
        (("show", "all"), "there is no job all"),
        (("show", "-1"), "there is no job -1"),
        (("stop", "1", "2"), "cannot place '2'"),
    ):
        with pytest.raises(SettingsError, match=message):
            script.jobs(*words)


def test_what_needs_somebody_there_is_refused(script: Script, fake: FakeOllama) -> None:
    async def slow() -> str:
        """Take your time."""
        return ""

    with pytest.raises(SettingsError, match="nobody to ask"):
        script.begin("--confirm")
    with pytest.raises(SettingsError, match="slow is an async function"):
        script.begin(tools=tuple(tools_from({}, [slow])))
    assert not fake.recorded
