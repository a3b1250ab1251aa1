"""The engine that runs many requests: order, laziness, cancelling, trying again, limits that adapt, several servers."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import random
from collections import deque
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import pytest

from ollama_magic.errors import (
    BadRequest,
    Busy,
    Incomplete,
    ModelNotFound,
    OllamaMagicError,
    ServerError,
    Stalled,
    Unauthorized,
    Unreachable,
    UsageLimit,
)
from ollama_magic.many import Hosts, Limiter, Outcome, Slot, run_many
from ollama_magic.many.healing import Try, wait_after
from ollama_magic.many.hosts import Place
from ollama_magic.retry import Retry

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

AT_ONCE = Retry(tries=4, first_s=0.0)


def fixed(limit: int) -> Limiter:
    return Limiter(limit, adapt=False)


async def gathered(items: Any, work: Any, limit: int = 4, **how: Any) -> list[Outcome[Any, Any]]:
    how = {"limiter": fixed(limit), "retry": AT_ONCE, **how}
    async with aclosing(run_many(items, work, **how)) as outcomes:
        return [outcome async for outcome in outcomes]


async def turns(count: int) -> None:
    """Work that takes so many turns of the loop."""
    for _ in range(count):
        await asyncio.sleep(0)


def run(items: Any, work: Any, limit: int = 4, **how: Any) -> list[Outcome[Any, Any]]:
    return asyncio.run(gathered(items, work, limit, **how))


# ---- order, laziness, cancelling -------------------------------------------------------------------------------


def test_outcomes_come_as_they_end_and_know_their_place() -> None:
    async def main() -> None:
        gates = [asyncio.Event() for _ in range(3)]

        async def work(item: int, slot: Slot) -> int:
            await gates[item].wait()
            return item * 10

        seen = []
        async with aclosing(run_many(range(3), work, limiter=fixed(3))) as outcomes:
            for ready in (2, 0, 1):
                gates[ready].set()
                seen.append(await anext(outcomes))
            assert [each async for each in outcomes] == []
        assert [(each.index, each.item, each.value) for each in seen] == [(2, 2, 20), (0, 0, 0), (1, 1, 10)]
        assert all(each.error is None and each.attempts == 1 for each in seen)

    asyncio.run(main())


def test_no_more_items_are_taken_than_there_is_room_for() -> None:
    taken = []

    def endless() -> Iterator[int]:
        for number in itertools.count():
            taken.append(number)
            yield number

    async def main() -> None:
        async def work(item: int, slot: Slot) -> int:
            return item

        async with aclosing(run_many(endless(), work, limiter=fixed(3))) as outcomes:
            for count in range(1, 50):
                await anext(outcomes)
                assert len(taken) <= count + 6  # those that run, and those that have ended meanwhile

    asyncio.run(main())


def test_never_more_at_once_than_the_limit() -> None:
    now = most = 0

    async def work(item: int, slot: Slot) -> None:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await turns(10)
        now -= 1

    assert len(run(range(40), work, limit=5)) == 40
    assert most == 5


def test_the_first_is_sent_before_the_others_are_prepared() -> None:
    seen = []

    async def work(item: int, slot: Slot) -> None:
        seen.append(f"prepares {item}")
        await asyncio.sleep(0)
        seen.append(f"sends {item}")

    run(range(8), work, limit=8)
    assert seen.index("sends 0") <= seen.index("prepares 2")
    assert seen.index("sends 5") <= seen.index("prepares 7")


def test_items_may_have_to_be_awaited() -> None:
    closed = []

    async def items() -> AsyncIterator[int]:
        try:
            for number in range(20):
                await asyncio.sleep(0)
                yield number
        finally:
            closed.append(True)

    async def double(item: int, slot: Slot) -> int:
        return item * 2

    assert sorted(each.value for each in run(items(), double)) == list(range(0, 40, 2))
    assert closed == [True]


def test_cancelling_cancels_what_runs_and_closes_where_items_come_from() -> None:
    begun: list[int] = []
    ended: list[str] = []

    async def main() -> None:
        async def items() -> AsyncIterator[int]:
            try:
                for number in range(3):
                    yield number
                await asyncio.Event().wait()
            finally:
                ended.append("items")

        async def work(item: int, slot: Slot) -> int:
            begun.append(item)
            try:
                if item:
                    await asyncio.Event().wait()
                return item
            finally:
                ended.append(f"work {item}")

        async def read() -> None:
            async with aclosing(run_many(items(), work, limiter=fixed(5))) as outcomes:
                async for outcome in outcomes:
                    assert outcome.value == 0

        reading = asyncio.create_task(read())
        while len(begun) < 3:
            await asyncio.sleep(0)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(main())
    assert sorted(ended) == ["items", "work 0", "work 1", "work 2"]


@pytest.mark.parametrize("awaited", [False, True], ids=["iterable", "async iterable"])
def test_an_iterable_that_fails_does_so_after_what_was_begun(awaited: bool) -> None:
    def plain() -> Iterator[int]:
        yield from range(3)
        raise LookupError("no more pages")

    async def asynchronous() -> AsyncIterator[int]:
        for each in plain():
            yield each

    seen: list[int | None] = []

    async def main() -> None:
        async def work(item: int, slot: Slot) -> int:
            await asyncio.sleep(0)
            return item

        outcomes = run_many(asynchronous() if awaited else plain(), work, limiter=fixed(2))
        async for outcome in outcomes:
            seen.append(outcome.value)  # noqa: PERF401  # what came before it failed

    with pytest.raises(LookupError, match="no more pages"):
        asyncio.run(main())
    assert sorted(seen) == [0, 1, 2]


# ---- trying again ----------------------------------------------------------------------------------------------


class Failing:
    """Work that raises each of `errors` in turn, and then gives "fine"; the servers asked are in `hosts`."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.hosts: list[str] = []

    async def __call__(self, item: Any, slot: Slot) -> str:
        self.hosts.append(slot.host)
        assert slot.attempt == len(self.hosts)
        if self.errors:
            raise self.errors.pop(0)
        return "fine"


def test_what_may_heal_is_tried_again_and_nothing_else() -> None:
    lost = Unreachable("reset")
    heal = [Busy("busy", status=503), Busy("slot", status=None), *(ServerError("p", status=s) for s in (502, 503, 504))]
    for error in [*heal, lost]:
        (outcome,) = run(["x"], work := Failing(error))
        assert (outcome.value, outcome.error, outcome.attempts, len(work.hosts)) == ("fine", None, 2, 2), error
    for error in (
        Unauthorized("no", status=401),
        UsageLimit("quota", status=429),
        BadRequest("bad", status=400),
        ServerError("crash", status=500),
        Incomplete("cut"),
        ModelNotFound("none", status=404),
        ValueError("a mistake in the work itself"),
    ):
        (outcome,) = run(["x"], Failing(error))
        assert (outcome.value, outcome.error, outcome.attempts) == (None, error, 1)


def test_trying_again_has_an_end() -> None:
    (outcome,) = run(["x"], Failing(*(Busy(str(number), status=503) for number in range(9))))
    assert outcome.attempts == AT_ONCE.tries == 4
    assert isinstance(outcome.error, Busy)
    assert outcome.error.message == "3"


def test_a_failure_does_not_disturb_others() -> None:
    async def work(item: int, slot: Slot) -> int:
        if item == 3:
            raise BadRequest("that one", status=400)
        return item

    outcomes = {each.index: each for each in run(range(8), work)}
    assert [number for number, each in outcomes.items() if each.error] == [3]
    assert sorted(each.value for each in outcomes.values() if each.error is None) == [0, 1, 2, 4, 5, 6, 7]


def test_an_error_that_ends_everything_is_the_outcome_of_the_rest() -> None:
    begun = []

    async def work(item: int, slot: Slot) -> int:
        begun.append(item)
        if item == 2:
            raise Unauthorized("refused", status=401)
        return item

    outcomes = run(range(100), work, limit=1, ends=lambda error: isinstance(error, Unauthorized))
    assert begun == [0, 1, 2]
    assert [each.attempts for each in outcomes] == [1, 1, 1, *[0] * 97]
    assert all(isinstance(each.error, Unauthorized) for each in outcomes[2:])


def test_a_server_that_is_not_there_ends_everything_soon() -> None:
    work = Failing(*(Unreachable("refused") for _ in range(99)))
    outcomes = run(range(1000), _unnumbered(work), limit=4, hosts=Hosts(aside_s=0.001))
    assert len(outcomes) == 1000
    assert {type(each.error) for each in outcomes} == {Unreachable}
    assert len(work.hosts) <= 10


def _unnumbered(work: Failing) -> Any:
    async def wrapped(item: Any, slot: Slot) -> str:
        work.hosts.append(slot.host)
        if work.errors:
            raise work.errors.pop(0)
        return "fine"

    return wrapped


def test_a_server_that_comes_back_is_used_again() -> None:
    """One request at a time asks whether it is there; the others wait, and none of them is lost."""
    asked: list[int] = []

    async def work(item: int, slot: Slot) -> int:
        asked.append(item)
        if 5 <= len(asked) < 12:  # down, but it answered before
            raise Unreachable("refused")
        return item

    outcomes = run(range(30), work, limit=3, hosts=Hosts(aside_s=0.001), retry=Retry(tries=8, first_s=0.0))
    assert sorted(each.value for each in outcomes) == list(range(30))
    assert len(asked) == 37


def test_waits_by_error() -> None:
    """Seconds until the next try, None for none; what is noted of the server."""
    patient = Retry(tries=4, first_s=1.0, longest_s=30.0, chance=lambda: 0.0)

    def judged(error: Exception, *, number: int = 1, seconds: float = 0.1, names: tuple[str, ...] = ()) -> Any:
        hosts = Hosts(names)
        hosts.begin(fixed(2))
        place = hosts.places[0]
        return wait_after(error, Try(place, 100.0, 100.0 + seconds, number), hosts, patient), place

    assert judged(Busy("b", status=429))[0] == 1.0
    assert judged(Busy("b", status=429), number=3)[0] == 4.0
    assert judged(Busy("b", status=429), number=4)[0] is None
    wait, place = judged(Busy("b", status=429, retry_after=7.0))
    assert (wait, place.free_at) == (7.0, 107.1)
    assert judged(Busy("b", status=429, retry_after=3600.0))[0] is None
    assert judged(ServerError("p", status=504), seconds=1.0)[0] == 1.0
    assert judged(ServerError("p", status=504), seconds=60.0)[0] is None  # a proxy's limit: it would start over
    assert judged(Unreachable("u"), number=2)[0] == 2.0
    assert judged(Unreachable("u"), number=3)[0] is None  # the server answers others: it is this request
    assert judged(Stalled("s"))[0] is None  # it answers nobody
    assert judged(ModelNotFound("m", status=404))[0] is None
    wait, place = judged(ModelNotFound("m", status=404), names=("a", "b"))
    assert wait == 0.0
    assert place.room(1e12) == 0  # it will never have it


def test_what_waited_too_long_behind_others_is_asked_again_with_fewer_at_once() -> None:
    limiter = Limiter(4)

    async def work(number: int, slot: Slot) -> int:
        await asyncio.sleep(0)
        if number in (2, 3) and slot.attempt == 1:
            for _ in range(20):  # others are answered meanwhile
                await asyncio.sleep(0)
            raise Stalled("nothing for 1800 s")
        return number

    outcomes = asyncio.run(_all(run_many(range(4), work, limiter=limiter, retry=AT_ONCE)))
    assert sorted(each.value for each in outcomes) == [0, 1, 2, 3]
    assert limiter.limit < 4


async def _all(outcomes: Any) -> list[Any]:
    return [each async for each in outcomes]


# ---- several servers -------------------------------------------------------------------------------------------


def test_the_least_busy_server_is_asked_first() -> None:
    hosts = Hosts(["a", "b", "c"])
    hosts.begin(fixed(2))
    chosen = []
    while (place := hosts.pick(0.0)) is not None:
        chosen.append(place.name)
        place.limiter.began()
    assert chosen == ["a", "b", "c", "a", "b", "c"]
    hosts.places[1].limiter.ended(0.0)
    found = hosts.pick(0.0)
    assert found is not None
    assert found.name == "b"
    assert hosts.limit == 6


def test_the_shares_of_servers_do_not_hang_on_the_limits_that_were_found_for_them() -> None:
    hosts = Hosts(["a", "b"])
    hosts.begin(fixed(2))
    hosts.places[1].limiter = fixed(200)
    chosen = []
    for _ in range(6):
        place = hosts.pick(0.0)
        assert place is not None
        chosen.append(place.name)
        place.limiter.began()
        place.asked += 1
    assert chosen == ["a", "b", "a", "b", "b", "b"]  # from then on a has no room


def test_servers_that_are_all_idle_are_asked_by_turns() -> None:
    asked: list[str] = []

    async def work(item: int, slot: Slot) -> None:  # over before the next one begins
        asked.append(slot.host)

    run(range(90), work, hosts=Hosts(["a", "b", "c"]))
    assert [asked.count(name) for name in "abc"] == [30, 30, 30]


def test_servers_that_only_refuse_are_waited_for() -> None:
    hosts = Hosts(["a", "b"])
    assert not hosts.waited_for
    hosts.begin(Limiter())
    a, b = hosts.places
    for place in (a, a, b, b):
        assert not hosts.waited_for
        place.ends(0.0, place.begins(0.0), refused=True)
    assert hosts.waited_for
    b.works(1.0, 1.0)
    assert not hosts.waited_for
    b.leave("no model")
    assert hosts.waited_for


def test_work_that_failed_goes_to_another_server() -> None:
    for error in (Unreachable("down"), ModelNotFound("none", status=404), Busy("busy", status=503)):
        (outcome,) = run(["x"], work := Failing(error), hosts=Hosts(["a", "b"]))
        assert work.hosts == ["a", "b"]
        assert (outcome.value, outcome.host, outcome.attempts) == ("fine", "b", 2)


def test_a_server_that_lacks_the_model_ends_nothing_while_another_has_it() -> None:
    async def work(item: int, slot: Slot) -> int:
        await turns(3 if slot.host == "a" else 10)
        if slot.host == "a":
            raise ModelNotFound("none", status=404)
        return item

    ends = lambda error: isinstance(error, ModelNotFound)  # noqa: E731
    for names in (["a", "b"], ["b", "a"]):
        outcomes = run(range(50), work, limit=8, hosts=Hosts(names), ends=ends)
        assert sorted(each.value for each in outcomes) == list(range(50))
    alone = run(range(50), work, limit=8, hosts=Hosts(["a"]), ends=ends)
    assert all(isinstance(each.error, ModelNotFound) for each in alone)


def test_a_dead_server_of_several_costs_nothing_but_tries() -> None:
    asked: list[str] = []

    async def work(item: int, slot: Slot) -> int:
        asked.append(slot.host)
        await turns(10)
        if slot.host == "dead":
            raise Unreachable("refused")
        return item

    outcomes = run(range(300), work, hosts=Hosts(["a", "dead", "b"]), retry=Retry(tries=8, first_s=0.0))
    assert sorted(each.value for each in outcomes) == list(range(300))
    assert asked.count("dead") <= 5  # those on their way when it died; it is set aside for a second
    assert min(asked.count("a"), asked.count("b")) > 100


def test_what_waits_at_a_slow_server_is_asked_at_one_that_is_idle() -> None:
    """Once only, and not where its answer has begun; also where one answers nothing at all."""
    asked: list[tuple[int, str]] = []
    taken_back: list[int] = []
    begun = asyncio.Event()

    async def work(item: int, slot: Slot) -> str:
        asked.append((item, slot.host))
        assert slot.attempt == 1
        if slot.host == "quick":
            await turns(3)
            return "quick"
        try:
            if not begun.is_set():
                begun.set()
                slot.begun()
                while len(taken_back) < 3:
                    await asyncio.sleep(0)
                return "slow"
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            taken_back.append(item)
            raise
        raise AssertionError

    outcomes = run(range(40), work, hosts=Hosts(["slow", "quick"]))
    assert sorted(each.item for each in outcomes) == list(range(40))
    assert [each.error for each in outcomes if each.error] == []
    assert all(each.value == each.host and each.attempts == 1 for each in outcomes)
    (stayed,) = [each.item for each in outcomes if each.host == "slow"]
    at_slow = [item for item, host in asked if host == "slow"]
    assert at_slow[0] == stayed
    assert taken_back == at_slow[:0:-1]  # the last first
    assert len(asked) == 40 + len(taken_back) == 43


def test_nothing_is_taken_back_once_everything_ends() -> None:
    """It would be asked nowhere else any more, and its answer would be lost."""
    over = asyncio.Event()

    async def work(item: int, slot: Slot) -> str:
        if slot.host == "quick":
            await turns(3)
            if item > 10:
                over.set()
                raise Unauthorized("refused", status=401)
        else:
            await over.wait()
            await turns(500)  # far longer than the quick one takes
        return slot.host

    hosts = Hosts(["slow", "quick"])
    outcomes = run(range(40), work, hosts=hosts, ends=lambda error: isinstance(error, Unauthorized))
    at_slow = [each for each in outcomes if each.host == "slow"]
    assert [each.value for each in at_slow] == ["slow"] * 4
    assert len(outcomes) == 40


def test_a_slow_server_does_not_hold_up_items_that_wait_for_its_answer() -> None:
    """As those of a reader who wants rows in order, and gives more only when the first ones have come."""
    answered: set[int] = set()
    more = asyncio.Event()

    async def items() -> AsyncIterator[int]:
        for number in range(30):
            while number >= 10 and not answered >= set(range(number - 9)):
                more.clear()
                await more.wait()
            yield number

    async def work(item: int, slot: Slot) -> None:
        await (asyncio.Event().wait() if slot.host == "slow" else turns(3))
        answered.add(item)
        more.set()

    assert len(run(items(), work, hosts=Hosts(["slow", "quick"]))) == 30


def test_which_request_is_overdue_and_when() -> None:
    hosts = Hosts(["slow", "quick", "dead"])
    hosts.begin(fixed(4))
    slow, quick, dead = hosts.places
    entered = [slow.begins(100.0) for _ in range(4)]
    assert hosts.overdue(100.0, [slow]) is None  # no other is known to answer
    quick.ends(101.0, quick.begins(100.0), refused=False)
    quick.works(101.0, 1.0)
    # None of four is answered: by now, the last waits longer than 2 s if the first takes another half a second.
    assert hosts.overdue(100.0, [slow]) == (100.5, slow, quick)
    assert hosts.overdue(100.0, []) is None
    slow.ends(108.0, entered.pop(), refused=False)
    slow.works(108.0, 8.0)
    assert hosts.overdue(108.0, [slow]) == (100.0 + 2.0 * 2 / 3, slow, quick)  # two in the time that three take
    for each in entered:
        slow.ends(109.0, each, refused=False)
    slow.begins(200.0)  # it had nothing to do for long: that does not count
    assert hosts.overdue(200.0, [slow]) == (200.0 - 9.0 + 2.0 * 2, slow, quick)
    dead.begins(200.0)
    dead.failures = 1
    assert hosts.overdue(200.0, [dead]) == (202.0, dead, quick)
    quick.failures = 1  # set aside: nothing is moved there
    assert hosts.overdue(200.0, [dead]) == (200.0 + 2 * 8.0, dead, slow)


def test_when_a_server_is_set_aside_and_for_how_long() -> None:
    place = Place("a", fixed(4))
    place.strike(10.0, 9.0, 2)
    assert place.room(10.0) == 4
    place.strike(10.0, 9.5, 2)
    assert (place.failures, place.free_at, place.room(10.5), place.room(11.0)) == (1, 11.0, 0, 1)
    place.strike(10.2, 9.9, 2)  # sent before it was set aside
    assert place.failures == 1
    place.strike(11.5, 11.1, 2)  # the one that looked whether it is back
    assert (place.failures, place.free_at) == (2, 13.5)
    place.works(0.0, 1.0)
    assert (place.failures, place.room(14.0)) == (0, 4)


# ---- a limit that finds itself ---------------------------------------------------------------------------------


def simulated(
    limiter: Limiter,
    now: list[float],
    *,
    slots: int,
    seconds: Callable[[], float],
    refuses: bool = False,
    count: int = 3000,
    one_in: int = 0,
    loads_s: float = 0.0,
) -> float:
    """`count` requests to a server of so many slots, in a time of its own; the seconds that took.

    One that refuses answers at once, and what was refused comes again after a second. Nothing is answered before the
    model is loaded.
    """
    running: list[tuple[float, float, bool]] = []
    waiting: deque[float] = deque()
    later: list[float] = []
    busy, left, number = 0, count, 0
    while left or running or later:
        while limiter.room > 0 and (left or (later and later[0] <= now[0])):
            if later and later[0] <= now[0]:
                heapq.heappop(later)
            else:
                left -= 1
            began = limiter.began()
            now[0] += 1e-6
            number += 1
            if (one_in and number % one_in == 0) or (refuses and busy >= slots):
                heapq.heappush(running, (now[0] + 0.001, began, False))
            elif busy < slots:
                busy += 1
                heapq.heappush(running, (max(now[0], loads_s) + seconds(), began, True))
            else:
                waiting.append(began)
        if not running:
            now[0] = later[0]
            continue
        now[0], began, answered = heapq.heappop(running)
        if not answered:
            heapq.heappush(later, now[0] + 1.0)
        elif waiting:
            heapq.heappush(running, (now[0] + seconds(), waiting.popleft(), True))
        else:
            busy -= 1
        limiter.ended(began, refused=not answered)
    return now[0]


def adapted(start: int, *, slots: int, varies: float = 0.0, loads_s: float = 0.0, **how: Any) -> tuple[int, float]:
    """Where the limit ends after 3,000 answers of 0.05 s, or about that, and the share of the ideal time."""
    now, taken, chance = [0.0], [0.0], random.Random(7)
    limiter = Limiter(start, clock=lambda: now[0])

    def seconds() -> float:
        found = 0.05 * chance.lognormvariate(-varies * varies / 2, varies)
        taken[0] += found
        return found

    took = simulated(limiter, now, slots=slots, seconds=seconds, loads_s=loads_s, **how)
    return limiter.limit, (loads_s + taken[0] / slots) / took


@pytest.mark.parametrize(
    ("start", "slots", "least", "most"),
    [(16, 32, 32, 80), (16, 60, 60, 150), (4, 1, 1, 10), (16, 4, 4, 40), (2, 8, 8, 20), (32, 32, 32, 80)],
)
def test_the_limit_grows_while_that_is_faster(start: int, slots: int, least: int, most: int) -> None:
    limit, share = adapted(start, slots=slots)
    assert least <= limit <= most
    assert share > 0.93


@pytest.mark.parametrize("loads_s", [0.0, 5.0], ids=["loaded", "loads first"])
@pytest.mark.parametrize(("slots", "most"), [(1, 4), (2, 6), (4, 12), (8, 24)])
def test_no_queue_is_held_at_a_small_server(slots: int, most: int, loads_s: float) -> None:
    """Who asks it besides would wait behind it; Ollama has one slot unless it is told otherwise."""
    limit, share = adapted(32, slots=slots, loads_s=loads_s)
    assert slots < limit <= most
    assert share > 0.97


@pytest.mark.parametrize("slots", [4, 16, 32, 60])
def test_answers_of_different_lengths_do_not_starve_a_server(slots: int) -> None:
    limit, share = adapted(32, slots=slots, varies=0.5)
    assert slots < limit <= max(32, 2 * slots)
    assert share > 0.9


@pytest.mark.parametrize("slots", [1, 3, 10, 32])
def test_the_limit_shrinks_to_what_is_not_refused(slots: int) -> None:
    limit, share = adapted(16, slots=slots, refuses=True)
    assert slots * 0.7 <= limit <= slots * 1.3 + 1
    assert share > 0.8


def test_a_few_refusals_by_chance_do_not_stop_it() -> None:
    limit, share = adapted(16, slots=32, one_in=20)
    assert limit >= 32
    assert share > 0.7  # what was refused last comes a second later


def test_a_fixed_limit_stays() -> None:
    limiter = fixed(5)
    for _ in range(200):
        limiter.ended(limiter.began(), refused=True)
    assert (limiter.limit, limiter.busy) == (5, 0)
    with pytest.raises(ValueError, match="at least 1"):
        Limiter(0)


def test_errors_of_the_work_are_outcomes_even_when_it_is_cancelled() -> None:
    async def work(item: int, slot: Slot) -> int:
        if item == 1:
            raise asyncio.CancelledError
        return item

    outcomes = {each.index: each for each in run(range(3), work)}
    assert isinstance(outcomes[1].error, OllamaMagicError)
    assert (outcomes[0].value, outcomes[2].value) == (0, 2)
