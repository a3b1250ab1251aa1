"""Bytes, cut anywhere, to frames."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ollama_magic.errors import ServerError
from ollama_magic.wire.framing import END, Frame, Framer, RawText
from tests.tables import folded

from .cases import pieces

A, B, C = {"a": 1}, {"b": "x"}, {"c": [None, {"d": "}"}]}
ODD = {"t": 'é 日 🙂 \u0085 \u2028 \u2029 \\ " \n {['}

FORMS: list[tuple[str, bytes, list[Any]]] = [
    ("ndjson", b'{"a": 1}\n{"b": "x"}\n', [A, B]),
    ("ndjson with blank lines", b'\n\n{"a": 1}\n\n \n{"b": "x"}\n\n', [A, B]),
    ("crlf", b'{"a": 1}\r\n{"b": "x"}\r\n', [A, B]),
    ("no newline at the end", b'{"a": 1}\n{"b": "x"}', [A, B]),
    ("byte order mark", b'\xef\xbb\xbf{"a": 1}\n{"b": "x"}', [A, B]),
    ("events", b'data: {"a": 1}\n\ndata: {"b": "x"}\n\ndata: [DONE]\n\n', [A, B, END]),
    ("events without the space", b'data:{"a": 1}\n\ndata:{"b": "x"}\n\ndata:[DONE]\n\n', [A, B, END]),
    ("events with spaces", b'data:   {"a": 1}  \n\n  data: {"b": "x"}\n\ndata:  [DONE] \n\n', [A, B, END]),
    ("events with crlf", b'data: {"a": 1}\r\n\r\ndata: {"b": "x"}\r\n\r\ndata: [DONE]\r\n\r\n', [A, B, END]),
    ("events without blank lines", b'data: {"a": 1}\ndata: {"b": "x"}\ndata: [DONE]\n', [A, B, END]),
    ("events cut before the last newline", b'data: {"a": 1}\n\ndata: {"b": "x"}', [A, B]),
    (
        "event, id, retry, comments",
        b': hi\nevent: chunk\nid: 7\nretry: 10\ndata: {"a": 1}\n\n:\n\ndata: {"b": "x"}\n\n',
        [A, B],
    ),
    ("an object over data lines", b'data: {\ndata:   "a": 1\ndata: }\n\ndata: {"b": "x"}\n\n', [A, B]),
    ("over data lines, with fields between", b'data: {"a":\nid: 5\n: note\ndata: 1}\n\n', [A]),
    ("over lines of which one is data", b'data: {\n"a": 1\n}\n\ndata: {"b": "x"}\n\n', [A, B]),
    ("glued in one data line", b'data: {"a": 1}{"b": "x"} [DONE]\n\n', [A, B, END]),
    ("error event", b'event: error\ndata: {"message": "no"}\n\ndata: {"a": 1}\n\n', [{"error": {"message": "no"}}, A]),
    ("error event over lines", b'event: error\ndata: {"message":\ndata: "no"}\n\n', [{"error": {"message": "no"}}]),
    ("error event of text", b"event: error\ndata: went\ndata: wrong\n\n", [{"error": "went\nwrong"}]),
    ("error event at the end", b'event: error\ndata: {"error": "no"}', [{"error": "no"}]),
    (
        "error event of nothing",
        b"event: error\ndata: null\n\n",
        [{"error": "the server reported an error without saying which"}],
    ),
    ("error field", b'data: {"a": 1}\n\nerror: {"code": 500}\n\n', [A, {"error": {"code": 500}}]),
    ("error field of text", b"error: no luck\n", [{"error": "no luck"}]),
    ("mark alone on a line", b'{"a": 1}\n[DONE]\n', [A, END]),
    ("mark glued", b'{"a": 1}[DONE]', [A, END]),
    ("glued", b'{"a": 1}{"b": "x"}{"c": [null, {"d": "}"}]}', [A, B, C]),
    ("glued with blanks and lines", b'{"a": 1} {"b": "x"}\n{"c": [null, {"d": "}"}]}{"a": 1}\n', [A, B, C, A]),
    ("glued, the last over lines", b'{"a": 1}{\n"b": "x"\n}{"a": 1}\n', [A, B, A]),
    ("an event glued to an object", b'{"a": 1}data: {"b": "x"}\n\n', [A, B]),
    ("pretty-printed", b'{\n  "a": 1\n}\n{\n  "b": "x"\n}\n', [A, B]),
    ("pretty-printed with blank lines inside", b'{\n\n  "a": 1\n\n}\n', [A]),
    ("pretty-printed with crlf", b'{\r\n  "a": 1\r\n}\r\n', [A]),
    ("an array", b'[{"a": 1}, {"b": "x"}]\n', [[A, B]]),
    ("an array over lines", b'[{"a": 1},\n{"b": "x"}\n]', [[A, B]]),
    ("an empty object and array", b"{}\n[]\n", [{}, []]),
    ("odd characters", json.dumps(ODD, ensure_ascii=False).encode() + b"\n" + json.dumps(ODD).encode(), [ODD, ODD]),
    ("text", b"404 page not found", [RawText("404 page not found")]),
    ("text over lines", b"one\r\n\r\n  two\n", [RawText("one"), RawText("two")]),
    ("text between", b'{"a": 1}\nhello\n{"b": "x"}\n', [A, RawText("hello"), B]),
    ("text after an object", b'{"a": 1} hello\n{"b": "x"}\n', [A, RawText("hello"), B]),
    ("text as data", b"data: hello\n\n", [RawText("hello")]),
    ("a bare number, string, null", b'5\n"x"\nnull\n', [RawText("5"), RawText('"x"'), RawText("null")]),
    ("brackets that are no JSON", b'[error] {oops}\n{"a": 1}\n', [RawText("[error] {oops}"), A]),
    ("brackets over lines that are no JSON", b'{\n{oops\n}} more\n{"a": 1}\n', [RawText("{\n{oops\n}} more"), A]),
    ("brackets as data that are no JSON", b'data: {oops}\n\ndata: {"a": 1}\n\n', [RawText("{oops}"), A]),
    ("cut inside a string", b'{"a": 1}\n{"b": "x', [A, RawText('{"b": "x')]),
    ("cut after a backslash", b'{"a": 1}\n{"b": "x\\', [A, RawText('{"b": "x\\')]),
    ("cut inside an object over lines", b'{"a": 1}\n{\n"b":', [A, RawText('{\n"b":')]),
    ("cut inside a character", b'{"a": 1}\n{"b": "\xf0\x9f', [A, RawText('{"b": "\ufffd')]),
    ("cut inside a data line", b'data: {"a": 1}\n\ndata: {"b": "x', [A, RawText('{"b": "x')]),
    ("cut inside a string, then the reason", b'{"b": "x\n{"a": 1}\n', [RawText('{"b": "x'), A]),
    ("cut between fields, then the reason", b'{"b": "x",\n{"a": 1}\n[DONE]', [RawText('{"b": "x",'), A, END]),
    ("cut data, then the reason", b'data: {"b": "x",\n\ndata: {"a": 1}\n\n', [RawText('{"b": "x",'), A]),
    ("not utf-8", b'{"a": 1}\n{"b": "\xff"}\n', [A, {"b": "\ufffd"}]),
    (
        "an integer too long for int()",
        b'{"a": 1}\n' + b'{"n": ' + b"9" * 5000 + b"}\n",
        [A, RawText('{"n": ' + "9" * 5000 + "}")],
    ),
    ("nothing", b"", []),
    ("blanks", b" \r\n\t\n ", []),
    ("half a byte order mark", b"\xef\xbb", [RawText("\ufffd")]),
]


def frames_of(chunks: list[bytes], limit: int = 64 << 20) -> tuple[list[Frame], Framer]:
    framer = Framer(limit)
    found: list[Frame] = []
    for chunk in chunks:
        found += framer.feed(chunk)
    found += framer.close()
    return found, framer


@folded("size", [1, 2, 3, 7, 100_000], ids="{} bytes at a time".format)
@folded(("body", "expected"), [form[1:] for form in FORMS], ids=[form[0] for form in FORMS])
def test_frames_do_not_depend_on_chunk_borders(body: bytes, expected: list[Any], size: int) -> None:
    found, framer = frames_of(pieces(body, range(0, len(body), size)))
    assert found == expected
    assert framer.failure is None
    assert framer.close() == []


LINES = st.sampled_from([form[1] for form in FORMS]) | st.sampled_from(
    [
        b"\n",
        b"\r\n",
        b" ",
        b"{",
        b"}",
        b"[",
        b'"',
        b"\\",
        b"data:",
        b"data: ",
        b"event: error\n",
        b'{"a": 1}\n',
        b"\xff",
        b"x",
        b'data: {"a": 1}\n\n',
        b'data: {"a":\n',
        b"1}",
        b"[DONE]\n",
        b'{"a": "',
        b"error: ",
        b"\xef\xbb\xbf",
        b": c\n",
        b",",
    ]
)
BYTES = st.lists(LINES | st.binary(max_size=6), max_size=12).map(b"".join)


def plain(found: list[Frame]) -> str:
    return repr(found)  # NaN is not equal to itself


@pytest.mark.slow
@given(body=BYTES, data=st.data())
@settings(max_examples=400, deadline=None)
def test_any_bytes_cut_anywhere_give_the_same_frames(body: bytes, data: st.DataObject) -> None:
    cuts = data.draw(st.lists(st.integers(0, len(body)), max_size=10))
    whole = plain(frames_of([body])[0])
    assert plain(frames_of(pieces(body, cuts))[0]) == whole
    assert plain(frames_of(pieces(body, range(len(body))))[0]) == whole


@pytest.mark.slow
@given(body=BYTES, data=st.data(), limit=st.integers(1, 40))
@settings(max_examples=300, deadline=None)
def test_the_limit_does_not_depend_on_cuts_either(body: bytes, data: st.DataObject, limit: int) -> None:
    cuts = data.draw(st.lists(st.integers(0, len(body)), max_size=10))
    whole, once = frames_of([body], limit)
    for chunks in (pieces(body, cuts), pieces(body, range(len(body)))):
        found, framer = frames_of(chunks, limit)
        assert plain(found) == plain(whole)
        assert str(framer.failure) == str(once.failure)


OBJECTS = st.dictionaries(st.text(max_size=5), st.none() | st.integers() | st.text(max_size=20), min_size=1, max_size=3)


@pytest.mark.slow
@given(objects=st.lists(OBJECTS, max_size=6), tail=st.binary(max_size=40), data=st.data())
@settings(max_examples=200, deadline=None)
def test_whatever_follows_nothing_that_came_before_is_lost(
    objects: list[Any], tail: bytes, data: st.DataObject
) -> None:
    form = data.draw(st.sampled_from(["ndjson", "events", "pretty", "glued"]))
    ascii_only = data.draw(st.booleans())
    texts = [json.dumps(obj, ensure_ascii=ascii_only, indent=1 if form == "pretty" else None) for obj in objects]
    end = {"ndjson": "\n", "events": "\n\n", "pretty": "\n", "glued": ""}[form]
    start = "data: " if form == "events" else ""
    body = "".join(f"{start}{text}{end}" for text in texts).encode() + tail
    cuts = data.draw(st.lists(st.integers(0, len(body)), max_size=6))
    found, framer = frames_of(pieces(body, cuts))
    assert found[: len(objects)] == objects
    assert framer.failure is None


# ---- when frames come --------------------------------------------------------------------------------------------


@folded(
    ("chunks", "expected"),
    [
        ([b'{"a": 1}\n'], [[A]]),
        ([b'{"a": 1}'], [[A]]),
        ([b'{"a": 1', b"}", b'{"b": "x"}'], [[], [A], [B]]),
        ([b'data: {"a": 1}\n'], [[A]]),
        ([b'data: {"a": 1}', b"\n"], [[], [A]]),
        ([b'data: {"a":\n', b"data: 1}\n", b"\n"], [[], [A], []]),
        ([b'{\n"a": 1\n', b"}"], [[], [A]]),
        ([b'event: error\ndata: "no"\n', b"\n"], [[], [{"error": "no"}]]),
        ([b"data: [DONE]\n\n"], [[END]]),
    ],
)
def test_a_frame_comes_as_soon_as_it_is_whole(chunks: list[bytes], expected: list[Any]) -> None:
    framer = Framer()
    assert [framer.feed(chunk) for chunk in chunks] == expected


# ---- size --------------------------------------------------------------------------------------------------------


@folded("size", [1, 7, 50, 10_000], ids="{} bytes at a time".format)
@folded(
    "long",
    [
        b'{"t": "' + b"x" * 200 + b'"}\n',
        b'{"t":\n"' + b"x" * 200 + b'"}\n',
        b"[" + b'"x",\n' * 50 + b"1]\n",
        b"x" * 200 + b"\n",
        b'data: {"t": "' + b"x" * 200 + b'"}\n\n',
        b'data: {"t": [\n' + b"data: 1,\n" * 50 + b"data: 1]}\n\n",
        b"event: error\n" + b"data: xxxx\n" * 50 + b"\n",
        b'{"t": "' + b"x" * 200,
    ],
)
def test_more_than_the_limit_is_a_failure_and_what_came_is_kept(long: bytes, size: int) -> None:
    body = b'{"a": 1}\n' + long + b'{"b": "x"}\n'
    found, framer = frames_of(pieces(body, range(0, len(body), size)), limit=100)
    assert found == [A]
    assert isinstance(framer.failure, ServerError)
    assert framer.feed(b'{"b": "x"}\n') == []
    assert framer.close() == []


def test_the_limit_is_for_each_object_not_for_the_stream() -> None:
    for body in (b'{"a": 1}\n' * 100, b'{"a": 1}' * 100, b'{"a":\n1}' * 100, b'data: {"a": 1}\n\n' * 100):
        for size in (1, 10_000):
            found, framer = frames_of(pieces(body, range(0, len(body), size)), limit=20)
            assert (found, framer.failure) == ([A] * 100, None)


def _rows(count: int) -> bytes:
    return json.dumps({"rows": [{"i": i, "t": "a\n\\b"} for i in range(count)]}, indent=1).encode()


LARGE = {
    "one line": lambda: json.dumps({"t": "x" * 8_000_000}).encode() + b"\n",
    "escapes": lambda: json.dumps({"t": '"\n' * 2_000_000}).encode() + b"\n",
    "over many lines": lambda: _rows(160_000),
    "over many data lines": lambda: b"".join(b"data: " + line + b"\n" for line in _rows(120_000).split(b"\n")) + b"\n",
    "glued": lambda: b'{"a": "bcdefghijklmnop"}' * 100_000,
    "glued in a data line": lambda: b"data: " + b'{"a": "bcdefghijklmnop"}' * 100_000,
    "brackets": lambda: b"[" * 2_000_000,
    "text": lambda: b"x" * 8_000_000,
    "blanks": lambda: b" " * 8_000_000,
    "never JSON, over lines": lambda: b"{\n" * 300_000,
    "never JSON, line by line": lambda: b"{x}\n" * 100_000,
    "strings that break off": lambda: b'{"\n' * 100_000,
    "data that breaks off": lambda: b"data: {\n" * 100_000,
}


@pytest.mark.slow
@pytest.mark.parametrize("size", [97, 10_000_000], ids="{} bytes at a time".format)
@pytest.mark.parametrize("make", LARGE.values(), ids=LARGE)
def test_time_grows_with_the_bytes_alone(make: Any, size: int) -> None:
    """Each takes a few seconds at most; what looked at bytes again and again would run into the time limit."""
    body = make()
    found, framer = frames_of([body[start : start + size] for start in range(0, len(body), size)])
    assert found or not body.strip()
    assert framer.failure is None


@pytest.mark.slow
@pytest.mark.parametrize("make", LARGE.values(), ids=LARGE)
def test_time_grows_with_the_bytes_alone_one_by_one(make: Any) -> None:
    body = make()[:100_000]
    framer = Framer()
    for index in range(len(body)):
        framer.feed(body[index : index + 1])
    framer.close()
    assert framer.failure is None
