"""What is compared: the words of a line become runs."""

from __future__ import annotations

import random

import numpy
import pytest

from ollama_magic.comparing.cell import variants_of
from ollama_magic.comparing.grid import MOST, across, grid, letter, models_of, shuffled, sweep_of, swept
from ollama_magic.errors import SettingsError
from ollama_magic.parsing import parse_cell_line


def test_a_list_may_have_spaces_behind_its_commas() -> None:
    for line, titles in [
        ("--compare a, b,  c", ["a", "b", "c"]),
        ("--compare=a, b -n 1 -q", ["a", "b"]),
        ("m --sweep temperature=0, .5", ["temperature=0", "temperature=0.5"]),
        ("--sweep seed=1, -1 -t 0 m", ["seed=1", "seed=-1"]),
        ("--compare a, b --sweep=seed=1, 2", ["a · seed=1", "b · seed=1", "a · seed=2", "b · seed=2"]),
        ("-s hm, m --compare a,b", None),  # a text is no list: m is a model
        ("--compare a, --sweep seed=1,2", None),
    ]:
        if titles is None:
            with pytest.raises(SettingsError):
                variants_of(parse_cell_line(line))
        else:
            assert [each.title for each in variants_of(parse_cell_line(line))] == titles
    assert parse_cell_line("--tools f, g m").how.tools == ("f", "g")


def test_a_prefix_is_a_mode_only_where_it_is_exactly_one() -> None:
    for typed, mode, model in [
        ("llama3.2", "", "llama3.2"),
        ("local/llama3.2", "local", "llama3.2"),
        ("cloud/gpt-oss:120b", "cloud", "gpt-oss:120b"),
        ("embedded", "embedded", ""),
        ("cloud", "cloud", ""),
        ("embedded/smollm2:135m", "embedded", "smollm2:135m"),
        ("hf.co/x/y:Q4", "", "hf.co/x/y:Q4"),
        ("user/model", "", "user/model"),
        ("Local/model", "", "Local/model"),
        ("locally/model", "", "locally/model"),
        ("local/hf.co/x/y:Q4", "local", "hf.co/x/y:Q4"),
        ("local/local/llama3.2", "local", "local/llama3.2"),
        ("deepseek-v3.1:671b-cloud", "", "deepseek-v3.1:671b-cloud"),
    ]:
        (variant,) = models_of(typed)
        assert (variant.typed, variant.mode, variant.model) == (typed, mode, model)
        assert variant.values() == ({"mode": mode} if mode else {}) | ({"model": model} if model else {})
        assert variant.title == typed


def test_values_of_a_sweep_are_those_of_an_option() -> None:
    for text, name, values in [
        ("temperature=0,0.7", "temperature", (0, 0.7)),
        (" top_k = 1 , 2 ", "top_k", (1, 2)),
        ("think=true,False,high", "think", (True, False, "high")),
        ('system="Be brief, please",Be verbose', "system", ("Be brief, please", "Be verbose")),
        ('stop=["a","b"],["c"]', "stop", (["a", "b"], ["c"])),
        ("seed=1,1,2", "seed", (1, 2)),
        ("num_predict=9", "max_tokens", (9,)),
        ("system=a=b", "system", ("a=b",)),
        ("max-tokens=1,2", "max_tokens", (1, 2)),
        ("top_p=.1,.9", "top_p", (0.1, 0.9)),
    ]:
        assert sweep_of(text) == (name, values)


def test_what_cannot_be_compared_is_said() -> None:
    for line, said in [
        ("--compare a,,b", "name is missing"),
        ("--compare a,b,a", "'a' is listed twice"),
        ("--compare cloud/,b", "there is no model after 'cloud/'"),
        ("--sweep temperature", "is not NAME=VALUE"),
        ("--sweep temperature=", "a value is missing"),
        ("--sweep temperature=0,,1", "a value is missing"),
        ("--sweep temprature=0,1", "did you mean 'temperature'"),
        ("--sweep temp=0,1", "did you mean 'temperature'"),
        ("--sweep t=0,1", "did you mean 'temperature'"),
        ("--sweep model=a,b", "--compare a,b"),
        ("--sweep key=a,b", "cannot be swept"),
        ("--sweep cache=use,off", "cannot be swept"),
        ("--sweep seed=1 --sweep seed=2", "given twice"),
        ("-n 0", "at least once"),
        ("-n many", "not a whole number"),
        ("--blind", "this is not one"),
        ("--blind --compare a", "this is not one"),
        ("--blind m -n 1 --sweep seed=1", "this is not one"),
        ("llama3.2 --compare a,b", "a model is named beside --compare: 'llama3.2'"),
        ("--compare a,b --tools f", "does not take --tools"),
        ("--compare a,b --web", "does not take --tools"),
        ("-n 3 --bg", "does not take --bg"),
        ("-n 65", f"65 runs in one cell; at most {MOST}"),
        ("--compare a,b,c --sweep seed=1,2,3,4,5 -n 5", "75 runs in one cell"),
    ]:
        with pytest.raises(SettingsError) as caught:
            variants_of(parse_cell_line(line))
        assert said in str(caught.value), line


def titles(line: str) -> list[str]:
    return [variant.title for variant in variants_of(parse_cell_line(line))]


def test_the_grid_has_every_value_with_every_other_and_models_beside_each_other() -> None:
    assert titles("--compare a,local/b") == ["a", "local/b"]
    assert titles("m --sweep temperature=0,0.7 --sweep seed=1,2") == [
        "temperature=0 · seed=1",
        "temperature=0 · seed=2",
        "temperature=0.7 · seed=1",
        "temperature=0.7 · seed=2",
    ]
    assert titles("--compare a,b --sweep seed=1,2") == ["a · seed=1", "b · seed=1", "a · seed=2", "b · seed=2"]
    assert titles("-n 2") == ["#1", "#2"]
    assert titles("--compare a,b -n 2") == ["a #1", "b #1", "a #2", "b #2"]
    for line, wide in [
        ("--compare a,b,c", 3),
        ("--compare a,b --sweep seed=1,2,3", 2),
        ("-n 4", 4),
        ("--sweep seed=1,2,3", 3),
        ("--sweep temperature=0,1 --sweep seed=1,2,3", 3),
        ("--sweep seed=1,2 -n 3", 3),
        ("-n 1 --sweep seed=1", 1),
    ]:
        assert across(variants_of(parse_cell_line(line))) == wide, line


def test_values_of_a_sweep_in_python_are_a_list_also_of_numpy() -> None:
    assert swept("seed", numpy.arange(2)) == (0, 1)
    assert all(type(value) is int for value in swept("seed", numpy.arange(2)))
    assert swept("temperature", numpy.linspace(0, 1, 3)) == (0.0, 0.5, 1.0)
    for values in ("abc", 0, None, {"a": 1}):
        with pytest.raises(SettingsError, match="is not a list of values"):
            swept("system", values)  # type: ignore[arg-type]


def test_a_setting_goes_to_the_settings_and_the_rest_to_the_model() -> None:
    (variant,) = grid(models_of("a"), {"temperature": [0], "top_k": [3], "think": ["high"]})
    assert variant.values() == {"model": "a", "temperature": 0, "think": "high", "options": {"top_k": 3}}


def test_blind_tells_nothing_by_the_order() -> None:
    variants = models_of("a,b,c,d")
    orders = {shuffled(variants, random.Random(seed)) for seed in range(200)}
    assert len(orders) == 24
    assert all(sorted(each.typed for each in order) == ["a", "b", "c", "d"] for order in orders)


def test_letters_go_on_after_z() -> None:
    assert [letter(number) for number in (0, 1, 25, 26, 27, 51, 52)] == ["A", "B", "Z", "AA", "AB", "AZ", "BA"]
