"""The language of the first line."""

from __future__ import annotations

import pytest

from ollama_magic.errors import SettingsError
from ollama_magic.options import OPTIONS, markdown_table, usage
from ollama_magic.parsing import parse_cell_line, split_line
from tests.tables import folded

MODEL = {"model": "llama3.2"}


@folded(
    ("line", "values"),
    [
        ("", {}),
        ("   ", {}),
        ("llama3.2", MODEL),
        ("-m llama3.2", MODEL),
        ("--model=llama3.2", MODEL),
        ("llama3.2 -m llama3.2", MODEL),
        ("deepseek-v3.1:671b", {"model": "deepseek-v3.1:671b"}),
        ("gpt-oss-120b-cloud", {"model": "gpt-oss-120b-cloud"}),
        (
            "hf.co/bartowski/Llama-3.2-1B-Instruct-GGUF:Q4_K_M",
            {"model": "hf.co/bartowski/Llama-3.2-1B-Instruct-GGUF:Q4_K_M"},
        ),
        ("  llama3.2    -t   0  ", MODEL | {"temperature": "0"}),
        ("-t 0 llama3.2", MODEL | {"temperature": "0"}),
        ("-t0.2 llama3.2", MODEL | {"temperature": "0.2"}),
        ("llama3.2 --seed -1", MODEL | {"seed": "-1"}),
        ("-s 'be brief' llama3.2", MODEL | {"system": "be brief"}),
        ('-s "it\'s fine"', {"system": "it's fine"}),
        (r"-s \alpha", {"system": r"\alpha"}),
        ("--system='# not a comment'", {"system": "# not a comment"}),
        ("--think", {"think": "true"}),
        ("--think llama3.2", MODEL | {"think": "true"}),
        ("--think high llama3.2", MODEL | {"think": "high"}),
        ("--think=deep llama3.2", MODEL | {"think": "deep"}),
        ("--no-think", {"think": False}),
        ("-q", {"quiet": True}),
        ("-o top_k=20 -o stop='[\"a\"]'", {"options": {"top_k": 20, "stop": ["a"]}}),
        ("-o note=plain", {"options": {"note": "plain"}}),
        ("--mode cloud --api native --host h:1", {"mode": "cloud", "api": "native", "host": "h:1"}),
        ("--keep-alive 5m --num-ctx 8192 --max-tokens 9", {"keep_alive": "5m", "num_ctx": "8192", "max_tokens": "9"}),
    ],
)
def test_values(line, values):
    assert parse_cell_line(line).values == values


@folded(
    ("line", "count", "values"),
    [
        ("llama3.2", None, MODEL),
        ("--tokens", 5, {}),
        ("--tokens llama3.2", 5, MODEL),
        ("--tokens 0 llama3.2", 0, MODEL),
        ("llama3.2 --tokens=20", 20, MODEL),
        ("--tokens -q", 5, {"quiet": True}),
    ],
)
def test_tokens_may_say_how_many(line, count, values):
    parsed = parse_cell_line(line)
    assert parsed.how.tokens == count
    assert parsed.values == values


def test_out_is_a_variable_and_no_setting():
    parsed = parse_cell_line("llama3.2 --out answer")
    assert parsed.how.out == "answer"
    assert "out" not in parsed.values


@folded(
    ("line", "message"),
    [
        ("--temprature 0", "unknown option '--temprature', did you mean '--temperature'?"),
        ("--sytem=x", "did you mean '--system'?"),
        ("-x", "unknown option '-x'"),
        ("llama3.2 tell me", "cannot place 'tell'"),
        ("-m a b", "two models are named, 'a' and 'b'"),
        ("-t", "expected one argument"),
        ("--no-think=1", "ignored explicit argument"),
        ("-s 'open", "a quote is opened and not closed"),
        ("-o top_k", "-o 'top_k' is not NAME=VALUE"),
        ("--out 2x", "--out '2x' is not a variable name"),
    ],
)
def test_wrong_lines_say_what_is_wrong(line, message):
    with pytest.raises(SettingsError) as caught:
        parse_cell_line(line)
    assert message in caught.value.message
    assert caught.value.hint


@folded("line", ["--key SECRET123", "--key=SECRET123", "--api-key SECRET123", "m --API-KEY=SECRET123"])
def test_a_key_on_the_line_is_refused_with_the_reason_and_not_repeated(line):
    with pytest.raises(SettingsError, match="would be saved in the notebook") as caught:
        parse_cell_line(line)
    assert "SECRET123" not in str(caught.value)


def test_a_word_that_looks_like_an_option_is_a_value_after_one_that_takes_it():
    assert parse_cell_line("--system=--help").values == {"system": "--help"}


def test_split_line_keeps_backslashes():
    assert split_line(r"-o path=C:\new 'two words'") == ["-o", r"path=C:\new", "two words"]


def test_usage_and_table_name_every_option():
    for option in OPTIONS:
        assert option.flags[0] in usage()
        assert all(flag in markdown_table() for flag in option.flags)
