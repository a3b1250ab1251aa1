"""Answers side by side: the table that is kept, what streams into it, and what that costs."""

from __future__ import annotations

import itertools
import re

import pytest

from ollama_magic.events import Event, Notice, Progress, Restart, Text, Thinking
from ollama_magic.render.columns import Column, Columns, columns_bundle, columns_rich, columns_text
from ollama_magic.render.live import LiveView
from ollama_magic.render.racing import Racing
from ollama_magic.render.racing_text import PlainRace, TerminalRace

from .fakes import Clock, FakeSettings, Screen, answer_of, start, whole
from .payloads import PAYLOADS, problems, text_of

PROSE = "Some **bold** words, `code` and a [link](https://example.org) to fill a line of ordinary prose.\n\n"
NAMES = "abcdef"


def board(*texts: str, hidden: bool = False, **how: object) -> Columns:
    columns = [
        Column(letter.upper(), f"model-{letter}", whole(text, output_tokens=9, total_s=3.0, first_token_s=0.21))
        for letter, text in zip(NAMES, texts, strict=False)
    ]
    return Columns(columns, across=len(columns), hidden=hidden, **how)  # type: ignore[arg-type]


def empty(count: int = 2, *, hidden: bool = False) -> Columns:
    columns = [Column(letter.upper(), f"model-{letter}") for letter in NAMES[:count]]
    return Columns(columns, across=count, hidden=hidden)


def unstyled(html: str) -> str:
    """Without the styles of the grid, which no model can write: what is left must be what an answer may be."""
    return re.sub(r'<(table|tbody|tr|td|div|strong|del|ins) style="[^"<>]*"', r"<\1", html)


def html_of(shown: Columns) -> str:
    text: str = columns_bundle(shown)[0]["text/html"]
    return text


# ---- what is kept ----------------------------------------------------------------------------------------------


def test_the_table_says_who_answered_what_and_how_it_went() -> None:
    data, metadata = columns_bundle(board("one **bold**\n\n$$x^2$$", "two", note="one after another", notices=("hm",)))
    for kind in ("text/html", "text/plain"):
        shown = text_of(data[kind]) if kind == "text/html" else data[kind]
        for said in ("model-a", "model-b", "first token 0.21 s", "3.00 s in all", "one after another", "hm"):
            assert said in shown, (kind, said)
    assert "<strong>bold</strong>" in data["text/html"]
    assert 'class="tex2jax_process mathjax_process">$$x^2$$' in data["text/html"]
    assert "### A · model-a" in data["text/markdown"]
    assert [each["title"] for each in metadata["ollama_magic"]["compared"]] == ["model-a", "model-b"]
    assert problems(unstyled(data["text/html"])) == []


def test_without_styles_it_is_a_table_of_at_most_four_beside_each_other() -> None:
    for count, rows in [(1, [1]), (2, [2]), (4, [4]), (6, [4, 2])]:
        html = re.sub(r' style="[^"]*"', "", html_of(board(*["x"] * count)))
        found = [row.count("<td>") for row in re.findall(r"<tr>.*?</tr>", html, re.DOTALL)]
        assert found == rows


def test_an_error_stays_in_its_column() -> None:
    failed = Column("B", "model-b", answer_of(error="not found"), "ModelNotFound: not found\nPull it.")
    cut = Column("C", "model-c", answer_of(start(), Text("half"), error="lost"), "Incomplete: lost\nAsk again.")
    shown = text_of(html_of(Columns([*board("fine").columns, failed, cut], across=3)))
    assert "ModelNotFound: not found\nPull it." in shown
    assert "half" in shown
    assert "incomplete: lost" in shown
    assert "Ask again." in shown
    assert shown.count("lost") == 1
    markdown = columns_bundle(Columns([failed, cut]))[0]["text/markdown"]
    assert "ModelNotFound: not found" in markdown
    assert "half\n\nAsk again." in markdown


def test_hidden_means_hidden() -> None:
    answer = answer_of(start("model-a"), Notice("model-a was loaded"), Text("text"), error="model-a is gone")
    shown = Columns([Column("A", "model-a", answer, "Incomplete: model-a is gone\nPull model-a.")], hidden=True)
    for part in (*columns_bundle(shown)[0].values(), str(columns_bundle(shown)[1]), columns_text(shown)):
        assert "model-a" not in part
        assert "tok/s" not in part
    assert "text" in columns_text(shown)
    assert "incomplete: why is shown after the pick" in columns_text(shown)
    assert columns_text(shown).count("after the pick") == 1
    failed = Columns([Column("A", "model-a", answer_of(error="gone"), "ModelNotFound: model-a")], hidden=True)
    assert "This one failed; why is shown after the pick." in columns_text(failed)
    picked = Columns([Column("A", "model-a", answer, "", picked=True)])
    assert "A · model-a · ✓ picked" in columns_text(picked)


@pytest.mark.slow
def test_nothing_of_a_model_is_live() -> None:
    for payload in PAYLOADS:
        answer = answer_of(start(payload), Notice(payload), Text(payload), error=payload)
        shown = Columns([Column("A", payload, answer, f"{payload}\n{payload}")], notices=(payload,), note=payload)
        assert problems(unstyled(html_of(shown))) == [], payload
        view, screen, _ = racing(1)
        view.show([(0, start(payload)), (0, Progress(payload)), (0, Notice(payload))])
        view.show([(0, Thinking(payload)), (0, Text(payload))])
        view.end(0, answer, payload)
        view.finish(shown)
        assert [problem for html in screen.htmls() for problem in problems(unstyled(html))] == [], payload


def test_a_terminal_and_a_script_get_the_same() -> None:
    import io

    from rich.console import Console

    out = io.StringIO()
    console = Console(file=out, width=100, force_terminal=False)
    race = TerminalRace(board("one", "two"), console=console)
    race.show([(0, Text("one"))])
    race.finish(board("one", "two"))
    assert "A · model-a" in out.getvalue()
    assert re.search(r"one +│ two", out.getvalue())
    assert columns_rich(board("one"), 20) is not None
    plain = io.StringIO()
    PlainRace(plain).finish(board("one", "two"))
    assert plain.getvalue() == columns_text(board("one", "two")) + "\n"


# ---- while it streams ------------------------------------------------------------------------------------------


def racing(count: int = 2, *, hidden: bool = False) -> tuple[Racing, Screen, Clock]:
    clock = Clock()
    screen = Screen(clock)
    return Racing(screen, empty(count, hidden=hidden), clock=clock), screen, clock


def last(screen: Screen) -> str:
    text: str = screen.outputs[-1][0]["text/html"]
    return text


def test_the_first_token_of_each_is_shown_at_once() -> None:
    view, screen, clock = racing()
    view.show([(0, start("model-a")), (0, Progress("loading model"))])
    assert "loading model…" in last(screen)
    clock.now += 0.01
    view.show([(0, Text("Hel"))])
    assert "Hel" in last(screen)
    clock.now += 0.01
    view.show([(0, Text("lo")), (1, Text("Moin"))])
    assert "Hello" in last(screen)
    assert "Moin" in last(screen)
    count = len(screen.sent)
    clock.now += 0.01
    view.show([(1, Text(" moin"))])
    assert len(screen.sent) == count
    clock.now += 0.2
    view.show([])
    assert "Moin moin" in last(screen)
    assert len(screen.outputs) == 1


def test_phases_errors_and_restarts_are_each_columns_own() -> None:
    view, screen, clock = racing(3)
    view.show([(0, Text("a")), (1, Thinking("hm well ")), (2, Text("old"))])
    clock.now += 2
    view.show([(0, Text("b")), (2, Restart("again")), (2, Text("new"))])
    shown = text_of(last(screen))
    assert "first token 0.00 s · 2.00 s" in shown
    assert "thinking… 2 words" in shown
    assert "old" not in shown
    assert "new" in shown
    view.end(1, answer_of(error="gone"), "Unreachable: gone\nStart it.")
    clock.now += 1
    view.show([(0, Text("c"))])
    shown = text_of(last(screen))
    assert "Unreachable: gone\nStart it." in shown
    assert "failed" in shown
    assert "abc" in shown


def test_hidden_while_it_streams() -> None:
    view, screen, clock = racing(hidden=True)
    view.show([(0, start("model-a")), (0, Notice("model-a is loaded")), (0, Text("x"))])
    clock.now += 2
    view.show([(0, Text("y"))])
    view.end(0, whole("xy", output_tokens=5, total_s=1.0), "")
    view.end(1, answer_of(error="model-b"), "ModelNotFound: model-b")
    clock.now += 2
    view.show([])
    view.finish(board("xy", "z", hidden=True))
    for html in screen.htmls():
        assert "model-" not in html
        assert "first token" not in html


def test_a_long_column_shows_its_end_and_the_whole_when_all_are_done() -> None:
    view, screen, clock = racing()
    for number in range(400):
        clock.now += 0.05
        view.show([(0, Text(f"line {number} of a long answer\n\n")), (1, Text("x "))])
    clock.now += 1
    view.show([])
    assert "the whole follows" in last(screen)
    assert "line 397 of" in last(screen)
    assert "line 1 of" not in last(screen)
    assert len(last(screen)) < 12_000
    long = "".join(f"line {number} of a long answer\n\n" for number in range(400))
    view.finish(board(long, "x " * 400))
    assert "line 1 of" in last(screen)


def stream(view: Racing | LiveView, clock: Clock, columns: int, seconds: float, rate: float = 100) -> None:
    """Each column gets `rate` tokens a second, looked at every 30 ms as the kernel does."""
    pieces = [PROSE[n : n + 4] for n in range(0, len(PROSE), 4)]
    given = 0
    for step in range(1, int(seconds / 0.03) + 1):
        clock.now += 0.03
        wanted = int(step * 0.03 * rate)
        events: list[Event] = [Text(piece) for piece in itertools.islice(itertools.cycle(pieces), given, wanted)]
        given = wanted
        if isinstance(view, Racing):
            view.show([(number, event) for number in range(columns) for event in events])
        else:
            view.show(events)


@pytest.mark.slow
def test_six_columns_cost_no_more_than_one_answer() -> None:
    seconds = 10.0
    view, screen, clock = racing(6)
    view.show([])
    stream(view, clock, 6, seconds)
    clock_of_one = Clock()
    one = Screen(clock_of_one)
    single = LiveView(one, FakeSettings(), whole_cell=True, clock=clock_of_one)
    single.show([start()])
    stream(single, clock_of_one, 1, seconds)
    assert screen.size < one.size
    assert len(screen.sent) < len(one.sent)
    times = [at for at, _, _ in screen.sent]
    assert max(later - earlier for earlier, later in itertools.pairwise(times)) < 0.75  # with much markup


def test_a_repaint_has_the_newest_of_all_columns() -> None:
    view, screen, clock = racing(6)
    for number in range(100):
        clock.now += 0.03
        sent = len(screen.sent)
        view.show([(lane, Text(f"{letter}{number} ")) for lane, letter in enumerate(NAMES)])
        if len(screen.sent) > sent:
            for letter in NAMES:
                assert f"{letter}{number} " in text_of(last(screen)).replace("\n", " ")


def test_nobody_waits_longer_than_a_second_however_many_there_are() -> None:
    clock = Clock()
    screen = Screen(clock)
    columns = [Column("A", f"model-{number}") for number in range(64)]
    view = Racing(screen, Columns(columns, across=6), clock=clock)
    code = ["```python\n", *(["x", " = ", "f(", "1", ")\n"] * 20)]
    for piece in code:
        clock.now += 0.05
        view.show([(lane, Text(piece)) for lane in range(8)])
    times = [at for at, _, _ in screen.sent]
    assert max(later - earlier for earlier, later in itertools.pairwise(times)) < 1.1
    assert len(times) < len(code) / 10


def test_a_cell_that_is_ours_is_left_with_one_output_that_a_pick_can_still_change() -> None:
    clock = Clock()
    screen = Screen(clock)
    view = Racing(screen, empty(), whole_cell=True, clock=clock)
    view.show([(0, Text("x"))])
    view.finish(board("x", "y"))
    view.finish(board("x", "y"))
    assert [kind for _, kind, _ in screen.sent] == ["add", "replace", "update"]


def test_once_shows_nothing_before_the_end() -> None:
    clock = Clock()
    screen = Screen(clock)
    view = Racing(screen, empty(), once=True, clock=clock)
    view.show([(0, Text("x"))])
    assert screen.sent == []
    view.finish(board("x", "y"))
    assert [kind for _, kind, _ in screen.sent] == ["add"]
    view.finish(board("x", "y"))  # after a pick
    assert [kind for _, kind, _ in screen.sent] == ["add", "update"]
