"""Data frames and series: what is said of them, within the budget, at a cost that does not follow their size."""

from __future__ import annotations

import datetime
import time
from functools import cache
from typing import Any

import pytest

from ollama_magic.context import describe, estimate
from ollama_magic.context.columns import SAMPLE, stride
from ollama_magic.secret import Secret
from tests.tables import folded

np = pytest.importorskip("numpy")
pd = pytest.importorskip("pandas")
pl = pytest.importorskip("polars")

LIBRARIES = {"pandas": pd.DataFrame, "polars": pl.DataFrame}
# The first frame of polars takes half a second, whichever test makes it.
both = pytest.mark.parametrize("library", ["pandas", pytest.param("polars", marks=pytest.mark.slow)])


def columns(rows: int) -> dict[str, Any]:
    """The same columns for both libraries; every seventh price is missing."""
    random = np.random.default_rng(7)
    price = random.normal(100, 20, rows).round(2)
    price[::7] = np.nan
    start = datetime.datetime(2026, 1, 1)
    return {
        "city": random.choice(["Berlin", "Par|is", "Rome"], rows).tolist(),
        "price": price,
        "n": random.integers(0, 10**6, rows),
        "ok": random.random(rows) > 0.3,
        "when": np.datetime64(start, "us") + np.arange(rows).astype("timedelta64[m]"),
    }


def quickest(frame: Any) -> tuple[Any, float]:
    """The description, and the least of three times in seconds of a processor, which a busy machine does not change."""
    times = []
    for _ in range(3):
        start = time.process_time()
        found = describe(frame)
        times.append(time.process_time() - start)
    return found, min(times)


@both
def test_a_small_frame_is_told_whole(library: str) -> None:
    frame = LIBRARIES[library]({"name": ["Ada", "Bob", None], "age": [36, 41, 29], "score": [1.5, None, 2.5]})
    found = describe(frame)
    text_type, number_type, float_type = (
        ("str", "int64", "float64") if library == "pandas" else ("String", "Int64", "Float64")
    )
    assert found.text.splitlines()[:7] == [
        f"{library} DataFrame, 3 rows × 3 columns",
        "",
        "| column | type | missing | values |",
        "| --- | --- | --- | --- |",
        f"| name | {text_type} | 33.3% | all different, such as Ada |",
        f"| age | {number_type} | 0 | mean 35.333, std 6.0277, min 29, 25% 32.5, 50% 36, 75% 38.5, max 41 |",
        f"| score | {float_type} | 33.3% | mean 2, std 0.70711, min 1.5, 25% 1.75, 50% 2, 75% 2.25, max 2.5 |",
    ]
    assert "All rows:\n\n| name | age | score |\n| --- | --- | --- |\n| Ada | 36 | 1.5 |\n" in found.text
    assert found.note == ""
    assert found.block


@both
def test_columns_of_every_kind(library: str) -> None:
    text = describe(LIBRARIES[library](columns(500))).text
    assert "500 rows × 5 columns" in text
    for words in (
        "Par\\|is",
        "3 different, most often",
        "14.4%",
        "true ",
        "2026-01-01 to 2026-01-01 08:19:00",
        "First 5 rows:",
    ):
        assert words in text


@both
@pytest.mark.slow
def test_a_million_rows_cost_no_more_than_a_thousand(library: str) -> None:
    small, large = (LIBRARIES[library](columns(rows)) for rows in (1_000, 1_000_000))
    found, seconds = quickest(large)
    assert estimate(found.text) <= estimate(describe(small).text)
    assert seconds < 0.5
    assert "from all rows" in found.text


@both
@pytest.mark.slow
def test_a_long_and_wide_frame_is_sampled_and_says_so(library: str) -> None:
    values = np.arange(1_000_000.0)
    frame = LIBRARIES[library]({f"c{i}": values for i in range(30)})
    found, seconds = quickest(frame)
    assert seconds < 0.5
    assert "(statistics from one row in 101)" in found.text
    assert "| ~0 | mean 499" in found.text


@both
def test_the_same_frame_gives_the_same_text(library: str) -> None:
    first, second = (LIBRARIES[library](columns(20_000)) for _ in range(2))
    assert describe(first) == describe(first) == describe(second)


@cache
def wide_frame(library: str) -> Any:
    return LIBRARIES[library]({f"column {i}": [i, i + 1, i + 2] for i in range(1000)})


@pytest.mark.slow
@both
@folded("budget", [5, 40, 100, 300, 1000, 2000, 5000])
def test_a_wide_frame_fits_the_budget(library: str, budget: int) -> None:
    found = describe(wide_frame(library), budget=budget)
    assert estimate(found.text) <= budget
    assert found.note
    if budget >= 300:
        assert "of 1,000 columns described" in found.text
        assert "Other columns: column " in found.text


@both
def test_cells_are_short_and_cannot_break_the_table(library: str) -> None:
    frame = LIBRARIES[library](
        {"text|name\nhere": ["a|b", "line\nbreak\r\n\tand tab", "x" * 5000, "back\\slash|"], "n": [1, 2, 3, 4]}
    )
    text = describe(frame).text
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert all(line.replace("\\\\", "").replace("\\|", "").count("|") in (3, 5) for line in rows)
    assert "text\\|name here" in text
    assert "line break and tab" in text
    assert "x" * 41 not in text


@both
def test_odd_cells(library: str) -> None:
    data = {"lists": [[1, 2], [3], []], "nothing": [None, None, None], "bytes": [b"a", b"b" * 500, b"c"]}
    text = describe(LIBRARIES[library](data)).text
    assert "all missing" in text
    assert "[1, 2]" in text
    assert "b" * 60 not in text


@both
def test_frames_without_rows_or_columns(library: str) -> None:
    assert describe(LIBRARIES[library]()).text == f"{library} DataFrame, 0 rows × 0 columns"
    text = describe(LIBRARIES[library]({"a": []})).text
    assert "0 rows × 1 columns" in text
    assert "| empty |" in text


@both
def test_a_series(library: str) -> None:
    series = pd.Series([3, 1, 2], name="n") if library == "pandas" else pl.Series("n", [3, 1, 2])
    kind = "int64" if library == "pandas" else "Int64"
    assert describe(series).text == (
        f"{library} Series 'n', 3 values of type {kind}; missing: 0; mean 2, std 1, min 1, "
        "25% 1.5, 50% 2, 75% 2.5, max 3\n"
        "First values: 3, 1, 2"
    )
    long = pd.Series(range(50_000)) if library == "pandas" else pl.Series(range(50_000))
    assert "First values: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, ..." in describe(long).text
    assert estimate(describe(long, budget=30).text) <= 30


def test_types_of_pandas_alone() -> None:
    frame = pd.DataFrame(
        {
            "category": pd.Categorical(["a", "b", "a"]),
            "nullable": pd.array([1, None, 3], dtype="Int64"),
            "truth": pd.array([True, None, False], dtype="boolean"),
            "delta": pd.to_timedelta([1, 2, 3], unit="h"),
            "period": pd.period_range("2026-01", periods=3, freq="M"),
            "zone": pd.date_range("2026-01-01", periods=3, tz="UTC"),
            "complex": [1j, 2j, 3j],
            "mixed": [1, "a", None],
            "secret": [Secret("sk-hidden-key")] * 3,
            "infinite": [1.0, float("inf"), float("-inf")],
        }
    )
    text = describe(frame).text
    for words in ("category", "33.3%", "mean 2", "true 50.0%", "2026-01 to 2026-03", "mixed types (int, str)", "***"):
        assert words in text
    assert "sk-hidden" not in text


def test_an_index_is_shown() -> None:
    frame = pd.DataFrame({"v": [1.0, 2.0]}, index=pd.Index(["a", "b"], name="key"))
    text = describe(frame).text
    assert "; index key: Index of str, a to b" in text
    assert "|  | v |\n| --- | --- |\n| a | 1 |" in text
    several = pd.DataFrame({"v": [1]}, index=pd.MultiIndex.from_tuples([("a", 1)], names=["x", "y"]))
    assert "index x, y: MultiIndex" in describe(several).text


def test_column_names_of_every_kind() -> None:
    twice = pd.DataFrame([[1, "a"]], columns=["same", "same"])
    assert describe(twice).text.count("| same |") >= 2
    tuples = pd.DataFrame([[1, 2]], columns=pd.MultiIndex.from_tuples([("a", "b"), ("a", "c")]))
    assert "('a', 'b')" in describe(tuples).text
    assert "| 0 | int64 |" in describe(pd.DataFrame([[1]])).text


def test_a_subclass_is_a_frame_too() -> None:
    class Frame(pd.DataFrame):  # type: ignore[misc, name-defined]
        pass

    assert describe(Frame({"a": [1]})).text.startswith("pandas DataFrame, 1 rows")


def test_a_lazy_frame_is_not_collected() -> None:
    def fail(_: object) -> Any:
        raise AssertionError("collected")

    frame = pl.LazyFrame({"a": [1], "b|": ["x"]}).map_batches(fail, schema=pl.Schema({"a": pl.Int64, "b|": pl.String}))
    assert describe(frame).text == "polars LazyFrame, not collected, 2 columns:\na: Int64\nb\\|: String"


def test_a_frame_that_misbehaves_still_gives_something() -> None:
    class Broken(pd.DataFrame):  # type: ignore[misc, name-defined]
        @property
        def shape(self) -> Any:
            raise RuntimeError("no shape today")

    found = describe(Broken({"a": [1]}))
    assert "RuntimeError" in found.note


@folded(("rows", "step"), [(0, 1), (1, 1), (SAMPLE, 1), (SAMPLE + 1, 2), (1_000_000, 101), (600_000, 61)])
def test_every_how_many_rows(rows: int, step: int) -> None:
    assert stride(rows) == step
