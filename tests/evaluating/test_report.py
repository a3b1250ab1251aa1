"""Tables of an evaluation: what is counted, what is said of trouble, and that nothing in them is live."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import pytest
from rich.console import Console

from ollama_magic.evaluating import Evaluation
from ollama_magic.evaluating.checks import Verdict
from ollama_magic.evaluating.report import told_share
from ollama_magic.evaluating.trials import Trial
from ollama_magic.render.tables import table_html, table_rich
from tests.render.payloads import PAYLOADS, problems

GOOD, BAD = Verdict("c", True, 1.0), Verdict("c", False, 0.0, "no")
ANSWERED = Trial(0, "p", "m", 1, "text", (GOOD,), "", 2.0, 0.5, 40.0, 1000, 20)


def made(*trials: Trial, models: tuple[str, ...] = ("m",), checks: tuple[str, ...] = ("c",)) -> Evaluation:
    return Evaluation(("p", "q"), models, checks, trials)


def test_the_table_counts_what_can_be_told() -> None:
    found = made(
        ANSWERED,
        replace(ANSWERED, number=1, verdicts=(BAD,), seconds=4.0, tokens_per_second=20.0, output_tokens=30),
        replace(ANSWERED, model="n", verdicts=(), error="Stalled: silence", seconds=None, tokens_per_second=None),
        models=("m", "n"),
    )
    assert found.table.columns == (
        *("model", "passed", "95% interval", "answers", "errors", "median s", "p90 s", "tok/s"),
        *("tokens in", "tokens out"),
    )
    assert found.table.cells() == [
        ["m", "50% (1/2)", "9%–91%", "2", "", "3.00", "3.80", "30", "2,000", "50"],
        ["n", "– (0/0)", "–", "0", "1", "–", "–", "–", "1,000", "20"],
    ]
    assert found.table.note == "stopped: 3 of 4 answers · 1 × Stalled: silence"
    assert repr(found) == "<Evaluation of 2 prompts, 2 models, 1 check: 50% (1/2) passed>"


def test_a_terminal_too_narrow_for_a_row_has_a_line_for_each_column() -> None:
    models = ("llama3.2", "hf.co/somebody/a-long-name", "third", "fourth")
    found = made(*[replace(ANSWERED, model=model) for model in models], models=models)

    def told(width: int) -> list[str]:
        console = Console(width=width, file=io.StringIO())
        console.print(table_rich(found.table))
        assert isinstance(console.file, io.StringIO)
        return [line.split() for line in console.file.getvalue().splitlines()]

    assert told(120)[1][:4] == ["llama3.2", "100%", "(1/1)", "21%–100%"]
    assert ["tokens", "in", *["1,000"] * 4] in told(79)
    apart = told(50)  # as many beside each other as there is room for
    assert apart.count(["tokens", "in", "1,000", "1,000"]) == 2
    assert apart[-1][:3] == ["stopped:", "4", "of"]


def test_several_checks_have_a_column_each_and_none_has_none() -> None:
    two = made(replace(ANSWERED, verdicts=(GOOD, Verdict("d", None, error="E: x"))), checks=("c", "d"))
    assert two.table.columns[3:5] == ("c", "d")
    assert two.table.cells()[0][1:5] == ["– (0/0)", "–", "100%", "–"]
    assert "1 × d: E: x" in two.table.note
    assert made(replace(ANSWERED, verdicts=()), checks=()).table.columns[:2] == ("model", "answers")


def test_what_is_to_be_known_of_answers_is_said_once() -> None:
    cut = "only the last 99 tokens of the prompt were read"
    found = made(*[replace(ANSWERED, number=n, notice=cut, replayed=True) for n in (0, 1)])
    assert found.table.note == f"2 of 2 answers from earlier runs, with the times measured then · 2 × {cut}"
    several = made(*[replace(ANSWERED, number=n, error=f"E: {n % 2}") for n in range(3)])
    assert "2 × E: 0 (and 1 more kind: .errors has them)" in several.table.note


def test_the_heat_map_tells_the_answer_that_failed() -> None:
    passes, fails = replace(ANSWERED, answer="right"), replace(ANSWERED, answer="wrong", verdicts=(BAD,), repeat=2)
    for trials, told in (
        ((passes,), "right"),
        ((passes, fails), "wrong"),
        ((passes, replace(passes, repeat=2)), "right"),
    ):
        shown = json.dumps(made(*trials).heatmap().spec)
        assert told in shown
        assert ("right" in shown) is (told == "right")


def test_the_heat_map_says_why() -> None:
    second = Verdict("d", False, 0.0, "too long")
    broken = replace(ANSWERED, answer="half", error="Stalled: silence", verdicts=())
    for trials, check, why in (
        ([replace(ANSWERED, verdicts=(GOOD, second))], "", "d: too long"),
        ([replace(ANSWERED, verdicts=(GOOD, second))], "c", ""),
        ([ANSWERED, replace(ANSWERED, repeat=2, verdicts=(BAD, second))], "", "c: no"),
        ([broken], "", "Stalled: silence"),
        ([broken, replace(ANSWERED, repeat=2, verdicts=(BAD,))], "", "c: no"),
    ):
        spec = made(*trials, checks=("c", "d")).heatmap(check).spec
        assert [row.get("why", "") for row in spec["data"]["values"]] == [why]
        assert ("why" in [field["title"] for field in spec["encoding"]["tooltip"]]) is bool(why)


def test_only_all_of_them_are_100_per_cent() -> None:
    shares = {
        0: "0%",
        0.004: "<1%",
        0.005: "<1%",
        0.006: "1%",
        0.994: "99%",
        0.995: ">99%",
        0.996: ">99%",
        0.9999: ">99%",
        1: "100%",
        None: "–",
    }
    assert {share: told_share(share) for share in shares} == shares


def test_a_model_that_copies_itself_is_told() -> None:
    def note(*answers: str) -> str:
        trials = [replace(ANSWERED, number=n, repeat=r, answer=a) for n in (0, 1) for r, a in enumerate(answers, 1)]
        return made(*trials).table.note

    assert "m: the same answer in each repeat" in note("a", "a")
    assert "the same answer" not in note("a", "b")
    assert "the same answer" not in note("a")


def test_the_data_frame_is_tidy() -> None:
    pandas = pytest.importorskip("pandas")
    both = (GOOD, Verdict("d", None, error="E: x"))
    frame = made(replace(ANSWERED, verdicts=both), replace(ANSWERED, number=1, verdicts=(), error="Stalled")).df
    assert isinstance(frame, pandas.DataFrame)
    assert list(frame["check"]) == ["c", "d", ""]
    assert list(frame["passed"]) == [True, pandas.NA, pandas.NA]
    assert frame["passed"].mean() == 1
    assert list(frame[~frame["passed"]]["check"]) == []
    assert frame["score"].dtype == float
    assert list(frame["check_error"]) == ["", "E: x", ""]
    assert list(frame["error"]) == ["", "", "Stalled"]
    assert list(frame["number"]) == [0, 0, 1]


@pytest.mark.slow
def test_nothing_in_a_table_is_live() -> None:
    for text in PAYLOADS:
        trial = replace(ANSWERED, prompt=text, model=text, verdicts=(Verdict(text, False, 0.0, text),), notice=text)
        now = Evaluation((text,), (text,), (text, "c"), (trial,))
        before = Evaluation((text,), (text,), (text,), (replace(trial, verdicts=(Verdict(text, True),)),))
        compared = now.compare(before)
        for table in (now.table, compared.table, compared.rates):
            assert problems(table_html(table)) == []
