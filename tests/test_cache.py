"""Answers on disk: keys, recording and replay, several processes, broken and foreign files."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ollama_magic.cache import Cache, CacheError, Recorder, key_of, replay
from ollama_magic.cache.codec import Timed, read_rows, rows_of
from ollama_magic.cache.store import FILE_NAME
from ollama_magic.events import (
    Done,
    Image,
    Message,
    Notice,
    Progress,
    Request,
    Start,
    Stats,
    Text,
    Thinking,
    TokenProbability,
    ToolCall,
    ToolRequest,
)
from tests.tables import folded

REQUEST = Request("llama3.2", (Message("system", "Be brief."), Message("user", "Why?")), {"temperature": 0, "seed": 1})
EVENTS: tuple[Timed, ...] = (
    (0.1, Thinking("hm")),
    (0.25, Text("Be", (TokenProbability("Be", -0.5, (("Be", -0.5), ("So", -1.25))),))),
    (0.3, Text("é", (TokenProbability("<0xC3>", -0.5, (), b"\xc3"), TokenProbability("<0xA9>", -0.1, (), b"\xa9")))),
    (0.5, Text("cause \ud800 é\n")),
    (0.5, Notice("cut")),
    (0.6, ToolRequest((ToolCall("f", {"x": [1, None]}, "id1"),))),
    (0.75, Done("stop", Stats(prompt_tokens=3, output_tokens=2, total_s=0.75))),
)


def answer(text: str) -> tuple[Timed, ...]:
    return ((0.0, Text(text)), (0.1, Done()))


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


# ---- keys ------------------------------------------------------------------------------------------------------


def test_a_key_is_the_same_in_every_python_and_on_every_machine() -> None:
    # Written down once: a change of these makes every exported file worthless, so it needs a new version of the key.
    assert key_of(REQUEST) == "944658f8f9dcd0ba2e1556c85da070c27e91c128125c4b12f3cd18bfbc4c5069"
    assert (
        key_of(REQUEST, "sha256:" + "a" * 64)
        == "944658f8f9dcd0ba2e1556c85da070c27e91c128125c4b12f3cd18bfbc4c5069.ffe054fe7ae0cb6d"
    )
    rich = Request(
        "m",
        (
            Message("user", "a", images=(Image(b"png"),)),
            Message("assistant", "", tool_calls=(ToolCall("f", {"x": 1.5, "y": {"b": 1, "a": 2}}, "id"),)),
            Message("tool", "é\ud800", tool_name="f", tool_call_id="id"),
        ),
        think="low",
        format={"type": "object"},
        tools=({"type": "function"},),
        top_logprobs=3,
    )
    assert key_of(rich) == "b1583d05e10a2b477b9e5cf9f21bd6df4814684b02afc32b7ace12df8f2fa5e9"


SAME = {
    "whole floats": replace(REQUEST, options={"temperature": 0.0, "seed": 1}),
    "order of options": replace(REQUEST, options={"seed": 1, "temperature": 0}),
    "unset options": replace(REQUEST, options={**REQUEST.options, "top_k": None}),
    "keep_alive": replace(REQUEST, keep_alive="5m"),
}
OTHER = {
    "model": replace(REQUEST, model="llama3.2:latest"),
    "message": replace(REQUEST, messages=(*REQUEST.messages, Message("user", "And?"))),
    "role": replace(REQUEST, messages=(Message("user", "Be brief."), REQUEST.messages[1])),
    "option": replace(REQUEST, options={"temperature": 0.5, "seed": 1}),
    "true is not 1": replace(REQUEST, options={"temperature": 0, "seed": True}),
    "think": replace(REQUEST, think=False),
    "format": replace(REQUEST, format="json"),
    "tools": replace(REQUEST, tools=({"type": "function"},)),
    "logprobs": replace(REQUEST, top_logprobs=0),
    "image": replace(REQUEST, messages=(REQUEST.messages[0], Message("user", "Why?", images=(Image(b"x"),)))),
}


@folded("request_", SAME.values(), ids=SAME)
def test_what_changes_no_answer_changes_no_key(request_: Request) -> None:
    assert key_of(request_, "d") == key_of(REQUEST, "d")


@folded("request_", OTHER.values(), ids=OTHER)
def test_what_changes_an_answer_changes_the_key(request_: Request) -> None:
    assert key_of(request_, "d") != key_of(REQUEST, "d")


def test_ids_of_tool_calls_do_not_count_since_servers_invent_them() -> None:
    def asked(name: str) -> Request:
        call = Message("assistant", tool_calls=(ToolCall("f", {"x": 1}, name),))
        return replace(REQUEST, messages=(call, Message("tool", "2", tool_name="f", tool_call_id=name)))

    assert key_of(asked("call_1")) == key_of(asked("call_2"))


def test_the_digest_counts_however_it_is_written() -> None:
    assert key_of(REQUEST, "sha256:AB") == key_of(REQUEST, "ab") != key_of(REQUEST, "cd")
    assert key_of(REQUEST, "ab").startswith(key_of(REQUEST) + ".")


# ---- events ----------------------------------------------------------------------------------------------------


def test_events_come_back_as_they_were() -> None:
    before = (0.0, Start("m", "local", "native", "http://h", REQUEST)), (0.0, Progress("loading model"))
    rows = json.loads(json.dumps(rows_of((*before, *EVENTS))))
    assert read_rows(rows) == EVENTS


@pytest.mark.slow
@settings(max_examples=30)
@given(st.lists(st.tuples(st.floats(0, 1e6), st.text(), st.booleans())))
def test_any_text_comes_back(pieces: list[tuple[float, str, bool]]) -> None:
    events = tuple((round(at, 4), Thinking(text) if thinks else Text(text)) for at, text, thinks in pieces)
    assert read_rows(json.loads(json.dumps(rows_of(events)))) == events


BROKEN_ROWS: list[Any] = [
    {}, ["x"], [[0, "text"]], [["a", "text", "b"]], [[0, "text", 5]], [[0, "nothing", "b"]], [[0, "done", "stop", []]],
    [[0, "tools", [{"name": "f"}]]], [[0, "tools", {}]], [[0, "text", "a", [["t"]]]],
    [[0, "done", "stop", {"total_s": "x"}]],
    [None], [[0, [], "x"]], [[10**400, "text", "x"]], [[float("inf"), "text", "x"]], [[float("nan"), "text", "x"]],
]  # fmt: skip


@folded("rows", BROKEN_ROWS, ids=str)
def test_rows_that_are_none_are_refused(rows: Any) -> None:
    with pytest.raises(ValueError, match="event"):
        read_rows(rows)


def test_a_recorder_notes_when_events_came() -> None:
    times = iter([10.0, 10.5, 12.0])
    recorder = Recorder(lambda: next(times))
    recorder.feed(Text("a"))
    recorder.feed(Done())
    assert recorder.events == ((0.5, Text("a")), (2.0, Done()))


@folded(("pace", "pauses"), [(0, []), (1, [0.5, 1.5]), (2, [1.0, 3.0])])
def test_a_replay_keeps_the_pace_that_is_asked_for(pace: float, pauses: list[float]) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    async def run() -> list[object]:
        events = ((0.5, Text("a")), (0.5, Text("b")), (2.0, Done()))
        return [event async for event in replay(events, pace=pace, sleep=sleep)]

    assert asyncio.run(run()) == [Text("a"), Text("b"), Done()]
    assert slept == pauses


# ---- the file --------------------------------------------------------------------------------------------------


def test_nothing_is_created_before_the_first_answer(cache: Cache) -> None:
    assert cache.get(key_of(REQUEST)) is None
    assert cache.status().answers == cache.status().bytes == cache.clear() == 0
    assert not cache.path.parent.exists()


def test_an_answer_is_kept_replaced_and_found(cache: Cache) -> None:
    key = key_of(REQUEST, "d1")
    assert cache.put(key, EVENTS, model="llama3.2")
    assert cache.get(key) == EVENTS
    assert cache.put(key, answer("new"))
    assert cache.get(key) == answer("new")
    assert cache.get(key_of(REQUEST, "d2")) is None
    assert cache.path.stat().st_mode & 0o077 == 0, "what was asked and answered is nobody else's to read"


def test_without_a_server_to_tell_the_digest_the_newest_answer_is_found(
    cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = iter([1.0, 3.0, 2.0])
    monkeypatch.setattr("ollama_magic.cache.store.time.time", lambda: next(now))
    for digest in ("old", "new", "middle"):
        cache.put(key_of(REQUEST, digest), answer(digest))
    assert cache.get(key_of(REQUEST)) == answer("new")
    assert cache.get(key_of(replace(REQUEST, model="other"))) is None


def test_an_answer_that_was_cut_off_is_not_kept(cache: Cache) -> None:
    assert not cache.put(key_of(REQUEST), EVENTS[:-1])
    assert cache.get(key_of(REQUEST)) is None


def test_status_and_clear(cache: Cache) -> None:
    for number in range(3):
        cache.put(key_of(REQUEST, str(number)), EVENTS)
    status = cache.status()
    assert (status.path, status.answers) == (cache.path, 3)
    assert status.bytes > 0
    assert status.oldest is not None
    assert status.newest is not None
    assert status.oldest <= status.newest
    assert cache.clear() == 3
    assert cache.status().answers == 0


def test_a_key_of_the_api_is_nowhere_in_the_file(cache: Cache, tmp_path: Path) -> None:
    secret = "0123456789abcdef0123456789abcdef.SecretSecret"
    request = replace(REQUEST, messages=(Message("user", f"my key is {secret}"),))
    cache.put(key_of(request), EVENTS)
    cache.export(tmp_path / "a.json")
    for file in (*cache.path.parent.iterdir(), tmp_path / "a.json"):
        assert secret.encode() not in file.read_bytes()


WORKER = """
import sys
from pathlib import Path
from ollama_magic.cache import Cache
from ollama_magic.events import Done, Text
cache = Cache(Path(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
for number in range(60):
    for who in "ab":
        found = cache.get(f"{number:064x}.{who}")
        assert found is None or found[0][1].text == who * 500, found
    assert cache.put(f"{number:064x}.{sys.argv[2]}", [(0.0, Text(sys.argv[2] * 500)), (0.1, Done())])
    cache.put("shared", [(0.0, Text(sys.argv[2])), (0.1, Done())])
"""


@pytest.mark.slow
def test_two_processes_write_at_once_from_the_very_first_answer(cache: Cache) -> None:
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, str(cache.path.parent), who],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=Path(__file__).parent.parent,
            text=True,
        )
        for who in "ab"
    ]
    ready = [worker.stdout.readline() for worker in workers if worker.stdout]
    for worker in workers:  # both are up before either begins
        if worker.stdin and worker.poll() is None:
            worker.stdin.write("go\n")
            worker.stdin.flush()
    failures = [worker.communicate(timeout=50)[1] for worker in workers]
    assert (failures, ready) == (["", ""], ["ready\n", "ready\n"])
    assert cache.status().answers == 121


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_child_and_its_parent_both_go_on(cache: Cache) -> None:
    cache.put("a" * 64, answer("before"))
    child = os.fork()
    if not child:
        os._exit(0 if cache.get("a" * 64) == answer("before") and cache.put("b" * 64, answer("child")) else 1)
    cache.put("c" * 64, answer("parent"))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert cache.status().answers == 3


# ---- files that cannot be used ---------------------------------------------------------------------------------


def filled(cache: Cache) -> bytes:
    texts = [json.dumps(rows_of([(0.0, Text(f"{number} " * 2000)), (0.1, Done())])) for number in range(20)]
    cache._write([(f"{number:064x}", "m", 1.0, text) for number, text in enumerate(texts)])
    return cache.path.read_bytes()


def use_all(cache: Cache) -> None:
    for number in range(20):
        assert cache.get(f"{number:064x}") in (None, ((0.0, Text(f"{number} " * 2000)), (0.1, Done())))
    cache.export(cache.path.parent / "all.json")
    cache.clear()


@pytest.mark.parametrize("kept", [10, 99, 150, 1000, 4096, 5000, 40_000, 100_000])
def test_a_file_that_is_cut_off_is_named_and_set_aside(cache: Cache, kept: int) -> None:
    whole = filled(cache)
    cut = whole[:kept]
    cache.path.write_bytes(cut)
    with pytest.raises(CacheError, match="broken or cut off") as caught:
        use_all(cache)
    aside = cache.path.with_name(f"{FILE_NAME}.broken-1")
    assert str(cache.path) in caught.value.message
    assert aside.name in caught.value.hint
    assert aside.read_bytes() == cut, "nothing is lost"
    assert cache.put(key_of(REQUEST), EVENTS), "and a new file serves"
    assert cache.get(key_of(REQUEST)) == EVENTS
    assert cache.status().set_aside == (aside,)


def test_a_second_broken_file_gets_another_name(cache: Cache) -> None:
    cache.path.parent.mkdir()
    for number in (1, 2):
        cache.path.write_bytes(b"this is no database at all, only some text" * 40)
        with pytest.raises(CacheError, match="broken"):
            cache.put(key_of(REQUEST), EVENTS)
        assert cache.path.with_name(f"{FILE_NAME}.broken-{number}").exists()


def test_a_file_from_a_newer_version_is_left_alone(cache: Cache) -> None:
    cache.put(key_of(REQUEST), EVENTS)
    with closing(sqlite3.connect(cache.path)) as db:
        db.execute("PRAGMA user_version = 7")
    before = cache.path.read_bytes()
    for use in (lambda: cache.get("x"), lambda: cache.put("x", EVENTS), cache.status, cache.clear):
        with pytest.raises(CacheError, match=r"newer ollama_magic \(version 7") as caught:
            use()
        assert "Update" in caught.value.hint
    assert cache.path.read_bytes() == before
    assert [each.name for each in cache.path.parent.iterdir()] == [FILE_NAME]


def test_a_database_of_something_else_is_left_alone(cache: Cache) -> None:
    cache.path.parent.mkdir()
    with closing(sqlite3.connect(cache.path)) as db:
        db.execute("CREATE TABLE mine (x)")
    before = cache.path.read_bytes()
    with pytest.raises(CacheError, match="something else"):
        cache.put(key_of(REQUEST), EVENTS)
    assert cache.path.read_bytes() == before


def test_an_answer_that_cannot_be_read_is_an_error(cache: Cache) -> None:
    cache.put("a" * 64, EVENTS)
    with closing(sqlite3.connect(cache.path, isolation_level=None)) as db:
        db.execute("UPDATE answers SET events = substr(events, 1, 30)")
    with pytest.raises(CacheError, match="cannot be read") as caught:
        cache.get("a" * 64)
    assert "--refresh" in caught.value.hint


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CacheError, match="cannot be kept in") as caught:
        Cache(tmp_path / "file" / "below").put(key_of(REQUEST), EVENTS)
    assert "cache_dir" in caught.value.hint
    (tmp_path / FILE_NAME).mkdir()
    with pytest.raises(CacheError, match="unable to open"):
        Cache(tmp_path).put(key_of(REQUEST), EVENTS)


@pytest.mark.skipif(os.getuid() == 0, reason="root may write anywhere")
def test_a_folder_that_is_read_only(cache: Cache) -> None:
    cache.path.parent.mkdir(mode=0o500)
    with pytest.raises(CacheError, match="Permission denied"):
        cache.put(key_of(REQUEST), EVENTS)


def test_answers_that_may_only_be_read_are_read(cache: Cache, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    cache.put("a" * 64, EVENTS)
    monkeypatch.setattr("ollama_magic.cache.store.os.access", lambda path, mode: mode != os.W_OK)
    assert cache.get("a" * 64) == EVENTS
    assert cache.status().answers == cache.export(tmp_path / "a.json") == 1
    with pytest.raises(CacheError, match="readonly"):
        cache.clear()
    assert [each.name for each in cache.path.parent.iterdir()] == [FILE_NAME]


def test_a_disk_that_is_full(cache: Cache) -> None:
    cache.put("a" * 64, EVENTS)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(CacheError, match="cannot be kept"):
            cache.put("b" * 64, ((0.0, Text("x" * 1_000_000)), (0.1, Done())))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert cache.get("a" * 64) == EVENTS
    assert cache.get("b" * 64) is None


def test_a_file_that_another_process_holds(cache: Cache) -> None:
    cache.put("a" * 64, EVENTS)
    with closing(sqlite3.connect(cache.path, isolation_level=None)) as db:
        db.execute("BEGIN IMMEDIATE")
        impatient = Cache(cache.path.parent, busy_s=0.01)
        assert impatient.get("a" * 64) == EVENTS, "reading goes on"
        with pytest.raises(CacheError, match="locked") as caught:
            impatient.put("b" * 64, EVENTS)
    assert "Another kernel" in caught.value.hint


# ---- beside a notebook -----------------------------------------------------------------------------------------


def test_answers_travel_in_one_file(cache: Cache, tmp_path: Path) -> None:
    keys = [key_of(REQUEST, digest) for digest in ("a", "b", "c")]
    for key in keys:
        cache.put(key, EVENTS, model="llama3.2")
    file = tmp_path / "demo.answers.json"
    assert cache.export(file, [keys[2], keys[0], keys[2]]) == 2
    other = Cache(tmp_path / "other")
    assert other.import_(file) == 2
    assert other.get(keys[0]) == other.get(keys[2]) == EVENTS
    assert other.get(keys[1]) is None
    first = file.read_bytes()
    other.export(file, [keys[2], keys[0]])
    assert file.read_bytes() == first, "the same answers give the same file"
    assert json.loads(first)["answers"][0]["key"] == keys[2]
    assert cache.export(file) == 3
    assert not list(tmp_path.glob(".demo*")), "no temporary file stays"


def test_a_request_without_digest_is_exported_with_it(cache: Cache, tmp_path: Path) -> None:
    cache.put(key_of(REQUEST, "d"), EVENTS)
    cache.export(tmp_path / "a.json", [key_of(REQUEST)])
    assert json.loads((tmp_path / "a.json").read_text())["answers"][0]["key"] == key_of(REQUEST, "d")


def test_all_are_exported_also_two_to_one_request(cache: Cache, tmp_path: Path) -> None:
    cache.put("a" * 64, answer("from the cloud"))
    cache.put(f"{'a' * 64}.{'0' * 16}", answer("from here"))
    assert cache.export(tmp_path / "answers.json") == 2
    other = Cache(tmp_path / "other")
    assert other.import_(tmp_path / "answers.json") == 2


def test_export_writes_nothing_where_an_answer_is_missing(cache: Cache, tmp_path: Path) -> None:
    with pytest.raises(CacheError, match="no answers to export"):
        cache.export(tmp_path / "a.json")
    cache.put("a" * 64, EVENTS)
    with pytest.raises(CacheError, match="1 of 2 answers are not in"):
        cache.export(tmp_path / "a.json", ["a" * 64, "b" * 64])
    assert not (tmp_path / "a.json").exists()


def test_export_does_not_overwrite_what_is_something_else(cache: Cache, tmp_path: Path) -> None:
    cache.put("a" * 64, EVENTS)
    notebook = tmp_path / "work.ipynb"
    notebook.write_text('{"cells": []}')
    with pytest.raises(CacheError, match=r"work\.ipynb.*not overwritten"):
        cache.export(notebook)
    assert notebook.read_text() == '{"cells": []}'
    with pytest.raises(CacheError, match="No such file"):
        cache.export(tmp_path / "nowhere" / "a.json")
    with pytest.raises(CacheError, match=r"directory"):
        cache.export(tmp_path)


def carried(**changes: Any) -> str:
    one = {"key": "b" * 64, "model": "m", "created": 1.0, "events": rows_of(answer("b")), **changes}
    good = {"key": "a" * 64, "model": "m", "created": 1.0, "events": rows_of(answer("a"))}
    return json.dumps({"format": "ollama_magic answers", "version": 1, "answers": [good, one]})


BAD_FILES = {
    "cut off": (carried()[:-30], "not valid JSON, or cut off"),
    "empty": ("", "cut off"),
    "something else": ('{"cells": []}', "no file of answers"),
    "a list": ("[]", "no file of answers"),
    "newer": ('{"format": "ollama_magic answers", "version": 9}', "version 9.*update"),
    "no answers": ('{"format": "ollama_magic answers", "version": 1}', "no list"),
    "not whole": (carried(events=rows_of(answer("b"))[:1]), "answer 2 is not whole"),
    "bad events": (carried(events=[[1]]), "answer 2 cannot be read"),
    "bad key": (carried(key="x"), "answer 2 has a key"),
    "bad time": (carried(created="soon"), "answer 2 cannot be read"),
    "huge time": (carried(created=10**400), "answer 2 cannot be read"),
    "endless time": (carried(created=float("inf")), "answer 2 is not whole"),
}


@pytest.mark.parametrize(("text", "reason"), BAD_FILES.values(), ids=BAD_FILES)
def test_a_file_that_cannot_be_imported_changes_nothing(cache: Cache, tmp_path: Path, text: str, reason: str) -> None:
    cache.put("a" * 64, EVENTS)
    file = tmp_path / "answers.json"
    file.write_text(text)
    with pytest.raises(CacheError, match=f"answers.json.*{reason}"):
        cache.import_(file)
    assert cache.status().answers == 1
    assert cache.get("a" * 64) == EVENTS
    assert file.read_text() == text


def test_a_file_that_is_not_there_or_no_text(cache: Cache, tmp_path: Path) -> None:
    with pytest.raises(CacheError, match="No such file"):
        cache.import_(tmp_path / "none.json")
    (tmp_path / "x.png").write_bytes(b"\x89PNG\xff\xfe")
    with pytest.raises(CacheError, match="no text"):
        cache.import_(tmp_path / "x.png")


@settings(max_examples=5, deadline=None)
@given(st.text(max_size=30))
def test_whatever_the_model_wrote_comes_back_from_the_file(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    cache = Cache(tmp_path_factory.mktemp("cache"))
    cache.put("a" * 64, answer(text), model=text)
    assert cache.get("a" * 64) == answer(text)
