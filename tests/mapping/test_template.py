"""The prompt of a map: what is put in for a row, what stays, what is an error before anything is sent."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from ollama_magic.errors import SettingsError
from ollama_magic.mapping.template import Template, is_missing

ROW: dict[str, Any] = {
    "text": "hello {name}",
    "score": 0.1234,
    "meta": {"title": "A", "tags": ["x", "y"]},
    "first name": "Ada",
    "who": SimpleNamespace(age=36),
    "nothing": None,
    "nan": float("nan"),
    "n": 7,
    "class": "A2",
    "from": "here",
    "µm": 3,  # Python reads the sign as another letter, and º as o
    "nº": 4,
    "Å": {"a": 5},
    "": "no name",
}

FILLED = {
    "{text}": "hello {name}",  # a value is never read again
    "a {text} b {n}": "a hello {name} b 7",
    "{score:.2f}": "0.12",
    "{n:04d}": "0007",
    "{text!r}": "'hello {name}'",
    "{meta.title}/{meta['title']}/{meta.tags[1]}": "A/A/y",
    "{who.age}": "36",
    "Dear {first name}!": "Dear Ada!",
    "{class} {from}": "A2 here",
    "{µm} {nº} {Å.a}": "3 4 5",
    "{nothing}|{nan}|{n}": "||7",
    "{nothing!r}{n}": "None7",
    '{n} as {"a": 1} or {{n}} or {}': '7 as {"a": 1} or {n} or {}',
    r"\frac{a}{b} of {n}": r"\frac{a}{b} of 7",
    "{{first name}} {n}": "{first name} 7",
}


def test_what_is_put_in() -> None:
    for prompt, filled in FILLED.items():
        assert Template(prompt, tuple(ROW)).fill(ROW) == filled, prompt


def test_names_are_the_columns_that_are_used_once_and_in_order() -> None:
    assert Template("{n} {text} {n} {meta.title} {first name}", tuple(ROW)).names == ("n", "text", "meta", "first name")


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        ("{txet}", "no column 'txet' for {txet}, did you mean 'text'"),
        ("{text} {scor.x}", "no column 'scor' for {scor.x}, did you mean 'score'"),
        ("no place", "names no column"),
        ("{text.upper()}", "more than a column"),
        ("{text.__class__}", "more than a column"),
        ("{meta[n]}", "more than a column"),
    ],
)
def test_errors_before_anything_is_sent(prompt: str, message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Template(prompt, tuple(ROW))
    assert message in caught.value.message
    assert caught.value.hint


def test_what_is_wrong_with_one_row_is_said_of_it() -> None:
    template = Template("{meta.title} {n}", None)
    assert template.fill(ROW) == "A 7"
    for row, message in [
        ({"n": 1, "metta": 2}, "{meta.title}: the row has no 'meta', did you mean 'metta'?"),
        ({"n": 1, "meta": 3}, "{meta.title}: AttributeError"),
        ({"n": 1, 0: "metal"}, "{meta.title}: the row has no 'meta'"),
    ]:
        with pytest.raises(ValueError, match="meta") as caught:
            template.fill(row)
        assert str(caught.value).startswith(message)


def test_names_that_python_keeps_for_itself_or_writes_otherwise_are_columns_of_any_row() -> None:
    template = Template("a {class} of {µm}, not {None}", None)
    assert template.fill({"class": "B", "µm": 2}) == "a B of 2, not {None}"


def test_what_is_missing() -> None:
    import numpy
    import pandas

    for value in (None, float("nan"), numpy.float64("nan"), pandas.NA, pandas.NaT):
        assert is_missing(value)
    for value in ("", "nan", 0, False, [], numpy.zeros(3), pandas.Timestamp(0)):
        assert not is_missing(value)
