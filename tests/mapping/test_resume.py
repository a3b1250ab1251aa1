"""A map that is killed in the middle: run again, the server sees each row once, but for those on their way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from tests.runners import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fake_rules import RuledOllama

pytestmark = pytest.mark.slow

_ROWS, _AT_ONCE = 1000, 16
_RUN = """
import sys
import pandas
from ollama_magic import map

frame = pandas.DataFrame({"n": range(int(sys.argv[1]))})
found = map(frame, "Row {n}", "m", concurrency=int(sys.argv[2]), progress=False)
assert list(found["answer"]) == [str(n) for n in frame["n"]], found
assert found["error"].isna().all(), found["error"].dropna()
"""


def start(ruled: RuledOllama, folder: Path) -> subprocess.Popen[bytes]:
    env = {**os.environ, "OLLAMA_HOST": ruled.url, "OLLAMA_MAGIC_CACHE_DIR": str(folder), "PYTHONPATH": str(ROOT)}
    return subprocess.Popen([sys.executable, "-c", _RUN, str(_ROWS), str(_AT_ONCE)], env=env)


def test_kill_9_in_the_middle_of_a_thousand_rows(ruled: RuledOllama, tmp_path: Path) -> None:
    ruled.latency_s = 0.005
    first = start(ruled, tmp_path)
    while len(ruled.answered) < 400:
        assert first.poll() is None
        time.sleep(0.001)
    killed_at = time.monotonic()
    os.kill(first.pid, signal.SIGKILL)
    assert first.wait(20) == -signal.SIGKILL
    while ruled.busy:  # what was on its way is noticed to be gone
        time.sleep(0.001)
    answered = dict(ruled.answered)
    assert 400 <= len(answered) < 900
    second = start(ruled, tmp_path)
    assert second.wait(60) == 0
    assert len(ruled.times) == _ROWS
    twice = {prompt for prompt, times in ruled.times.items() if times > 1}
    assert max(ruled.times.values()) <= 2
    # On its way: asked, and not answered long enough before the kill to be in the file.
    on_their_way = {prompt for prompt in ruled.times if answered.get(prompt, killed_at) > killed_at - 0.25}
    assert twice <= on_their_way
    assert len(twice) <= _AT_ONCE + 200  # of 1,000: a quarter of a second of a fast machine

    third = start(ruled, tmp_path)
    assert third.wait(60) == 0
    assert sum(ruled.times.values()) == _ROWS + len(twice)
