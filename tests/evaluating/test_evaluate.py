"""`evaluate` against a server that answers by rule: rates, judges, what is kept, and what goes wrong."""

from __future__ import annotations

import json
import signal
import threading
import time
from typing import TYPE_CHECKING, Any

import pandas
import polars
import pytest

import ollama_magic
from ollama_magic import contains, evaluate, judge
from ollama_magic.endpoint import endpoint_for
from ollama_magic.errors import SettingsError
from ollama_magic.evaluating.inputs import model_of
from ollama_magic.evaluating.running import EvaluationStopped
from ollama_magic.session import Session
from tests.evaluating.conftest import CAPITALS, knows
from tests.fake_rules import BUSY, RuledOllama
from tests.fake_script import Script

if TYPE_CHECKING:
    from ollama_magic.evaluating import Evaluation

ROWS = [{"land": land, "expected": town} for land, town in CAPITALS.items()]
ASKS = "What is the capital of {land}?"


def run(prompts: Any = ROWS, models: Any = "llama3.2", checks: Any = None, **how: Any) -> Evaluation:
    return evaluate(prompts, models, checks, progress=False, **{"template": ASKS, **how})


def passed(found: Evaluation, model: str = "", check: str = "") -> tuple[int, int]:
    rate = found.rate(model, check)
    return rate.passed, rate.of


# ---- prompts, models, checks -----------------------------------------------------------------------------------


def test_rows_fill_a_template_and_say_what_is_expected(ruled: RuledOllama) -> None:
    found = run()
    assert found.prompts[0] == "What is the capital of France?"
    assert found.checks == ("expected",)
    assert [trial.passed() for trial in found.trials] == [True, True, True, False]
    assert passed(found) == (3, 4)
    assert found.failed[0].verdicts[0].reason == "“Lima” is not in it"
    assert [trial.answer for trial in found.trials] == [knows(prompt) for prompt in found.prompts]
    assert all(trial.seconds is not None and trial.output_tokens for trial in found.trials)
    assert found.expected == len(found.trials) == ruled.questions


def test_a_host_counts_for_the_modes_that_can_ask_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLLAMA_API_KEY", "sk-a-planted-key-91")
    monkeypatch.setenv("OLLAMA_HOST", "http://gpu-box:11434")
    ours = {"model": "cloud/a", "host": "https://gw.example", "trusted_hosts": "gw.example"}
    for given, url in [
        ("cloud/a", "https://ollama.com"),
        ("local/a", "http://gpu-box:11434"),
        (ours, "https://gw.example"),
    ]:
        assert endpoint_for(model_of(Session(), given, {}).settings).host.url == url
    with pytest.raises(SettingsError, match="may not have the key"):  # a host of its own is meant
        endpoint_for(model_of(Session(), {"model": "cloud/a", "host": "gpu-box"}, {}).settings)


def test_every_form_of_prompts_asks_the_same() -> None:
    texts = ["Capital of France? {not filled}", "Capital of Peru?"]
    rows = [{"prompt": text, "expected": "Paris"} for text in texts]
    for given in (rows, pandas.DataFrame(rows), polars.DataFrame(rows), iter(rows)):
        found = evaluate(given, "m", progress=False)
        assert found.prompts == tuple(texts)
        assert passed(found) == (1, 2)
    columns = (pandas.Series(texts, name="prompt"), pandas.Series(texts, name="question"), polars.Series(texts))
    for plain in (texts, tuple(texts), *columns):
        assert passed(evaluate(plain, "m", "Paris", progress=False)) == (1, 2)
    assert passed(evaluate(texts[0], "m", "Paris", progress=False)) == (1, 1)


def test_several_models_each_by_a_name_of_its_own(ruled: RuledOllama) -> None:
    models = ["a", "local/b", {"model": "a", "temperature": 0.5}, {"model": "a", "top_k": 3, "label": "warm"}]
    found = run(models=models, seed=7)
    assert found.models == ("a", "local/b", "a · temperature=0.5", "warm")
    assert [passed(found, model) for model in found.models] == [(3, 4)] * 4
    asked = [request.json for request in ruled.recorded if request.path in ("/v1/chat/completions", "/api/chat")]
    assert [each["model"] for each in asked] == [*["a"] * 4, *["b"] * 4, *["a"] * 8]  # one model after another
    assert {each.get("seed", each.get("options", {}).get("seed")) for each in asked} == {7}
    assert asked[8]["temperature"] == 0.5
    assert asked[-1]["options"]["top_k"] == 3
    assert found.settings["warm"] == {"top_k": 3, "model": "a", "seed": 7, "cache": "use"}


def test_rates_by_check_and_a_check_that_fails_itself() -> None:
    def broken(answer: str, row: dict[str, str]) -> bool:
        return {"France": True, "Italy": False}[row["land"]]

    found = run(checks={"town": contains("{expected}"), "short": lambda answer: len(answer) < 100, "broken": broken})
    assert [passed(found, check=check) for check in found.checks] == [(3, 4), (4, 4), (1, 2)]
    assert passed(found) == (1, 3)  # of Japan it cannot be told, Peru failed anyway
    assert [trial.trouble for trial in found.errors] == ["broken: KeyError: 'Japan'", "broken: KeyError: 'Peru'"]
    with pytest.raises(SettingsError, match="there is no 'none'"):
        found.rate(check="none")


def test_a_schema_is_asked_for_and_checks_get_the_value(ruled: RuledOllama) -> None:
    ruled.rule = lambda prompt: '{"name": "Paris", "people": 2000000}'
    found = run(ROWS[:1], checks=lambda town: town["people"] > 1_000_000, schema="name: str, people: int")
    assert passed(found) == (1, 1)
    assert ruled.recorded[-1].json["response_format"]["json_schema"]["schema"]["required"] == ["name", "people"]


def test_an_answer_that_does_not_fit_the_schema_has_failed(ruled: RuledOllama) -> None:
    judged: list[str] = []

    def rule(prompt: str) -> str:
        if "You judge" in prompt:
            judged.append(prompt)
            return '{"reason": "ok", "verdict": "yes"}'
        return '{"people": 3}' if "France" in prompt else "three"

    ruled.rule = rule
    found = run(ROWS[:2], checks=[lambda town: town["people"] == 3, judge("Polite?")], schema="people: int")
    assert [passed(found, check=check) for check in ("", *found.checks)] == [(1, 2)] * 3
    assert found.failed[0].answer == "three"
    assert found.failed[0].verdicts[0].reason.startswith("SchemaMismatch: The answer is not what the schema asks for")
    assert not found.errors
    assert len(judged) == 1
    (bare,) = run(ROWS[1:2], [None], [], schema="people: int").trials
    assert bare.error.startswith("SchemaMismatch")  # without checks nothing else would say so


# ---- judges ----------------------------------------------------------------------------------------------------


def test_a_judge_says_yes_or_no_when_all_have_answered(ruled: RuledOllama) -> None:
    order: list[str] = []

    def rule(prompt: str) -> str:
        order.append("judge" if "You judge" in prompt else "asked")
        if "You judge" not in prompt:
            return knows(prompt)
        return json.dumps({"reason": "it names a town", "verdict": "no" if "Nobody" in prompt else "yes"})

    ruled.rule = rule
    polite = judge("Does it name a town?", model="local/big", name="town", num_ctx=8192)
    found = run(checks=[polite, "It"], system="Be brief.")
    assert passed(found, check="town") == (3, 4)
    assert found.trials[0].verdicts[0].reason == "it names a town"
    assert order == ["asked"] * 4 + ["judge"] * 4
    body = ruled.recorded[-1].json
    assert body["model"] == "big"
    assert body["options"] == {"num_ctx": 8192, "temperature": 0.0}
    assert [message["role"] for message in body["messages"]] == ["user"]  # the models' system prompt is not the judge's
    assert "Does it name a town?" in body["messages"][0]["content"]


def test_the_longest_answer_of_the_models_does_not_cut_off_a_verdict(ruled: RuledOllama) -> None:
    ruled.rule = lambda prompt: '{"reason": "ok", "verdict": "yes"}' if "You judge" in prompt else knows(prompt)
    ollama_magic.connect(max_tokens=40)
    run(ROWS[:1], checks=[judge("Polite?"), judge("Short?", max_tokens=99), judge("Clear?", num_predict=98)])
    asked = [request.json for request in ruled.recorded if request.method == "POST"]
    assert [body.get("max_tokens") for body in asked] == [40, None, 99, 98]


def test_a_judge_is_told_what_is_expected(ruled: RuledOllama) -> None:
    def rule(prompt: str) -> str:
        if "You judge" not in prompt:
            return knows(prompt)
        return json.dumps(
            {"reason": "ok", "verdict": "yes" if "Question: Is it Paris, as for France?" in prompt else "no"}
        )

    ruled.rule = rule
    rows = [*ROWS[:2], {"land": "Japan", "expected": None}]
    found = run(rows, checks=judge("Is it {expected}, as for {land}?"))
    assert [trial.passed() for trial in found.trials] == [True, False, None]
    assert "the row has nothing in its column 'expected'" in found.errors[0].verdicts[0].error


def test_a_judge_that_answers_nonsense_is_an_error_of_its_check(ruled: RuledOllama) -> None:
    def rule(prompt: str) -> str | Script:
        if "You judge" not in prompt:
            return knows(prompt)
        if "Nobody" in prompt:
            return '{"reason": "ok", "verdict": "perhaps"}'
        return "I will not say." if "Paris" in prompt else '{"reason": "ok", "verdict": "yes"}'

    ruled.rule = rule
    found = run(checks=[judge("Polite?"), "it is"])
    verdicts = [trial.verdicts[0] for trial in found.trials]
    assert [verdict.passed for verdict in verdicts] == [None, True, True, None]
    assert verdicts[0].error.startswith("the judge gave no verdict: SchemaMismatch")
    assert passed(found, check="contains it is") == (3, 4)  # the other check is untouched


# ---- what is kept ----------------------------------------------------------------------------------------------


def test_answers_are_kept_and_other_checks_cost_nothing(ruled: RuledOllama) -> None:
    first = run()
    again = run(checks="it is")
    assert ruled.questions == 4
    assert [trial.answer for trial in again.trials] == [trial.answer for trial in first.trials]
    assert [trial.seconds for trial in again.trials] == [trial.seconds for trial in first.trials]
    assert all(trial.replayed for trial in again.trials)
    assert not any(trial.replayed for trial in first.trials)
    run(cache="refresh")
    run(cache="off")
    assert ruled.questions == 12


def test_an_answer_that_was_cut_off_says_so(ruled: RuledOllama) -> None:
    ruled.rule = lambda prompt: (
        Script().says("It is Paris, and").ends_with("length") if "France" in prompt else "It is."
    )
    for _ in ("asked", "replayed"):
        found = run(max_tokens=6)
        assert [bool(trial.notice) for trial in found.trials] == [True, False, False, False]
        assert found.trials[0].notice.startswith("cut off: the limit on tokens was reached")
        assert found.trials[0].passed()


def test_repeats_are_answers_of_their_own(ruled: RuledOllama) -> None:
    count = iter(range(100))
    ruled.rule = lambda prompt: "Paris" if next(count) % 2 else "Rome"
    found = run(ROWS[:1], repeats=6, concurrency=1, seed=40)
    assert [trial.repeat for trial in found.trials] == [1, 2, 3, 4, 5, 6]
    assert passed(found) == (3, 6)
    asked = [request.json for request in ruled.recorded if request.path == "/v1/chat/completions"]
    assert [each["seed"] for each in asked] == [40, 41, 42, 43, 44, 45]  # the same one would give the same answer
    assert all(trial.replayed for trial in run(ROWS[:1], repeats=6, seed=40).trials)
    assert ruled.questions == 6
    assert all("repeat" not in json.dumps(request.json) for request in ruled.recorded if request.body)


def test_an_interrupt_keeps_what_there_is_and_the_next_run_asks_the_rest(ruled: RuledOllama) -> None:
    stopped = threading.Event()

    def rule(prompt: str) -> str | Script:
        if "Japan" in prompt and not stopped.is_set():
            stopped.set()
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
            return Script().says("It ").waits_for(threading.Event())
        return knows(prompt)

    ruled.rule = rule
    with pytest.raises(EvaluationStopped) as caught:
        run(concurrency=1, checks=["{expected}", judge("Polite?")])
    assert str(caught.value).startswith("Stopped: 2 of 4 answers arrived and are kept")
    found = ollama_magic.last_evaluation
    assert len(found.trials) == 2
    assert passed(found, check="contains {expected}") == (2, 2)
    assert found.trials[0].verdicts[1].error == "it was stopped before this was judged"
    assert "stopped: 2 of 4 answers" in str(found)
    assert ruled.disconnected.wait(5)
    whole = run()
    assert len(whole.trials) == 4
    assert ruled.times["What is the capital of France?"] == 1


def test_an_interrupt_while_the_judge_is_asked_keeps_all_answers(ruled: RuledOllama) -> None:
    def rule(prompt: str) -> str | Script:
        if "You judge" in prompt and "Japan" in prompt:
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
            return Script().says("{").waits_for(threading.Event())
        return '{"reason": "ok", "verdict": "yes"}' if "You judge" in prompt else knows(prompt)

    ruled.rule = rule
    with pytest.raises(EvaluationStopped, match="4 of 4 answers arrived, not all verdicts, and are kept"):
        run(concurrency=1, checks=judge("Polite?"))
    verdicts = [trial.verdicts[0] for trial in ollama_magic.last_evaluation.trials]
    assert [verdict.passed for verdict in verdicts] == [True, True, None, None]


def test_an_interrupt_does_not_promise_what_is_not_kept(ruled: RuledOllama) -> None:
    def interrupted(answer: str) -> bool:
        raise KeyboardInterrupt

    with pytest.raises(EvaluationStopped) as caught:
        run(ROWS[:1], concurrency=1, checks=interrupted, cache=False)
    assert "of 1 answers arrived" in str(caught.value)
    assert "kept" not in str(caught.value)
    assert str(caught.value).endswith("The cache is off: running it again asks for all of it.")


def test_an_interrupt_within_a_check_keeps_what_has_come_meanwhile(ruled: RuledOllama) -> None:
    third = threading.Event()

    def rule(prompt: str) -> str | Script:
        if "Japan" in prompt:
            third.set()
            return Script().says("It ").waits_for(threading.Event())
        return knows(prompt)

    def check(answer: str) -> bool:
        if "Paris" in answer:
            assert third.wait(5)  # so the second answer has come, and nobody has read it
            raise KeyboardInterrupt
        return True

    ruled.rule = rule
    with pytest.raises(EvaluationStopped, match="2 of 4 answers arrived"):
        run(concurrency=1, checks=check)
    found = ollama_magic.last_evaluation
    assert [trial.answer for trial in found.trials] == ["It is Paris.", "It is Rome."]
    assert [trial.verdicts[0].passed for trial in found.trials] == [None, True]
    assert found.trials[0].verdicts[0].error == "it was stopped before this was judged"


@pytest.mark.slow
def test_the_bar_tells_that_it_waits_for_a_server(ruled: RuledOllama, capfd: pytest.CaptureFixture[str]) -> None:
    told: list[str] = []
    ruled.dies_after = 1
    again = RuledOllama(port=int(ruled.url.rpartition(":")[2]))
    again.rule = ruled.rule

    def revive() -> None:
        while "waiting for" not in "".join(told):
            told.append(capfd.readouterr().err)
            time.sleep(0.01)
        again.__enter__()

    reviving = threading.Thread(target=revive)
    reviving.start()
    found = evaluate(ROWS, "llama3.2", template=ASKS, concurrency=1)
    reviving.join()
    again.close()
    assert passed(found) == (3, 4)
    assert f"waiting for {ruled.url}" in "".join(told)


# ---- what goes wrong -------------------------------------------------------------------------------------------


def test_one_model_that_is_not_there_disturbs_no_other(ruled: RuledOllama) -> None:
    ruled.any_model = False
    found = run(models=["none", "llama3.2"], concurrency=1)
    assert passed(found, "llama3.2") == (3, 4)
    assert passed(found, "none") == (0, 0)
    errors = [trial.error for trial in found.trials if trial.model == "none"]
    assert len(errors) == 4
    assert all(error.startswith("ModelNotFound") for error in errors)
    assert sum(request.body != b"" and request.json["model"] == "none" for request in ruled.recorded) == 1


@pytest.mark.slow
def test_cut_answers_and_busy_servers_and_hosts_that_are_not_there(ruled: RuledOllama) -> None:
    full = iter([True, True])
    busy = Script().fails(503, BUSY, {"Retry-After": "0"})

    def rule(prompt: str) -> str | Script:
        if "Italy" in prompt:
            return Script().says("It is ", "Rome.").drops_after(1)
        return busy if "Japan" in prompt and next(full, False) else knows(prompt)

    ruled.rule = rule
    nowhere = {"model": "m", "host": "http://someone:secret@127.0.0.1:9", "label": "nowhere"}
    found = run(models=["llama3.2", nowhere])
    here = [trial for trial in found.trials if trial.model == "llama3.2"]
    assert [trial.passed() for trial in here] == [True, None, True, False]
    assert here[1].error.startswith("Incomplete")
    assert here[1].answer == "It is "
    assert all(trial.error.startswith("Unreachable") for trial in found.trials if trial.model == "nowhere")
    assert "secret" not in repr(found) + str(found) + repr(found.trials) + repr(found.settings)


def test_what_cannot_be_asked_is_refused_before_anything_is_sent(ruled: RuledOllama) -> None:
    wrong: list[dict[str, Any]] = [
        {"prompts": []}, {"prompts": [{"land": "x"}], "template": ""}, {"prompts": [3], "template": ""},
        {"template": "What of {lnad}?"}, {"models": []}, {"models": ["a", "a"]}, {"models": [3]}, {"checks": [3]},
        {"prompts": None}, {"prompts": 3}, {"prompts": b"x"}, {"models": 3}, {"models": b"m"},
        {"repeats": 0}, {"repeats": "three"}, {"repeats": 1.5}, {"concurrency": 0}, {"temperature": "hot"},
        {"schema": "no schema"},
        {"models": {"model": "a", "num_ctx": "x"}}, {"checks": judge("?", model=3)},
    ]  # fmt: skip
    for how in wrong:
        with pytest.raises(SettingsError):
            run(**how)
    assert not ruled.recorded
