"""The file of votes: kept for all notebooks, written to by several kernels at once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ollama_magic import session
from ollama_magic.comparing.votes import VoteError, Votes, votes, votes_of

ROOT = Path(__file__).parent.parent.parent


def test_nothing_is_made_before_the_first_vote_and_a_pick_can_be_changed(tmp_path: Path) -> None:
    store = Votes(tmp_path / "new")
    assert store.all() == []
    assert store.clear() == 0
    assert not store.path.parent.exists()
    store.put("1", "a", ["b"], blind=True)
    store.put("2", "a", ["b", "c"], blind=False)
    store.put("1", "b", ["a"], blind=True)
    assert sorted((vote.winner, vote.others, vote.blind) for vote in store.all()) == [
        ("a", ("b", "c"), False),
        ("b", ("a",), True),
    ]
    assert store.path.stat().st_mode & 0o077 == 0
    assert store.clear() == 2
    assert store.all() == []


def test_they_lie_in_the_users_data_folder_unless_another_is_set(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fresh = session.Session()
    path = votes_of(fresh).path
    assert Path.home() in path.parents
    assert path.parent.name == "ollama_magic"
    monkeypatch.setenv("OLLAMA_MAGIC_CACHE_DIR", str(tmp_path))
    assert votes_of(fresh).path == tmp_path / "votes.sqlite3"


def test_a_file_that_is_none_of_ours_is_left_and_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "votes.sqlite3").write_bytes(b"this is no database, but a text of some length" * 40)
    monkeypatch.setenv("OLLAMA_MAGIC_CACHE_DIR", str(tmp_path))
    with pytest.raises(VoteError, match=r"votes\.sqlite3"):
        votes(session.Session(), [])
    assert (tmp_path / "votes.sqlite3").read_bytes().startswith(b"this is no database")


@pytest.mark.slow
def test_two_processes_vote_at_once_and_none_is_lost(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib\n"
        "from ollama_magic.comparing.votes import Votes\n"
        "store = Votes(pathlib.Path(sys.argv[1]))\n"
        "for n in range(100): store.put(f'{sys.argv[2]}-{n}', sys.argv[2], ['z'], blind=False)\n"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path), name], cwd=ROOT, stderr=subprocess.PIPE)
        for name in "ab"
    ]
    for each in running:
        _, said = each.communicate(timeout=60)
        assert each.returncode == 0, said.decode()
    found = Votes(tmp_path).all()
    assert sorted(vote.winner for vote in found) == ["a"] * 100 + ["b"] * 100
