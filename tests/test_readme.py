"""The README tells the truth: its tables are the program's own, its commands exist, its Python runs."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.test_rows import ROWS

if TYPE_CHECKING:
    from tests.fake_ollama import FakeOllama

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", README, flags=re.DOTALL | re.MULTILINE)
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

# Runs each block as a cell of one IPython shell, and stops at the first that fails.
RUN_CELLS = """
import json, sys
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

config = Config()
config.HistoryManager.enabled = False
shell = InteractiveShell.instance(config=config)
for cell in json.load(sys.stdin):
    result = shell.run_cell(cell)
    if not result.success:
        sys.exit(f"this block failed:\\n{cell}\\n{result.error_before_exec or result.error_in_exec}")
"""


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8", **more}


@pytest.mark.slow
def test_the_generated_tables_are_up_to_date() -> None:
    check = [sys.executable, str(ROOT / "scripts" / "readme_tables.py"), "--check"]
    run = subprocess.run(check, env=environment(), capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


def test_code_blocks_say_what_they_are() -> None:
    assert {kind for kind, _ in BLOCKS} == {"python", "sh"}


@pytest.mark.slow
@pytest.mark.kernel
def test_python_blocks_run_from_top_to_bottom(fake: FakeOllama) -> None:
    fake.says("A p-value is ", "a probability.").then().says("Because ", "it counts.").then()
    fake.says("The Danube ", "is the longest.").then()
    fake.says('{"items": [{"city": "Vienna", ', '"country": "Austria"}]}').then()
    fake.says("The middle ", "value.").then().says("What is ", "in the middle.").then()
    fake.says('{"country": "Portugal", ', '"population": 545796}').then()
    fake.says("The Danube and the Rhine.").then().says("Petrel").then()
    cells = [code for kind, code in BLOCKS if kind == "python"]
    run = subprocess.run(
        [sys.executable, "-W", "error::SyntaxWarning", "-c", RUN_CELLS],
        input=json.dumps(cells),
        env=environment(OLLAMA_HOST=fake.url),
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-3000:]
    asked = [request.json for request in fake.recorded if request.path.endswith(("/chat", "/chat/completions"))]
    assert [body["messages"][-1]["content"].split()[0] for body in asked] == [
        *("Explain", "Why", "Compare", "List", "Define", "Say", "Describe", "Which", "Give", "Tell", "Where"),
        *("Name", "Count"),
    ]
    # Variables, the conversation and the tool were sent with their prompts.
    compared, listed, defined, said, _, which = asked[2:8]
    assert "| Danube | 2850 |" in compared["messages"][-1]["content"]
    assert listed["response_format"]["type"] == "json_schema"
    assert [message["role"] for message in defined["messages"] + said["messages"]] == [
        *("user", "user", "assistant", "user"),
    ]
    assert which["tools"][0]["function"]["name"] == "longest"
    assert "Portugal" in run.stdout
    assert "Vienna" in run.stdout


@pytest.mark.parametrize("command", [line for kind, block in BLOCKS if kind == "sh" for line in block.splitlines()])
def test_shell_lines_name_what_exists(command: str) -> None:
    words = command.partition("#")[0].split()
    if words[0] == "make":
        assert set(words[1:]) <= make_targets()
    else:
        assert words[:2] == ["pip", "install"]
        (extras,) = re.findall(r'"\.\[(.*)\]"', words[2])
        assert set(extras.split(",")) <= set(PROJECT["project"]["optional-dependencies"])


@pytest.mark.parametrize("text", [README, CONTRIBUTING], ids=["README", "CONTRIBUTING"])
def test_make_targets_that_are_mentioned_exist(text: str) -> None:
    mentioned = set(re.findall(r"`make ([a-z]+)`", text))
    assert mentioned
    assert mentioned <= make_targets()


@pytest.mark.parametrize("text", [README, CONTRIBUTING], ids=["README", "CONTRIBUTING"])
def test_commands_options_and_files_that_are_mentioned_exist(text: str) -> None:
    from ollama_magic.commands import COMMANDS
    from ollama_magic.options import OPTIONS

    assert set(re.findall(r"(?<!%)%ollama ([a-z]+)", text)) <= set(COMMANDS)
    flags = {flag for option in OPTIONS for flag in option.flags}
    flags |= {word for command in COMMANDS.values() for word in command.words() if word.startswith("--")}
    mentioned = {word for line in re.findall(r"`[^`\n]*`", text) for word in re.findall(r"(?<=[ `/])--[a-z-]+", line)}
    # `there is no --key` and pytest's own flags stand in CONTRIBUTING.
    assert {word for word in mentioned if text is README} <= flags
    for path in re.findall(r"`((?:ollama_magic|tests|scripts|notebooks|benchmarks)/[\w./]+)`", text):
        assert (ROOT / path).exists(), path
    for link in re.findall(r"\]\((?!https?:)([^)#]+)\)", text):
        assert (ROOT / link).exists(), link


def test_the_house_is_drawn_as_it_stands() -> None:
    (drawing,) = re.findall(r"^```\n(1  .*?)^```", CONTRIBUTING, flags=re.DOTALL | re.MULTILINE)
    drawn: list[set[str]] = []
    for line in drawing.splitlines():
        number, names = line[:3].strip(), line[3:33]
        if number:
            assert int(number) == len(drawn) + 1
            drawn.append(set())
        drawn[-1] |= {name.rstrip("/") for name in names.split()}
    assert drawn == [set(names) - {"_version"} for names in ROWS]


def test_every_dependency_has_its_reason() -> None:
    extras = PROJECT["project"]["optional-dependencies"]
    wanted = [*PROJECT["project"]["dependencies"], *extras["embedded"], *extras["lab"]]
    table = README.partition("## What it depends on")[2]
    for requirement in wanted:
        name = re.split(r"[<>=\[; ]", requirement)[0]
        assert re.search(rf"^\|.*\b{re.escape(name)}\b.*\|", table, flags=re.MULTILINE), f"{name} has no reason"


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))
