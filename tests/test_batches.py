"""Many answers at once: the file is held open, and nothing of that shows but the speed."""

from __future__ import annotations

import os
import sqlite3
import threading
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from ollama_magic.cache import Cache, CacheError
from ollama_magic.cache.batches import Batches
from ollama_magic.events import Done, Text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ollama_magic.cache.codec import Timed


def answer(text: str) -> tuple[Timed, ...]:
    return ((0.0, Text(text)), (0.1, Done()))


@pytest.fixture
def batches(tmp_path: Path) -> Iterator[Batches]:
    batches = Batches(tmp_path)
    yield batches
    batches.close()


def handles(path: Path) -> int:
    """How many handles of this process are on the file and its side files."""
    found = 0
    for each in os.listdir("/proc/self/fd"):
        try:
            found += os.readlink(f"/proc/self/fd/{each}").startswith(str(path))
        except FileNotFoundError:  # that of the listing itself
            pass
    return found


def test_what_is_kept_is_found_and_others_see_it_at_once(batches: Batches) -> None:
    batches.put_all([("a.1", "m", answer("one")), ("b.1", "m", answer("two"))])
    assert batches.get_all(["a.1", "b.1", "c.1"]) == {"a.1": answer("one"), "b.1": answer("two")}
    assert Cache(batches.path.parent).get("a.1") == answer("one")
    Cache(batches.path.parent).put("c.1", answer("three"))
    assert batches.get_all(["c.1"]) == {"c.1": answer("three")}


def test_any_thread_may_use_it_in_turn(batches: Batches) -> None:
    for number in range(3):
        thread = threading.Thread(target=batches.put_all, args=([(f"{number}.1", "m", answer("a"))],))
        thread.start()
        thread.join()
    assert len(batches.get_all([f"{number}.1" for number in range(3)])) == 3


def test_closing_leaves_one_file_and_no_handle_and_it_opens_again(batches: Batches) -> None:
    batches.put_all([("a.1", "m", answer("one"))])
    assert handles(batches.path)
    batches.close()
    assert handles(batches.path) == 0
    assert [each.name for each in batches.path.parent.iterdir()] == [batches.path.name]
    assert batches.get_all(["a.1"]) == {"a.1": answer("one")}


def test_a_file_that_was_moved_away_is_not_written_to(batches: Batches, tmp_path: Path) -> None:
    batches.put_all([("a.1", "m", answer("one"))])
    batches.path.rename(tmp_path / "elsewhere")
    batches.put_all([("b.1", "m", answer("two"))])
    assert batches.get_all(["a.1", "b.1"]) == {"b.1": answer("two")}
    batches.close()
    assert Cache(tmp_path).get("b.1") == answer("two")


def test_a_failure_ends_the_transaction_and_the_next_one_works(tmp_path: Path) -> None:
    Cache(tmp_path).put("a.1", answer("one"))
    batches = Batches(tmp_path)
    batches._busy_s = 0.0
    try:
        with closing(sqlite3.connect(batches.path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(CacheError, match="locked"):
                batches.put_all([("b.1", "m", answer("two"))])
            other.execute("ROLLBACK")
        batches.put_all([("b.1", "m", answer("two"))])
        assert len(batches.get_all(["a.1", "b.1"])) == 2
    finally:
        batches.close()
    assert handles(batches.path) == 0


def test_a_broken_file_is_set_aside_and_the_next_one_works(batches: Batches) -> None:
    batches.path.write_bytes(b"no database" * 1000)
    with pytest.raises(CacheError, match="broken"):
        batches.get_all(["a.1"])
    batches.put_all([("a.1", "m", answer("one"))])
    assert batches.get_all(["a.1"]) == {"a.1": answer("one")}
