"""Exceptions: the message, the frames that matter, nothing of this machine."""

from __future__ import annotations

import linecache
from typing import Any

import pytest

from ollama_magic.context import PromptError, describe, estimate, expand
from tests.tables import folded


def caught(text: str, name: str = "/tmp/ipykernel_77/123.py", **space: Any) -> BaseException:
    """The exception that a cell with `text` raises."""
    linecache.cache[name] = (len(text), None, text.splitlines(True), name)
    try:
        exec(compile(text, name, "exec"), {"__name__": "__main__", **space})
    except BaseException as error:
        error.__traceback__ = error.__traceback__ and error.__traceback__.tb_next  # without this function
        return error
    raise AssertionError("nothing was raised")


def test_an_error_of_a_cell() -> None:
    error = caught("password = 'hidden-value'\ndef f(x):\n    return 1 / x\n\nf(0)\n")
    assert describe(error).text == (
        "```\nTraceback (most recent call last):\n"
        "  a cell, line 5, in <module>\n    f(0)\n"
        "  a cell, line 3, in f\n    return 1 / x\n"
        "ZeroDivisionError: division by zero\n```"
    )
    assert describe(error) == describe(error)


def test_a_cell_with_a_number() -> None:
    assert "  In[12], line 1, in <module>" in describe(caught("1 / 0", "<ipython-input-12-abcdef>")).text


def test_causes_and_contexts() -> None:
    text = describe(
        caught("try:\n    {}['key']\nexcept KeyError as error:\n    raise ValueError('bad') from error\n")
    ).text
    assert text.index("KeyError: 'key'") < text.index("direct cause") < text.index("ValueError: bad")
    text = describe(caught("try:\n    {}['key']\nexcept KeyError:\n    1 / 0\n")).text
    assert "another error happened" in text
    text = describe(caught("try:\n    {}['key']\nexcept KeyError:\n    raise ValueError('bad') from None\n")).text
    assert "KeyError" not in text


def test_a_circle_of_causes_ends() -> None:
    one, two = ValueError("one"), ValueError("two")
    one.__cause__, two.__cause__ = two, one
    assert "one" in describe(one).text


def test_a_deep_recursion_is_trimmed() -> None:
    found = describe(caught("def f(n):\n    return f(n + 1)\nf(0)\n"))
    assert "more frames ..." in found.text
    assert "frames left out" in found.note
    assert "RecursionError" in found.text
    assert found.text.count("in f\n") == 7


def test_our_own_frames_and_paths_are_left_out() -> None:
    with pytest.raises(PromptError) as raised:
        expand("{f()}", {"f": lambda: 1 / 0})
    text = describe(raised.value.__cause__).text
    assert "ollama_magic" not in text.replace("test_", "")
    assert "/" not in text.replace("1 / 0", "").replace("tests/context/", "")


def test_syntax_errors_and_groups_and_notes() -> None:
    try:
        compile("a = = 1", "/tmp/ipykernel_7/1.py", "exec")
    except SyntaxError as error:
        text = describe(error).text
    assert "a = = 1" in text
    assert "a cell, line 1" in text
    group = ExceptionGroup("several", [ValueError("one"), TypeError("two")])
    assert "ValueError: one" in describe(group).text
    noted = ValueError("bad")
    noted.add_note("look at line 3")
    assert "look at line 3" in describe(noted).text


class Mute(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no message")


@folded("error", [Mute(), ValueError(), ValueError("x" * 1_000_000), KeyboardInterrupt(), OSError(2, "gone")])
@folded("budget", [20, 100, 2000])
def test_any_error_fits(error: BaseException, budget: int) -> None:
    found = describe(error, budget=budget)
    assert type(error).__name__ in found.text
    assert estimate(found.text) <= budget
