"""A download as it is shown: in place and not too often in a notebook, by lines elsewhere, safe everywhere."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta

from ollama_magic.render.progress import NotebookPull, PlainPull, TerminalPull, progress_html, progress_line
from ollama_magic.render.tables import Card, card_html, card_text
from ollama_magic.render.terminal import console_for
from ollama_magic.units import ago, bytes_text, left_text, moment_text, until_text
from ollama_magic.wire.pulling import Pulling, PullLayer, PullProgress
from tests.render.fakes import Clock, Screen

A, B = "sha256:" + "a" * 64, "sha256:" + "b" * 64
HALF = PullProgress("pulling aaaa", 500, 1000, 100.0, 5.0, (PullLayer(A, 500, 1000, 100.0),))


def test_a_moment_in_words():
    cases = {
        "50% · 500 B of 1.0 kB · 100 B/s · 5 s left": HALF,
        "23% · 1.2 of 5.2 GB · 34 MB/s · 2 min left": PullProgress("x", 1_200_000_000, 5_200_000_000, 34e6, 118.0),
        "99% · 1.0 of 1.0 GB · waiting": PullProgress("x", 999_999_999, 1_000_000_000, 0.0, None),
        "100% · 1.0 of 1.0 GB": PullProgress("x", 10**9, 10**9, None, 0.0),
        "0% · 0 B of 1.0 MB": PullLayer(A, 0, 10**6),
        "": PullProgress("pulling manifest"),
        "7 B": PullLayer(A, 7),
    }
    for line, part in cases.items():
        assert progress_line(part) == line


def test_the_html_has_a_bar_for_the_whole_and_one_for_each_layer():
    layers = (PullLayer(A, 500, 1000, 100.0), PullLayer(B, 10, 10))
    html = progress_html("tiny:1b", PullProgress("pulling aaaa", 510, 1010, 100.0, 5.0, layers))
    assert html.count("<progress") == 3
    assert 'max="100" value="50" aria-label="tiny:1b, as a whole"' in html
    assert f'aria-label="layer {"a" * 12}"' in html
    assert "100 B/s" in html
    only = progress_html("tiny:1b", HALF)
    assert only.count("<progress") == 1  # the one layer is the whole
    begun = progress_html("tiny:1b", PullProgress("pulling manifest"))
    assert "<progress" in begun
    assert "value=" not in begun


def test_twenty_layers_show_those_that_are_fetched():
    layers = tuple(PullLayer(f"sha256:{n:012d}", 5 if n == 19 else 10, 10) for n in range(20))
    html = progress_html("m", PullProgress("pulling", 195, 200, None, None, layers))
    assert html.count("<progress") == 9
    assert f"{19:012d}" in html
    assert "and 12 more layers" in html


def test_nothing_that_a_server_says_is_live():
    evil = '"><script>alert(1)</script>\x1b[2J\u202e<img src=x onerror=y>'
    progress = PullProgress(evil, 5, 10, 1.0, 5.0, (PullLayer(evil, 1, 5), PullLayer(evil + "2", 1, 5)))
    html = progress_html(evil, progress)
    assert "<script" not in html
    assert "<img" not in html
    assert "\x1b" not in html
    assert "\u202e" not in html
    screen = Screen(Clock())
    view = NotebookPull(evil, screen, Clock())
    view.show(progress)
    view.finish(f"{evil} is here")
    assert "<script" not in str([bundle[0]["text/html"] for _, _, bundle in screen.sent])
    assert "\x1b" not in str(screen.sent)


def a_long_pull():
    """What is told in 100 seconds, 16 times a second."""
    pulling = Pulling()
    yield 0.0, pulling.feed({"status": "pulling manifest"}, 0.0)
    for n in range(1600):
        value = {"status": "pulling aa", "digest": A, "total": 1_600_000, "completed": n * 1000}
        yield n / 16, pulling.feed(value, n / 16)
    yield 100.0, pulling.feed({"status": "verifying sha256 digest"}, 100.0)
    yield 100.1, pulling.feed({"status": "success"}, 100.1)


def test_a_notebook_gets_one_output_four_times_a_second():
    clock = Clock()
    screen = Screen(clock)
    view = NotebookPull("tiny:1b", screen, clock)
    for at, progress in a_long_pull():
        clock.now = 1000 + at
        view.show(progress)
    assert [kind for _, kind, _ in screen.sent].count("add") == 1
    assert 300 < len(screen.sent) <= 405
    assert max(len(bundle[0]["text/html"]) for _, _, bundle in screen.sent) < 1500
    view.finish("tiny:1b is here.")
    (bundle,) = screen.outputs
    assert "<progress" not in bundle[0]["text/html"]
    assert bundle[0]["text/plain"] == "tiny:1b is here."


def test_what_was_held_back_is_shown_when_nothing_more_comes():
    clock = Clock()
    screen = Screen(clock)
    for view in (NotebookPull("m", screen, clock), TerminalPull("m", console_for(io.StringIO()), clock)):
        view.show(PullProgress("pulling manifest"))
        view.show(HALF)
        view.tick()
        clock.now += 1
        view.tick()
        view.tick()
        view.finish("stopped")
    assert [bundle[0]["text/plain"] for _, _, bundle in screen.sent] == [
        "m: pulling manifest",
        "m: pulling aaaa 50% · 500 B of 1.0 kB · 100 B/s · 5 s left",
        "stopped",
    ]


def test_elsewhere_a_line_for_each_tenth_and_each_status():
    out, clock = io.StringIO(), Clock()
    view = PlainPull("tiny:1b", out, clock)
    for at, progress in a_long_pull():
        clock.now = 1000 + at
        view.show(progress)
    view.finish("tiny:1b is here.")
    lines = out.getvalue().splitlines()
    assert lines[0] == "tiny:1b: pulling manifest"
    assert lines[1].startswith("tiny:1b: 0% · 0 B of 1.6 MB")
    assert [line.split()[1] for line in lines[1:11]] == [f"{n}%" for n in range(0, 100, 10)]
    assert lines[11:] == ["tiny:1b: verifying sha256 digest", "tiny:1b: success", "tiny:1b is here."]


def test_a_slow_download_says_something_every_quarter_of_a_minute():
    out, clock = io.StringIO(), Clock()
    view = PlainPull("m", out, clock)
    for n in range(120):
        clock.now = 1000.0 + n
        view.show(PullProgress("pulling a", 10, 1000, 0.0, None, (PullLayer(A, 10, 1000, 0.0),)))
    assert 8 <= len(out.getvalue().splitlines()) <= 9


def test_a_terminal_is_left_with_one_line():
    out = io.StringIO()
    clock = Clock()
    view = TerminalPull("tiny:1b [bold]x[/bold]", console_for(out, force_terminal=True, width=100), clock)
    view.show(PullProgress("pulling manifest"))
    clock.now += 1
    view.show(PullProgress("success", 10, 10, None, 0.0, (PullLayer(A, 5, 5), PullLayer(B, 5, 5)), success=True))
    view.finish("tiny:1b [bold] is here.")
    text = out.getvalue()
    assert "tiny:1b [bold]x[/bold]" in text  # no markup of a name's
    assert "aaaaaaaaaaaa" in text
    assert text.rstrip().endswith("tiny:1b [bold] is here.")
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h") == 1  # the cursor is back


# ---- units -----------------------------------------------------------------------------------------------------


def test_sizes_and_times_for_people():
    sizes = {0: "0 B", 999: "999 B", 1000: "1.0 kB", 999_999: "1.0 MB", 93_400_000: "93 MB", 4_661_211_808: "4.7 GB"}
    assert {size: bytes_text(size) for size in sizes} == sizes
    assert bytes_text(2.5e12) == "2.5 TB"
    assert bytes_text(None) == ""
    lefts = {0.2: "1 s left", 99: "99 s left", 100: "2 min left", 7500: "2 h 5 min left", 400_000: "5 days left"}
    assert {left: left_text(left) for left in lefts} == lefts
    assert [left_text(left) for left in (None, 0, -1, float("inf"), float("nan"))] == [""] * 5


def test_times_past_and_to_come():
    now = datetime(2026, 11, 23, 12, tzinfo=UTC)
    past = {
        0: "just now", 59: "just now", 60: "1 minute ago", 7199: "1 hour ago", 90_000: "1 day ago",
        8 * 86400: "8 days ago", 20 * 86400: "2 weeks ago", 90 * 86400: "2 months ago", 400 * 86400: "13 months ago",
        800 * 86400: "2 years ago", -60: "just now",
    }  # fmt: skip
    assert {span: ago(now - timedelta(seconds=span), now) for span in past} == past
    assert ago(now + timedelta(days=2), now) == "2026-11-25"
    assert ago(None) == moment_text(None) == until_text(None) == ""
    assert moment_text(now - timedelta(days=8), now).endswith("-15 (8 days ago)")
    to_come = {
        -5: "any moment", 0: "any moment", 42: "42 s", 250: "4 min 10 s", 240: "4 min", 7500: "2 h 5 min",
        90_000: "1 d 1 h",
    }  # fmt: skip
    assert {span: until_text(now + timedelta(seconds=span), now) for span in to_come} == to_come
    assert until_text(datetime(2318, 1, 1, tzinfo=UTC), now) == "for ever"


def test_long_texts_are_folded():
    text = "\n".join(f"line {n} <b>" for n in range(50))
    card = Card("m", [("a", "b")], folded=[("licence", text), ("short", "x\x1b[2J"), ("none", "")])
    html = card_html(card)
    assert html.count("<details>") == 3
    assert "<summary>licence (50 lines)</summary>" in html
    assert "line 49 &lt;b&gt;" in html
    assert "<b>" not in html
    assert "\x1b" not in html
    plain = card_text(card)
    assert "line 5 <b>" in plain
    assert "line 6 <b>" not in plain
    assert "… 44 more" in plain
