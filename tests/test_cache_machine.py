"""The file of answers against a plain dictionary: two kernels, carrying, clearing, and a file that breaks."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from ollama_magic.cache import Cache, CacheError
from ollama_magic.cache.store import FILE_NAME
from ollama_magic.events import Done, Text

if TYPE_CHECKING:
    from ollama_magic.cache.codec import Timed

REQUESTS = ["a" * 64, "b" * 64]
KEYS = [f"{request}{digest}" for request in REQUESTS for digest in ("", f".{'c' * 16}", f".{'d' * 16}")]
WHO = st.integers(0, 1)


def answer(text: str) -> tuple[Timed, ...]:
    return ((0.0, Text(text)), (0.1, Done()))


class CacheMachine(RuleBasedStateMachine):
    """Two kernels on one file. The model: what each key has, the latest last, and what was carried away."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="cache-machine-"))
        self.kernels = [Cache(self.folder / "cache"), Cache(self.folder / "cache")]
        self.kept: dict[str, str] = {}
        self.carried: dict[str, str] | None = None
        self.broken = 0

    def teardown(self) -> None:
        shutil.rmtree(self.folder)

    @rule(who=WHO, key=st.sampled_from(KEYS), text=st.text(max_size=3))
    def put(self, who: int, key: str, text: str) -> None:
        assert self.kernels[who].put(key, answer(text), model="m")
        self.kept.pop(key, None)
        self.kept[key] = text

    @rule(who=WHO, key=st.sampled_from(KEYS))
    def an_answer_that_was_cut_is_not_kept(self, who: int, key: str) -> None:
        assert not self.kernels[who].put(key, ((0.0, Text("cut")),))

    @rule(who=WHO, key=st.sampled_from(KEYS))
    def get(self, who: int, key: str) -> None:
        found = self.kernels[who].get(key)
        if "." in key:
            expected = self.kept.get(key)
        else:  # the newest answer to the request, whatever the model's digest
            expected = next((self.kept[each] for each in reversed(self.kept) if each.startswith(key)), None)
        assert found == (None if expected is None else answer(expected))

    @rule(who=WHO)
    def clear(self, who: int) -> None:
        assert self.kernels[who].clear() == len(self.kept)
        self.kept.clear()

    @precondition(lambda self: self.kept)
    @rule(who=WHO)
    def export(self, who: int) -> None:
        assert self.kernels[who].export(self.folder / "answers.json") == len(self.kept)
        self.carried = dict(self.kept)

    @precondition(lambda self: self.carried is not None)
    @rule(who=WHO)
    def a_file_that_is_carried_has_everything(self, who: int) -> None:
        assert self.carried is not None
        other = Cache(Path(tempfile.mkdtemp(dir=self.folder)))
        assert other.import_(self.folder / "answers.json") == len(self.carried)
        for key, text in self.carried.items():
            if "." in key:
                assert other.get(key) == answer(text)

    @precondition(lambda self: self.kept)
    @rule(who=WHO, size=st.sampled_from([100, 5000]))
    def the_file_is_cut_off(self, who: int, size: int) -> None:
        file = self.folder / "cache" / FILE_NAME
        whole = file.read_bytes()
        if len(whole) <= size:
            return
        file.write_bytes(whole[:size])
        with pytest.raises(CacheError, match="broken or cut off") as caught:
            self.use_all(self.kernels[who])
        assert "Nothing was deleted" in caught.value.hint
        self.kept.clear()
        self.broken += 1

    @staticmethod
    def use_all(cache: Cache) -> None:
        for key in KEYS:
            cache.get(key)
        cache.put(KEYS[0], answer("x"))
        cache.clear()

    @invariant()
    def both_kernels_count_the_same(self) -> None:
        for kernel in self.kernels:
            status = kernel.status()
            assert (status.answers, len(status.set_aside)) == (len(self.kept), self.broken)


CacheMachine.TestCase.settings = settings(max_examples=25, stateful_step_count=20, deadline=None, derandomize=True)
TestCacheMachine = pytest.mark.slow(CacheMachine.TestCase)
