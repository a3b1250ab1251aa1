"""Several models asked at once, against a server on which each says its own."""

from __future__ import annotations

import json
import random
import time
from typing import TYPE_CHECKING

import pytest

import ollama_magic
from ollama_magic import compare, session, sweep
from ollama_magic.comparing.grid import models_of
from ollama_magic.comparing.racing import AT_ONCE, Times, in_turn
from ollama_magic.comparing.reading import contestants
from ollama_magic.endpoint import endpoint_for
from ollama_magic.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ollama_magic.session import Session
    from tests.fake_ollama import FakeOllama, Recorded

QUESTIONS = ("/v1/chat/completions", "/api/chat")


@pytest.fixture(autouse=True)
def kernel(fake: FakeOllama, monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    """A process that has asked nothing yet, and a server that has any model."""
    monkeypatch.setenv("OLLAMA_HOST", fake.url)
    fresh = session.Session()
    monkeypatch.setattr(session, "_session", fresh)
    fake.any_model = True
    yield fresh
    monkeypatch.undo()


def asked(fake: FakeOllama) -> list[Recorded]:
    return [each for each in fake.recorded if each.path in QUESTIONS]


class AllAsked:
    """Open when so many questions have come."""

    def __init__(self, fake: FakeOllama, count: int) -> None:
        self._fake, self._count = fake, count

    def is_set(self) -> bool:
        return len(asked(self._fake)) >= self._count


def test_each_model_is_asked_by_its_exact_name_and_gives_its_own_answer(fake: FakeOllama, kernel: Session) -> None:
    names = ["llama3.2", "hf.co/x/y:Q4", "user/model"]
    for name in names:
        # Nobody answers before all are asked.
        fake.voice(name).waits_for(AllAsked(fake, 3)).says("I am ", name)
    runs = compare("Who are you?", names, temperature=0)
    assert [answer.text for answer in runs] == [f"I am {name}" for name in names]
    assert sorted(each.json["model"] for each in asked(fake)) == sorted(names)
    assert {each.json["temperature"] for each in asked(fake)} == {0}
    assert {each.json["messages"][0]["content"] for each in asked(fake)} == {"Who are you?"}
    assert kernel.last is not None
    assert kernel.last.text == "I am llama3.2"
    assert (runs[1].text, runs["b"].text, runs[-1].text) == (
        "I am hf.co/x/y:Q4",
        "I am hf.co/x/y:Q4",
        "I am user/model",
    )
    assert len(runs) == len(runs.answers) == 3
    assert repr(runs) == "Runs(3 runs, 3 whole)"
    assert ollama_magic.last_runs is runs


def test_one_that_fails_disturbs_no_other(fake: FakeOllama, kernel: Session) -> None:
    fake.voice("broken").says("half ", "an answer").drops_after(1)
    fake.voice("missing").fails(404, '{"error":{"message":"model \'missing\' not found"}}')
    fake.voice("ill").fails(400, '{"error":{"message":"cannot"}}')
    fake.voice("error").says("so ", "far").fails_midstream("out of memory")
    fake.voice("fine").says("all ", "is well")
    runs = compare("Hello", "broken,missing,fine,ill,error,cloud/other")
    rows = {row["run"]: row for row in runs.rows}
    assert (rows["C"]["answer"], rows["C"]["error"], rows["C"]["reason"]) == ("all is well", "", "stop")
    for letter, error, text in [
        ("A", "Incomplete", "half "),
        ("B", "ModelNotFound", ""),
        ("D", "BadRequest", ""),
        ("E", "", "so far"),
        ("F", "SettingsError", ""),
    ]:
        assert rows[letter]["error"].startswith(error), rows[letter]["error"]
        assert rows[letter]["error"]
        assert rows[letter]["answer"] == text
        assert rows[letter]["reason"] == "incomplete"
    assert kernel.last is not None
    assert kernel.last.text == "all is well"


def test_modes_stand_side_by_side(fake: FakeOllama, monkeypatch: pytest.MonkeyPatch) -> None:
    fake.requires_key("sk-a-planted-key-91")
    monkeypatch.setenv("OLLAMA_API_KEY", "sk-a-planted-key-91")
    monkeypatch.setenv("OLLAMA_MAGIC_TRUSTED_HOSTS", "127.0.0.1")
    fake.says("hi")
    runs = compare("Hello", "local/user/m,cloud/gpt-oss:120b")
    assert [row["mode"] for row in runs.rows] == ["local", "cloud"]
    assert [row["error"] for row in runs.rows] == ["", ""]
    assert {(each.path, each.json["model"]) for each in asked(fake)} == {
        ("/v1/chat/completions", "user/m"),
        ("/api/chat", "gpt-oss:120b"),
    }
    assert "planted" not in repr(runs) + json.dumps(runs.rows, default=str) + str(runs._repr_mimebundle_())


def test_a_host_counts_for_the_modes_that_can_ask_it(kernel: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    ours, cloud = "http://gpu-box:11434", "https://ollama.com"
    monkeypatch.setenv("OLLAMA_API_KEY", "sk-a-planted-key-91")
    for host, values, expected in [
        (ours, {}, [ours, cloud, ours]),
        (cloud, {}, ["http://localhost:11434", cloud, cloud]),
        (cloud, {"host": ours}, [ours, cloud, ours]),
        (f"{cloud}:444", {"trusted_hosts": "ollama.com:444"}, [f"{cloud}:444"] * 3),
    ]:
        monkeypatch.setenv("OLLAMA_HOST", host)
        runners = contestants(kernel, models_of("local/a,cloud/b,c"), values)
        endpoints = [endpoint_for(each.settings) for each in runners]
        assert [each.host.url for each in endpoints] == expected
        for each in endpoints:
            assert (each.authorization is not None) == (each.mode == "cloud" or ":444" in host)
    monkeypatch.setenv("OLLAMA_HOST", ours)  # a llama.cpp, which has one surface; the cloud has the other one
    surfaces = contestants(kernel, models_of("local/a,cloud/b"), {"api": "openai"})
    assert [endpoint_for(each.settings).api for each in surfaces] == ["openai", "auto"]
    monkeypatch.setenv("OLLAMA_HOST", cloud)
    local = contestants(kernel, models_of("local/a"), {})[0].settings
    assert local.origin("host") == "default"  # what an error says of it


def test_a_sweep_sends_every_combination(fake: FakeOllama) -> None:
    fake.says("x")
    runs = sweep("Hello", {"temperature": [0, 0.7], "top_k": [1, 2]}, model="m", seed=5)
    sent = [(each.json["options"]["temperature"], each.json["options"]["top_k"]) for each in asked(fake)]
    assert sorted(sent) == [(0, 1), (0, 2), (0.7, 1), (0.7, 2)]
    assert {each.json["options"]["seed"] for each in asked(fake)} == {5}
    assert [(row["temperature"], row["top_k"], row["repeat"]) for row in runs.rows][:2] == [(0, 1, 1), (0, 2, 1)]
    frame = runs.df
    assert list(frame.columns) == [
        *("run", "model", "mode", "temperature", "top_k", "repeat", "answer", "prompt_tokens", "output_tokens"),
        *("first_token_s", "total_s", "tokens_per_second", "reason", "error"),
    ]
    assert len(frame) == 4


def test_what_is_swept_wins_over_what_the_call_says(fake: FakeOllama) -> None:
    fake.says("x")
    sweep("Hello", {"system": ["A", "B"], "max_tokens": [3]}, model="m", system="Z", options={"num_predict": 9})
    assert sorted(each.json["messages"][0]["content"] for each in asked(fake)) == ["A", "B"]
    assert {each.json["max_tokens"] for each in asked(fake)} == {3}


def test_a_value_that_cannot_be_used_is_refused_before_anything_is_sent(fake: FakeOllama) -> None:
    with pytest.raises(SettingsError, match="temperature"):
        sweep("Hello", {"temperature": [0, "warm"]}, model="m")
    with pytest.raises(SettingsError, match="is listed twice"):
        compare("Hello", ["a", "a"])
    assert asked(fake) == []


def test_what_is_not_taken_is_refused_and_not_sent_as_an_option(fake: FakeOllama) -> None:
    given: list[tuple[Callable[[], object], str]] = [
        (lambda: compare("Hello", "a", tools=[print]), "takes no tools"),
        (lambda: compare("Hello", "a", model="b"), "takes no model"),
        (lambda: sweep("Hello", {"seed": [1]}, models="a,b"), "takes no models"),
        (lambda: compare("Hello", None), "None is no model's name"),  # type: ignore[arg-type]
        (lambda: compare("Hello", ["a", 3]), "3 is no model's name"),  # type: ignore[list-item]
        (lambda: compare("Hello", "a", repeats=2.5), "2.5 is not a number of repeats"),  # type: ignore[arg-type]
        (lambda: compare("Hello", "a", repeats="2"), "'2' is not a number of repeats"),  # type: ignore[arg-type]
        (lambda: compare("Hello", "a", sweep=["seed"]), "does not say what to sweep"),  # type: ignore[arg-type]
        (lambda: compare(None, "a"), "not of type NoneType"),  # type: ignore[arg-type]
    ]
    for call, said in given:
        with pytest.raises(SettingsError, match=said):
            call()
    assert asked(fake) == []


def test_not_more_than_a_few_at_once(fake: FakeOllama) -> None:
    most = []

    class Watch:
        def is_set(self) -> bool:
            most.append(fake.open_streams)
            return len(asked(fake)) >= AT_ONCE

    fake.waits_for(Watch()).says("x")
    runs = compare("Hello", ["m"], repeats=3 * AT_ONCE)
    assert sum(run.whole for run in runs.runs) == 3 * AT_ONCE
    assert max(most) == AT_ONCE
    assert [run.variant.title for run in runs.runs[:2]] == ["m #1", "m #2"]


def test_kept_answers_are_replayed_each_repeat_its_own(fake: FakeOllama) -> None:
    fake.says("one").then().says("two").then().says("three")
    first = compare("Hello", "m", repeats=3, cache="use")
    again = compare("Hello", "m", repeats=3, cache="use")
    assert len(asked(fake)) == 3
    assert sorted(answer.text for answer in first) == ["one", "three", "two"]
    assert [answer.text for answer in again] == [answer.text for answer in first]
    assert {answer.surface for answer in again} == {"replayed"}
    compare("Hello", "m", cache="use")  # asked once, it is the first of them
    assert len(asked(fake)) == 3


@pytest.mark.slow
def test_a_schema_gives_a_value_for_each(fake: FakeOllama) -> None:
    fake.voice("a").says('{"year": 1815}')
    fake.voice("b").says("I do not know")
    runs = compare("When?", "a,b", schema={"type": "object", "properties": {"year": {"type": "integer"}}})
    assert runs[0].value == {"year": 1815}
    assert runs.runs[1].error
    assert [row["value"] for row in runs.rows] == [{"year": 1815}, None]
    assert compare("When?", "b", schema="year: int").df["value"].tolist() == [None]


def test_a_conversation_goes_on_from_its_thread_and_stays_as_it_was(fake: FakeOllama, kernel: Session) -> None:
    from ollama_magic import ask

    fake.says("Hello Ada")
    ask("I am Ada", "m", thread="t")
    compare("Who am I?", "a,b", thread="t")
    for each in asked(fake)[1:]:
        assert [message["content"] for message in each.json["messages"]] == ["I am Ada", "Hello Ada", "Who am I?"]
    assert len(kernel.threads.turns("t")) == 1


def test_the_runs_show_themselves_and_say_how_two_differ(fake: FakeOllama) -> None:
    fake.voice("a").says("The sky is blue.")
    fake.voice("b").says("The sea is blue.")
    runs = compare("Hello", "a,b")
    data, metadata = runs._repr_mimebundle_()
    assert "The sky is blue." in data["text/html"]
    assert [each["model"] for each in metadata["ollama_magic"]["compared"]] == ["a", "b"]
    assert runs.diff(0, "B").counts() == (3, 1, 1)
    with pytest.raises(SettingsError, match="no run 'Z'"):
        runs.diff("Z", 0)


class Later:
    """Open a while after `begins` holds."""

    def __init__(self, begins: Callable[[], bool], seconds: float) -> None:
        self._begins, self._seconds = begins, seconds
        self._since = 0.0

    def is_set(self) -> bool:
        if not self._since and self._begins():
            self._since = time.monotonic()
        return bool(self._since) and time.monotonic() > self._since + self._seconds


@pytest.mark.slow
def test_what_one_server_ran_one_after_another_is_said(fake: FakeOllama) -> None:
    fake.voice("a").waits_for(AllAsked(fake, 2)).says("one ").waits_for(Later(lambda: True, 0.15)).says("two")
    alone = Later(lambda: fake.open_streams == 1, 0.05)
    fake.voice("b").waits_for(alone).says("one ").waits_for(Later(alone.is_set, 0.15)).says("two")
    runs = compare("Hello", "a,b")
    assert f"{fake.url} seems to have run these one after another" in runs.note
    assert runs.note in runs._repr_mimebundle_()[0]["text/plain"]
    assert runs.rows[1]["first_token_s"] > runs.rows[0]["total_s"]  # the wait is in it


@pytest.mark.slow
def test_a_model_of_the_cloud_that_is_slow_to_begin_has_waited_for_nobody(
    fake: FakeOllama, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OLLAMA_API_KEY", "sk-a-planted-key-91")
    monkeypatch.setenv("OLLAMA_MAGIC_TRUSTED_HOSTS", "127.0.0.1")
    fake.voice("quick").waits_for(AllAsked(fake, 2)).says("one ").waits_for(Later(lambda: True, 0.15)).says("two")
    alone = Later(lambda: fake.open_streams == 1, 0.05)
    fake.voice("slow").waits_for(alone).says("one ").waits_for(Later(alone.is_set, 0.15)).says("two")
    assert compare("Hello", "cloud/quick,cloud/slow").note == ""


def test_a_server_that_runs_one_after_another_is_named() -> None:
    host = "http://localhost:11434"
    apart = [Times(0, 0.5, 2.0, host), Times(0, 2.1, 4.0, host), Times(0, 4.0, 4.5, host)]
    random.Random(3).shuffle(apart)
    together = [Times(0, 0.5, 2.0, host), Times(0, 1.9, 4.0, host)]
    assert in_turn(apart) == host
    assert in_turn(together) == ""
    assert in_turn([*together, Times(0, 9.0, 9.5, "https://ollama.com")]) == ""
    assert in_turn([Times(0, 0.5, 2.0, host)]) == ""
    assert in_turn([]) == ""
    # Answers that were there at once overlap too little to tell.
    assert in_turn([Times(0, 0.5, 0.51, host), Times(0, 0.6, 0.61, host)]) == ""
    assert in_turn([Times(0, None, 2.0, host), Times(0, 2.1, 4.0, host)]) == ""


def test_probabilities_give_each_run_its_perplexity(fake: FakeOllama) -> None:
    fake.says("Red", ".")
    runs = sweep("A colour?", {"temperature": [0, 1]}, model="a", top_logprobs=2)
    assert [round(row["perplexity"], 3) for row in runs.rows] == [1.105, 1.105]
    assert [len(token.alternatives) for token in runs.answers[0].probabilities] == [2, 2]
    assert str(runs._repr_mimebundle_()).count("perplexity 1.11") >= 2
    assert "perplexity" not in sweep("A colour?", {"temperature": [0]}, model="a").rows[0]
    with pytest.raises(SettingsError, match="0 to 20 alternatives, not 'x'"):
        compare("A colour?", "a,b", top_logprobs="x")  # type: ignore[arg-type]
