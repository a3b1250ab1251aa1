"""Answers from the cache: when they are used, when asked for anew; without a server, and without a sound file."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import pytest

from ollama_magic.builder import AnswerBuilder
from ollama_magic.cache import Cache
from ollama_magic.events import Done, Notice, Progress, Start, Text
from ollama_magic.question import Question
from ollama_magic.recall import Recall, remembered
from ollama_magic.schema import schema_for
from ollama_magic.session import Session
from tests.questions import MODEL

if TYPE_CHECKING:
    from pathlib import Path

    from ollama_magic.events import Answer
    from ollama_magic.question import CachePolicy
    from tests.fake_ollama import FakeOllama

GONE = "http://127.0.0.1:9"


class Notebook:
    """Asks as a cell does; `host` may change between two questions."""

    def __init__(self, fake: FakeOllama, folder: Path) -> None:
        self.host, self.folder, self.fake = fake.url, folder, fake
        self.session = Session()

    def asks(self, prompt: str = "Hi", *, cache: CachePolicy = "use", shape: Any = None, **settings: Any) -> Answer:
        return asyncio.run(self._asks(Question(prompt, cache=cache, shape=shape), settings))

    async def _asks(self, question: Question, values: dict[str, Any]) -> Answer:
        settings = self.session.settings({"host": self.host, "model": MODEL, "cache_dir": self.folder, **values})
        builder = AnswerBuilder()
        async with aclosing(self.session.events(question, settings)) as events:
            async for event in events:
                builder.feed(event)  # type: ignore[arg-type]  # no tools here
        return builder.answer()

    @property
    def questions(self) -> int:
        return sum("chat" in request.path for request in self.fake.recorded)


@pytest.fixture
def notebook(fake: FakeOllama, tmp_path: Path) -> Notebook:
    return Notebook(fake, tmp_path / "cache")


def test_an_answer_is_kept_and_comes_again(fake: FakeOllama, notebook: Notebook) -> None:
    fake.thinks("Well.").says("one ", "answer").then().says("another")
    first, again = notebook.asks(), notebook.asks()
    assert notebook.questions == 1
    assert (again.text, again.thinking, again.stats) == (first.text, first.thinking, first.stats)
    assert again.text == "one answer"
    assert (first.surface, again.surface) == ("openai", "replayed")
    assert again.complete


def test_off_neither_keeps_nor_looks(fake: FakeOllama, notebook: Notebook) -> None:
    fake.says("one").then().says("two")
    notebook.asks(cache="off")
    assert not notebook.folder.exists()
    assert notebook.asks().text == "two"
    assert notebook.asks(cache="off").text == "two"
    assert notebook.questions == 3


def test_refresh_asks_and_keeps_the_new_one(fake: FakeOllama, notebook: Notebook) -> None:
    fake.says("one").then().says("two")
    notebook.asks()
    assert notebook.asks(cache="refresh").text == "two"
    assert notebook.asks().text == "two"
    assert notebook.questions == 2


def test_another_question_model_or_option_is_another_answer(fake: FakeOllama, notebook: Notebook) -> None:
    fake.says("an answer")
    for how in ({}, {"prompt": "Ho"}, {"model": "llama3.2"}, {"temperature": 0}, {"system": "Be brief."}):
        notebook.asks(**how)
    assert notebook.questions == 5
    notebook.asks(temperature=0.0, keep_alive="1h")  # these change no answer
    assert notebook.questions == 5


def test_a_model_that_was_pulled_anew_is_asked_again(fake: FakeOllama, notebook: Notebook) -> None:
    fake.says("old").then().says("new")
    notebook.asks()
    entry = fake.entry(MODEL)
    assert entry is not None
    entry["digest"] = "f" * 64
    assert notebook.asks().text == "new"
    assert notebook.questions == 2


def test_without_a_server_the_newest_answer_comes(fake: FakeOllama, notebook: Notebook) -> None:
    fake.says("old").then().says("new")
    notebook.asks()
    notebook.asks(cache="refresh")
    notebook.host = GONE
    assert notebook.asks().text == "new"


def test_a_list_of_models_that_does_not_come_does_not_stop_a_replay(fake: FakeOllama, notebook: Notebook) -> None:
    fake.says("kept")
    notebook.asks()
    fake.fails(500, "no", path="/api/tags", times=20)
    assert notebook.asks().text == "kept"
    assert notebook.questions == 1


@pytest.mark.parametrize("cache", ["use", "refresh"])
def test_a_broken_file_costs_a_notice_never_the_answer(
    fake: FakeOllama, notebook: Notebook, cache: CachePolicy
) -> None:
    path = Cache(notebook.folder).path
    notebook.folder.mkdir(parents=True)
    path.write_bytes(b"this is no database " * 100)
    fake.says("the answer")
    answer = notebook.asks(cache=cache)
    assert answer.text == "the answer"
    assert answer.complete
    assert str(notebook.folder) in answer.notices[0]


def test_a_folder_that_cannot_be_written_costs_a_notice_too(fake: FakeOllama, notebook: Notebook) -> None:
    notebook.folder.write_text("a file where the folder should be")
    fake.says("the answer")
    answer = notebook.asks()
    assert answer.text == "the answer"
    assert answer.notices


def test_an_answer_that_was_cut_off_is_not_kept(fake: FakeOllama, notebook: Notebook) -> None:
    fake.says("half ").says("way").drops_after(1).then().says("whole")
    with pytest.raises(Exception, match="in the middle"):
        notebook.asks()
    assert notebook.asks().text == "whole"


def test_one_that_was_stopped_is_not_kept(fake: FakeOllama, notebook: Notebook) -> None:
    fake.says("half ", "way").then().says("whole")
    session = notebook.session
    settings = session.settings({"host": fake.url, "model": MODEL, "cache_dir": notebook.folder})

    async def stopped() -> None:
        async with aclosing(session.events(Question("Hi", cache="use"), settings)) as events:
            async for event in events:
                if isinstance(event, Text):
                    return

    asyncio.run(stopped())
    assert notebook.asks().text == "whole"
    assert notebook.questions == 2


def test_only_the_mended_answer_is_kept(fake: FakeOllama, notebook: Notebook) -> None:
    shape = schema_for("year: int")
    fake.says('{"year": "soon"}').then().says('{"year": 1815}')
    notebook.asks(shape=shape)
    again = notebook.asks(shape=shape)
    assert again.text == '{"year": 1815}'
    assert notebook.questions == 2


def test_a_replay_can_be_watched_at_the_recorded_pace(tmp_path: Path) -> None:
    from ollama_magic.cache import key_of

    session = Session()
    recall = Recall(
        Cache(tmp_path),
        Question("Hi").request(session.settings({"host": GONE}), MODEL),
        session.settings({"host": GONE, "pace": 0.5}),
    )
    recall.cache.put(key_of(recall.request), ((0.0, Text("a")), (0.06, Text("b")), (0.06, Done())))

    async def never():
        raise AssertionError("nothing is asked")
        yield

    async def main() -> tuple[float, list[str]]:
        began = time.monotonic()
        names = [type(event).__name__ async for event in remembered(never(), recall, refresh=False)]
        return time.monotonic() - began, names

    seconds, names = asyncio.run(main())
    assert names == ["Start", "Text", "Text", "Done"]
    assert 0.03 <= seconds < 1


def test_what_told_of_one_run_is_not_kept(tmp_path: Path) -> None:
    session = Session()
    recall = Recall(
        Cache(tmp_path), Question("Hi").request(session.settings({}), MODEL), session.settings({"host": GONE})
    )

    async def fresh():
        for event in (
            Progress("connecting"),
            Start(MODEL, "local", "openai", "", recall.request),
            Notice("said once"),
            Text("a"),
            Done(),
        ):
            yield event

    async def names(refresh: bool) -> list[str]:
        return [type(event).__name__ async for event in remembered(fresh(), recall, refresh=refresh)]

    assert asyncio.run(names(True)) == ["Progress", "Start", "Notice", "Text", "Done"]
    assert "Progress" not in asyncio.run(names(False))
