"""The seam between blocking cells and the loop: order, errors, interrupts, forks."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading

import pytest

from ollama_magic.bridge import Bridge, Worker, heeding, shared, this_thread


@pytest.fixture
def bridge():
    made = Bridge()
    yield made
    made.close()


class Endless:
    """A generator that yields once and then waits for ever, and remembers how it ended."""

    def __init__(self) -> None:
        self.waiting = threading.Event()
        self.closed = threading.Event()

    async def __call__(self):
        try:
            yield "first"
            self.waiting.set()
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)  # closing may itself take a turn of the loop
            self.closed.set()


async def numbers(count):
    for n in range(count):
        yield n


@pytest.mark.parametrize("gather_s", [0.0, 0.001])
def test_all_values_arrive_in_order(bridge, gather_s):
    with bridge.stream(lambda: numbers(1000)) as job:
        job.gather_s = gather_s
        assert [n for batch in job.batches() for n in batch] == list(range(1000))


def test_an_error_comes_after_the_values_before_it(bridge):
    async def fails():
        yield 1
        yield 2
        raise ValueError("broken")

    seen = []
    with bridge.stream(fails) as job, pytest.raises(ValueError, match="broken"):
        seen.extend(value for batch in job.batches() for value in batch)
    assert seen == [1, 2]


def test_silence_gives_empty_batches(bridge):
    endless = Endless()
    with bridge.stream(endless) as job:
        batches = job.batches(tick_s=0.001)
        seen = []
        while len(seen) < 3:
            seen.append(next(batches))
    assert [] in seen
    assert ["first"] in seen


def test_leaving_the_job_closes_the_generator(bridge):
    endless = Endless()
    with bridge.stream(endless) as job:
        batches = job.batches()
        next(batches)
    assert endless.closed.is_set()
    assert job.done


def test_dropping_the_batches_closes_the_generator(bridge):
    endless = Endless()
    for _ in bridge.stream(endless).batches():
        break
    assert endless.closed.is_set()


def test_a_job_that_nobody_reads_never_runs(bridge):
    entered = threading.Event()

    async def generator():
        entered.set()
        yield 1

    with bridge.stream(generator) as job:
        pass
    bridge.run(asyncio.sleep(0))
    assert job.stop() is True
    assert not entered.is_set()


def test_a_job_stopped_before_its_first_step_never_runs(bridge):
    entered = threading.Event()
    hold = threading.Event()
    bridge._loop.call_soon_threadsafe(hold.wait)  # the loop is busy, so the job cannot have taken a step

    async def generator():
        entered.set()
        yield 1

    job = bridge.stream(generator)
    batches = job.batches(tick_s=0.001)
    assert next(batches) == []
    assert job.stop(wait_s=0) is False
    hold.set()
    assert not any(batches), "what comes until the end is nothing, as often as it may be"
    assert not entered.is_set()


def test_a_job_stopped_before_anybody_reads_it_never_runs(bridge):
    entered = threading.Event()

    async def generator():
        entered.set()
        yield 1

    job = bridge.stream(generator)
    assert job.stop() is True
    assert list(job.batches()) == []
    assert job.cut
    assert not entered.is_set()


def test_a_job_stopped_from_another_thread_ends_for_its_reader(bridge):
    endless = Endless()
    job = bridge.stream(endless)

    def stop() -> None:
        endless.waiting.wait()
        assert job.stop() is True
        assert endless.closed.is_set()

    worker = Worker(stop)
    assert [value for batch in job.batches(tick_s=60) for value in batch] == ["first"]
    assert job.cut
    assert worker.wait(10)


def test_a_job_that_ended_by_itself_was_not_cut(bridge):
    with bridge.stream(lambda: numbers(3)) as job:
        assert [n for batch in job.batches() for n in batch] == [0, 1, 2]
        assert job.stop() is True
    assert not job.cut


def test_a_worker_works_in_a_thread_that_does_not_keep_the_process():
    seen = []
    hold = threading.Event()

    def work() -> None:
        hold.wait(10)
        seen.append((this_thread(), threading.current_thread().daemon))

    worker = Worker(work)
    assert not worker.done
    assert not worker.wait(0)
    hold.set()
    assert worker.wait(10)
    assert worker.done
    [(thread, daemon)] = seen
    assert thread != this_thread()
    assert daemon


def test_an_interrupt_is_felt_at_once_and_closes_the_generator(bridge):
    endless = Endless()

    def interrupt() -> None:
        endless.waiting.wait()
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(KeyboardInterrupt), bridge.stream(endless) as job:
        for _ in job.batches():
            pass
    assert endless.closed.is_set()


class Finalised:
    """Raises an interrupt where nobody can catch it: when it is taken apart."""

    def __del__(self):
        signal.raise_signal(signal.SIGINT)


def test_an_interrupt_that_python_drops_is_felt_all_the_same(bridge, capsys):
    hook = sys.unraisablehook
    seen, endless = [], Endless()

    def read() -> None:
        for batch in bridge.stream(endless).batches(tick_s=0.001):
            seen.append(batch)
            if endless.waiting.is_set() and not batch:
                Finalised()
                seen.append("nothing was raised here")

    with pytest.raises(KeyboardInterrupt):
        read()
    assert seen[-1] == "nothing was raised here"
    assert endless.closed.is_set()
    assert sys.unraisablehook is hook
    assert "ignored" not in capsys.readouterr().err


def test_one_that_is_dropped_with_the_last_value_comes_after_it(bridge):
    seen = []

    def read() -> None:
        for batch in bridge.stream(lambda: numbers(1)).batches(tick_s=60):
            seen.extend(batch)
            Finalised()

    with pytest.raises(KeyboardInterrupt):
        read()
    assert seen == [0]


def test_one_that_was_dropped_before_anything_was_asked_is_raised_at_the_first_look(bridge):
    endless = Endless()
    with heeding():
        Finalised()
        with pytest.raises(KeyboardInterrupt):
            list(bridge.stream(endless).batches(tick_s=60))
    assert endless.closed.is_set()
    with pytest.raises(KeyboardInterrupt), heeding():
        Finalised()
    with heeding():  # of that one nothing is left
        pass


def test_what_else_cannot_be_raised_is_told_as_before(bridge, monkeypatch):
    class Broken:
        def __del__(self):
            raise ValueError("told")

    told = []
    monkeypatch.setattr(sys, "unraisablehook", lambda unraisable: told.append(str(unraisable.exc_value)))
    outer = bridge.stream(lambda: numbers(1)).batches()
    next(outer)
    for _ in bridge.stream(lambda: numbers(1)).batches():  # within another, as of a tool that asks a model
        Broken()
    assert list(outer) == []
    assert told == ["told"]
    Finalised()
    assert told == ["told", ""], "and an interrupt, when nobody waits any more"


def test_whoever_waits_on_another_thread_has_no_interrupts(bridge):
    hook, seen = sys.unraisablehook, []

    def work() -> None:
        seen.extend(sys.unraisablehook is hook for _ in bridge.stream(lambda: numbers(1)).batches())

    assert Worker(work).wait(10)
    assert seen == [True]


def test_run_gives_the_result_and_times_out(bridge):
    async def answer():
        return 42

    assert bridge.run(answer()) == 42
    with pytest.raises(TimeoutError):
        bridge.run(asyncio.sleep(60), timeout_s=0.001)


def test_a_blocking_call_on_the_loop_itself_is_refused(bridge):
    async def nested():
        return bridge.run(asyncio.sleep(0))

    with pytest.raises(RuntimeError, match="await the async form"):
        bridge.run(nested())


def test_close_cancels_what_runs():
    bridge = Bridge()
    endless = Endless()
    job = bridge.stream(endless)
    batches = job.batches()
    next(batches)
    endless.waiting.wait()
    bridge.close()
    assert endless.closed.is_set()
    assert job.done
    bridge.close()  # twice is fine


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork.*:DeprecationWarning")
def test_a_forked_child_gets_a_bridge_of_its_own():
    assert shared().run(asyncio.sleep(0, "parent")) == "parent"
    child = os.fork()
    if child == 0:
        ok = False
        try:
            ok = shared().run(asyncio.sleep(0, "child"), timeout_s=10) == "child"
        finally:
            os._exit(0 if ok else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
