"""`%%ollama --map` in a real ipykernel: the rows are bound, an interrupt keeps what there is, mistakes are told."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.fake_rules import RuledOllama
from tests.fake_script import Script
from tests.kernel.harness import Kernel

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator

pytestmark = [pytest.mark.kernel, pytest.mark.slow]


@pytest.fixture(scope="module")
def ruled() -> Iterator[RuledOllama]:
    with RuledOllama() as fake:
        yield fake


@pytest.fixture(scope="module")
def kernel(ruled: RuledOllama, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    folder = tmp_path_factory.mktemp("mapping")
    env = {"OLLAMA_HOST": ruled.url, "OLLAMA_MODEL": "m", "OLLAMA_MAGIC_CACHE_DIR": str(folder / "kept")}
    with Kernel(str(folder), env) as kernel:
        kernel.run("import pandas as pd, ollama_magic\nwords = ['sun', 'rain', 'snow']")
        yield kernel


@pytest.fixture(autouse=True)
def rule(ruled: RuledOllama) -> None:
    def answer(prompt: str) -> Any:
        last = prompt.split()[-1]
        if last == "rain":
            return Script().fails(400, '{"error":"not rain"}')
        return json.dumps({"label": last, "length": len(last)}) if prompt.startswith("As JSON") else last.upper()

    ruled.rule = answer


def test_a_frame_gets_its_columns(kernel: Kernel) -> None:
    kernel.run("df = pd.DataFrame({'text': words}, index=[5, 6, 7]); before = df")
    cell = kernel.run("%%ollama --map df --into said --concurrency 2\nSay {text}")
    said = "df: 3 rows, 1 of them with an error; new columns said, error.\nThe first error: BadRequest: not rain"
    assert said in cell.shown("text/plain")
    assert "3/3" in cell.shown("text/plain")  # the bar, a widget here: what is left of it in a saved notebook
    shown = kernel.run("print(df.to_csv(), list(before.columns))").shown()
    assert "5,sun,SUN," in shown
    assert "6,rain,,BadRequest: not rain" in shown
    assert "['text']" in shown
    cell = kernel.run('%%ollama --map df --out typed --schema "label: str, length: int" --no-cache\nAs JSON: {text}')
    assert cell.reply["status"] == "ok"
    assert "Int64" in kernel.run("print(typed.dtypes)").shown()


def test_a_list_and_an_expression(kernel: Kernel) -> None:
    cell = kernel.run('%%ollama --map "words[:1]" --out rows\nSay {word}')
    assert "rows: 1 row; new columns answer, error." in cell.shown("text/plain")
    kernel.run('%%ollama --map "words[:1] * 2" --out rows\nSay {word}')
    assert "[{'word': 'sun', 'answer': 'SUN', 'error': None}, {'word': 'sun'" in kernel.run("print(rows)").shown()


@pytest.mark.parametrize(
    ("line", "prompt", "said"),
    [
        ("--map wrods", "{word}", "no such variable, did you mean 'words'?"),
        ("--map words[:1]", "{word}", "has no name to assign the rows to"),
        ("--map words -c", "{word}", "--map cannot be combined with -c"),
        ("--map words --compare a,b", "{word}", "cannot be combined with --compare"),
        ("--map words", "no place", "names no column"),
        ("--into x", "hello", "--into says how to map, and nothing is"),
        ("--map words --concurrency many", "{word}", "--concurrency 'many' is not a whole number"),
        ("--map 1/0 --out x", "{word}", "raised ZeroDivisionError"),
    ],
)
def test_mistakes(kernel: Kernel, ruled: RuledOllama, line: str, prompt: str, said: str) -> None:
    asked = ruled.questions
    assert said in kernel.run(f"%%ollama {line}\n{prompt}").shown()
    assert ruled.questions == asked


def test_a_dry_run_shows_the_first_prompt(kernel: Kernel, ruled: RuledOllama) -> None:
    asked = ruled.questions
    shown = kernel.run("%%ollama --map words --into said --dry-run\nSay it: {word}").shown("text/plain")
    assert "3 rows would be asked; the answers become said and error." in shown
    assert "Say it: sun" in shown
    assert ruled.questions == asked


def test_an_interrupt_keeps_and_binds_what_there_is(kernel: Kernel, ruled: RuledOllama, gate: threading.Event) -> None:
    kernel.run("many = [f'word{n}' for n in range(20)]")
    before = ruled.questions

    def answer(prompt: str) -> Any:
        return "fine" if ruled.questions - before <= 6 or gate.is_set() else Script().waits_for(gate).says("late")

    ruled.rule = answer
    cell = kernel.start("%%ollama --map many --out rows --concurrency 1\nOnce more {word}")
    kernel.until(lambda: ruled.questions - before == 7)
    kernel.interrupt()
    kernel.finish(cell)
    assert "Stopped: 6 of 20 rows are answered and kept." in cell.shown()
    assert "Traceback" not in cell.shown()
    assert (
        "6 True"
        in kernel.run("print(sum(row['error'] is None for row in rows), rows is ollama_magic.last_map)").shown()
    )
    gate.set()
    kernel.run("%%ollama --map many --out rows --concurrency 1\nOnce more {word}")
    assert "20" in kernel.run("print(sum(row['answer'] == 'fine' for row in rows))").shown()
    assert ruled.questions - before == 21  # each once, but for the one on its way
