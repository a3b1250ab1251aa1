"""Schemas: what describes one, what is sent, what an answer becomes; functions as tools."""

from __future__ import annotations

import builtins
import enum
import functools
import json
import subprocess
import sys
import typing
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, datetime, time
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, NewType, NotRequired, Optional, TypedDict, Union

import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ollama_magic.errors import SettingsError
from ollama_magic.schema import Mismatch, as_plain, call_with, function_schema, schema_for
from ollama_magic.schema.find import json_values
from ollama_magic.schema.validate import require
from tests.tables import folded

# Slow to import: no single test should pay for it, and nobody for the grammars of addresses, which take a second.
with pytest.MonkeyPatch.context() as _patch:
    _patch.setitem(sys.modules, "rfc3987_syntax", None)
    import jsonschema.validators  # noqa: F401


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


@dataclass
class Book:
    """A printed book."""

    title: str
    year: Annotated[int, "of the first print"]
    tags: list[str] = field(default_factory=list)
    color: Color | None = None


@dataclass
class Tree:
    name: str
    kids: list[Tree] = field(default_factory=list)


@dataclass
class Checked:
    share: float

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1:
            raise ValueError("share must be between 0 and 1")


class Film(TypedDict):
    title: str
    when: date
    note: NotRequired[str]


class Point(NamedTuple):
    x: float
    y: float = 0.0


class Author(pydantic.BaseModel):
    name: str
    born: int = pydantic.Field(gt=1000)


class Library(pydantic.BaseModel):
    books: list[Author]
    opened: date | None = None

    @pydantic.field_validator("books")
    @classmethod
    def some(cls, books: list[Author]) -> list[Author]:
        if not books:
            raise ValueError("a library has books")
        return books


class Branch(pydantic.BaseModel):
    kids: list[Branch] = []


@dataclass
class Shelf:
    authors: dict[str, Author]


Name = NewType("Name", str)


# ---- what is sent ----------------------------------------------------------------------------------------------

STR, INT = {"type": "string"}, {"type": "integer"}
ANY = {"type": ["string", "number", "boolean", "null", "array", "object"]}

FIELDS: list[tuple[str, Any]] = [
    ("str", STR),
    ("text", STR),
    ("int", INT),
    ("float", {"type": "number"}),
    ("bool", {"type": "boolean"}),
    ("date", {"type": "string", "format": "date"}),
    ("datetime", {"type": "string", "format": "date-time"}),
    ("time", {"type": "string", "format": "time"}),
    ("any", ANY),
    ("list", {"type": "array"}),
    ("dict", {"type": "object"}),
    ("list[str]", {"type": "array", "items": STR}),
    ("[str]", {"type": "array", "items": STR}),
    ("list[list[int]]", {"type": "array", "items": {"type": "array", "items": INT}}),
    ("set[int]", {"type": "array", "items": INT, "uniqueItems": True}),
    ("tuple[int, str]", {"type": "array", "prefixItems": [INT, STR], "minItems": 2, "maxItems": 2}),
    ("dict[str, int]", {"type": "object", "additionalProperties": INT}),
    ("dict[str, any]", {"type": "object", "additionalProperties": True}),
    ("date | None", {"anyOf": [{"type": "string", "format": "date"}, {"type": "null"}]}),
    ("Optional[int]", {"anyOf": [INT, {"type": "null"}]}),
    ("'a'|'b'", {"type": "string", "enum": ["a", "b"]}),
    ("Literal['a', 'b']", {"type": "string", "enum": ["a", "b"]}),
    ("'a'|'b'|None", {"anyOf": [{"type": "string", "enum": ["a", "b"]}, {"type": "null"}]}),
    ("1 | -2 | 3", {"type": "integer", "enum": [1, -2, 3]}),
    ("'x: y, z'", {"type": "string", "enum": ["x: y, z"]}),
    ("{a: int}", {"type": "object", "properties": {"a": INT}, "required": ["a"]}),
    ("list[{a: int}]", {"type": "array", "items": {"type": "object", "properties": {"a": INT}, "required": ["a"]}}),
    ("list[a: int, b: str]",
     {"type": "array", "items": {"type": "object", "properties": {"a": INT, "b": STR}, "required": ["a", "b"]}}),
]  # fmt: skip


@folded(("text", "schema"), FIELDS, ids=[text for text, _ in FIELDS])
def test_the_types_of_the_short_form(text: str, schema: Any) -> None:
    sent = schema_for(f"first: str, it: {text}, last: int").json_schema
    assert sent == {
        "type": "object",
        "properties": {"first": STR, "it": schema, "last": INT},
        "required": ["first", "it", "last"],
    }


@folded(
    ("text", "names"),
    [
        ("name: str", ["name"]),
        ("  name : str ,year:int, ", ["name", "year"]),
        ("name: str\nyear: int", ["name", "year"]),
        ("\nname: str,\n  tags: list[\n    str],\n\nyear:\n int\n", ["name", "tags", "year"]),
        ("class: str, from: str, None: int", ["class", "from", "None"]),
        ("first-name: str, größe: int", ["first-name", "größe"]),
        ("\"two words\": str, 'it': int", ["two words", "it"]),
        ("{name: str, year: int}", ["name", "year"]),
    ],
)
def test_the_names_of_the_short_form(text: str, names: list[str]) -> None:
    assert list(schema_for(text).json_schema["properties"]) == names


def test_a_list_travels_in_an_object() -> None:
    shape = schema_for("list[name: str, year: int]")
    assert shape.wrapped == "items"
    assert list(shape.json_schema["properties"]) == ["items"]
    rows = [{"name": "a", "year": 1}]
    assert shape.parse(json.dumps({"items": rows})) == shape.parse(json.dumps(rows)) == rows


def test_the_short_form_may_name_variables() -> None:
    shape = schema_for("who: Author, all: list[Book]", {"Author": Author, "Book": Book})
    value = shape.parse('{"who": {"name": "A", "born": 1900}, "all": [{"title": "T", "year": 3}]}')
    assert value == {"who": Author(name="A", born=1900), "all": [Book("T", 3)]}


def test_a_dataclass() -> None:
    assert schema_for(Book).json_schema == {
        "type": "object",
        "description": "A printed book.",
        "properties": {
            "title": STR,
            "year": {**INT, "description": "of the first print"},
            "tags": {"type": "array", "items": STR},
            "color": {"anyOf": [{"type": "string", "enum": ["red", "blue"]}, {"type": "null"}]},
        },
        "required": ["title", "year"],
    }


def test_a_recursive_type_is_defined_once() -> None:
    body = {
        "type": "object",
        "properties": {"name": STR, "kids": {"type": "array", "items": {"$ref": "#/$defs/Tree"}}},
        "required": ["name"],
    }
    assert schema_for(Tree).json_schema == {**body, "$defs": {"Tree": body}}
    listed = schema_for(list[Tree])
    assert listed.json_schema["properties"]["items"]["items"] == {"$ref": "#/$defs/Tree"}
    assert listed.parse('[{"name": "a", "kids": [{"name": "b"}]}]') == [Tree("a", [Tree("b")])]
    with pytest.raises(Mismatch, match=r"items\[0\]\.kids\[0\]\.name: missing"):
        listed.parse('{"items": [{"name": "a", "kids": [{}]}]}')


def test_a_pydantic_model_keeps_its_definitions() -> None:
    shape = schema_for(Library)
    assert shape.json_schema == Library.model_json_schema()
    assert shape.json_schema["properties"]["books"]["items"] == {"$ref": "#/$defs/Author"}
    assert shape.name == "Library"


@folded("spec", [Branch, list[Branch], Library, list[Library], Tree, list[Tree], dict[str, Tree]])
def test_every_reference_leads_somewhere(spec: Any) -> None:
    schema = schema_for(spec).json_schema
    assert schema["type"] == "object"
    written = json.dumps(schema)
    assert '"$ref"' in written
    for name in {part.split('"')[0] for part in written.split('"$ref": "#/$defs/')[1:]}:
        assert name in schema["$defs"]


def test_two_models_of_one_name_do_not_mix() -> None:
    def made(kind: Any) -> Any:
        inner = pydantic.create_model("Inner", x=(kind, ...))
        return pydantic.create_model("Outer", inner=(inner, ...))

    shape = schema_for({"a": made(int), "b": made(str)})
    assert shape.parse('{"a": {"inner": {"x": 1}}, "b": {"inner": {"x": "s"}}}')["b"].inner.x == "s"
    kinds = {each["properties"]["x"]["type"] for each in shape.json_schema["$defs"].values()}
    assert kinds == {"integer", "string"}


@folded(
    ("spec", "answer", "value"),
    [
        (Book, {"title": "T", "year": 1, "color": "red"}, Book("T", 1, color=Color.RED)),
        (Book, {"title": "T", "year": 2.0, "more": 1}, Book("T", 2)),
        (list[Book], {"items": [{"title": "T", "year": 1}]}, [Book("T", 1)]),
        (list[Book], [{"title": "T", "year": 1}], [Book("T", 1)]),
        ([Book], {"items": []}, []),
        (Film, {"title": "T", "when": "2024-02-29"}, {"title": "T", "when": date(2024, 2, 29)}),
        (Film, {"title": "T", "when": "2024-02-29", "note": "n"},
         {"title": "T", "when": date(2024, 2, 29), "note": "n"}),
        (Point, {"x": 1}, Point(1.0)),
        (Library, {"books": [{"name": "A", "born": 1900}], "opened": "1999-01-01"},
         Library(books=[Author(name="A", born=1900)], opened=date(1999, 1, 1))),
        (list[Author], [{"name": "A", "born": 1900}], [Author(name="A", born=1900)]),
        (pydantic.TypeAdapter(list[Author]), {"items": [{"name": "A", "born": 1900}]}, [Author(name="A", born=1900)]),
        (Shelf, {"authors": {"a": {"name": "A", "born": 1900}}}, Shelf({"a": Author(name="A", born=1900)})),
        (Annotated[list[int], pydantic.Field(max_length=2)], {"items": [1]}, [1]),
        ({"name": str, "year": Optional[int]},  # noqa: UP045 -- as above
          {"name": "a", "year": None}, {"name": "a", "year": None}),
        (list[int], {"items": [1, 2]}, [1, 2]),
        (set[int], {"items": [1, 2]}, {1, 2}),
        (frozenset[str], {"items": ["a"]}, frozenset("a")),
        (tuple[int, ...], {"items": [1]}, (1,)),
        (tuple[int, date], {"items": [1, "2024-01-01"]}, (1, date(2024, 1, 1))),
        (Sequence[time], {"items": ["10:30"]}, [time(10, 30)]),
        (Mapping[str, date], {"a": "2024-01-01"}, {"a": date(2024, 1, 1)}),
        (int, {"value": 5}, 5),
        (int, 5, 5),
        (Name, {"value": "x"}, "x"),
        (datetime, {"value": "2024-01-01T10:00:00"}, datetime(2024, 1, 1, 10)),
        (Color, {"value": "blue"}, Color.BLUE),
        (Literal["a", 1, None, Color.RED], {"value": "red"}, Color.RED),
        (Union[int, str], {"value": "x"}, "x"),  # noqa: UP007 -- the old spelling is what is tested
        (Book | Point, {"value": {"x": 2}}, Point(2.0)),
        (Optional[Book], {"value": None}, None),  # noqa: UP045 -- as above
        (list, {"items": [1, "a"]}, [1, "a"]),
        (dict, {"a": 1}, {"a": 1}),
        (typing.List[int], [1], [1]),  # noqa: UP006 -- the old spelling is what is tested
        (dict[int, str], {"1": "a"}, {1: "a"}),
        (typing.Dict[str, int], {"a": 1}, {"a": 1}),  # noqa: UP006 -- as above
    ],
)  # fmt: skip
def test_an_answer_becomes_a_typed_value(spec: Any, answer: Any, value: Any) -> None:
    shape = schema_for(spec)
    assert shape.json_schema["type"] == "object", "models write objects only"
    found = shape.parse(json.dumps(answer))
    assert found == value
    assert type(found) is type(value)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="the `type` statement is newer")
def test_a_type_alias() -> None:
    space: dict[str, Any] = {}
    exec("type Years = list[int]", space)
    assert schema_for(space["Years"]).parse("[1]") == [1]


JSON_SCHEMA = {
    "title": "A book",
    "type": "object",
    "properties": {"title": STR, "year": {"type": "integer", "minimum": 1400}},
    "required": ["title"],
}


def test_a_json_schema_is_sent_as_it_is() -> None:
    shape = schema_for(JSON_SCHEMA)
    assert shape.json_schema == JSON_SCHEMA
    assert shape.name == "A_book"
    assert schema_for(json.dumps(JSON_SCHEMA)).json_schema == JSON_SCHEMA
    assert schema_for(shape) is shape
    assert shape.parse('{"title": "T", "year": 1500}') == {"title": "T", "year": 1500}


def test_a_list_of_a_json_schema_is_moved_with_all_its_references() -> None:
    shape = schema_for(
        {
            "type": "array",
            "items": {
                "anyOf": [{"$ref": "#/$defs/a"}, {"$ref": "#/$defs/b"}, {"$ref": "#"}, {"$ref": "#/items/anyOf/0"}]
            },
            "$defs": {"a": INT, "b": {"type": "object", "properties": {"all": {"$ref": "#"}}}},
        }
    )
    inner = shape.json_schema["properties"]["items"]
    assert [each["$ref"] for each in inner["items"]["anyOf"]] == [
        "#/$defs/a", "#/$defs/b", "#/properties/items", "#/properties/items/items/anyOf/0",
    ]  # fmt: skip
    assert shape.json_schema["$defs"]["b"]["properties"]["all"] == {"$ref": "#/properties/items"}
    assert shape.parse('{"items": [1, {"all": [2]}, [3]]}') == [1, {"all": [2]}, [3]]
    require(json.loads('{"items": [1, {"all": [2]}]}'), shape.json_schema, shape.json_schema)


# ---- what does not fit -----------------------------------------------------------------------------------------

MISFITS: list[tuple[Any, Any, str]] = [
    ("items: list[year: int]", {"items": [{"year": 1}, {"year": 2}, {"year": "x"}]},
     'items[2].year: expected an integer, got "x"'),
    (Book, {"title": "T"}, "year: missing"),
    (Book, {"title": 5, "year": None}, "title: expected a string, got 5; year: expected an integer, got null"),
    (Book, {"title": "T", "year": True}, "year: expected an integer, got true"),
    (Book, {"title": "T", "year": 1.5}, "year: expected an integer, got 1.5"),
    (Book, {"title": "T", "year": 1, "color": "green"}, 'color: expected one of "red", "blue", got "green"'),
    (Book, {"title": "T", "year": 1, "tags": "a"}, 'tags: expected a list, got "a"'),
    (list[Book], {"books": []}, 'items: missing, got {"books": []}'),
    (list[Book], {"items": [5]}, "items[0]: expected an object, got 5"),
    (Film, {"title": "T", "when": "soon"}, 'when: expected a date such as 2024-12-31, got "soon"'),
    ("a: dict[str, int]", {"a": {"x y": "z"}}, 'a["x y"]: expected an integer, got "z"'),
    ("a: date | None", {"a": 5}, "a: expected a date such as 2024-12-31 or null, got 5"),
    ("a: int | str", {"a": []}, "a: expected an integer or a string, got []"),
    ("a: {b: int} | None", {"a": {"b": "x"}}, 'a.b: expected an integer, got "x"'),
    ("a: tuple[int, int]", {"a": [1]}, "a: expected at least 2 items, got 1"),
    ("a: set[any]", {"a": [[]]}, "a: an item cannot stand in a set, got [[]]"),
    ("a: 1 | 2", {"a": True}, "a: expected one of 1, 2, got true"),
    ("a: str", [], "expected an object, got []"),
    ("a: str, b: str, c: str, d: str, e: str", {}, "a: missing; b: missing; c: missing; and 2 more"),
    (Checked, {"share": 3}, "Checked refuses it: ValueError: share must be between 0 and 1"),
    (list[Checked], [{"share": 3}], "items[0]: Checked refuses it: ValueError: share must be between 0 and 1"),
    (Author, {"name": "A", "born": 3}, "born: expected greater than 1000, got 3"),
    (Library, {"books": [{"name": "A"}]}, "books[0].born: missing"),
    (Library, {"books": []}, "books: a library has books, got []"),
    (list[Author], [{"name": "A", "born": "x"}],
     'items[0].born: expected a valid integer, unable to parse string as an integer, got "x"'),
    (JSON_SCHEMA, {"title": "T", "year": 3}, "year: expected at least 1400, got 3"),
    ({"type": "object", "properties": {"a": STR}, "additionalProperties": False}, {"b": 1},
     "b: not expected; there are a"),
    ({"type": "array", "items": STR, "maxItems": 1}, ["a", "b"], "items: expected at most 1 items, got 2"),
    ({"type": "string", "pattern": "^a"}, {"value": "b"}, 'value: expected text like ^a, got "b"'),
    ({"oneOf": [{"type": "number"}, {"type": "integer"}]}, {"value": 1},
     "value: fits 2 of the alternatives instead of one, got 1"),
    ({"not": STR, "type": ["string", "integer"]}, {"value": "b"}, 'value: "b" is not allowed here'),
    ({"allOf": [{"type": "object", "required": ["a"]}], "type": "object"}, {}, "a: missing"),
    ({"type": "object", "properties": {"a": {"const": 3}, "b": False}}, {"a": 4, "b": 1},
     "a: expected 3, got 4; b: nothing may stand here, got 1"),
    ({"type": "object", "dependentRequired": {"a": ["b"]}}, {"a": 1}, "'b' is a dependency of 'a'"),
]  # fmt: skip


@folded(("spec", "answer", "reason"), MISFITS, ids=[reason for _, _, reason in MISFITS])
def test_an_answer_that_does_not_fit_says_where_and_why(spec: Any, answer: Any, reason: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 -- its whole text is compared below
        schema_for(spec).parse(json.dumps(answer))
    assert str(caught.value) == reason


def test_a_value_that_is_long_is_cut_in_a_message() -> None:
    with pytest.raises(Mismatch) as caught:
        schema_for("a: int").parse(json.dumps({"a": "x" * 10_000}))
    assert len(str(caught.value)) < 120


@pytest.mark.slow
@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))  # fmt: skip # noqa: E501
@settings(max_examples=20)
def test_whatever_json_comes_it_is_a_value_or_a_plain_reason(value: Any) -> None:
    for spec in (Book, list[Tree], Library, Film, JSON_SCHEMA, "a: int | list[str] | None"):
        shape = schema_for(spec)
        with suppress(Mismatch):
            shape.parse(json.dumps(value))


# ---- JSON in an answer -----------------------------------------------------------------------------------------

ONE = '{"name": "a", "year": 1}'


@folded(
    "text",
    [
        ONE,
        f"\n\n  {ONE}  \n",
        f"\ufeff{ONE}",
        f"```json\n{ONE}\n```",
        f"```\n{ONE}\n```\n",
        f"Sure! Here it is:\n\n```json\n{ONE}\n```\nAnything else?",
        f"Here it is: {ONE}. Anything else?",
        f"<think>It wants {{name}} and {{}}.</think>\n{ONE}",
        f'<thinking>\n{{"name": "wrong", "year": 0}}\n</thinking>{ONE}',
        f"As in [1], with {{x}} and [a list]: {ONE}",
        f'First {{"other": 1}}, then {ONE}, then {{"name": "late", "year": 2}}',
        ONE.replace(" ", "\n\t"),
    ],
)
def test_the_json_is_found_where_a_model_put_it(text: str) -> None:
    assert schema_for("name: str, year: int").parse(text) == {"name": "a", "year": 1}


def test_braces_and_line_breaks_inside_strings() -> None:
    shape = schema_for("code: str")
    assert shape.parse('Look: {"code": "if (a) { b[0] }\nelse \\"}\\""} ok') == {"code": 'if (a) { b[0] }\nelse "}"'}


@folded(
    ("text", "reason"),
    [
        ("", "the answer is empty"),
        ("<think>hm</think>", "the answer is empty"),
        ("I cannot do that.", 'there is no JSON in the answer, which begins with "I cannot do that."'),
        ('{"name": "a", "ye', "the JSON is cut off, after "),
        ('Here: [{"name": "a", "year": 1}, {"name": "b"', "the JSON is cut off"),
        ('{"name": "a",\n "year": 1,}', "the JSON is broken in line 2, column"),
        ('[{"name": "a", "year": 1}, {"name": "b", "year": }]', "the JSON is broken in line 1, column 50"),
        ("{'name': 'a', 'year': 1}", "there is no JSON"),
        ('{"name": "a", "year": ' + "9" * 5000 + "}", "a number that is too long"),
        ("[" * 100_000, "nested too deeply|cut off"),
        ('{"a":' * 100_000, "nested too deeply|cut off"),
        ('{"name": {"name": "a", "year": 1}, "year": 2}', "name: expected a string"),
    ],
)
def test_an_answer_without_good_json_says_so(text: str, reason: str) -> None:
    with pytest.raises(Mismatch, match=reason):
        schema_for("name: str, year: int").parse(text)


def test_the_deepest_value_that_json_reads_is_no_crash() -> None:
    deep = '{"name": "a", "kids": [' * 300 + "]}" * 300
    with pytest.raises(Mismatch, match="nested too deeply"):
        schema_for(Tree).parse(deep)


@pytest.mark.slow
@given(st.text(alphabet='{}[]",:a1 \n\\'))
@settings(max_examples=200)
def test_any_text_at_all_gives_values_or_a_reason(text: str) -> None:
    with suppress(Mismatch):
        list(json_values(text))


# ---- what is no schema -----------------------------------------------------------------------------------------


class Plain:
    name: str


NO_SCHEMAS: list[tuple[Any, str]] = [
    ("", "empty"),
    ("  , ", "empty"),
    ("Person", '"Person" has no fields'),
    ("name, year: int", 'not understood near "name"'),
    ("name: str, year int", 'not understood near "year int"'),
    ("name: str,, year: int", "not understood"),
    ("name: ", "not understood"),
    ("year: itn", "'itn' is not a type"),
    ("a: int, a: str", "'a' stands twice"),
    ("a: print(1)", r"print\(1\)"),
    ("a: __import__('os').system('x')", "is not a type"),
    ("a: list[int", "not understood"),
    ("a: list[int, str]", "is not a type"),
    ("a: foo[int]", r"foo\[int\] is not a type"),
    ("a: list[b:]", "not a list of fields"),
    ("**rest: int", "not understood|no name"),
    ("a: b'x'", "is not a type"),
    ("{}", "says nothing"),
    ("{name: }", "neither JSON"),
    ('{"type": "object"', "neither JSON"),
    ("a: " + "list[" * 3000 + "int" + "]" * 3000, "characters|nested|not understood"),
    ("a: " + "(" * 500 + "int" + ")" * 500, "nested|not understood"),
    ("x" * 20_000, "20,000 characters"),
    (None, "says nothing"),
    (Any, "says nothing"),
    (5, "5 is not a schema: its type is int"),
    (print, "is not a schema: its type is builtin_function_or_method"),
    (sys, "is not a schema: its type is module"),
    ([], "is not a schema: its type is list"),
    ([int, str], "not a schema"),
    (Book("T", 1), "is not a schema: its type is Book"),
    (Author(name="A", born=1900), "is not a schema: its type is Author"),
    (bytes(3), "is not a schema: its type is bytes"),
    (Plain, "Plain"),
    (object(), "is not a schema: its type is object"),
    (memoryview, "memoryview"),
    (list[Plain], "Plain"),
    (typing.Callable[[int], str], "Callable"),
    ({}, "says nothing"),
    ({"name": "str"}, "says nothing"),
    ({"type": "str"}, 'the type "str"'),
    ({"type": 5}, "the type 5"),
    ({"type": "object", "properties": []}, r"properties: \[\]"),
    ({"type": "object", "properties": {"a": 5}}, "has 5 at /properties/a"),
    ({"type": "object", "properties": {"a": {"type": "strng"}}}, '"strng" at /properties/a'),
    ({"type": "array", "items": [1]}, "at /items"),
    ({"type": "object", "required": "a"}, 'required: "a"'),
    ({"$ref": "#/$defs/x"}, r"refers to #/\$defs/x, which is not in it"),
    ({"$ref": "http://example.org/x.json"}, "http://example.org/x.json"),
    ({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}}, "refers to"),
    ({"type": "object", "$dynamicRef": "http://example.org/x"}, "refers to"),
    ({"type": "string", "pattern": "("}, "a pattern that is none"),
    ({"type": "object", "minProperties": "x"}, "is none"),
    ({"type": "object", "default": object()}, "is not valid JSON"),
    ({"enum": 5}, "enum: 5"),
]


@folded(("spec", "reason"), NO_SCHEMAS, ids=[repr(spec).partition(" at 0x")[0][:40] for spec, _ in NO_SCHEMAS])
def test_what_is_no_schema_is_refused_with_a_way_out(spec: Any, reason: str) -> None:
    with pytest.raises(SettingsError, match=reason) as caught:
        schema_for(spec)
    assert caught.value.hint
    assert len(str(caught.value)) < 700


def test_hints_name_what_was_meant() -> None:
    for spec, hint in (
        ("year: itn", "Did you mean int?"),
        ("kind: bug|question", "in quotes: 'bug' | 'question'."),
        ("kind: bug | question | None", "in quotes: 'bug' | 'question' | None."),
        ("kind: Literal[bug, question]", "in quotes: 'bug' | 'question'."),
        ("year: itn | None", "Did you mean int?"),
        (Book("T", 1), "the class itself: Book"),
        (Plain, "@dataclass"),
    ):
        with pytest.raises(SettingsError) as caught:
            schema_for(spec)
        assert hint in caught.value.hint


def test_a_variable_that_is_no_type() -> None:
    with pytest.raises(SettingsError, match="No schema can be made of 5"):
        schema_for("a: Thing", {"Thing": 5})


def test_a_class_whose_types_cannot_be_found() -> None:
    @dataclass
    class Lost:
        x: Nowhere  # type: ignore[name-defined] # noqa: F821 -- that is the point

    with pytest.raises(SettingsError, match=r"types of Lost cannot be found.*Nowhere"):
        schema_for(Lost)


def test_a_field_that_no_model_can_give_is_named() -> None:
    @dataclass
    class Odd:
        x: Plain

    with pytest.raises(SettingsError, match=r"Odd\.x: .*Plain"):
        schema_for(Odd)


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Python without pydantic and jsonschema."""
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name.partition(".")[0] in ("pydantic", "jsonschema"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)


@pytest.mark.usefixtures("bare")
def test_without_pydantic_and_jsonschema() -> None:
    for spec in (Book, Film, Point, JSON_SCHEMA, "a: list[int] | None", list[Tree]):
        schema_for(spec)
    with pytest.raises(Mismatch, match="year"):
        schema_for(JSON_SCHEMA).parse('{"title": "T", "year": 3}')
    with pytest.raises(SettingsError, match="No schema can be made of Plain"):
        schema_for(Plain)


@pytest.mark.slow
def test_plain_types_need_no_pydantic() -> None:
    code = (
        "import sys\nfrom ollama_magic.schema import schema_for, function_schema\n"
        "schema_for('a: list[int]'); schema_for(list[int]); function_schema(schema_for)\n"
        "assert not {'pydantic', 'jsonschema', 'numpy', 'pandas'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parent.parent)


# ---- back to plain values --------------------------------------------------------------------------------------


def test_typed_values_become_plain_ones() -> None:
    value = {
        "book": Book("T", 1, color=Color.RED), "when": datetime(2024, 1, 1), "set": {2, 1}, "point": Point(1),
        "author": Author(name="A", born=1900), 3: None, Color.BLUE: (True, 1.5),
    }  # fmt: skip
    assert as_plain(value) == {
        "book": {"title": "T", "year": 1, "tags": [], "color": "red"}, "when": "2024-01-01T00:00:00", "set": [1, 2],
        "point": {"x": 1, "y": 0.0}, "author": {"name": "A", "born": 1900}, "3": None, "blue": [True, 1.5],
    }  # fmt: skip


def test_what_has_no_plain_form() -> None:
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(ValueError, match="inside itself"):
        as_plain(loop)
    for odd in (object(), {"a": print}, {(1, 2): 3}, Book):
        with pytest.raises(TypeError, match="JSON"):
            as_plain(odd)


# ---- functions -------------------------------------------------------------------------------------------------


def weather(city: str, days: int = 3, unit: Literal["c", "f"] | None = None, *, detail: bool = False) -> str:
    """Tell the weather of a city.

    Works for Europe only.

    Args:
        city: the name, in
            English: no country
        days (int): how many days: 1 to 7
        unit (str, optional): of the temperature

    Returns:
        What it will be.
    """
    return f"{city} {days!r} {unit} {detail}"


def numpy_style(a, b=2, c=None):  # type: ignore[no-untyped-def]
    """Add numbers.

    Parameters
    ----------
    a : int
        The first.

        Really.
    b, c : int, optional
        The others.

    Returns
    -------
    int
        The sum.
    """
    return a, b, c


def sphinx_style(a: int, b: list[str] | None = None) -> int:
    """Count.

    :param a: how often
        at most
    :type a: int
    :param list b: what
    :returns: nothing
    """
    return a


def test_the_schema_of_a_function() -> None:
    assert function_schema(weather) == {
        "type": "function",
        "function": {
            "name": "weather",
            "description": "Tell the weather of a city.\n\nWorks for Europe only.",
            "parameters": {
                "type": "object",
                "properties": {
                    "city": {"type": "string", "description": "the name, in English: no country"},
                    "days": {"type": "integer", "description": "how many days: 1 to 7"},
                    "unit": {"type": "string", "enum": ["c", "f"], "description": "of the temperature"},
                    "detail": {"type": "boolean"},
                },
                "required": ["city"],
            },
        },
    }


@folded(
    ("function", "description", "properties"),
    [
        (numpy_style, "Add numbers.", {
            "a": {**ANY, "description": "The first. Really."}, "b": {**INT, "description": "The others."},
            "c": {**ANY, "description": "The others."},
        }),
        (sphinx_style, "Count.", {
            "a": {**INT, "description": "how often at most"},
            "b": {"type": "array", "items": STR, "description": "what"},
        }),
        (lambda: None, None, None),
    ],
)  # fmt: skip
def test_other_styles_of_docstrings(function: Any, description: str, properties: Any) -> None:
    if properties is None:
        with pytest.raises(SettingsError, match="<lambda> cannot be a tool"):
            function_schema(function)
        return
    found = function_schema(function)["function"]
    assert (found["description"], found["parameters"]["properties"]) == (description, properties)


def test_references_are_inlined_since_ollama_drops_them() -> None:
    def keep(library: Library, tree: Tree, author: Author) -> None: ...

    parameters = function_schema(keep)["function"]["parameters"]
    assert parameters["properties"]["library"]["properties"]["books"]["items"]["properties"]["name"]["type"] == "string"
    assert parameters["properties"]["tree"] == {"$ref": "#/$defs/Tree"}, "a recursive type has no other form"
    assert "Tree" in parameters["$defs"]


def test_methods_partials_and_callables() -> None:
    class Shop:
        def price(self, name: str) -> int:
            """The price."""
            return len(name)

        def __call__(self, many: int) -> int:
            """Buy."""
            return many

    shop = Shop()
    assert list(function_schema(shop.price)["function"]["parameters"]["properties"]) == ["name"]
    assert call_with(shop.price, {"name": "abc"}) == 3
    found = function_schema(shop)["function"]
    assert (found["name"], found["description"], list(found["parameters"]["properties"])) == ("Shop", "Buy.", ["many"])
    fixed = functools.partial(weather, city="Bern", unit="c")
    assert list(function_schema(fixed)["function"]["parameters"]["properties"]) == ["days", "detail"]
    assert function_schema(fixed)["function"]["name"] == "weather"
    assert call_with(fixed, {"days": 1}) == "Bern 1 c False"


def test_a_parameter_that_no_model_can_give() -> None:
    def hidden(name: str, frame: Plain | None = None) -> None: ...

    def needed(frame: Plain) -> None: ...

    assert list(function_schema(hidden)["function"]["parameters"]["properties"]) == ["name"]
    with pytest.raises(SettingsError, match=r"needed cannot be a tool: its parameter frame: .*Plain"):
        function_schema(needed)
    with pytest.raises(SettingsError, match="does not tell its parameters"):
        function_schema(type)


def test_an_annotation_that_cannot_be_found_costs_only_itself() -> None:
    def odd(a: Nowhere, b: int = 1) -> None: ...  # type: ignore[name-defined] # noqa: F821 -- that is the point

    assert function_schema(odd)["function"]["parameters"]["properties"] == {"a": ANY, "b": INT}


@folded(
    ("arguments", "result"),
    [
        ({"city": "Bern"}, "Bern 3 None False"),
        ({"city": "Bern", "days": "4"}, "Bern 4 None False"),
        ({"city": "Bern", "days": 4.0}, "Bern 4 None False"),
        ({"city": 5}, "5 3 None False"),
        ({"city": "Bern", "detail": "true", "unit": "c"}, "Bern 3 c True"),
        ({"city": "Bern", "detail": "True"}, "Bern 3 None True"),
    ],
)
def test_arguments_are_taken_as_they_are_meant(arguments: dict[str, Any], result: str) -> None:
    assert call_with(weather, arguments) == result


@folded(
    ("arguments", "reason"),
    [
        ({}, "city: missing"),
        ({"city": "Bern", "dais": 3}, '"dais" is not a parameter; did you mean days?'),
        ({"city": "Bern", "x": 3}, '"x" is not a parameter; there are city, days, unit, detail'),
        ({"city": "Bern", "days": "many"}, 'days: expected an integer, got "many"'),
        ({"city": ["Bern"]}, 'city: expected a string, got ["Bern"]'),
        ({"city": None}, "city: expected a string, got null"),
        ({"city": "Bern", "unit": "k"}, 'unit: expected one of "c", "f", got "k"'),
    ],
)
def test_arguments_that_do_not_fit_call_nothing(arguments: dict[str, Any], reason: str) -> None:
    with pytest.raises(Mismatch) as caught:
        call_with(weather, arguments)
    assert str(caught.value) == reason


def test_null_for_what_may_be_left_out() -> None:
    assert call_with(weather, {"city": "Bern", "unit": None, "days": None}) == "Bern 3 None False"


def test_arguments_become_dataclasses_models_and_lists() -> None:
    def keep(book: Book, authors: list[Author], /, *rest: int, when: date, **more: Any) -> Any:
        return book, authors, rest, when, more

    arguments = {
        "book": {"title": "T", "year": 1}, "authors": '[{"name": "A", "born": 1900}]', "when": "2024-01-01", "x": [1],
    }  # fmt: skip
    assert call_with(keep, arguments) == (
        Book("T", 1), [Author(name="A", born=1900)], (), date(2024, 1, 1), {"x": [1]},
    )  # fmt: skip


def test_arguments_by_position_have_no_gaps() -> None:
    def f(a: int = 1, b: int = 2, /) -> tuple[int, int]:
        return a, b

    assert call_with(f, {"a": 5}) == (5, 2)
    with pytest.raises(Mismatch, match="b can only be given together with"):
        call_with(f, {"b": 5})
