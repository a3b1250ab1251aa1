"""`{expr}` in prompts: what is replaced, what stays, and what fails before anything is sent."""

from __future__ import annotations

import asyncio
import time
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ollama_magic.context import PromptError, attach, expand
from ollama_magic.secret import Secret
from tests.tables import folded


class Point:
    """Something with attributes, items and calls."""

    def __init__(self) -> None:
        self.x = 3
        self.inner = SimpleNamespace(deep="deep")
        self.calls = 0

    def __getitem__(self, key: Any) -> str:
        return f"item {key}"

    def __call__(self, *args: Any, **kwargs: Any) -> str:
        self.calls += 1
        return f"called {args} {kwargs}"

    def boom(self) -> None:
        raise ZeroDivisionError("division\nby zero")


def names() -> dict[str, Any]:
    return {
        "x": 3,
        "name": "Ada",
        "number": 3.14159,
        "key": "k",
        "items": [1, 2, 3],
        "table": {"k": "v", "}": "brace"},
        "p": Point(),
        "holder": "{secret} {{x}} {x}",
        "secret": "hunter2",
        "größe": 7,
        "f": lambda *a, **k: f"f{a}{k}",
        "In": ["", "x = 3", "print(x)"],
        "Out": {2: "two"},
        "Err": {3: ValueError("bad value")},
        "none": None,
        "pw": Secret("sk-very-secret"),
    }


REPLACED = [
    ("{x}", "3"),
    ("a {x} b {name} c", "a 3 b Ada c"),
    ("{x}{x}", "33"),
    ("${x}", "$3"),
    ("{größe}", "7"),
    ("{none}", "None"),
    ("{p.x}", "3"),
    ("{p.inner.deep}", "deep"),
    ("{items[0]}{items[-1]}", "13"),
    ("{items[1:]}", "[2, 3]"),
    ("{table['k']}", "v"),
    ('{table["k"]}', "v"),
    ("{table[key]}", "v"),
    ("{table['}']}", "brace"),
    ('{f("}")}', "f('}',){}"),
    ("{f('{')}", "f('{',){}"),
    ("{f({'a': {1}})}", "f({'a': {1}},){}"),
    ('{f("""a}"b""")}', "f('a}\"b',){}"),
    (r"{f('\'}')}", 'f("\'}",){}'),
    ("{p(1, b=2)}", "called (1,) {'b': 2}"),
    ("{p[1:2]}", "item slice(1, 2, None)"),
    ("{name.upper()[::-1]}", "ADA"),
    ("{f(x > 2, [i for i in items if i != x])}", "f(True, [1, 2]){}"),
    ("{f((y := 2))}", "f(2,){}"),
    ("{x: >4}", "   3"),
    ("{In[1]}", "x = 3"),
    ("{Out[2]}", "two"),
    ("{name!r}", "'Ada'"),
    ("{name!r:>7}", "  'Ada'"),
    ("{größe!s}", "7"),
    ("{number:.2f}", "3.14"),
    ("{x:03d}", "003"),
    ("{x!r:*^5}", "**3**"),
    ("{items!r}", "[1, 2, 3]"),
    # A brace as text.
    ("{{x}}", "{x}"),
    ("{{{x}}}", "{3}"),
    ("{{ {x} }}", "{ 3 }"),
    ('{{"a": {{"b": {x}}}}}', '{"a": {"b": 3}}'),
    ("{{", "{"),
    ("{{ {", "{ {"),
    ("{{x}", "{x}"),
    ("{{a { b }}", "{a { b }}"),
    ('{"a": {"b": {x}}}', '{"a": {"b": 3}}'),
    # LaTeX around an expression.
    (r"$\frac{1}{2}$ of {x}", r"$\frac{1}{2}$ of 3"),
    (r"\text{the value {x}}", r"\text{the value 3}"),
    (r"\section {x}", r"\section 3"),
    (r"data_{x}.csv, C:\{x}", "data_3.csv, C:\\3"),
]

STAYS = [
    "",
    "no braces",
    '{"a": 1}',
    '{"x": 1, "name": "Ada"}',
    '{"a": {"b": {"c": 1}}}',
    "{'x': 1}",
    "[{'x': 1}, {'x': 2}]",
    r"\frac{a}{b}",
    r"\frac{x}{name}",  # although x and name are variables: an argument of a LaTeX command
    r"\sqrt[3]{x} \sum_{i=0}^{n} \begin{align*}{x}\end{align*}",
    r"\frac{\frac{a}{b}}{c}",
    r"\left\{x\right\}",
    "{a, b}",
    "{x, name}",
    "{x for x in items}",
    "{x + 1}",
    "{-x}",
    "{not x}",
    "{x if x else name}",
    "{x=}",
    "{ x }",
    "{x }",
    "{ x}",
    "{x\n}",
    "{}",
    "{ }",
    "{0}",
    "{1:2}",
    "{unknown}",
    "{unknown.attribute}",
    "{unknown[0]}",
    "{len(items)}",
    "{x: 1}",
    "{name: string}",
    "{x:int}",
    "{x!}",
    "{x!x}",
    "{x!r",
    "{x",
    "x}",
    "}{",
    "{x{",
    "{x[}",
    "{x[0}",
    "{x(]}",
    "{x)}",
    "{f('}",
    "{f('a)}",
    "{x.}",
    "{x..y}",
    "{x.1}",
    "{x;x}",
    "{lambda: x}",
    "{await x}",
    "{print}",
    "}}",
    "}}}}",
    "a }} b",
    "function f() { return {x: x}; }",
    "if (x) { name(); }",
    "body { color: red }",
    "${HOME}",
    "{% if x %}",
    "\\{",
    "{x\\}",
    "{__builtins__}",
]


@folded(("template", "expected"), REPLACED)
def test_replaced(template: str, expected: str) -> None:
    assert expand(template, names()).text == expected


@folded("template", STAYS)
def test_stays(template: str) -> None:
    assert expand(template, names()).text == template


@folded("template", [template for template, _ in REPLACED])
def test_nothing_is_replaced_in_an_empty_notebook_but_double_braces(template: str) -> None:
    text, bare = expand(template, {}).text, str.maketrans("", "", "{}")
    if "{{" in template:
        text, template = text.translate(bare), template.translate(bare)
    assert text == template


def test_a_value_is_never_expanded_again() -> None:
    prompt = expand("{holder} and {holder}", names())
    assert prompt.text == "{secret} {{x}} {x} and {secret} {{x}} {x}"
    assert [part.expression for part in prompt.parts] == ["holder"]


def test_the_names_that_stay_are_told() -> None:
    prompt = expand(r'{dff.head} {nmae} {nmae} {x} {"a": 1} {a, b} \frac{c}{d} { e } {f2()}', names())
    assert prompt.left == ("dff.head", "nmae")


def test_parts_tell_what_each_costs() -> None:
    prompt = expand("{name} {items[0]} {text}", {**names(), "text": "word " * 50_000}, budget=100)
    assert [(part.expression, part.text[:5]) for part in prompt.parts] == [
        ("name", "Ada"),
        ("items[0]", "1"),
        ("text", "word "),
    ]
    assert prompt.parts[0].tokens <= 2
    assert 300 < prompt.parts[2].tokens <= 400
    assert "characters left out" in prompt.parts[2].note
    assert expand("{text}", {"text": "word " * 50_000}, budget=100, text_budget=50).parts[0].tokens <= 50


def test_an_expression_is_evaluated_once() -> None:
    space = names()
    assert expand("{p()} {p()} {p(1)}", space).text == "called () {} called () {} called (1,) {}"
    assert space["p"].calls == 2


def test_the_namespace_is_left_as_it_is() -> None:
    space = names()
    before = set(space)
    expand("{f((zzz := 5))}", space)
    assert set(space) == before


def test_names_of_the_notebook_are_seen_inside_lambdas_and_comprehensions() -> None:
    assert expand("{list(map(lambda i: i + x, items))}", {**names(), "list": list}).text == "[4, 5, 6]"


RAISES = [
    ("{p.missing}", "{p.missing} in the prompt raised AttributeError: 'Point' object has no attribute 'missing'"),
    ("{items[9]}", "{items[9]} in the prompt raised IndexError: list index out of range"),
    ("{table['nope']}", "{table['nope']} in the prompt raised KeyError: 'nope'"),
    ("{p.boom()}", "{p.boom()} in the prompt raised ZeroDivisionError: division"),
    ("{f(undefined)}", "{f(undefined)} in the prompt raised NameError: name 'undefined' is not defined"),
    ("{name:.2f}", "{name:.2f} in the prompt raised ValueError: Unknown format code 'f' for object of type 'str'"),
    ("{x()}", "{x()} in the prompt raised TypeError: 'int' object is not callable"),
    ("{x:image}", "{x:image}: A int is not a picture"),
]


@pytest.mark.filterwarnings("ignore:'int' object is not callable:SyntaxWarning")
@folded(("template", "message"), RAISES)
def test_an_expression_that_raises(template: str, message: str) -> None:
    with pytest.raises(PromptError) as caught:
        expand(f"before {template} after", names())
    assert caught.value.message == message
    assert caught.value.hint


def test_an_interrupt_is_no_error_of_the_prompt() -> None:
    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        expand("{stop()}", {"stop": stop})


def test_a_coroutine_must_be_awaited_first() -> None:
    async def answer() -> int:
        await asyncio.sleep(0)
        return 42

    with pytest.raises(PromptError, match=r"\{answer\(\)\}: .*must be awaited"):
        expand("{answer()}", {"answer": answer})


def test_an_error_of_an_earlier_cell() -> None:
    assert "ValueError: bad value" in expand("Explain {Err[3]}", names()).text


def test_secrets_do_not_leak() -> None:
    space = {**names(), "line": 'os.environ["OLLAMA_API_KEY"] = "sk-very-secret"', "both": [Secret("sk-very-secret")]}
    for template in ("{pw}", "{pw!r}", "{pw!s}", "{pw:>30}", "{both}", "{both[0]}", "{both!r}"):
        assert "sk-very" not in expand(template, space).text
    assert expand("{line}", space, secrets=[space["pw"]]).text == 'os.environ["OLLAMA_API_KEY"] = "***"'


def test_a_table_stands_on_lines_of_its_own() -> None:
    block = dict.fromkeys(range(4), "x" * 40)
    assert expand("What is {block}?", {"block": block}).text.startswith("What is \n{\n")
    assert expand("What is {block}?", {"block": block}).text.endswith("\n}\n?")
    assert expand("See:\n{block}\nWell?", {"block": block}).text.count("\n\n") == 0


@given(st.text(alphabet=st.sampled_from("{}x[]()'\"\\.:!a \n$^_,1"), max_size=60))
def test_any_text_without_known_names_stays(text: str) -> None:
    if "{{" not in text:
        assert expand(text, {"df": 1}).text == text


@given(st.text(max_size=200))
def test_any_text_at_all_stays(text: str) -> None:
    if "{{" not in text:
        assert expand(text, {}).text == text


@given(st.text(alphabet=st.sampled_from("{}x[]()'\"\\.:!rs \n,1"), max_size=60))
def test_nothing_but_a_prompt_error_comes_of_it(text: str) -> None:
    try:
        expand(text, {"x": "value"})
    except PromptError:
        pass


@pytest.mark.slow
@pytest.mark.parametrize(
    "unit",
    ["{x}", "{", "}", "{{", "{{x}}", "{x[", "{x(", "{x('", "\\a{x}", "{y} ", "{x:", "{x!r", "word ", '{"a": ', "{x."],
)
def test_the_time_is_linear(unit: str) -> None:
    def seconds(repeats: int) -> float:
        text = unit * repeats
        best = 9.0
        for _ in range(3):
            start = time.thread_time()  # not the wall's: other processes must not matter
            expand(text, {"x": "v"})
            best = min(best, time.thread_time() - start)
        return best

    # Sixteen times the text within fifty times the time, where quadratic would be 256.
    assert seconds(8000) < max(0.05, 50 * seconds(500))


def test_attach_an_expression() -> None:
    part = attach("items", names())
    assert (part.expression, part.text) == ("items", "items:\n[1, 2, 3]")
    assert part.tokens > 0
    assert attach("name.upper()", names()).text == "name.upper():\nADA"


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("itmes", "Cannot attach 'itmes': it is neither a variable nor a file", "Did you mean items"),
        ("itmes.head()", "Cannot attach 'itmes.head()': it is neither", "Did you mean items"),
        ("qqq.csv", "Cannot attach 'qqq.csv': it is neither", "Name a variable"),
        ("", "Cannot attach '': it is neither", "Name a variable"),
        ("x" * 5000, "Cannot attach 'xxx", "Name a variable"),
        ("a\0b", r"Cannot attach 'a\x00b'", "Name a variable"),
        ("https://example.com/a.png", "Cannot attach https://example.com/a.png: only files", "Download"),
        ("p.boom()", "{p.boom()} in the prompt raised ZeroDivisionError", "Nothing was sent"),
        ("p.missing", "{p.missing} in the prompt raised AttributeError", "Nothing was sent"),
        ("figure", "There is no current figure", "fig = plt.gcf()"),
    ],
)
def test_attach_what_is_not_there(text: str, message: str, hint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.pyplot", None)
    with pytest.raises(PromptError) as caught:
        attach(text, names())
    assert caught.value.message.startswith(message)
    assert hint in caught.value.hint
