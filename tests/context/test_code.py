"""Functions, classes and modules as source, from files and from the cells of a notebook."""

from __future__ import annotations

import ast
import inspect
import linecache
import math
import textwrap
from typing import TYPE_CHECKING, Any

import pytest

from ollama_magic.context import describe, estimate
from tests.tables import folded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CELL = '''
import functools, dataclasses

def double(x: int) -> int:
    """Twice x."""
    return 2 * x

class Plain:
    size = 3

class WithMethods:
    def first(self):
        return 1

    class Inner:
        deep = True

@dataclasses.dataclass
class Record:
    name: str

triple = lambda x: 3 * x

@functools.lru_cache
def cached(n):
    return n
'''


@pytest.fixture
def cells() -> Iterator[Callable[[str], dict[str, Any]]]:
    """Runs text as IPython runs a cell: compiled under a name that only linecache knows."""
    names: list[str] = []
    space: dict[str, Any] = {"__name__": "__main__"}

    def run(text: str) -> dict[str, Any]:
        name = f"/tmp/ipykernel_1/{len(names)}.py"
        names.append(name)
        linecache.cache[name] = (len(text), None, text.splitlines(True), name)
        exec(compile(text, name, "exec"), space)
        return space

    yield run
    for name in names:
        linecache.cache.pop(name, None)


def code_of(value: object) -> str:
    text = describe(value).text
    assert text.startswith("```python\n")
    assert text.endswith("\n```")
    return text[10:-4]


def test_a_function_of_a_module() -> None:
    assert code_of(textwrap.dedent) == inspect.getsource(textwrap.dedent).rstrip()
    ast.parse(code_of(describe))


def test_what_a_cell_defines(cells: Callable[[str], dict[str, Any]]) -> None:
    space = cells(CELL)
    assert code_of(space["double"]).startswith("def double(x: int) -> int:\n")
    assert code_of(space["Plain"]) == "class Plain:\n    size = 3"
    assert code_of(space["WithMethods"]).endswith("deep = True")
    assert code_of(space["WithMethods"].Inner) == "class Inner:\n    deep = True"
    assert code_of(space["WithMethods"]().first) == "def first(self):\n    return 1"
    assert code_of(space["Record"]) == "@dataclasses.dataclass\nclass Record:\n    name: str"
    assert code_of(space["triple"]) == "triple = lambda x: 3 * x"
    assert code_of(space["cached"]) == "@functools.lru_cache\ndef cached(n):\n    return n"


def test_a_class_that_a_later_cell_defines_anew(cells: Callable[[str], dict[str, Any]]) -> None:
    old = cells("class Same:\n    def f(self): return 1\n")["Same"]
    new = cells("class Same:\n    def f(self): return 2\n")["Same"]
    assert "return 1" in code_of(old)
    assert "return 2" in code_of(new)
    assert code_of(cells("class Plain: a = 1\n")["Plain"]) == "class Plain: a = 1"
    assert code_of(cells("if True:\n    class Plain:\n        a = 2\n")["Plain"]) == "class Plain:\n    a = 2"


@pytest.mark.slow
def test_a_class_of_a_real_cell() -> None:
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    shell = InteractiveShell(config=Config(HistoryManager={"enabled": False}))
    shell.run_cell("class Here:\n    size = 1\n\ndef there(a):\n    return a\n")
    assert code_of(shell.user_ns["Here"]) == "class Here:\n    size = 1"
    assert code_of(shell.user_ns["there"]) == "def there(a):\n    return a"


def test_without_source_there_is_signature_and_documentation() -> None:
    found = describe(sorted)
    assert found.text.startswith("```python\ndef sorted(iterable, /, *, key=None, reverse=False):")
    assert "ascending order" in found.text
    assert found.note == "an outline: there is no source"
    space: dict[str, Any] = {"__name__": "nowhere"}
    # Of a file of that name, since Python 3.13 takes "<string>" for what stood behind `python -c`.
    exec(compile("def f(a, b=object()):\n    'Adds.'", "<nowhere>", "exec"), space)
    text = describe(space["f"]).text
    assert "def f(a, b=<object object>):" in text
    assert "Adds." in text
    assert describe(int).text.startswith("```python\nclass int")


def test_long_sources() -> None:
    found = describe(inspect.getmodule, budget=120)
    assert "lines left out" in found.note
    assert estimate(found.text) <= 120
    found = describe(ast.NodeVisitor, budget=150)
    assert found.note == "an outline: the source is too long"
    assert "class NodeVisitor" in found.text
    assert estimate(found.text) <= 150


@folded("budget", [0, 1, 10, 30])
@folded("value", [textwrap.dedent, math.hypot, int, math], ids=["function", "builtin", "class", "module"])
def test_the_smallest_budgets(value: object, budget: int) -> None:
    assert estimate(describe(value, budget=budget).text) <= budget


def test_a_module() -> None:
    import ollama_magic.context.tokens as module

    text = describe(module).text
    assert text.startswith("Module ollama_magic.context.tokens\nEstimates the number of tokens")
    assert text.endswith("Names: cut, estimate, head")
    assert describe(math).text == describe(math).text
    assert "names left out" in describe(math, budget=60).note
