"""A word-by-word diff of two texts, side by side: what only one of them has is marked."""

from __future__ import annotations

import difflib
import functools
import re
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any, Final

from ollama_magic import render
from ollama_magic.render.columns import cell_html, grid_html
from ollama_magic.render.look import FOOTER, PRE_TEXT, div, wrap
from ollama_magic.render.text import clean, one_line
from ollama_magic.units import counted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import RenderableType

__all__ = ["Diff", "show_diff"]

_WORDS: Final = re.compile(r"\w+|\s+|[^\w\s]")
_LINES: Final = re.compile(r"[^\n]*\n|[^\n]+")
_MOST_WORDS: Final = 6_000
"""If either text has more words, lines are compared instead: the time is quadratic."""
_MARK: Final = "background:{};color:inherit;text-decoration:none;border-radius:2px"
_HEAD: Final = "margin-bottom:.5em"
_ONLY_FIRST: Final = _MARK.format("rgba(229,83,75,.28)")
_ONLY_SECOND: Final = _MARK.format("rgba(63,170,85,.30)")

Piece = tuple[str, str]
"""The kind (" " in both texts, "-" only in the first, "+" only in the second) and the text."""


@dataclass(frozen=True, slots=True)
class Diff:
    """How `second` differs from `first`, each with its name. Displayed as the last line of a cell."""

    first_name: str
    first: str
    second_name: str
    second: str

    def pieces(self) -> list[Piece]:
        """Both texts as one sequence: the pieces without "+" make up the first text, those without "-" the second."""
        return list(_pieces(self.first, self.second))

    def counts(self) -> tuple[int, int, int]:
        """The numbers of words in both, only in the first, and only in the second."""
        found = {" ": 0, "-": 0, "+": 0}
        for kind, text in self.pieces():
            found[kind] += len(re.findall(r"\w+", text))
        return found[" "], found["-"], found["+"]

    def html(self) -> str:
        """Side by side, or one below the other if there is little room."""
        pieces = self.pieces()
        cells = [
            cell_html(
                f'<div style="{_HEAD}"><strong>{escape(one_line(name, 120))}</strong></div>',
                _side(pieces, sign, tag, style),
            )
            for name, sign, tag, style in (
                (self.first_name, "-", "del", _ONLY_FIRST),
                (self.second_name, "+", "ins", _ONLY_SECOND),
            )
        ]
        return grid_html(cells, 2) + div(FOOTER, self._line())

    def text(self) -> str:
        """One text with the differences marked: [-only in the first-]{+only in the second+}."""
        marks = {" ": "{}", "-": "[-{}-]", "+": "{{+{}+}}"}
        body = "".join(marks[kind].format(text) for kind, text in self.pieces())
        return f"{one_line(self.first_name)} → {one_line(self.second_name)}\n{body}\n{self._line()}"

    def rich(self) -> RenderableType:
        """The same for a terminal, in colours."""
        from rich.text import Text

        view = Text(f"{one_line(self.first_name)} → {one_line(self.second_name)}\n", style="bold")
        styles = {" ": "not bold", "-": "not bold red strike", "+": "not bold green"}
        for kind, text in self.pieces():
            view.append(text, style=styles[kind])
        return view.append(f"\n{self._line()}", style="not bold dim")

    def _line(self) -> str:
        both, first, second = self.counts()
        if not first and not second and self.first == self.second:
            return f"The same: {counted(both, 'word')}." if self.first else "Both are empty."
        names = one_line(self.first_name, 40), one_line(self.second_name, 40)
        return f"{both:,} words in both, {first:,} only in {names[0]}, {second:,} only in {names[1]}."

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        return {"text/html": wrap(self.html()), "text/plain": self.text()}

    def __repr__(self) -> str:
        return f"Diff({self._line()})"


@functools.lru_cache(maxsize=4)  # displaying a diff calls it four times, at up to a second each
def _pieces(first: str, second: str) -> tuple[Piece, ...]:
    one, two = _units(first, second)
    # Spaces are junk, so that no match starts at one: they are frequent and meaningless.
    matcher = difflib.SequenceMatcher(lambda unit: unit == " ", one, two, autojunk=False)
    pieces: list[Piece] = []
    gone = come = ""  # the current stretch of differences
    for tag, a, b, c, d in matcher.get_opcodes():
        same = "".join(one[a:b])
        if tag != "equal" or ((gone or come) and _is_nothing(same) and b < len(one)):
            # A space or comma between two changed words would only break them up.
            gone, come = gone + same, come + "".join(two[c:d])
            continue
        pieces += [piece for piece in (("-", gone), ("+", come), (" ", same)) if piece[1]]
        gone = come = ""
    return (*pieces, *(piece for piece in (("-", gone), ("+", come)) if piece[1]))


def _units(first: str, second: str) -> tuple[list[str], list[str]]:
    one, two = clean(first), clean(second)
    found = _WORDS.findall(one), _WORDS.findall(two)
    if max(map(len, found)) > _MOST_WORDS:
        return _LINES.findall(one), _LINES.findall(two)
    return found


def _is_nothing(text: str) -> bool:
    """Whether it has neither a word nor a paragraph break."""
    return not re.search(r"\w|\n\s*\n", text)


def _side(pieces: Iterable[Piece], sign: str, tag: str, style: str) -> str:
    shown = []
    for kind, text in pieces:
        if kind == " ":
            shown.append(escape(text, quote=False))
        elif kind == sign:
            shown.append(f'<{tag} style="{style}">{escape(text, quote=False)}</{tag}>')
    return f'<div style="{PRE_TEXT}">{"".join(shown)}</div>'


def show_diff(shell: Any, diff: Diff) -> None:
    """Show it where output of `shell` goes."""
    place = render.place_of(shell)
    if place == "jupyter":
        from ollama_magic.render.jupyter import show_bundle

        show_bundle((diff._repr_mimebundle_(), {}))
    elif place == "terminal":
        from ollama_magic.render.terminal import console_for

        console_for().print(diff.rich())
    else:
        from ollama_magic.render.plain import print_value

        print_value(diff.text())
