"""Terminals, plain scripts, and which view is chosen."""

from __future__ import annotations

import io
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from ollama_magic import render
from ollama_magic.errors import Unreachable
from ollama_magic.events import Answer, Done, Event, Notice, Progress, Text, Thinking
from ollama_magic.render.live import LiveView
from ollama_magic.render.plain import PlainView, print_value
from ollama_magic.render.tables import Card, Table
from ollama_magic.render.terminal import TerminalView, console_for
from ollama_magic.render.terminal import print_value as print_rich
from tests.tables import folded

from .fakes import Clock, FakeSettings, answer_of, start
from .payloads import PAYLOADS

MARKDOWN = (
    "# Title\n\nSome **bold** and <b>raw</b> text with a [link](https://a.org/x).\n\n"
    "```python\nif a < b:\n    pass\n\nprint(1)\n```\n\n- one\n- two\n\n$x<y$ and the end"
)


def pieces(text: str, size: int = 5) -> list[Event]:
    return [Text(text[n : n + size]) for n in range(0, len(text), size)]


def terminal(
    events: list[Event], *, tty: bool = True, answer: Answer | None = None, **settings: str | bool
) -> tuple[str, TerminalView]:
    stream = io.StringIO()
    clock = Clock()
    console = console_for(stream, force_terminal=tty, width=70, height=20, color_system=None)
    view = TerminalView(FakeSettings(**settings), console, clock)  # type: ignore[arg-type]
    view.show([start()])
    for event in events:
        clock.now += 0.06
        view.show([event])
    view.finish(answer if answer is not None else answer_of(start(), *events, Done()))
    return stream.getvalue(), view


def screen_of(written: str) -> str:
    """What is left on a terminal after the erasures that rich's live display uses."""
    lines = [""]
    row = 0
    number = 0
    while number < len(written):
        char = written[number]
        if char == "\x1b":
            end = number + 2
            while not written[end].isalpha():
                end += 1
            code, final = written[number + 2 : end], written[end]
            if final == "A":
                row -= int(code or 1)
            elif final == "K":
                lines[row] = ""
            number = end
        elif char == "\r":
            pass
        elif char == "\n":
            row += 1
            if row == len(lines):
                lines.append("")
        else:
            lines[row] += char
        number += 1
    return "\n".join(line.rstrip() for line in lines)


def test_a_terminal_keeps_each_block_once() -> None:
    written, _ = terminal(pieces(MARKDOWN))
    screen = screen_of(written)
    for text in ("Title", "<b>raw</b>", "if a < b:", "print(1)", "• one", "x<y", "and the end", "llama3.2:3b"):
        assert screen.count(text) == 1, text
    assert "https://a.org/x" in screen
    assert "tok/s" not in screen.split("and the end")[0]
    assert written.count("\x1b[?25l") == written.count("\x1b[?25h") > 0


def test_a_terminal_shows_the_same_text_however_it_arrives() -> None:
    screens = [screen_of(terminal(pieces(MARKDOWN, size))[0]).rstrip() for size in (1, 7, 1_000)]
    assert screens[0] == screens[1] == screens[2]


def test_a_terminal_shows_the_phase_and_thinking_while_they_last() -> None:
    events = [Progress("loading model"), Notice("a notice"), Thinking("so many words "), *pieces("answer")]
    written, _ = terminal(events)
    assert "loading model…" in written
    assert "thinking…" in written
    assert "loading model…" not in screen_of(written)
    assert "a notice" in screen_of(written)


def test_a_long_open_block_does_not_flood_the_scrollback() -> None:
    code = "```\n" + "".join(f"line {n} of the code\n" for n in range(300)) + "```\n"
    screen = screen_of(terminal(pieces(code, 200))[0])
    for number in (0, 1, 150, 299):
        assert screen.count(f"line {number} of the code") == 1


@pytest.mark.slow
@folded("text", PAYLOADS)
def test_no_control_sequence_of_a_model_reaches_a_terminal(text: str) -> None:
    evil = f"{text}\x1b[2J\x1b]0;pwned\x07\x1b]8;;http://pwned.invalid\x07x\x1b]8;;\x07\u202e"
    events: list[Event] = [Notice(evil), Progress(evil), *pieces(evil, 9)]
    written, _ = terminal(events, tty=False)
    assert "\x1b" not in written
    assert "\u202e" not in written


@folded(
    ("form", "text", "shown"),
    [
        ("text", "*a*\n  b\nc", "*a*\n  b\nc\n"),
        ("json", '{"a": [1]}', '{\n  "a": [\n    1\n  ]\n}\n'),
        ("json", "no json", "no json\n"),
    ],
)
def test_other_formats_in_a_terminal(form: str, text: str, shown: str) -> None:
    assert shown in screen_of(terminal(pieces(text), format=form, quiet=True)[0]) + "\n"


def test_a_terminal_at_the_end_only() -> None:
    written, _ = terminal([Notice("a notice"), *pieces(MARKDOWN)], render="once")
    assert "\x1b[?25l" not in written
    assert written.count("print(1)") == 1
    assert "a notice" in written


def test_an_interrupt_gives_the_cursor_back() -> None:
    stream = io.StringIO()
    view = TerminalView(FakeSettings(), console_for(stream, force_terminal=True, width=70))
    view.show([start(), Text("half")])
    assert "\x1b[?25h" not in stream.getvalue()

    class Interrupting(list[Event]):
        def __iter__(self) -> Any:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        view.show(Interrupting())
    assert stream.getvalue().endswith("\x1b[?25h") or "\x1b[?25h" in stream.getvalue()
    view.finish(answer_of(start(), Text("half"), stopped=True))
    assert screen_of(stream.getvalue()).count("half") == 1
    assert "stopped — this is what had arrived" in stream.getvalue()


def test_an_encoding_without_the_characters_is_no_error() -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    view = TerminalView(FakeSettings(), console_for(stream, force_terminal=True, width=70))
    view.show([start(), Progress("loading model"), Text("größer → 🖼")])
    view.finish(answer_of(start(), Text("größer → 🖼"), Done()))
    plain = PlainView(FakeSettings(), stream)
    plain.show([Text("größer")])
    plain.finish(answer_of(start(), Text("größer"), Done()))
    assert b"gr??er" in raw.getvalue()


# ---- plain -----------------------------------------------------------------------------------------------------


def plain(events: list[Event], answer: Answer, error: Unreachable | None = None, **settings: str | bool) -> str:
    stream = io.StringIO()
    view = PlainView(FakeSettings(**settings), stream)  # type: ignore[arg-type]
    for event in events:
        view.show([event])
    view.finish(answer, error)
    return stream.getvalue()


def test_a_script_gets_the_text_and_a_footer() -> None:
    events: list[Event] = [start(), Notice("a notice"), Thinking("hm"), *pieces("Hello\x1b[31m there")]
    assert plain(events, answer_of(*events, Done())) == (
        "a notice\nHello there\n\nllama3.2:3b · local /v1 · complete\n"
    )
    assert plain(events, answer_of(*events, Done()), quiet=True) == "a notice\nHello there\n"
    assert plain(events, answer_of(*events, Done()), render="once", quiet=True) == "a notice\nHello there\n"


def test_a_script_gets_marks_and_laid_out_json() -> None:
    events: list[Event] = [start(), Text("half")]
    assert plain(events, answer_of(*events, stopped=True), quiet=True) == (
        "half\n[stopped — this is what had arrived]\n"
    )
    events = [start(), Text('{"a":1}')]
    assert plain(events, answer_of(*events, Done()), format="json", quiet=True) == '{\n  "a": 1\n}\n'
    assert plain([start()], answer_of(start(), error="no server"), Unreachable("no server")) == ""


# ---- choosing, showing, formatting -----------------------------------------------------------------------------


def test_the_view_follows_the_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = FakeSettings()
    assert isinstance(render.view_for(SimpleNamespace(kernel=object()), settings), LiveView)
    monkeypatch.setattr("sys.stdout", SimpleNamespace(isatty=lambda: True, encoding="utf-8", write=len, flush=list))
    assert isinstance(render.view_for(SimpleNamespace(), settings), TerminalView)
    monkeypatch.setattr("sys.stdout", io.StringIO())
    assert isinstance(render.view_for(None, settings), PlainView)


def test_values_are_shown_in_all_places(capsys: pytest.CaptureFixture[str]) -> None:
    values = [
        Table(("a",), [("cell",)]),
        Card("card", [("name", "value", "advice")]),
        Unreachable("no server", hint="start one"),
        "words\x1b[2J",
        answer_of(start(), Text("the answer"), Done()),
    ]
    stream = io.StringIO()
    for value in values:
        render.show(None, value)
        print_value(value, stream)
        print_rich(value, Console(file=stream, width=60))
    shown = capsys.readouterr().out + stream.getvalue()
    for word in ("cell", "name", "value", "advice", "no server", "start one", "words", "the answer"):
        assert shown.count(word) >= 3, word
    assert "\x1b[2J" not in shown


def test_an_answer_as_the_last_line_of_a_cell_is_safe() -> None:
    from IPython.core.formatters import DisplayFormatter

    shell = SimpleNamespace(display_formatter=DisplayFormatter())
    render.register_formatters(shell)
    data, metadata = shell.display_formatter.format(answer_of(start("m"), Text("<img src=x> **b**"), Done()))
    assert "&lt;img" in data["text/html"]
    assert "<strong>b</strong>" in data["text/html"]
    assert data["text/plain"].startswith("<img src=x> **b**")
    assert metadata["ollama_magic"]["model"] == "m"
    data, _ = shell.display_formatter.format(Table(("a",), [("<b>",)]))
    assert "&lt;b&gt;" in data["text/html"]


def test_importing_render_is_light() -> None:
    code = (
        "import sys; import ollama_magic.render; "
        "print([m for m in ('rich', 'markdown_it', 'pygments', 'IPython', 'httpx') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
