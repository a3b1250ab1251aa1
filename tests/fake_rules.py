"""The fake server, answering by rule: each question by a function of its prompt, with so many slots.

    with RuledOllama() as fake:
        fake.rule = lambda prompt: "good" if "sun" in prompt else Script().fails(503, '{"error":"busy"}')
        fake.slots, fake.refuses = 4, True
        ...
        assert fake.times["Classify: sun"] == 1

A rule gives the answer's text, or a Script whose words say what goes wrong. `dies_after` ends the server in the middle.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import TYPE_CHECKING

from tests.fake_ollama import FakeOllama
from tests.fake_script import Reply, Script

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.fake_http import Recorded, Wire

__all__ = ["BUSY", "RuledOllama", "busy", "prompt_of"]

BUSY = '{"error":"server busy, please try again.  maximum pending requests exceeded"}'


def busy() -> Script:
    """What a full queue answers."""
    return Script().fails(503, BUSY)


def prompt_of(request: Recorded) -> str:
    """The last message of a question."""
    return str(request.json["messages"][-1]["content"])


class RuledOllama(FakeOllama):
    """The server; a context manager. Any model is there."""

    def __init__(self, *, port: int = 0) -> None:
        super().__init__(port=port)
        self.any_model = True
        self.rule: Callable[[str], str | Script] | None = None
        self.slots = 1_000_000
        self.refuses = False
        """Whether what finds no slot is answered 503, instead of waiting for one."""
        self.latency_s = 0.0
        """How long an answer holds its slot."""
        self.dies_after = -1
        """The question after so many gets no answer, and neither does anything else: the server is gone."""
        self.times: Counter[str] = Counter()
        """How often each prompt was asked, refused ones not counted."""
        self.answered: dict[str, float] = {}
        """When each prompt was answered last, by time.monotonic()."""
        self.questions = 0
        self.busy = 0
        self.most_busy = 0
        """The most questions that were there at once."""
        self._free: asyncio.Semaphore | None = None

    async def _answer(self, request: Recorded, wire: Wire) -> bool:
        if self.rule is None or request.method != "POST" or request.path not in ("/api/chat", "/v1/chat/completions"):
            return await super()._answer(request, wire)
        self.questions += 1
        if 0 <= self.dies_after < self.questions:
            self._stop.set()
            return False
        if self.refuses and self.busy >= self.slots:
            return await wire.send_whole(503, BUSY.encode(), {"Content-Type": "application/json"})
        self._free = self._free or asyncio.Semaphore(self.slots)
        self.busy += 1
        self.most_busy = max(self.most_busy, self.busy)
        try:
            async with self._free:
                return await self._by_rule(request, wire)
        finally:
            self.busy -= 1

    async def _by_rule(self, request: Recorded, wire: Wire) -> bool:
        assert self.rule is not None
        prompt = prompt_of(request)
        self.times[prompt] += 1
        if self.latency_s:
            await asyncio.sleep(self.latency_s)
        found = self.rule(prompt)
        reply = (Script().says(found) if isinstance(found, str) else found).next_reply()
        assert isinstance(reply, Reply)
        if reply.body is not None:
            return await wire.send_whole(reply.status, reply.body, reply.headers)
        whole = await self._answer_question(request, reply, wire)
        self.answered[prompt] = time.monotonic()
        return whole
