"""What a terminal would obey is gone from all that is printed: titles, links, the clipboard, the cursor, questions."""

from __future__ import annotations

import io
import re
import traceback

from ollama_magic.errors import OllamaMagicError
from ollama_magic.events import Done, Notice, Progress, Text, Thinking
from ollama_magic.render.tables import Card, Table
from ollama_magic.render.terminal import TerminalView, console_for, print_value
from ollama_magic.render.text import ControlFilter, clean, one_line
from tests.tables import folded

from .fakes import Clock, FakeSettings, answer_of, start

SEQUENCES = [
    "\x1b]0;title\x07",
    "\x1b]2;title\x1b\\",
    "\x1b]8;;http://evil.invalid/\x1b\\",  # a link, and its end
    "\x1b]8;;\x1b\\",
    "\x1b]52;c;cm0gLXJmIC8=\x07",  # the clipboard
    "\x1b]1337;File=inline=1:AAAA\x07",
    "\x1bPq#0;2;0;0;0\x1b\\",  # DCS: pictures, settings
    "\x1bP$q\x22p\x1b\\",
    "\x1bXsos\x1b\\",
    "\x1b^pm\x1b\\",
    "\x1b_Gf=100;AAAA\x1b\\",
    "\x1b[2J\x1b[H",
    "\x1b[10A\x1b[2K",
    "\x1b[?1049h",
    "\x1b[6n\x1b[>c",  # questions that the terminal would answer as if typed
    "\x1b[31;1m",
    "\x1b[1;31 q",
    "\x1b(0",
    "\x1b#8",
    "\x1b%G",
    "\x1bc",
    "\x1b7",
    "\x9b2J",  # the same begun by one C1 character
    "\x9d0;title\x9c",
    "\x9d0;title\x07",
    "\x90q#0\x9c",
    "\x9fG\x1b\\",
    "\x85\x84\x8d",
    "\x07\x08\x0b\x0c\x0e\x7f\r",
    "\u202e\u2066\u2069\u202c",
]


@folded("sequence", SEQUENCES)
def test_what_a_terminal_would_obey_is_gone(sequence: str) -> None:
    text = f"a {sequence}b{sequence} c"
    assert clean(text) == "a b c"
    assert one_line(text) == "a b c"
    for size in (1, 2, 3, 7):
        filtered = ControlFilter()
        pieces = [filtered.feed(text[start : start + size]) for start in range(0, len(text), size)]
        assert "".join(pieces) + filtered.close() == "a b c"


@folded("sequence", SEQUENCES)
def test_an_error_says_nothing_to_the_terminal(sequence: str) -> None:
    error = OllamaMagicError(f"a{sequence}b", hint=f"c{sequence}d", partial="")
    for told in (str(error), repr(error), *error._render_traceback_(), *traceback.format_exception(error)):
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", told)


@folded("sequence", [*SEQUENCES, "\x1b[", "\x1b]0;no end", "\x1bPno end", "\x9d0;no end", "\x1b"])
def test_no_view_of_a_terminal_lets_a_sequence_through(sequence: str) -> None:
    stream = io.StringIO()
    console = console_for(stream, force_terminal=True, width=60, no_color=True)
    view = TerminalView(FakeSettings(), console, clock=Clock())
    view.show([start(f"m{sequence}"), Notice(f"n{sequence}"), Progress(f"p{sequence}"), Thinking(f"t{sequence}")])
    view.show([Text(piece) for piece in f"x{sequence}y\n\n`{sequence}` z"])
    view.finish(answer_of(start(f"m{sequence}"), Text(f"x{sequence}y"), Done(f"r{sequence}")))
    for value in (Table((f"a{sequence}",), [(sequence,)], sequence, sequence), Card(sequence, [(sequence, sequence)])):
        print_value(value, console)
    # What is left is what the view itself writes: colours, and where its live lines begin.
    left = re.sub(r"\x1b\[(?:[0-9;]*m|\?25[lh]|2K|\d*A|1G)", "", stream.getvalue())
    assert not re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", left), repr(left)
