"""Tokens in their colours: what is shown, that it is safe and can be read, and what it costs."""

from __future__ import annotations

import html as html_module
import io
import re
from itertools import pairwise
from typing import Any

import pytest

from ollama_magic.events import (
    Answer,
    Done,
    Event,
    Request,
    Restart,
    Start,
    Text,
    TokenProbability,
    ToolCall,
    ToolRequest,
    ToolResult,
)
from ollama_magic.placing import placed
from ollama_magic.render.bundle import answer_bundle, answer_text
from ollama_magic.render.live import LiveView
from ollama_magic.render.terminal import TerminalView, console_for
from ollama_magic.render.tokenlines import TINTS
from ollama_magic.render.tokens import ALPHAS, HUE, STEPS, TOKENS_SHEET, percent, shown, step, surety
from tests.tables import folded

from .fakes import Clock, FakeSettings, Screen, answer_of
from .payloads import PAYLOADS, problems, text_of

ASKED = Start("m", "local", "openai", "http://h", Request("m", (), top_logprobs=5))


def said(text: str, logprob: float = -0.1, *others: tuple[str, float]) -> Text:
    return Text(text, (TokenProbability(text, logprob, ((text, logprob), *others)),))


def answered(*events: Event) -> Answer:
    return answer_of(ASKED, *events, Done())


def html_of(answer: Answer, form: str = "markdown") -> str:
    """The saved HTML without our own style sheet, of which there is one at most."""
    html: str = answer_bundle(answer, form)[0]["text/html"]
    assert html.count("<style") <= 1
    return html.replace(TOKENS_SHEET, "")


def titles(html: str) -> list[list[str]]:
    """The lines beside each token."""
    found = re.findall(r'class="ollama-token"[^>]* title="([^"]*)"', html)
    return [html_module.unescape(title).split("\n") for title in found]


# What only a token view has, in the one form that it may have.
OWN = re.compile(
    r'(?<=<span) class="ollama-token" tabindex="(?:-1|0)"(?: role="note")?(?= style="|(?: title="[^"<>]*")?>)'
    r'|(?<=[n"]) title="[^"<>]*"(?=><o-t title="">)|<o-t title="">|</o-t>'
    r'|(?<=<div) class="ollama-tokens"(?= style=")|(?<=<th) scope="col"|(?<=<span) aria-hidden="true"(?= style=")'
)


def dangers(html: str) -> list[str]:
    """What must not be in it."""
    return problems(OWN.sub("", OWN.sub("", html.replace(TOKENS_SHEET, ""))))


# ---- what is shown -------------------------------------------------------------------------------------------------


def test_each_token_has_its_colour_and_its_alternatives() -> None:
    answer = answered(said("Par", -0.01, ("Lon", -5.0)), said("is", -1.2, ("ma", -1.0)), said("\n", -3.0))
    html = html_of(answer)
    assert titles(html) == [
        ["▸   99%  Par", "   0.7%  Lon"],
        ["    37%  ma", "▸   30%  is"],
        ["▸  5.0%  ⏎"],
    ]
    assert len(re.findall(r'class="ollama-token"[^>]* style="background:rgba', html)) == 2
    assert "⏎</span>\n" in html
    assert "Paris" in text_of(html).replace("\n", "")
    assert dangers(html) == []
    table = html[html.index("<details") :]
    assert "<summary" in table
    assert 'th scope="col"' in table
    assert "“ma” 37%" in table


def test_without_probabilities_it_is_shown_as_ever() -> None:
    html = html_of(answered(Text("**bold**")))
    assert "<strong>bold</strong>" in html
    assert "ollama-token" not in html
    assert "perplexity" not in html


@folded("form", ["markdown", "text", "json", "code"])
def test_the_text_is_shown_as_it_was_written_whatever_it_is(form: str) -> None:
    data, _ = answer_bundle(answered(said('{"a":'), said(" **1**}", -2.0)), form)
    assert '{"a": **1**}' in text_of(data["text/html"].replace(TOKENS_SHEET, ""))
    assert "ollama-token" in data["text/html"]
    assert "perplexity" in data["text/plain"]


@folded("form", ["html", "math"])
def test_a_page_and_a_formula_are_shown_as_what_they_are(form: str) -> None:
    assert "ollama-token" not in html_of(answered(said("x^2")), form)


def test_the_footer_tells_perplexity_and_the_least_sure() -> None:
    answer = answered(said("a", -0.1), said(" b", -2.0), said(" c", -1.0), said(" d", -3.0), Text(" e"))
    assert surety(answer) == "perplexity 4.60 · least sure: “·d” 5.0%, “·b” 14%, “·c” 37%"
    assert surety(answer) in answer_text(answer)
    assert "perplexity" not in answer_text(answer, quiet=True)
    assert surety(answered(Text("a"))) == ""


@folded(
    "logprob, text",
    [(0.0, "100"), (-0.0001, "100"), (-0.003, ">99"), (-0.05, "95"), (-3.2, "4.1"), (-9.0, "<0.1"), (-800.0, "<0.1")],
)
def test_percent(logprob: float, text: str) -> None:
    assert percent(logprob) == f"{text}%"


@folded(
    "token, text",
    [
        (" Paris", "·Paris"),
        ("two words ", "two words·"),
        ("   ", "···"),
        ("\n\n", "⏎⏎"),
        ("\tx", "⇥x"),
        ("", "(the end, or another mark without text)"),
        ("\x1b[2J", "␛[2J"),
        ("\x00\x7f\x9b", "␀⟨7F⟩⟨9B⟩"),
        ("a\u202eb\u2066c\u200bd", "a⟨U+202E⟩b⟨U+2066⟩c⟨U+200B⟩d"),
        ("\ud83d", "⟨U+D83D⟩"),
        ("\U0001f469\u200d\U0001f680", "\U0001f469\u200d\U0001f680"),
        ("\u200d", "⟨U+200D⟩"),
        ("\ufe0f", "⟨U+FE0F⟩"),
        ("\u0301x", "◌\u0301x"),
        ("x" * 100, "x" * 59 + "…"),
    ],
)
def test_what_cannot_be_seen_has_a_sign(token: str, text: str) -> None:
    assert shown(token) == text


def test_figures_stay_beside_tokens_that_are_read_from_the_right() -> None:
    answer = answered(said("שלום", -2.0, (" עולם", -3.0), (" a", -4.0)))
    mark = "\u200e"  # without it 14% would stand beside the other token
    assert surety(answer).endswith(f"“שלום”{mark} 14%")
    assert f"“·עולם”{mark} 5.0%, “·a” 1.8%" in html_of(answer)


def test_a_character_of_several_tokens_is_one_with_their_joint_probability() -> None:
    parts = (
        TokenProbability("<0xF0><0x9F>", -0.5, (), b"\xf0\x9f"),
        TokenProbability("<0x9A><0x80>", -0.5, (), b"\x9a\x80"),
    )
    assert titles(html_of(answered(Text("\U0001f680", parts)))) == [["▸   37%  \U0001f680, 2 tokens together"]]


# ---- safe ----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@folded("text", PAYLOADS)
def test_nothing_in_a_token_is_live(text: str) -> None:
    answer = answered(said(text, -1.0, (text, -2.0)), Text(text), said(text[:7], -4.0))
    assert dangers(html_of(answer)) == []
    clock = Clock()
    screen = Screen(clock)
    view = LiveView(screen, FakeSettings(), whole_cell=True, clock=clock)
    view.show([ASKED, *(said(text[n : n + 7], -1.0, (text, -2.0)) for n in range(0, len(text), 7)), Text(text)])
    for html in screen.htmls():
        assert dangers(html) == []


def test_no_control_sequence_reaches_a_terminal_and_no_override_a_page() -> None:
    evil = "\x1b[2J\x1b]0;pwned\x07\u202e\x9b"
    written = in_terminal([said(evil, -2.0), Text(evil)], colours=False)
    assert not set("\x1b\x07\u202e\x9b") & set(written)
    html = html_of(answered(said(evil, -2.0, (evil, -3.0))))
    assert not set("\x1b\x07\u202e\x9b") & set(html_module.unescape(html))


# ---- to be read ----------------------------------------------------------------------------------------------------


def luminance(colour: tuple[float, ...]) -> float:
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in (part / 255 for part in colour)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def over(top: tuple[float, ...], alpha: float, below: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(alpha * a + (1 - alpha) * b for a, b in zip(top, below, strict=True))


def contrast(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_every_colour_can_be_read_in_light_and_in_dark_and_told_from_the_next_by_lightness_alone() -> None:
    # JupyterLab's own: black at .87 on white; white on #111.
    for page, ink, share in (((255.0,) * 3, (0.0,) * 3, 0.87), ((17.0,) * 3, (255.0,) * 3, 1.0)):
        tints = [over(HUE, alpha, page) for alpha in ALPHAS]
        assert all(contrast(over(ink, share, tint), tint) >= 4.5 for tint in tints)
        assert all(contrast(tint, following) > 1.04 for tint, following in pairwise(tints))
        assert contrast(tints[0], tints[-1]) > 1.6
    for tint in TINTS[1:]:
        assert contrast(tuple(int(tint[n : n + 2], 16) for n in (1, 3, 5)), (0, 0, 0)) >= 4.5
    assert len(ALPHAS) == len(TINTS) == len(STEPS) + 1
    assert [step(p) for p in (1.0, 0.95, 0.94, 0.5, 0.2, 0.19, 0.0)] == [0, 0, 1, 3, 4, 5, 5]


def test_the_keyboard_stops_at_the_least_sure_only() -> None:
    html = html_of(answered(*(said(f" w{n}", -0.01 * n) for n in range(100))))
    stops = re.findall(r'tabindex="0" role="note"[^>]*>(?:<o-t title="">) w(\d+)<', html)
    assert [int(number) for number in stops] == list(range(75, 100))
    assert html.count('tabindex="-1"') == 75


# ---- while it comes ------------------------------------------------------------------------------------------------


def live(*, whole_cell: bool = True, **settings: Any) -> tuple[LiveView, Screen, Clock]:
    clock = Clock()
    screen = Screen(clock)
    return LiveView(screen, FakeSettings(**settings), whole_cell=whole_cell, clock=clock), screen, clock


def last(screen: Screen) -> str:
    return "".join(data["text/html"] for data, _ in screen.outputs)


def test_colours_come_with_the_text_and_text_does_not_wait_for_them() -> None:
    view, screen, clock = live()
    view.show([ASKED, said("Hi", -2.0)])
    assert 'style="background:rgba' in last(screen)
    clock.now += 0.5
    view.show([Text(" you")])
    assert " you" in text_of(last(screen))
    view.finish(answered(said("Hi", -2.0), Text(" you")))
    assert len(screen.outputs) == 1
    assert titles(last(screen)) == [["▸   14%  Hi"]]


@pytest.mark.slow
@folded("whole_cell", [True, False])
def test_traffic_is_bounded(whole_cell: bool) -> None:
    view, screen, clock = live(whole_cell=whole_cell)
    events = [said(f" w{n}" if n % 12 else "\n", -0.3, *((f" o{m}", -1.0 - m) for m in range(4))) for n in range(900)]
    view.show([ASKED])
    begun = clock.now
    for event in events:
        clock.now += 0.02  # 50 a second
        view.show([event])
    assert len(screen.outputs) < 50
    assert len(screen.sent) / (clock.now - begun) < 11
    assert screen.size < (40_000 if whole_cell else 120_000) * (clock.now - begun)
    sent = screen.size
    view.finish(answered(*events))
    assert len(screen.outputs) == 1
    assert screen.size - sent < 500 * len(events)


@pytest.mark.slow
def test_a_very_long_answer_has_alternatives_where_it_was_least_sure() -> None:
    html = html_of(answered(*(said(f" w{n}", -0.001 if n % 2 else -1.0) for n in range(5_000))))
    assert len(titles(html)) == 3_000
    assert len(html) < 2_000_000
    assert "the 200 least sure of 5,000 tokens" in html


def test_tools_and_a_new_beginning() -> None:
    view, screen, clock = live()
    call = ToolCall("f", {})
    events: list[Event] = [said("Wrong", -2.0), Restart("again"), said("Let me see", -2.0), ToolRequest((call,))]
    events += [ToolResult(call, "42"), said("It is 42", -2.0)]
    view.show([ASKED])
    for event in events:
        clock.now += 0.5
        view.show([event])
    seen = text_of(last(screen))
    assert "Wrong" not in seen
    assert "Let me see" in seen
    assert "It is 42" in seen
    assert "Let me see\n\nIt is 42" in text_of(html_of(answered(*events))).replace("⏎", "")


# ---- a terminal ----------------------------------------------------------------------------------------------------


def in_terminal(events: list[Event], *, colours: bool = True, **settings: Any) -> str:
    stream = io.StringIO()
    clock = Clock()
    console = console_for(stream, force_terminal=colours, width=70, color_system="truecolor" if colours else None)
    view = TerminalView(FakeSettings(**settings), console, clock)
    view.show([ASKED])
    for event in events:
        clock.now += 0.06
        view.show([event])
    view.finish(answer_of(ASKED, *events, Done()))
    return stream.getvalue()


@pytest.mark.parametrize("render", ["live", "once"])
def test_a_terminal_has_the_text_once_in_colours(render: str) -> None:
    events: list[Event] = [said("Par", -0.01), said("is", -3.0), said("\n", -0.01), Text("Fin")]
    plain = in_terminal(events, colours=False, render=render)
    assert plain.startswith("Paris\nFin\n")
    assert "perplexity" in plain
    coloured = in_terminal(events, render=render)
    assert "\x1b[4;30;48;2;224;122;20mis" in coloured
    assert coloured.count("Par") == 2  # the text, and the footer's least sure
    legend = "How sure the model was of each token:"
    assert coloured.index("Fin") < coloured.index(legend) < coloured.index("perplexity")
    assert legend not in plain  # which has no colours


def test_pieces_are_the_whole_text() -> None:
    answer = answered(said("Hi"), Text(" and "), said("bye"))
    assert "".join(piece.text for piece in placed(answer.text, answer.probabilities)) == "Hi and bye"
