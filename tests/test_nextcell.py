"""Which code of an answer goes into the next cell, and where it goes."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from ollama_magic.nextcell import code_in, offer_code
from tests.tables import folded


@folded(
    ("answer", "code"),
    [
        ("Here:\n```python\nprint(1)\n```\nDone.", "print(1)"),
        ("```\nprint(1)\n```", "print(1)"),
        ("~~~ py\nprint(1)\n~~~", "print(1)"),
        ("```python\na = 1\n```\nthen\n```python\nb = 2\n```", "a = 1\n\nb = 2"),
        ("````python\ns = '''\n```\n'''\n````", "s = '''\n```\n'''"),
        ("```python\nprint(1)", "print(1)"),  # cut off
        ("```python\nif x:\n    y()\n\n    z()\n```", "if x:\n    y()\n\n    z()"),
        ("1. First:\n\n   ```python\n   if x:\n       y()\n   ```\n", "if x:\n    y()"),
        ("- a\n    - b\n\n      ```python\n      f()\n      ```\n", "f()"),
        ("```bash\npip install x\n```\n```python\nimport x\n```\n```\nout\n```", "import x"),
        ("```bash\npip install x\n```", "pip install x"),
        ("```{python}\nf()\n```\n```text\n1\n```", "f()"),
        ("Use ```f(x)``` so:\n```python\ng()\n```", "g()"),
        ("```f(x)``` is inline\n```python\ng()\n```", "g()"),
        ("```python\n```", ""),
        ("", ""),
        ("print(1)", "print(1)"),
        ("import os\nos.getcwd()", "import os\nos.getcwd()"),
        ("Hello", ""),
        ("Just a sentence, nothing more.", ""),
        ("42", ""),
        ("```python\nprint('\x1b[2J\u202e')\n```", "print('')"),
        ("```python\r\nprint(1)\r\nprint(2)\r\n```\r\n", "print(1)\nprint(2)"),
    ],
)
def test_the_code_in_an_answer(answer: str, code: str) -> None:
    assert code_in(answer) == code


def test_a_long_hostile_answer_takes_no_time() -> None:
    for text in ("`" * 200_000, "```\n" * 50_000, " " * 200_000 + "```", "```a\n" * 20_000 + "~~~\n" * 20_000):
        code_in(text)


def test_what_is_too_deep_for_pythons_parser_is_no_code() -> None:
    for text in ("x " * 4_000, "-" * 100_000 + "1", "x." * 20_000 + "x"):
        assert code_in(text) == ""


class Shell(SimpleNamespace):
    """A front end that takes the next cell's text."""

    def set_next_input(self, text: str) -> None:
        self.next_input = text


@pytest.mark.parametrize("kind", ["kernel", "pt_app"])
def test_it_is_offered_where_there_is_a_next_cell(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    shell = Shell(**{kind: object()})
    offer_code(shell, "```python\nraise SystemExit\n```")  # never run
    assert shell.next_input == "raise SystemExit"
    assert capsys.readouterr().out == ""


def test_a_script_gets_it_printed(capsys: pytest.CaptureFixture[str]) -> None:
    shell = Shell(pt_app=None)
    offer_code(shell, "```python\nraise SystemExit\n```")
    assert capsys.readouterr().out == "raise SystemExit\n"
    assert not hasattr(shell, "next_input")


def test_no_code_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    shell = Shell(kernel=None)
    offer_code(shell, "I cannot.")
    assert not hasattr(shell, "next_input")
    assert "no code" in capsys.readouterr().out
