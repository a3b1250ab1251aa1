"""Silence, phases, and every way to stop an answer: the connection is closed at once, nothing stays behind."""

from __future__ import annotations

import asyncio
import gc
import json
import threading
import time
from contextlib import aclosing
from typing import TYPE_CHECKING

import pytest

from ollama_magic import chatstream, waiting
from ollama_magic.errors import (
    Stalled,
)
from ollama_magic.events import Done, Progress, Text
from tests.questions import MODEL, SURFACES, ask, client, failure, phases, read, text

if TYPE_CHECKING:
    from ollama_magic.chatstream import ChatStream
    from ollama_magic.events import Event
    from tests.fake_ollama import FakeOllama

# ---- waiting ---------------------------------------------------------------------------------------------------


def test_silence_in_the_middle_is_a_stall(fake: FakeOllama) -> None:
    fake.says("I ", "don't").stalls_after(1)
    error, stream = failure(client(fake, stall_timeout=0.02))
    assert type(error) is Stalled
    assert (error.partial, stream.answer.reason) == ("I ", "incomplete")
    assert fake.disconnected.wait(5)


def test_silence_from_the_start_is_a_stall_and_is_not_tried_again(fake: FakeOllama) -> None:
    fake.stalls_before_headers()
    error, _ = failure(client(fake, first_byte_timeout=0.05))
    assert type(error) is Stalled
    assert "OLLAMA_MAGIC_FIRST_BYTE_TIMEOUT" in error.hint
    assert fake.disconnected.wait(5)
    assert [each.path for each in fake.recorded].count("/v1/chat/completions") == 1


def test_a_reader_who_takes_his_time_is_no_stall(fake: FakeOllama) -> None:
    gate = threading.Event()
    fake.says("a", "b").waits_for(gate).says("c")

    async def main() -> list[Event]:
        found = []
        async for event in client(fake, stall_timeout=0.05).chat("Hello"):
            found.append(event)
            if event == Text("b"):
                await asyncio.sleep(0.1)
                gate.set()
        return found

    assert text(asyncio.run(main())) == "abc"


def test_an_answer_is_whole_although_its_body_does_not_end(fake: FakeOllama, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chatstream, "_AFTER_DONE_S", 0.01)
    last = {"model": MODEL, "message": {"role": "assistant", "content": "ok"}, "done": True, "done_reason": "stop"}
    fake.sends_raw(json.dumps(last).encode() + b"\n").waits_for(threading.Event())
    fake.says("never")
    events = ask(client(fake, api="native"))
    assert text(events) == "ok"
    assert isinstance(events[-1], Done)
    assert fake.disconnected.wait(5), "the connection cannot be used again"


def test_what_is_waited_for_is_told(fake: FakeOllama, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "POLL_S", 0.001)
    monkeypatch.setattr(waiting, "_HELD_S", 0.01)
    ready, held = threading.Event(), threading.Event()
    fake.waits_for(ready).says("ok")
    fake.holds("/api/ps", held)  # as v0.33 does while it loads

    async def main() -> list[Event]:
        found = []
        async for event in client(fake).chat("Hello"):
            found.append(event)
            if event == Progress("loading model"):
                fake.loaded.append(MODEL)
                held.set()
            elif "loading model" in phases(found) and event == Progress("reading prompt"):
                ready.set()
        return found

    told = phases(asyncio.run(main()))
    assert told == ["connecting", "reading prompt", "loading model", "reading prompt", "writing"]


@pytest.mark.parametrize("named", ["gpt-oss:120b-cloud", "kimi-k2:1t"])
def test_the_poll_disturbs_nothing(fake: FakeOllama, monkeypatch: pytest.MonkeyPatch, named: str) -> None:
    monkeypatch.setattr(waiting, "POLL_S", 0.001)
    ready = threading.Event()
    fake.any_model = True
    fake.fails(500, "no", path="/api/ps")
    fake.waits_for(ready).says("ok")

    async def main() -> list[Event]:
        reading = asyncio.ensure_future(read(client(fake).chat("Hello", model=named)))
        asked = {"/v1/chat/completions"} | (set() if named.endswith("cloud") else {"/api/ps"})
        while {each.path for each in fake.recorded} != asked:
            await asyncio.sleep(0.001)
        ready.set()
        return await reading

    assert phases(asyncio.run(main())) == ["connecting", "reading prompt", "writing"]


# ---- stopping --------------------------------------------------------------------------------------------------


async def until_text(stream: ChatStream, *, fail: bool = False) -> None:
    async for event in stream:
        if isinstance(event, Text):
            if fail:
                raise ZeroDivisionError
            break


@pytest.mark.parametrize("way", ["break", "aclose", "with", "exception", "generator", "client"])
@SURFACES
def test_every_way_out_closes_the_connection_at_once(fake: FakeOllama, api: str, path: str, way: str) -> None:
    fake.says("I ", "don't").stalls_after(1)

    async def main() -> float:
        asked = client(fake, api=api)
        stream = asked.chat("Hello")
        if way == "with":
            async with stream:
                await until_text(stream)
        elif way == "exception":
            with pytest.raises(ZeroDivisionError):
                await until_text(stream, fail=True)
        elif way == "generator":
            async with aclosing(aiter(stream)) as events:
                async for event in events:
                    if isinstance(event, Text):
                        break
        else:
            await until_text(stream)
        left = time.monotonic()
        if way == "aclose":
            await stream.aclose()
        elif way == "client":
            await asked.aclose()
        assert await asyncio.to_thread(fake.disconnected.wait, 5)
        await stream.aclose()  # nothing more to do, and no harm
        assert stream.answer.text == "I "
        assert stream.answer.reason == "stopped"
        assert stream.answer.stats.first_token_s
        return fake.disconnected_at - left

    assert asyncio.run(main()) < 0.5
    assert fake.open_streams == 0


@pytest.mark.parametrize("when", ["before the first byte", "in the middle"])
@pytest.mark.parametrize("way", ["cancel", "aclose"])
def test_another_task_stops_it(fake: FakeOllama, way: str, when: str) -> None:
    fake.says("I ", "don't")
    if when == "in the middle":
        fake.stalls_after(1)
    else:
        fake.stalls_before_headers()

    async def main() -> None:
        stream = client(fake).chat("Hello")
        events: list[Event] = []

        async def reader() -> None:
            async for event in stream:
                events.append(event)  # noqa: PERF401  # looked at while it is read

        task = asyncio.ensure_future(reader())
        await asyncio.to_thread(fake.asked.wait, 5)
        while when == "in the middle" and not text(events):
            await asyncio.sleep(0)
        if way == "cancel":
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        else:
            await stream.aclose()
            assert task.done() or not (await asyncio.wait([task], timeout=5))[1]
            task.result()
        assert await asyncio.to_thread(fake.disconnected.wait, 5)
        assert stream.answer.reason == "stopped"
        assert len(asyncio.all_tasks()) == 1, "something was left running"

    asyncio.run(main())
    gc.collect()


def test_a_loop_that_ends_in_the_middle_leaves_nothing_open(fake: FakeOllama) -> None:
    fake.says("I ", "don't").stalls_after(1)
    kept = []

    async def main() -> None:
        events = aiter(client(fake).chat("Hello"))
        kept.append(events)
        while not isinstance(await anext(events), Text):
            pass

    asyncio.run(main())
    assert fake.disconnected.wait(5)
    kept.clear()
    gc.collect()


def test_a_connection_is_kept_after_a_whole_answer(fake: FakeOllama) -> None:
    async def main() -> None:
        for _ in range(3):
            await client(fake).ask("Hello")

    fake.says("ok")
    asyncio.run(main())
    assert fake.connections == 1
    assert not fake.disconnected.is_set()


def test_nothing_is_sent_before_it_is_read(fake: FakeOllama) -> None:
    async def main() -> None:
        stream = client(fake).chat("Hello")
        await stream.aclose()

    asyncio.run(main())
    assert not fake.recorded
