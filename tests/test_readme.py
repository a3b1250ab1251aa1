"""The README tells the truth: its tables are the program's own, its commands exist, its Python runs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.fake_rules import RuledOllama, prompt_of
from tests.kernel.harness import Kernel
from tests.test_rows import ROWS

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", README, flags=re.DOTALL | re.MULTILINE)
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

REPLIES = {
    "Explain": "A p-value is a probability.",
    "Why": "Because it counts.",
    "Compare": "The Danube is the longest.",
    "List": '{"items": [{"city": "Vienna", "country": "Austria"}]}',
    "Describe": '{"country": "Portugal", "population": 545796}',
    "In": '{"country": "Romania"}',
}
"""What the server answers, by the first word of a prompt; to all others that it is Germany."""


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
def test_python_blocks_run_from_top_to_bottom(tmp_path: Path) -> None:
    cells = [code for kind, code in BLOCKS if kind == "python"]
    shown = []
    with RuledOllama() as fake:
        fake.rule = lambda prompt: REPLIES.get(prompt.split()[0], "It is Germany.")
        env = {
            "OLLAMA_HOST": fake.url,
            "OLLAMA_MAGIC_CACHE_DIR": str(tmp_path),
            "PYTHONWARNINGS": "error::SyntaxWarning",
        }
        with Kernel(str(tmp_path), {**env, "PYTHONPATH": str(ROOT)}) as kernel:
            for code in cells:
                cell = kernel.run(code)
                assert cell.reply["status"] == "ok", f"this block failed:\n{code}\n{cell.shown()}"
                shown.append(cell.shown("text/plain"))
    asked: dict[str, list[dict[str, Any]]] = {}
    for request in fake.recorded:
        if request.path.endswith(("/chat", "/chat/completions")):
            asked.setdefault(prompt_of(request).split()[0], []).append(request.json)
    assert {word: len(bodies) for word, bodies in asked.items()} == {
        **dict.fromkeys(("Why", "Compare", "List", "Define", "Say", "Describe", "Which", "Give", "Tell", "Count"), 1),
        "Name": 2,
        "In": 3,  # a colour and a prime number; a row each
        "Tell": 2,
        "Explain": 3,
        "Where": 3,  # a p-value and two columns; a chat and two models
    }
    # Variables, the conversation and the tool were sent with their prompts.
    assert "| Danube | 2850 |" in asked["Compare"][0]["messages"][-1]["content"]
    assert asked["List"][0]["response_format"]["type"] == "json_schema"
    assert [message["role"] for message in asked["Say"][0]["messages"]] == ["user", "assistant", "user"]
    assert asked["Which"][0]["tools"][0]["function"]["name"] == "longest"
    everything = "\n".join(shown)
    for found in ("Portugal", "Vienna", "Romania", "smollm2:135m", "100%"):
        assert found in everything


@pytest.mark.parametrize("command", [line for kind, block in BLOCKS if kind == "sh" for line in block.splitlines()])
def test_shell_lines_name_what_exists(command: str) -> None:
    words = command.partition("#")[0].split()
    if words[0] == "make":
        assert set(words[1:]) <= make_targets()
    else:
        assert words[:2] == ["pip", "install"]
        (extras,) = re.findall(r'"\.\[(.*)\]"', words[2])
        assert set(extras.split(",")) <= set(PROJECT["project"]["optional-dependencies"])


def test_each_promise_names_tests_that_exist() -> None:
    section = README.partition("## What we promise")[2].partition("\n## ")[0]
    named = re.findall(r"`(tests/[\w/]+(?:\.py)?)(?:::(\w+))?`", section)
    assert len(named) > 15
    missing = [
        f"{path}::{name}"
        for path, name in named
        if not (ROOT / path).exists() or (name and f"def {name}(" not in (ROOT / path).read_text(encoding="utf-8"))
    ]
    assert not missing


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
    assert {word for word in mentioned if text is README} <= flags | {"--ext"}  # which is IPython's
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
