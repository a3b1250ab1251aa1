"""What a notebook sees while an answer arrives: with a clock that obeys and a screen that remembers."""

from __future__ import annotations

import itertools

import pytest

from ollama_magic.errors import Incomplete, Unreachable
from ollama_magic.events import Done, Event, Notice, Progress, Stats, Text, Thinking, ToolCall, ToolRequest
from ollama_magic.render.live import LiveView
from tests.tables import folded

from .fakes import Clock, FakeSettings, Screen, answer_of, start
from .payloads import problems, text_of

PARAGRAPH = "Some **bold** words, `code` and a [link](https://example.org) to fill a line of ordinary prose.\n\n"
CODE = "```python\n" + "def f(x: int) -> str:  # a comment\n    return f'{x}' + 'text'\n\n" * 12 + "```\n\n"
LIST = "".join(f"- item {n} with some words\n" for n in range(30)) + "\n"
TABLE = "| a | b |\n|---|---|\n" + "| one | two |\n" * 20 + "\n"
MIXED = PARAGRAPH * 6 + CODE + LIST + TABLE + "$$x^2$$\n\n"


def play(
    view: LiveView, clock: Clock, events: list[Event], *, rate: float, tick: float = 0.05
) -> list[tuple[float, str]]:
    """Feed events at `rate` a second, in batches of `tick` seconds as the bridge does."""
    view.show([start()])
    pending = iter(events)
    owed = 0.0
    while True:
        clock.now += tick
        owed += rate * tick
        batch = list(itertools.islice(pending, int(owed)))
        owed -= int(owed)
        if not batch and owed < 1 and rate * tick >= 1:
            return []
        view.show(batch)
        if not batch and next(pending, None) is None:
            return []


def tokens(text: str, count: int, size: int = 4) -> list[Event]:
    long = text * (count * size // len(text) + 1)
    return [Text(long[n * size : (n + 1) * size]) for n in range(count)]


def make(*, whole_cell: bool = True, **settings: str | bool) -> tuple[LiveView, Screen, Clock]:
    clock = Clock()
    screen = Screen(clock)
    return LiveView(screen, FakeSettings(**settings), whole_cell=whole_cell, clock=clock), screen, clock  # type: ignore[arg-type]


def html(screen: Screen, number: int = -1) -> str:
    text: str = screen.outputs[number][0]["text/html"]
    return text


@pytest.mark.slow
@pytest.mark.parametrize("rate", [50, 250, 2_000])
@pytest.mark.parametrize("whole_cell", [True, False])
def test_traffic_of_a_long_answer_is_bounded(whole_cell: bool, rate: float) -> None:
    view, screen, clock = make(whole_cell=whole_cell)
    events = tokens(MIXED, 20_000)
    begun = clock.now
    play(view, clock, events, rate=rate)
    spent = clock.now - begun
    assert spent == pytest.approx(20_000 / rate, rel=0.05)
    # 80,000 characters: 64 characters for each at most, or so many a second where the answer is slow.
    assert screen.size < max(80 * 80_000, (25_000 if whole_cell else 50_000) * spent)
    assert len(screen.sent) / spent < 11
    assert len(screen.outputs) < 50
    view.finish(answer_of(start(), *events, Done()))
    assert len(screen.outputs) == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    "text", ["x", "- item\n", CODE.replace("```", ""), "```\nx\n"], ids=["x", "list", "bare code", "fence"]
)
@pytest.mark.parametrize("whole_cell", [True, False])
def test_traffic_is_bounded_whatever_is_written(whole_cell: bool, text: str) -> None:
    view, screen, clock = make(whole_cell=whole_cell)
    play(view, clock, tokens(text, 4_000), rate=1_000)
    assert screen.size < 64 * 16_000
    assert len(screen.sent) < 50
    assert len(screen.outputs) < 20


def test_the_first_token_is_shown_at_once_and_the_next_after_a_tenth_of_a_second() -> None:
    view, screen, clock = make()
    view.show([start(), Progress("connecting")])
    clock.now += 0.01
    view.show([Text("Hel")])
    assert "Hel" in html(screen)
    count = len(screen.sent)
    for _ in range(5):
        clock.now += 0.01
        view.show([Text("lo")])
    assert len(screen.sent) == count
    clock.now += 0.06
    view.show([])
    assert "Hello" in html(screen)


def test_waiting_is_counted_and_announced() -> None:
    view, screen, clock = make()
    view.show([start(), Progress("loading model")])
    assert "loading model…" in html(screen)
    assert 'role="status"' in html(screen)
    for _ in range(12 * 20):
        clock.now += 0.05
        view.show([])
    assert "loading model… 12 s" in html(screen)
    assert len(screen.sent) <= 14
    clock.now += 1
    view.show([Progress("downloading smollm2", 12_300_000, 98_400_000)])
    assert "downloading smollm2… 12 of 98 MB (12%)" in html(screen)
    clock.now += 0.01
    view.show([Text("x")])
    assert 'role="status"' not in html(screen)


def test_silence_shows() -> None:
    view, screen, clock = make()
    view.show([start(), Text("a")])
    for _ in range(100):
        clock.now += 0.1
        view.show([Text("b")])
    assert "10 tok/s" in html(screen)
    sent = len(screen.sent)
    for _ in range(20 * 62):
        clock.now += 0.05
        view.show([])
    assert "nothing new for 60 s" in html(screen)
    assert len(screen.sent) - sent < 25


def test_thinking_is_folded_and_short_while_it_streams_and_whole_at_the_end() -> None:
    view, screen, clock = make()
    thoughts: list[Event] = [Thinking(f"word{n} ") for n in range(2_000)]
    play(view, clock, thoughts, rate=250)
    assert "Thinking… 2,000 words" in html(screen)
    assert len(html(screen)) < 1_500
    clock.now += 1
    view.show([Text("Answer")])
    assert "Thinking · 2,000 words" in html(screen)
    view.finish(answer_of(start(), *thoughts, Text("Answer"), Done()))
    assert "word0 word1 " in html(screen)
    assert "<details>" in html(screen)
    assert screen.size < 40 * len(html(screen))


@pytest.mark.slow
def test_one_output_is_left_with_everything_in_it() -> None:
    view, screen, clock = make()
    events = tokens(MIXED, 5_000)
    view.show([start(), Notice("answered by the embedded engine")])
    play(view, clock, events, rate=1_000)
    assert 3 < len(screen.outputs) < 20
    stats = Stats(prompt_tokens=12, output_tokens=34, first_token_s=0.21, server_output_s=1.0)
    view.finish(answer_of(start("m:1"), Notice("answered by the embedded engine"), *events, Done("stop", stats)))
    data, metadata = screen.outputs[0]
    assert len(screen.outputs) == 1
    assert set(data) == {"text/html", "text/plain", "text/markdown"}
    for text in (data["text/html"], data["text/plain"]):
        assert "answered by the embedded engine" in text
        assert "m:1 · local /v1 · 12 → 34 tokens · first token 0.21 s · 34 tok/s · complete" in text
    assert metadata["ollama_magic"]["output_tokens"] == 34


def test_without_the_whole_cell_one_output_is_updated_and_nothing_is_cleared() -> None:
    view, screen, clock = make(whole_cell=False)
    play(view, clock, tokens(MIXED, 2_000), rate=500)
    view.finish(answer_of(start(), *tokens(MIXED, 2_000), Done()))
    assert [kind for _, kind, _ in screen.sent].count("add") == 1
    assert {kind for _, kind, _ in screen.sent} == {"add", "update"}


def test_once_shows_nothing_until_the_end() -> None:
    view, screen, clock = make(render="once")
    play(view, clock, tokens(PARAGRAPH, 500), rate=500)
    assert screen.sent == []
    view.finish(answer_of(start(), Text("x"), Done()))
    assert [kind for _, kind, _ in screen.sent] == ["add"]


def test_what_had_arrived_is_kept_and_marked() -> None:
    view, screen, _ = make()
    view.show([start(), Text("half an ans")])
    view.finish(answer_of(start(), Text("half an ans"), stopped=True))
    assert "half an ans" in html(screen)
    assert "stopped — this is what had arrived" in html(screen)
    assert "[stopped — this is what had arrived]" in screen.outputs[0][0]["text/plain"]


@folded("quiet", [True, False])
def test_an_error_marks_the_answer_also_without_a_footer(quiet: bool) -> None:
    view, screen, _ = make(quiet=quiet)
    view.show([start(), Text("half")])
    error = Incomplete("the connection was lost")
    view.finish(answer_of(start(), Text("half"), error=error.message), error)
    assert "incomplete: the connection was lost" in html(screen)
    assert ("llama3.2:3b" in html(screen)) is not quiet


def test_an_error_before_anything_arrived_leaves_only_the_error() -> None:
    view, screen, _ = make()
    view.show([start(), Progress("connecting")])
    view.finish(answer_of(start(), error="no server"), Unreachable("no server"))
    assert screen.outputs == []


@folded(
    ("events", "said"),
    [
        ([Done()], "the answer is empty"),
        ([Text(" \n"), Done()], "the answer is empty"),
        ([Thinking("hm"), Done()], "the model thought, but gave no answer"),
        ([Text("a"), Done("length")], "cut off: the limit on tokens was reached"),
        ([ToolRequest((ToolCall("f", {}),)), Done("tool_calls")], "the model asks to call: f"),
        ([Text("a"), Done("odd_reason")], "odd_reason"),
    ],
)
def test_odd_ends_say_so(events: list[Event], said: str) -> None:
    view, screen, _ = make()
    view.show([start(), *events])
    view.finish(answer_of(start(), *events))
    assert said in html(screen)
    assert said in screen.outputs[0][0]["text/plain"]


def test_text_and_json() -> None:
    for form, text, shown in [
        ("text", "*a* <b>\n  c", "*a* <b>\n  c"),
        ("json", '{"a": [1, "ü"]}', '{\n  "a": [\n    1,\n    "ü"\n  ]\n}'),
        ("json", '```json\n{"a": 1}\n```', '{\n  "a": 1\n}'),
        ("json", "null", "null"),
        ("json", '{"a": ', '{"a": '),
        ("json", "[" * 100_000, "this is not JSON"),
    ]:
        view, screen, _ = make(format=form, quiet=True)
        view.show([start(), Text(text)])
        assert problems(html(screen)) == []
        view.finish(answer_of(start(), Text(text), Done()))
        assert shown in text_of(html(screen))
        assert shown in screen.outputs[0][0]["text/plain"]
        assert "text/markdown" not in screen.outputs[0][0]


def test_a_heading_does_not_flash_up_when_a_list_begins() -> None:
    view, screen, clock = make()
    view.show([start(), Text("A paragraph\n-")])
    assert "<h2>" not in html(screen)
    clock.now += 1
    view.show([Text(" item")])
    assert "<li>" in html(screen)


@pytest.mark.slow
@pytest.mark.parametrize("whole_cell", [True, False])
def test_an_endless_answer_stays_cheap(whole_cell: bool) -> None:
    view, screen, clock = make(whole_cell=whole_cell)
    view.show([start()])
    text = PARAGRAPH * 40
    pieces = 300
    for _ in range(pieces):
        clock.now += 0.1
        view.show([Text(text)])
    assert screen.size < 30 * pieces * len(text)
    assert "kB so far" in html(screen)
    assert len(screen.outputs) < 50
    view.finish(answer_of(start(), Text(text * pieces), Done()))
    assert "<pre" in html(screen)
    assert problems(html(screen)) == []


def test_a_slow_renderer_gets_fewer_repaints(monkeypatch: pytest.MonkeyPatch) -> None:
    view, screen, clock = make()

    def slow(text: str, form: str) -> str:
        clock.now += 0.2
        return text

    monkeypatch.setattr("ollama_magic.render.bundle.body_html", slow)
    begun = clock.now
    view.show([start()])
    for _ in range(1_000):
        clock.now += 0.01
        view.show([Text("word ")])
    assert len(screen.sent) < (clock.now - begun) * 1.5
