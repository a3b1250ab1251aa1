"""map(): what comes back for each kind of rows, what is asked and what is not, and what goes wrong with some rows."""

from __future__ import annotations

import enum
import itertools
import json
import re
import signal
import sqlite3
import threading
import time
from contextlib import closing
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy
import pandas
import polars
import pydantic
import pytest

import ollama_magic
from ollama_magic.errors import SettingsError, Unauthorized, Unreachable
from ollama_magic.mapping import MapStopped
from ollama_magic.mapping.columns import columns_for
from ollama_magic.schema import schema_for
from tests.fake_rules import RuledOllama, busy
from tests.fake_script import Script

if TYPE_CHECKING:
    from collections.abc import Iterator

SCHEMA = "label: str, score: float, sure: bool, n: int | None, tags: list[str]"
TOO_LONG = '{"error":"the request exceeds the available context size, try increasing it"}'


def value(prompt: str) -> str:
    length = len(prompt)
    rest = {"sure": length % 2 == 0, "n": None if length % 3 else length, "tags": ["a"]}
    return json.dumps({"label": prompt.split()[-1], "score": length / 2, **rest})


def mapped(ruled: RuledOllama, data: Any, prompt: str = "Say {text}", **how: Any) -> Any:
    return ollama_magic.map(data, prompt, "m", **{"host": ruled.url, "progress": False, **how})


# ---- what comes back -------------------------------------------------------------------------------------------


def test_pandas_typed_columns_order_and_index(ruled: RuledOllama) -> None:
    ruled.rule = value
    frame = pandas.DataFrame({"text": ["x", "yy", "zzz"], "kept": [1, 2, 3]}, index=[30, 10, 20])
    found = mapped(ruled, frame, schema=SCHEMA)
    assert list(found.index) == [30, 10, 20]
    assert list(found.columns) == ["text", "kept", "label", "score", "sure", "n", "tags", "error"]
    assert list(found["label"]) == ["x", "yy", "zzz"]
    assert list(found["score"]) == [2.5, 3.0, 3.5]
    assert {name: str(found[name].dtype) for name in ("label", "score", "sure", "n", "tags", "error")} == {
        "label": "string", "score": "float64", "sure": "boolean", "n": "Int64", "tags": "object", "error": "string",
    }  # fmt: skip
    assert list(found["n"].isna()) == [True, False, True]
    assert found["error"].isna().all()
    assert list(frame.columns) == ["text", "kept"]
    assert ollama_magic.last_map is found


def test_columns_of_one_name_that_the_prompt_does_not_ask_about_stay(ruled: RuledOllama) -> None:
    found = mapped(ruled, pandas.DataFrame([[1, 2, "x", "old"]], columns=["a", "a", "text", "answer"]))
    assert list(found.columns) == ["a", "a", "text", "answer", "error"]
    assert list(found["answer"]) == ["x"]


def test_columns_of_several_levels(ruled: RuledOllama) -> None:
    columns = pandas.MultiIndex.from_tuples([("a", "text"), ("a", "n")])
    found = mapped(ruled, pandas.DataFrame([["x", 1], ["y", 2]], columns=columns), "Say {a_text}")
    assert list(found.columns) == [*columns, ("answer", ""), ("error", "")]
    assert list(found["answer"]) == ["x", "y"]
    assert list(mapped(ruled, found, "Say {a_n}")["answer"]) == ["1", "2"]


class Frame(pandas.DataFrame):
    """As GeoPandas' frames are: of a type of their own."""

    @property
    def _constructor(self) -> type[Frame]:
        return Frame


def test_a_frame_of_a_type_of_its_own_is_a_frame(ruled: RuledOllama) -> None:
    found = mapped(ruled, Frame({"text": ["x", "y"], "n": [1, 2]}))
    assert isinstance(found, Frame)
    assert list(found["answer"]) == ["x", "y"]


@pytest.mark.parametrize("make", [pandas.DataFrame, polars.DataFrame], ids=["pandas", "polars"])
def test_a_value_that_no_column_holds_is_an_error_of_its_row(ruled: RuledOllama, make: Any) -> None:
    said = {"fine": 3, "large": 10**19, "huge": 10**400}
    ruled.rule = lambda prompt: json.dumps({"n": said[prompt.split()[-1]], "x": 1, "t": "half \ud83d"})
    found = mapped(ruled, make({"text": list(said)}), schema="n: int, x: float, t: str")
    assert [None if pandas.isna(n) else int(n) for n in found["n"]] == [3, None, None]
    assert list(found["t"]) == ["half ?"] * 3
    errors = list(found["error"])
    assert pandas.isna(errors[0])
    assert errors[1] == "n: 10000000000000000000 is too large for its column"
    assert errors[2] == "n: a number of 1329 bits is too large for its column"
    ruled.rule = lambda prompt: json.dumps({"x": said[prompt.split()[-1]]})
    found = mapped(ruled, make({"text": ["large", "huge"]}), schema="x: float")
    assert list(found["x"])[:1] == [1e19]
    assert "too large" in list(found["error"])[1]


def test_a_value_of_another_kind_than_a_column_of_polars_has_is_an_error_of_its_row(ruled: RuledOllama) -> None:
    ruled.rule = lambda prompt: json.dumps({"x": 1 if "number" in prompt else {"a": 1}, "n": 5})
    schema = {"type": "object", "properties": {"x": {}, "n": {"type": "integer"}}, "required": ["x", "n"]}
    found = mapped(ruled, polars.DataFrame({"text": ["object", "number", "object too"]}), schema=schema)
    assert list(found["n"]) == [5, 5, 5]
    assert list(found["x"])[::2] == [{"a": 1}] * 2
    assert list(found["error"]) == [None, "x: 1 is of another type than in the rows before it", None]


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Seen(pydantic.BaseModel):
    colour: Colour
    other: Colour | None = None
    size: int | float
    much: Literal[1, 2]
    mixed: Literal["one", 1]
    about: Seen | None = None


@pytest.mark.parametrize("make", [pandas.DataFrame, polars.DataFrame], ids=["pandas", "polars"])
def test_fields_that_refer_to_a_definition_have_its_type(ruled: RuledOllama, make: Any) -> None:
    ruled.rule = lambda prompt: json.dumps({"colour": "red", "size": len(prompt), "much": 2, "mixed": 1})
    found = mapped(ruled, make({"text": ["x", "yy"]}), schema=Seen)
    kinds = ("string", "string", "float64", "Int64", "object")
    if make is polars.DataFrame:
        kinds = ("String", "String", "Float64", "Int64", "Int64")
    names = ("colour", "other", "size", "much", "mixed")
    assert {name: str(found[name].dtype) for name in names} == dict(zip(names, kinds, strict=True))
    assert list(found["colour"]) == ["red", "red"]
    assert list(found["size"]) == [5.0, 6.0]


def test_columns_of_polars_have_their_type_also_without_a_value(ruled: RuledOllama) -> None:
    class Part(pydantic.BaseModel):
        name: str
        at: list[int] | None

    class Whole(pydantic.BaseModel):
        tags: list[str]
        parts: list[Part]
        part: Part | None
        open: dict[str, int]
        own: list[Seen]

    parts = polars.Struct({"name": polars.String, "at": polars.List(polars.Int64)})
    expected = {"tags": polars.List(polars.String), "parts": polars.List(parts), "part": parts, "open": polars.Null}
    ruled.rule = lambda prompt: '{"tags": [], "parts": [], "part": null, "open": {}, "own": []}'
    for rows in ([], ["x", "y"]):
        found = mapped(ruled, polars.DataFrame({"text": rows}, schema={"text": polars.String}), schema=Whole)
        expected["open"] = found["open"].dtype  # the schema does not tell
        assert {name: found[name].dtype for name in expected} == expected
    assert found["tags"].to_list() == [[], []]


def test_kinds_of_columns() -> None:
    schema = {
        "type": "object",
        "properties": {
            "a": {"type": ["integer", "number", "null"]}, "b": {"const": 3}, "c": {"enum": [True, None]},
            "d": {"oneOf": [{"$ref": "#/properties/c"}, {"type": "null"}]}, "e": {"allOf": [{"type": "string"}]},
            "f": {"anyOf": [{"$ref": "#/properties/f"}]}, "g": True, "h": {"enum": ["x", 1]}, "i": {},
        },
    }  # fmt: skip
    found = columns_for(schema_for(schema), None)
    assert dict(zip(found.names, found.kinds, strict=True)) == {
        "a": "number", "b": "integer", "c": "truth", "d": "truth", "e": "text",
        "f": "any", "g": "any", "h": "any", "i": "any",
    }  # fmt: skip


@dataclass
class Priced:
    price: Decimal
    file: Path


def test_values_of_a_type_that_json_does_not_have(ruled: RuledOllama) -> None:
    ruled.rule = lambda prompt: '{"price": 1.5, "file": "a/b"}'
    (row,) = mapped(ruled, ["x"], schema=Priced)
    assert (row["error"], row["price"]) == (None, Decimal("1.5"))
    frame = mapped(ruled, pandas.DataFrame({"text": ["x"]}), schema=Priced)
    assert list(frame["file"]) == [str(Path("a/b"))]
    assert frame["error"].isna().all()


class Odd(pydantic.BaseModel):
    number: int

    @pydantic.field_serializer("number")
    def _told(self, number: int) -> str:
        return f"no. {number}"


def test_a_type_that_gives_something_else_than_its_schema_says(ruled: RuledOllama) -> None:
    ruled.rule = lambda prompt: '{"number": 3}'
    assert list(mapped(ruled, pandas.DataFrame({"text": ["x"]}), schema=Odd)["number"]) == ["no. 3"]


def test_a_text_column_and_a_prefix(ruled: RuledOllama) -> None:
    frame = pandas.DataFrame({"text": ["x", "y"]})
    assert list(mapped(ruled, frame)["answer"]) == ["x", "y"]
    assert list(mapped(ruled, frame, into="said").columns) == ["text", "said", "error"]
    ruled.rule = value
    found = mapped(ruled, frame, schema="label: str, score: float", into="first")
    assert list(found.columns) == ["text", "first_label", "first_score", "error"]
    ruled.rule = lambda prompt: '{"items": [1, 2]}'
    found = mapped(ruled, frame, schema="list[int]", into="numbers")
    assert list(found["numbers"]) == [[1, 2], [1, 2]]


def test_polars_lists_series_and_texts(ruled: RuledOllama) -> None:
    ruled.rule = value
    found = mapped(ruled, polars.DataFrame({"text": ["x", "yy"]}), schema=SCHEMA)
    assert isinstance(found, polars.DataFrame)
    assert found.schema == {
        "text": polars.String, "label": polars.String, "score": polars.Float64, "sure": polars.Boolean,
        "n": polars.Int64, "tags": polars.List(polars.String), "error": polars.String,
    }  # fmt: skip
    assert found["label"].to_list() == ["x", "yy"]
    assert found["error"].null_count() == 2
    ruled.rule = lambda prompt: prompt.split()[-1].upper()
    assert mapped(ruled, ["x", "y"], "Say {word}") == [
        {"word": "x", "answer": "X", "error": None},
        {"word": "y", "answer": "Y", "error": None},
    ]
    assert mapped(ruled, [{"a": 1, "b": "p"}], "Say {a} {b}") == [{"a": 1, "b": "p", "answer": "P", "error": None}]
    assert list(mapped(ruled, pandas.Series(["x"], name="s"), "Say {s}")["answer"]) == ["X"]
    assert mapped(ruled, polars.Series("s", ["x"]), "Say {s}")["answer"].to_list() == ["X"]
    assert mapped(ruled, [], "Say {a}") == []
    assert len(mapped(ruled, pandas.DataFrame({"text": []}))) == 0


class Word(NamedTuple):
    text: str
    n: int


def test_rows_with_named_fields_have_columns(ruled: RuledOllama) -> None:
    expected = [{"text": "x", "n": 1, "answer": "x-1", "error": None}]
    assert mapped(ruled, [Word("x", 1)], "Say {text}-{n}") == expected
    assert list(mapped(ruled, iter([Word("x", 1)]), "Say {text}-{n}")) == expected
    frame = pandas.DataFrame({"text": ["x"], "n": [1]})
    assert list(mapped(ruled, frame.itertuples(index=False), "Say {text}-{n}")) == expected
    assert mapped(ruled, [row for _, row in frame.iterrows()], "Say {text}-{n}") == expected
    with closing(sqlite3.connect(":memory:")) as db:
        db.row_factory = sqlite3.Row
        assert list(mapped(ruled, db.execute("SELECT 'x' AS text, 1 AS n"), "Say {text}-{n}")) == expected


@pytest.mark.slow
def test_an_iterable_is_read_as_it_is_answered_and_no_further(ruled: RuledOllama) -> None:
    taken = 0

    def endless() -> Iterator[dict[str, int]]:
        nonlocal taken
        for taken in itertools.count(1):
            yield {"n": taken}

    found = mapped(ruled, endless(), "Say {n}", concurrency=4)
    assert taken == 0
    first = list(itertools.islice(found, 600))
    assert [(row["n"], row["answer"], row["error"]) for row in first] == [(n, str(n), None) for n in range(1, 601)]
    assert taken <= 600 + 1024 + 256
    found.close()
    while ruled.open_streams:
        time.sleep(0.001)


def test_rows_before_one_that_cannot_be_read_are_given(ruled: RuledOllama) -> None:
    def rows() -> Iterator[str]:
        yield from map(str, range(300))
        raise OSError("line 301")

    found: list[str] = []
    with pytest.raises(OSError, match="line 301"):
        found.extend(row["answer"] for row in mapped(ruled, rows()))
    assert found == [str(number) for number in range(300)]


def test_iterables_that_fail_and_threads(ruled: RuledOllama) -> None:
    """Rows are made in the caller's own thread, and what their iterable raises reaches the caller."""
    threads = set()

    def rows() -> Iterator[str]:
        threads.add(threading.get_ident())
        yield "a"
        raise LookupError("no more")

    with pytest.raises(LookupError, match="no more"):
        list(mapped(ruled, rows()))
    assert threads == {threading.get_ident()}


# ---- what is asked ---------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_what_was_answered_is_not_asked_again(ruled: RuledOllama) -> None:
    rows = [f"row {number}" for number in range(40)]
    mapped(ruled, rows[:25])
    assert ruled.questions == 25
    again = mapped(ruled, rows)
    assert ruled.questions == 40
    assert [row["answer"] for row in again] == [str(number) for number in range(40)]
    ruled.rule = lambda prompt: "fresh"
    assert {row["answer"] for row in mapped(ruled, rows, refresh=True)} == {"fresh"}
    assert {row["answer"] for row in mapped(ruled, rows)} == {"fresh"}
    assert ruled.questions == 80
    mapped(ruled, rows, temperature=0.5)  # another question
    assert ruled.questions == 120


@pytest.mark.slow
def test_rows_that_ask_the_same_are_asked_once_unless_nothing_is_kept(ruled: RuledOllama) -> None:
    rows = [f"row {number % 3}" for number in range(300)]
    assert [row["answer"] for row in mapped(ruled, rows)] == [str(number % 3) for number in range(300)]
    assert ruled.questions == 3
    mapped(ruled, rows, refresh=True)
    assert ruled.questions == 6
    mapped(ruled, rows[:30], cache=False)
    assert ruled.questions == 36


def test_an_answer_kept_by_a_cell_is_a_map_s_too(ruled: RuledOllama) -> None:
    how = {"host": ruled.url, "temperature": 0.25, "system": "Be brief."}
    assert ollama_magic.ask("Say x", "m", cache="use", **how).text == "x"
    assert mapped(ruled, ["x"], **how)[0]["answer"] == "x"
    assert ruled.questions == 1


def test_a_broken_cache_costs_no_answer(ruled: RuledOllama, tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("a file, where the folder should be")
    with pytest.warns(UserWarning, match="not kept"):
        found = mapped(ruled, ["x", "y", "x"], cache_dir=tmp_path / "kept")
    assert [row["answer"] for row in found] == ["x", "y", "x"]


def test_concurrency_is_the_most_at_once(ruled: RuledOllama) -> None:
    gate = threading.Event()
    ruled.rule = lambda prompt: Script().waits_for(gate).says("done")
    asking = threading.Thread(target=lambda: mapped(ruled, list("abcdefgh"), concurrency=numpy.int64(3)))
    asking.start()
    while ruled.busy < 3:
        time.sleep(0.001)
    gate.set()
    asking.join(20)
    assert (ruled.most_busy, ruled.questions) == (3, 8)


# ---- what goes wrong -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "prompt", "how", "message"),
    [
        (pandas.DataFrame({"text": ["x"]}), "{txet}", {}, "There is no column 'txet' for {txet}, did you mean 'text'?"),
        (polars.DataFrame({"text": ["x"]}), "{txet}", {}, "did you mean 'text'"),
        ([{"text": "x"}], "{txet}", {}, "did you mean 'text'"),
        (["x"], "nothing", {}, "names no column"),
        (pandas.DataFrame({"text": ["x"]}), "{text}", {"into": "text"}, "would replace the column 'text'"),
        (["x"], "{text}", {"into": "text"}, "would replace the column 'text'"),
        (iter(["x"]), "Rate {answer}", {}, "would replace the column 'answer'"),
        (pandas.DataFrame({"error": ["E1"]}), "Explain {error}", {}, "asks about a column 'error'"),
        (["x"], "Explain {error}", {}, "asks about a column 'error'"),
        (["x"], "{a}", {"into": "error"}, "cannot be called 'error'"),
        (["x"], "{a}", {"into": 3}, "into cannot be 3"),
        (["x"], None, {}, "The prompt is not a text but NoneType"),
        ([Word("x", 1)], "{txet}", {}, "did you mean 'text'"),
        (["x"], "{a}", {"concurrency": 0}, "concurrency cannot be 0"),
        (["x"], "{a}", {"concurrency": "4"}, "concurrency cannot be '4'"),
        (["x"], "{a}", {"hosts": "gpu1"}, "not a list of servers"),
        (["x"], "{a}", {"images": ["x.png"]}, "map() takes no images"),
        (["x"], "{a}", {"thread": "a"}, "map() takes no thread"),
        (["x"], "{a}", {"schema": "no schema at all"}, "schema"),
        (["x"], "{a}", {"top_k": "hot", "mode": "loud"}, "mode cannot be 'loud'"),
        (["x"], "{a}", {"temprature": 0}, "map() has no 'temprature'"),
        ("some text", "{a}", {}, "A str has no rows to map"),
        (7, "{a}", {}, "An int has no rows to map"),
        (pandas.DataFrame([[1, 2]], columns=["a", "a"]), "{a}", {}, "two columns 'a'"),
    ],
)
def test_mistakes_are_told_before_anything_is_sent(
    ruled: RuledOllama, data: Any, prompt: str, how: dict[str, Any], message: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        mapped(ruled, data, prompt, **how)
    assert message in caught.value.message
    assert ruled.questions == 0


def test_an_answer_that_was_cut_off_is_told_of_its_row_also_when_it_is_replayed(ruled: RuledOllama) -> None:
    ruled.rule = lambda prompt: Script().says("and so").ends_with("length") if "long" in prompt else "all of it"
    for questions in (2, 2):
        found = mapped(ruled, pandas.DataFrame({"text": ["long", "short"]}), max_tokens=8)
        assert list(found["answer"]) == ["and so", "all of it"]
        assert found["error"][0].startswith("cut off: the limit on tokens was reached")
        assert pandas.isna(found["error"][1])
        assert ruled.questions == questions


def test_rows_that_cannot_be_filled_have_an_error(ruled: RuledOllama) -> None:
    found = mapped(ruled, iter([{"a": "x"}, {"b": "y"}, 3, {"a": "z"}]), "Say {a}")
    rows = list(found)
    assert [row["answer"] for row in rows] == ["x", None, "3", "z"]
    assert [row["error"] for row in rows] == [None, "{a}: the row has no 'a'", None, None]
    (row,) = mapped(ruled, ["x"], "Say {a} {b}")
    assert "has no columns a, b" in row["error"]


def test_what_would_be_said_of_every_row_is_raised(ruled: RuledOllama) -> None:
    ruled.rule = lambda prompt: Script().fails(401, '{"error":"unauthorized"}')
    with pytest.raises(Unauthorized):
        mapped(ruled, [str(number) for number in range(500)])
    assert ruled.questions <= 64  # those on their way
    with pytest.raises(Unauthorized):
        list(mapped(ruled, iter("abc")))


def test_what_comes_later_to_every_row_is_said_of_the_rest(ruled: RuledOllama) -> None:
    quota = '{"error":"you have reached your weekly usage limit, upgrade for higher limits"}'
    ruled.rule = lambda prompt: prompt[-1] if ruled.questions <= 10 else Script().fails(429, quota)
    found = mapped(ruled, pandas.DataFrame({"text": [f"{n}" for n in range(400)]}), concurrency=1)
    assert list(found["answer"].notna()) == [True] * 10 + [False] * 390
    assert found["error"][10].startswith("UsageLimit: you have reached your weekly usage limit")
    assert found["error"][399].startswith("not asked, since every row would fail like this. UsageLimit: ")
    assert ruled.questions == 11


def test_a_schema_that_cannot_be_met_is_an_error_of_its_row(ruled: RuledOllama) -> None:
    ruled.rule = lambda prompt: '{"label": "fine"}' if prompt in ("Say yes", "Say sure") else "I would rather not"
    found = mapped(ruled, ["yes", "no", "sure"], schema="label: str")
    assert [row["label"] for row in found] == ["fine", None, "fine"]
    assert "SchemaMismatch" in found[1]["error"]
    assert "I would rather not" in found[1]["error"]
    assert ruled.questions == 4  # one more for the one repair


@pytest.mark.slow
def test_what_is_refused_is_asked_again(ruled: RuledOllama) -> None:
    """A server of two slots that refuses what it has no slot for: every row is answered, fewer are asked at once."""
    ruled.slots, ruled.refuses = 2, True
    found = mapped(ruled, [f"row {number}" for number in range(60)])
    assert [row["answer"] for row in found] == [str(number) for number in range(60)]
    assert all(count == 1 for count in ruled.times.values())


@pytest.mark.slow
def test_a_thousand_faults_and_the_rest_is_whole() -> None:
    """One host of three dies in the middle, 5% are 503 once, 1% are cut, one is too long, one meets no schema."""

    def rule(fake: RuledOllama) -> Any:
        def answer(prompt: str) -> Any:
            number = int(re.findall(r"\d+", prompt.splitlines()[0])[0]) if prompt[0] == "R" else 77
            if number % 20 == 3 and sum(each.times[prompt] for each in fakes) == 1:
                return busy()
            if number % 100 == 50:
                return Script().says('{"label": ', '"cut').drops_after(1)
            if number == 7:
                return Script().fails(400, TOO_LONG)
            if number == 77:
                return "no JSON"
            return json.dumps({"label": f"row {number}"})

        return answer

    fakes = [RuledOllama() for _ in range(3)]
    for fake in fakes:
        fake.rule = rule(fake)
        fake.__enter__()
    fakes[1].dies_after = 100
    try:
        frame = pandas.DataFrame({"n": range(1000)})
        with pytest.warns(
            UserWarning, match=f"{fakes[1].url} was set aside, and the others were asked .* no server at"
        ):
            found = ollama_magic.map(
                frame, "Row {n}", "m", schema="label: str", hosts=[fake.url for fake in fakes], progress=False
            )
    finally:
        for fake in fakes:
            fake.close()
    wrong = {int(n): error for n, error in found["error"].dropna().items()}
    assert sorted(wrong) == [7, *sorted([50, 77, *range(150, 1000, 100)])]
    assert wrong[7].startswith("PromptTooLong: ")
    assert "exceeds the available context size" in wrong[7]
    assert wrong[77].startswith("SchemaMismatch: ")
    assert all(wrong[number].startswith("Incomplete: ") for number in range(50, 1000, 100))
    right = found[found["error"].isna()]
    assert list(right["label"]) == [f"row {n}" for n in right["n"]]
    assert found["label"].isna().sum() == len(wrong)
    assert fakes[1].questions > 100 > fakes[1].questions - 64
    assert min(fakes[0].questions, fakes[2].questions) > 250


@pytest.mark.parametrize("iterable", [False, True], ids=["list", "iterable"])
def test_rows_that_wait_at_a_slow_server_are_asked_at_a_quick_one(ruled: RuledOllama, iterable: bool) -> None:
    gate = threading.Event()
    with RuledOllama() as slow:
        slow.rule = lambda prompt: Script().waits_for(gate).says("late")
        rows = [f"{number}" for number in range(100)]
        found = mapped(ruled, iter(rows) if iterable else rows, hosts=[slow.url, ruled.url], concurrency=8)
        assert [row["answer"] for row in found] == rows
        assert 0 < slow.questions <= 8
        assert ruled.questions == 100
        gate.set()


def test_a_server_that_lacks_the_model_is_told_of(ruled: RuledOllama) -> None:
    with RuledOllama() as other:
        other.rule = lambda prompt: Script().fails(404, '{"error":"model \'m\' not found"}')
        with pytest.warns(UserWarning, match=f"{other.url} was set aside, .* not") as caught:
            found = mapped(ruled, [str(number) for number in range(20)], hosts=[other.url, ruled.url])
    assert [row["answer"] for row in found] == [str(number) for number in range(20)]
    assert [each.filename for each in caught] == [__file__]


@pytest.mark.slow
def test_no_server_is_raised_soon(ruled: RuledOllama) -> None:
    ruled.close()
    with pytest.raises(Unreachable, match="no server at"):
        mapped(ruled, [str(number) for number in range(1000)])


# ---- an interrupt ----------------------------------------------------------------------------------------------


def interrupting(ruled: RuledOllama, after: int) -> threading.Event:
    """A rule that answers so many, then interrupts the main thread and holds the rest back behind a gate."""
    gate = threading.Event()
    main = threading.main_thread().ident
    assert main is not None

    def rule(prompt: str) -> Any:
        if ruled.questions <= after or gate.is_set():
            return prompt.split()[-1]
        if ruled.questions == after + 1:
            signal.pthread_kill(main, signal.SIGINT)
        return Script().waits_for(gate).says("late")

    ruled.rule = rule
    return gate


@pytest.mark.slow
def test_an_interrupt_keeps_what_was_answered(ruled: RuledOllama) -> None:
    gate = interrupting(ruled, after=12)
    frame = pandas.DataFrame({"text": [f"{number}" for number in range(30)]})
    with pytest.raises(MapStopped, match=r"Stopped: 12 of 30 rows .* in ollama_magic\.last_map"):
        mapped(ruled, frame, concurrency=1)
    assert ruled.disconnected.wait(5)
    partial = ollama_magic.last_map
    assert list(partial["answer"].notna()) == [True] * 12 + [False] * 18
    assert list(partial["error"].isna()) == [True] * 12 + [False] * 18
    gate.set()
    found = mapped(ruled, frame)
    assert list(found["answer"]) == list(frame["text"])
    assert {prompt for prompt, times in ruled.times.items() if times > 1} == {"Say 12"}  # the one on its way


def test_what_was_stopped_says_whether_it_is_kept(ruled: RuledOllama, tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("a file, where the folder should be")
    for how, said in [
        ({"cache": "off"}, r"^Stopped: 2 of 9 rows are answered\. They are in ollama_magic\.last_map\.$"),
        (
            {"cache_dir": tmp_path / "kept"},
            r"answered\. They are in .* They were not kept\. The answers cannot be kept",
        ),
    ]:
        interrupting(ruled, after=ruled.questions + 2)
        with pytest.raises(MapStopped, match=said):
            mapped(ruled, [f"{number}" for number in range(9)], concurrency=1, **how)


def test_an_interrupt_of_an_iterable(ruled: RuledOllama) -> None:
    gate = interrupting(ruled, after=5)
    seen: list[str] = []
    rows = mapped(ruled, (str(number) for number in range(30)), concurrency=1)
    with pytest.raises(MapStopped):
        seen.extend(row["answer"] for row in rows)
    assert seen == list("01234")[: len(seen)]
    gate.set()
    assert len(list(mapped(ruled, (str(number) for number in range(30))))) == 30
    assert sum(ruled.times.values()) == 31


@pytest.mark.slow
def test_the_bar_tells_rows_and_errors(ruled: RuledOllama, capfd: pytest.CaptureFixture[str]) -> None:
    mapped(ruled, ["kept"])
    ruled.rule = lambda prompt: Script().fails(400, '{"error":"bad"}') if "wrong" in prompt else "fine"
    mapped(ruled, ["kept", "wrong", "right"], progress=True)
    shown = capfd.readouterr().err
    assert "3/3" in shown
    assert "errors=1, kept=1" in shown


def test_the_bar_of_an_iterable_begins_with_its_first_row(
    ruled: RuledOllama, capfd: pytest.CaptureFixture[str]
) -> None:
    found = mapped(ruled, iter("ab"), progress=True)
    assert capfd.readouterr().err == ""
    assert len(list(found)) == 2
    assert "2row" in capfd.readouterr().err


@pytest.mark.slow
def test_the_bar_tells_that_it_waits_for_a_server_that_refuses(
    ruled: RuledOllama, capfd: pytest.CaptureFixture[str]
) -> None:
    told: list[str] = []

    def rule(prompt: str) -> str | Script:
        told.append(capfd.readouterr().err)
        return prompt if "waiting for" in "".join(told) else busy()

    ruled.rule = rule
    found = mapped(ruled, ["a", "b"], "{item}", progress=True, concurrency=1)
    assert [row["answer"] for row in found] == ["a", "b"]
    assert f"waiting for {ruled.url}" in "".join(told)
    assert "waiting for" not in capfd.readouterr().err.split("2/2")[-1]


@pytest.mark.slow
def test_the_bar_tells_that_it_waits_for_a_server(ruled: RuledOllama, capfd: pytest.CaptureFixture[str]) -> None:
    """While all are set aside, by name, and no longer than that."""
    shown: list[str] = []

    def rows() -> Iterator[str]:
        yield from map(str, range(8))

    ruled.dies_after = 3
    port = int(ruled.url.rpartition(":")[2])
    iterator = mapped(ruled, rows(), progress=True, concurrency=1, cache=False)
    found = [next(iterator)["answer"] for _ in range(3)]
    again = RuledOllama(port=port)
    again.rule = ruled.rule

    def revive() -> None:
        while "waiting for" not in (told := capfd.readouterr().err):
            shown.append(told)
            time.sleep(0.01)
        shown.append(told)
        again.__enter__()

    reviving = threading.Thread(target=revive)
    reviving.start()
    found += [row["answer"] for row in iterator]
    reviving.join()
    again.close()
    assert found == [str(number) for number in range(8)]
    assert f"waiting for {ruled.url}" in shown[-1]
    assert "waiting for" not in capfd.readouterr().err.split("8/8")[-1]
