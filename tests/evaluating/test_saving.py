"""Runs saved, read again and compared: nothing is lost, no key is in the file, regressions come first."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ollama_magic import Evaluation, evaluate
from ollama_magic.errors import SettingsError
from ollama_magic.evaluating.checks import Verdict
from ollama_magic.evaluating.trials import Trial

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fake_rules import RuledOllama

KEY = "0123456789abcdef0123456789abcdef.secret-of-the-test"


def made(marks: dict[str, list[bool | None]], model: str = "m", check: str = "c") -> Evaluation:
    """An evaluation by hand: for each prompt the verdicts of its repeats; None for an error."""
    trials = [
        Trial(n, prompt, model, repeat, "", (Verdict(check, mark),), "" if mark is not None else "Stalled: silence")
        for n, (prompt, found) in enumerate(marks.items())
        for repeat, mark in enumerate(found, start=1)
    ]
    return Evaluation(tuple(marks), (model,), (check,), tuple(trials), max(map(len, marks.values())))


def test_what_is_saved_is_read_again_whole(ruled: RuledOllama, tmp_path: Path) -> None:
    rows = [
        {"prompt": "Capital of France? \ud83d", "expected": "Paris"},
        {"prompt": "\x1b[31m</script>", "expected": ""},
    ]
    models = [
        {"model": "m", "key": KEY, "trusted_hosts": "127.0.0.1", "num_ctx": 99},
        {"model": "m", "host": ruled.url.replace("//", "//someone:secret@"), "label": "b"},
    ]
    found = evaluate(rows, models, ["{expected}", lambda answer: 1 / 0], progress=False)
    path = found.save(tmp_path / "run1.json")
    again = Evaluation.load(str(path))
    assert again == found
    assert str(again) == str(found)
    text = path.read_text(encoding="utf-8")
    for secret in (KEY, "secret", "someone", ruled.url, "127.0.0.1", str(ruled.port)):
        assert secret not in text
    assert json.loads(text)["settings"]["b"] == {"model": "m", "cache": "use"}
    assert [file.name for file in tmp_path.iterdir()] == ["run1.json"]


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    found = made({"a": [True]})
    with pytest.raises(SettingsError, match=r"run1\.json cannot be written: there is no folder .*nowhere"):
        found.save(tmp_path / "nowhere" / "run1.json")
    with pytest.raises(SettingsError, match="is a folder") as caught:
        found.save(tmp_path)
    assert str(tmp_path / "run1.json") in caught.value.hint
    assert not list(tmp_path.iterdir())
    with pytest.raises(SettingsError, match="there is no 'c'") as caught:
        replace(found, checks=()).rate(check="c")
    assert caught.value.hint == "There is none."
    with pytest.raises(SettingsError, match="a str is not an evaluation"):
        found.compare("run1.json")  # type: ignore[arg-type]
    with pytest.raises(SettingsError, match="there is no 'zz' in this evaluation"):
        found.heatmap("zz")


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    good = json.loads(made({"a": [True]}).save(tmp_path / "good.json").read_text())
    for content in (
        "", "[]", "{}", "[" * 100_000, json.dumps({**good, "version": 99}), json.dumps({**good, "format": "x"}),
        json.dumps({**good, "trials": [{}]}), json.dumps({**good, "trials": [{**good["trials"][0], "verdicts": [3]}]}),
        json.dumps({**good, "prompts": None}), json.dumps({name: good[name] for name in good if name != "models"}),
    ):  # fmt: skip
        (tmp_path / "bad.json").write_text(content)
        with pytest.raises(SettingsError) as caught:
            Evaluation.load(tmp_path / "bad.json")
        assert "bad.json" in caught.value.message
    with pytest.raises(FileNotFoundError):
        Evaluation.load(tmp_path / "none.json")


def test_fields_of_a_later_version_are_passed_over(tmp_path: Path) -> None:
    found = made({"a": [True]})
    content = json.loads(found.save(tmp_path / "run.json").read_text())
    content["trials"][0]["colour"] = content["trials"][0]["verdicts"][0]["colour"] = "blue"
    (tmp_path / "run.json").write_text(json.dumps(content), encoding="utf-8-sig")
    assert Evaluation.load(tmp_path / "run.json").trials == found.trials


def test_an_unfinished_save_leaves_the_old_file_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = made({"a": [True]}).save(tmp_path / "run.json")
    before = path.read_bytes()

    def full(source: object, target: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(OSError, match="No space left"):
        made({"a": [False]}).save(path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["run.json"]


# ---- compare ---------------------------------------------------------------------------------------------------


def test_regressions_come_first() -> None:
    before = made(
        {"same": [True], "broke": [True], "mended": [False], "dropped": [True], "lost": [True], "was": [None]}
    )
    after = made({"same": [True], "mended": [True], "broke": [False], "lost": [None], "new": [True], "was": [True]})
    found = after.compare(before)
    assert [(each.what, each.prompt) for each in found.differences] == [
        ("regression", "broke"), ("lost", "lost"), ("fixed", "mended"), ("same", "same"),
        ("new", "new"), ("new", "was"), ("gone", "dropped"),
    ]  # fmt: skip
    assert [each.prompt for each in found.regressions] == ["broke"]
    assert [each.prompt for each in found.fixed] == ["mended"]
    assert found.differences[1].reason == "Stalled: silence"
    rows = found.table.cells()
    assert rows[0][:5] == ["regression", "m", "broke", "passed", "failed"]
    assert len(rows) == 6
    assert list(found.df["what"])[:2] == ["regression", "lost"]
    assert repr(found) == "<Comparison: 1 regression, 1 fixed>"


def test_the_change_of_the_rate_has_an_interval() -> None:
    # The published pair 48 of 80, then 56 of 70, on the same prompts.
    before = made({"a": [True] * 48 + [False] * 32})
    after = made({"a": [True] * 56 + [False] * 14})
    found = after.compare(before)
    assert found.rates.cells() == [["m", "60% (48/80)", "80% (56/70)", "+20 points", "+5 to +33", "0", "1"]]
    (one, two, moved) = found.changes["m"]
    assert moved is not None
    assert (moved.low, moved.high) == pytest.approx((0.0524, 0.3339), abs=5e-5)
    assert (one.passed, two.passed) == (48, 56)
    assert "no prompt changed" in str(after.compare(after))


def test_only_checks_of_both_runs_count() -> None:
    before, after = made({"a": [True], "b": [True]}), made({"a": [True], "b": [False]})
    strict = replace(after, checks=("c", "brief"), trials=tuple(
        replace(trial, verdicts=(*trial.verdicts, Verdict("brief", False))) for trial in after.trials
    ))  # fmt: skip
    found = strict.compare(before)
    assert [each.prompt for each in found.regressions] == ["b"]  # "a" fails a check that was not there before
    assert found.regressions[0].reason == "c"
    assert found.notes == ("checks of one run alone do not count: brief (after)",)
    assert "brief (after)" in str(found)
    assert before.compare(strict).notes == ("checks of one run alone do not count: brief (before)",)
    renamed = after.compare(made({"a": [True], "b": [True]}, check="other"))
    assert [each.prompt for each in renamed.regressions] == ["b"]
    assert renamed.notes == ("no check is in both runs: each is held against its own",)
    assert not after.compare(before).notes


def test_prompts_of_another_template_are_compared_by_their_places() -> None:
    before = made({"Capital of France?": [True], "Capital of Peru?": [True]})
    after = made({"The capital of France, please.": [True], "The capital of Peru, please.": [False]})
    found = after.compare(before)
    assert [(each.what, each.prompt) for each in found.differences] == [
        ("regression", "The capital of Peru, please."), ("same", "The capital of France, please."),
    ]  # fmt: skip
    assert found.notes == ("no prompt is in both runs: each is compared with the one in its place",)
    more = made({"x": [True], "y": [True], "z": [True]})
    assert {each.what for each in more.compare(before).differences} == {"new", "gone"}
    other = made({"Capital of Peru?": [True], "Capital of Italy?": [True]})
    assert [each.what for each in other.compare(before).differences] == ["same", "new", "gone"]


def test_two_models_of_one_run_are_compared() -> None:
    one, two = made({"a": [True], "b": [True]}, "one"), made({"a": [True], "b": [False]}, "two")
    run = replace(
        one, models=("one", "two"), trials=(*one.trials, *two.trials), settings={"one": {"seed": 1}, "two": {"seed": 2}}
    )
    assert run.only("two").trials == two.trials
    assert run.only("two").settings == {"two": {"seed": 2}}
    assert run.only("two", "one") == run
    found = run.only("two").compare(run.only("one"))
    assert [each.prompt for each in found.regressions] == ["b"]
    with pytest.raises(SettingsError, match="there is no 'three'"):
        run.only("one", "three")


def test_two_single_models_of_different_names_are_compared() -> None:
    found = made({"a": [False]}, "new").compare(made({"a": [True]}, "old"))
    assert [(each.what, each.model) for each in found.differences] == [("regression", "new")]
    assert made({"a": [False]}, "new").compare(made({"a": [True]}, "old")).notes == ("new is compared with old",)
    two = replace(made({"a": [True]}, "old"), models=("old", "other"))
    assert [each.what for each in made({"a": [False]}, "new").compare(two).differences] == ["new", "gone"]
    assert "no model was judged on the same prompt" in str(made({"a": [False]}, "new").compare(two))
