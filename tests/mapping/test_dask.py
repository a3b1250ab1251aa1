"""A data frame of Dask, mapped by the workers of a LocalCluster: same columns, same resume, no key in the graph."""

from __future__ import annotations

import json
import logging
import time
import warnings
from typing import TYPE_CHECKING, Any

import pandas
import pytest

import ollama_magic
from ollama_magic.errors import SettingsError
from tests.fake_script import Script
from tests.questions import KEY

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.fake_rules import RuledOllama

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

_SCHEMA = "label: str, score: float, n: int | None"


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Two workers, each a process; made before a test's clean environment, so nothing may be kept in their home."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from dask.distributed import Client, LocalCluster

        with (
            LocalCluster(
                n_workers=2,
                threads_per_worker=1,
                processes=True,
                dashboard_address=None,
                silence_logs=logging.CRITICAL,
            ) as cluster,
            Client(cluster) as client,
        ):
            yield client


def value(prompt: str) -> str:
    number = int(prompt.split()[-1])
    return json.dumps({"label": f"row {number}", "score": number / 2, "n": number or None})


def frame(rows: int, partitions: int) -> tuple[pandas.DataFrame, Any]:
    import dask.dataframe

    made = pandas.DataFrame({"number": range(rows), "kept": ["k"] * rows}, index=range(100, 100 + rows))
    return made, dask.dataframe.from_pandas(made, npartitions=partitions)


@pytest.mark.filterwarnings("ignore")
def test_workers_map_their_partitions(cluster: Any, ruled: RuledOllama, tmp_path: Path) -> None:
    ruled.rule = lambda prompt: Script().fails(400, '{"error":"bad row"}') if prompt == "Say 7" else value(prompt)
    plain, lazy = frame(40, 4)
    how: dict[str, Any] = {"host": ruled.url, "schema": _SCHEMA, "progress": False, "cache_dir": tmp_path}
    mapped = ollama_magic.map(lazy, "Say {number}", "m", **how)
    assert ruled.questions == 0  # it is computed later
    here = ollama_magic.map(plain, "Say {number}", "m", cache="off", **how)
    ruled.times.clear()
    found = mapped.compute()
    assert {name: str(kind) for name, kind in mapped.dtypes.items()} == {
        name: str(kind) for name, kind in found.dtypes.items()
    }
    new = ["label", "score", "n", "error"]
    pandas.testing.assert_frame_equal(found[new], here[new], check_dtype=True)
    assert {name: str(kind) for name, kind in found[new].dtypes.items()} == {
        "label": "string", "score": "float64", "n": "Int64", "error": "string",
    }  # fmt: skip
    assert list(found["error"].dropna().index) == [107]
    assert sum(ruled.times.values()) == 40
    while cluster.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.tasks)):
        time.sleep(0.001)  # until it has forgotten the results, which it would give again
    again = mapped.compute()
    assert sum(ruled.times.values()) == 41  # the row that had failed
    pandas.testing.assert_frame_equal(again, found)
    text = ollama_magic.map(lazy, "Say {number}", "m", host=ruled.url, into="said", cache_dir=tmp_path).compute()
    assert list(text["said"].notna()) == [number != 7 for number in range(40)]


@pytest.mark.filterwarnings("ignore")
def test_the_model_is_settled_before(cluster: Any, ruled: RuledOllama, tmp_path: Path) -> None:
    ruled.rule = lambda prompt: "fine"
    _, lazy = frame(4, 2)
    mapped = ollama_magic.map(lazy, "Say {number}", host=ruled.url, cache_dir=tmp_path)
    ruled.recorded.clear()
    assert list(mapped.compute()["answer"]) == ["fine"] * 4
    asked = {request.json["model"] for request in ruled.recorded if request.method == "POST"}
    assert asked == {ruled.models[0]["name"]}


def test_no_key_is_in_the_graph(monkeypatch: pytest.MonkeyPatch, cluster: Any) -> None:
    from distributed.protocol import serialize

    _, lazy = frame(4, 2)
    with pytest.raises(SettingsError, match="A key was given") as caught:
        ollama_magic.map(lazy, "Say {number}", "m", mode="cloud", key=KEY)
    assert "OLLAMA_API_KEY" in caught.value.hint
    with pytest.raises(SettingsError, match="not sent to Dask"):
        ollama_magic.map(lazy, "Say {number}", "m", host="http://ada:lovelace@gpu1:11434")
    monkeypatch.setenv("OLLAMA_API_KEY", KEY)
    mapped = ollama_magic.map(lazy, "Say {number}", "m", mode="cloud")
    graph = mapped.optimize().__dask_graph__()
    assert KEY.encode() not in b"".join(bytes(part) for part in serialize(dict(graph), serializers=["pickle"])[1])
    assert KEY not in repr(dict(graph))


@pytest.mark.filterwarnings("ignore")
def test_a_worker_without_a_key_says_what_to_do(cluster: Any) -> None:
    _, lazy = frame(4, 1)
    with pytest.raises(SettingsError) as caught:
        ollama_magic.map(lazy, "Say {number}", "m", mode="cloud").compute()
    assert "needs an API key" in caught.value.message
    assert "in the environment of each" in caught.value.hint


def test_mistakes_are_told_at_once(cluster: Any) -> None:
    _, lazy = frame(4, 2)
    with pytest.raises(SettingsError, match="did you mean 'number'"):
        ollama_magic.map(lazy, "Say {nmber}", "m", host="http://localhost:1")
    with pytest.raises(SettingsError, match="concurrency cannot be 0"):
        ollama_magic.map(lazy, "Say {number}", "m", host="http://localhost:1", concurrency=0)


@pytest.mark.filterwarnings("ignore")
def test_a_series_is_a_column(cluster: Any, ruled: RuledOllama, tmp_path: Path) -> None:
    _, lazy = frame(4, 2)
    found = ollama_magic.map(lazy["number"], "Say {number}", "m", host=ruled.url, cache_dir=tmp_path).compute()
    assert list(found.columns) == ["number", "answer", "error"]
    assert list(found["answer"]) == ["0", "1", "2", "3"]
