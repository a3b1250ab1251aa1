"""`embed` and `similarity`: against a server on a socket, on both surfaces, with what goes wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy
import pandas
import pytest

from ollama_magic import embed, session, similarity
from ollama_magic.errors import (
    BadRequest,
    ModelNotFound,
    PromptTooLong,
    ServerError,
    SettingsError,
    Unreachable,
    Unsupported,
)
from ollama_magic.wire.embeddings import decode_embed, encode_embed
from tests.fake_embeddings import WIDTH, vector_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.fake_ollama import FakeOllama

MODEL = "nomic-embed-text"
LONG = "word " * 60


@pytest.fixture(autouse=True)
def kernel(fake: FakeOllama, monkeypatch: pytest.MonkeyPatch) -> Iterator[session.Session]:
    monkeypatch.setenv("OLLAMA_HOST", fake.url)
    fresh = session.Session()
    monkeypatch.setattr(session, "_session", fresh)
    yield fresh
    monkeypatch.undo()


def asked(fake: FakeOllama, *paths: str) -> list[dict[str, object]]:
    return [each.json for each in fake.recorded if each.path in (paths or ("/api/embed", "/v1/embeddings"))]


# ---- the wire --------------------------------------------------------------------------------------------------


def test_what_is_sent_on_each_surface() -> None:
    how = {"dimensions": 8, "truncate": True, "keep_alive": "5m", "options": {"num_ctx": 99}}
    assert encode_embed("native", "m", ["a"], **how) == (
        "/api/embed",
        {
            "model": "m",
            "input": ["a"],
            "dimensions": 8,
            "truncate": True,
            "keep_alive": "5m",
            "options": {"num_ctx": 99},
        },
    )
    assert encode_embed("openai", "m", ["a"], **how) == (
        "/v1/embeddings",
        {"model": "m", "input": ["a"], "dimensions": 8, "encoding_format": "base64"},
    )
    assert encode_embed("native", "m", ["a"])[1] == {"model": "m", "input": ["a"], "truncate": False}


def test_what_comes_is_read_in_the_order_of_the_texts() -> None:
    one, two = "AACAPwAAAAA=", [0, 1]
    for value in (
        {"embeddings": [[1, 0], [0, 1]]},
        {"data": [{"index": 1, "embedding": two}, {"index": 0, "embedding": one}]},
    ):
        assert [list(each) for each in decode_embed(value, 2)] == [[1.0, 0.0], [0.0, 1.0]]


def test_what_is_no_answer_is_an_error() -> None:
    for value in (
        None, [], {}, {"embeddings": None}, {"data": "x"}, {"embeddings": [[1]]}, {"embeddings": [[1], [1, 2]]},
        {"embeddings": [[], []]}, {"embeddings": [["x"], ["y"]]}, {"embeddings": [None, [1]]},
        {"embeddings": [[1e999], [1]]}, {"embeddings": [[10**400], [1]]}, {"data": [{"embedding": "!"}, {"index": 0}]},
        {"data": [{"embedding": "AAA="}, {"embedding": "AAA="}]},
    ):  # fmt: skip
        with pytest.raises(ServerError):
            decode_embed(value, 2)


# ---- embed -----------------------------------------------------------------------------------------------------


def test_a_list_gives_rows_and_a_text_gives_one(fake: FakeOllama) -> None:
    rows = embed(["a cat", "a dog"], MODEL)
    assert rows.shape == (2, WIDTH)
    assert rows.dtype == numpy.float32
    assert rows[1] == pytest.approx(vector_of("a dog"))
    one = embed("a cat", MODEL)
    assert one.shape == (WIDTH,)
    assert (one == rows[0]).all()
    assert embed([], MODEL).shape == (0, 0)
    assert embed([], MODEL, dimensions=4).shape == (0, 4)
    assert len(asked(fake)) == 2


def test_batches_keep_the_order(fake: FakeOllama) -> None:
    texts = [f"text {number}" for number in range(103)]
    rows = embed(iter(texts), MODEL, batch=10, concurrency=4)
    assert rows == pytest.approx(numpy.array([vector_of(text) for text in texts]))
    assert sorted(len(each["input"]) for each in asked(fake)) == [3, *[10] * 10]  # type: ignore[arg-type]


def test_a_column_of_a_data_frame_is_a_list_of_texts() -> None:
    frame = pandas.DataFrame({"text": ["a", "b"]}, index=[7, 9])
    assert embed(frame["text"], MODEL).shape == (2, WIDTH)
    for wrong in (frame, {"text": "a"}, b"a", None, 5):
        for take in (embed, similarity):
            with pytest.raises(SettingsError, match="is not a list of texts"):
                take(wrong, MODEL) if take is embed else take(wrong, model=MODEL)
    with pytest.raises(SettingsError, match=r"text 1 is not a text but nan of type float"):
        embed(pandas.Series(["a", float("nan")]), MODEL)


def test_both_surfaces_give_the_same(fake: FakeOllama) -> None:
    native = embed(["a cat", "a dog"], MODEL)
    openai = embed(["a cat", "a dog"], MODEL, api="openai")
    assert (native == openai).all()
    assert [each.path for each in fake.recorded] == ["/api/embed", "/v1/embeddings"]


def test_a_server_without_the_native_surface_is_asked_on_the_other(fake: FakeOllama) -> None:
    fake.fails(404, "404 page not found", path="/api/embed")
    assert embed(["a", "b", "c"], MODEL, batch=1, concurrency=1).shape == (3, WIDTH)
    assert len(asked(fake, "/api/embed")) == 1  # it is found out once
    assert len(asked(fake, "/v1/embeddings")) == 3
    with pytest.raises(Unsupported, match="has no embeddings"):
        embed("a", MODEL, api="native")


def test_dimensions(fake: FakeOllama) -> None:
    assert embed(["a"], MODEL, dimensions=4).shape == (1, 4)
    fake.fails(200, json.dumps({"embeddings": [[0.0, 1.0]]}), path="/api/embed")
    with pytest.raises(Unsupported, match="vectors of 2 numbers, not of 4"):
        embed(["a"], MODEL, dimensions=4)


def test_options_of_the_server_go_along_and_those_of_sampling_do_not(fake: FakeOllama) -> None:
    embed("a", MODEL, num_ctx=99, temperature=0.5, seed=1, top_k=3, keep_alive="5m", num_thread=2)
    (body,) = asked(fake)
    assert body["options"] == {"num_ctx": 99, "num_thread": 2}
    assert body["keep_alive"] == "5m"


def test_without_a_model_an_embedding_model_of_the_server_is_used(
    fake: FakeOllama, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OLLAMA_MODEL", "llama3.2")  # that one answers; it does not embed
    embed("a")
    assert asked(fake)[-1]["model"] == "nomic-embed-text:latest"
    del fake.models[-1]
    with pytest.raises(SettingsError, match="has none for embeddings") as caught:
        embed("a")
    assert "ollama pull nomic-embed-text" in caught.value.hint


# ---- what goes wrong -------------------------------------------------------------------------------------------


def test_a_text_that_is_too_long_is_named_and_the_rest_can_be_kept(fake: FakeOllama) -> None:
    texts = [*["short"] * 5, LONG, *["short"] * 4]
    with pytest.raises(PromptTooLong, match=r"text 5 \(“word word") as caught:
        embed(texts, MODEL, batch=8)
    assert "truncate=True" in caught.value.hint
    with pytest.warns(UserWarning, match="1 of 10 texts have no vector and became NaN: text 5"):
        rows = embed(texts, MODEL, batch=8, errors="nan")
    assert numpy.isnan(rows).any(axis=1).tolist() == [*[False] * 5, True, *[False] * 4]
    assert not numpy.isnan(embed(texts, MODEL, truncate=True)).any()


@pytest.mark.slow
def test_errors_for_all_of_them(fake: FakeOllama) -> None:
    with pytest.raises(ModelNotFound):
        embed(["a"] * 100, "none", batch=1, concurrency=1)
    assert len(asked(fake)) == 1  # nobody asks a hundred times for what is not there
    with pytest.raises(ModelNotFound):
        embed(["a", "b"], "none", errors="nan")
    with pytest.raises(Unreachable):
        embed("a", MODEL, host="http://127.0.0.1:9")
    for wrong in ({"batch": 0}, {"batch": "x"}, {"dimensions": 0}, {"errors": "maybe"}, {"temperature": "hot"}):
        with pytest.raises(SettingsError):
            embed("a", MODEL, **wrong)  # type: ignore[arg-type]


def test_a_busy_server_is_asked_again(fake: FakeOllama) -> None:
    fake.fails(503, '{"error":"server busy, please try again"}', {"Retry-After": "0"}, path="/api/embed")
    fake.fails(200, json.dumps({"embeddings": [[1.0, 0.0]]}), path="/api/embed")
    assert embed("a", MODEL).tolist() == [1.0, 0.0]


def test_other_refusals_name_the_text_too(fake: FakeOllama) -> None:
    fake.fails(400, '{"error":"NaN in the vector"}', path="/api/embed")
    with pytest.raises(BadRequest, match=r"text 0 \(“a…”\): NaN in the vector"):
        embed("a", MODEL)


def test_the_cloud_has_none(fake: FakeOllama) -> None:
    key = "0123456789abcdef0123456789abcdef.secret-of-the-test"
    fake.requires_key(key).fails(404, '{"error":"path \\"/api/embed\\" not found"}', path="/api/embed")
    where = {"mode": "cloud", "key": key, "host": fake.url, "trusted_hosts": "127.0.0.1"}
    with pytest.raises(Unsupported, match="has no embeddings") as caught:
        embed("a", MODEL, **where)
    assert "local" in caught.value.hint
    assert key not in str(caught.value)


def test_without_numpy_nothing_is_asked_and_it_says_so(fake: FakeOllama) -> None:
    code = (
        "import sys; sys.modules['numpy'] = None\n"
        "from ollama_magic import embed\n"
        "try: embed('a', 'nomic-embed-text')\n"
        "except ImportError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    assert "%pip install numpy" in done.stdout
    assert not fake.recorded


# ---- similarity ------------------------------------------------------------------------------------------------


def test_cosines_of_texts(fake: FakeOllama) -> None:
    found = similarity(["a red cat", "a red dog", "interest"], model=MODEL)
    assert found.matrix.diagonal() == pytest.approx([1, 1, 1])
    assert (found.matrix == found.matrix.T).all()
    assert found.matrix[0, 1] == pytest.approx(float(numpy.dot(vector_of("a red cat"), vector_of("a red dog"))))
    assert found.labels == ("a red cat", "a red dog", "interest")
    assert found.pairs(1) == [("a red cat", "a red dog", pytest.approx(found.matrix[0, 1]))]
    assert len(asked(fake)) == 1


def test_pairs_that_are_as_much_alike_come_in_the_order_of_the_rows() -> None:
    found = similarity(numpy.array([[1.0, 0], [1, 0], [0, 1], [1, 0], [0, 1]]), labels="abcde")
    everything = [(one + other) for one, other, _ in found.pairs(99)]
    assert everything == ["ab", "ad", "bd", "ce", "ac", "ae", "bc", "be", "cd", "de"]
    for count in range(11):
        assert [(one + other) for one, other, _ in found.pairs(count)] == everything[:count]


def test_cosines_of_arrays_and_of_two_lists() -> None:
    rows = numpy.array([[3.0, 4.0], [0.0, 0.0], [-3.0, -4.0]])
    found = similarity(rows, labels=["a", "zero", "opposite"])
    assert found.matrix.tolist() == [[pytest.approx(1), 0, pytest.approx(-1)], [0, 0, 0], [pytest.approx(-1), 0, 1]]
    across = similarity(rows[:1], [[0.0, 1.0]] @ numpy.eye(2), labels=["a"], other_labels=["up"])
    assert across.matrix.tolist() == [[pytest.approx(0.8)]]
    assert across.pairs() == [("a", "up", pytest.approx(0.8))]
    assert "up" in str(across)
    for several in ([rows[0], rows[2]], (rows[0], rows[2]), rows[[0, 2]].tolist()):
        assert similarity(several).matrix.tolist() == [[1, -1], [-1, 1]]
    assert similarity(rows[:1]).labels == ("row 0",)
    for odd in ([[1.0], [1.0, 2.0]], [["a"], ["b"]]):
        with pytest.raises(SettingsError, match="not of one length, or not of numbers"):
            similarity(odd)
    for wrong in (lambda: similarity(rows, labels=["a"]), lambda: similarity(rows, numpy.ones((1, 3)))):
        with pytest.raises(SettingsError):
            wrong()
