"""Small tables and status cards, as HTML, as rich renderables for a terminal, and as text."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from ollama_magic.render.look import FOOTER, PRE_TEXT, div
from ollama_magic.render.text import clean, one_line
from ollama_magic.units import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult

__all__ = ["Card", "Table", "card_html", "card_rich", "card_text", "table_html", "table_rich", "table_text"]

_CELL = "text-align:{};padding:2px 12px 2px 0;vertical-align:top;white-space:{}"
_FOLDED = "font-family:monospace;font-size:90%;max-height:30em;overflow:auto;margin:.3em 0 .6em 1em"
_GAP = 2
_NAMED = 14
"""The most characters that a column has to fit without breaking: longer words may be broken."""
_BEGINNING = 6
"""Lines shown of a long text where it cannot be expanded."""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under column names. `right` names the columns of numbers, which are right-aligned; `note` is a line below.

    A table that `turns` has names in its first column; in a terminal too narrow for it, it is transposed.
    """

    columns: tuple[str, ...]
    rows: Sequence[Sequence[str]]
    title: str = ""
    note: str = ""
    right: frozenset[str] = frozenset()
    empty: str = "nothing to list"
    turns: bool = False

    def names(self) -> list[str]:
        """The column names as clean single lines."""
        return [one_line(name) for name in self.columns]

    def cells(self) -> list[list[str]]:
        """The cells as clean single lines, with each row padded or cut to the number of columns."""
        width = len(self.columns)
        return [[one_line(str(cell)) for cell in (*row, *[""] * width)][:width] for row in self.rows]


@dataclass(frozen=True, slots=True)
class Card:
    """Names and values, one row each; an optional third item is advice. `note` is a line below.

    `folded` are long texts with titles: collapsed in HTML, elsewhere only their first lines.
    """

    title: str
    rows: Sequence[tuple[str, str] | tuple[str, str, str]]
    note: str = ""
    folded: Sequence[tuple[str, str]] = ()

    def cells(self) -> list[tuple[str, str, str]]:
        """The rows as clean single lines, each with its advice or ""."""
        return [
            (one_line(row[0]), one_line(row[1], 400), one_line(row[2], 400) if len(row) > 2 else "")
            for row in self.rows
        ]

    def texts(self) -> list[tuple[str, str]]:
        """The long texts, cleaned, each with its title and its number of lines."""
        found = [(one_line(title), clean(text).strip("\n")) for title, text in self.folded]
        return [(f"{title} ({_lines_of(text)})", text) for title, text in found]


def table_html(table: Table) -> str:
    """`table` as an HTML table."""
    if not table.rows:
        return _titled(table.title, div("", table.empty), table.note)
    aligns = ["right" if name in table.right else "left" for name in table.columns]
    head = "".join(_head(name, align) for name, align in zip(table.names(), aligns, strict=True))
    rows = "".join(
        f"<tr>{''.join(_cell('td', cell, align) for cell, align in zip(row, aligns, strict=True))}</tr>\n"
        for row in table.cells()
    )
    return _titled(table.title, f"<table><thead><tr>{head}</tr></thead>\n<tbody>{rows}</tbody></table>\n", table.note)


def card_html(card: Card) -> str:
    """`card` as an HTML table of two columns."""
    rows = "".join(
        f"<tr>{_cell('td', name, 'left', ';opacity:.65')}{_cell('td', _advised(value, advice), 'left')}</tr>\n"
        for name, value, advice in card.cells()
    )
    texts = "".join(
        f'<details><summary>{escape(title)}</summary><div style="{PRE_TEXT};{_FOLDED}">{escape(text)}</div></details>\n'
        for title, text in card.texts()
    )
    return _titled(card.title, f"<table><tbody>{rows}</tbody></table>\n{texts}", card.note)


def table_text(table: Table) -> str:
    """`table` as aligned text."""
    if not table.rows:
        return _lines(table.title, [table.empty], table.note)
    cells = [table.names(), *table.cells()]
    widths = [max(len(row[n]) for row in cells) for n in range(len(table.columns))]
    lines = [
        "  ".join(
            cell.rjust(width) if name in table.right else cell.ljust(width)
            for cell, width, name in zip(row, widths, table.columns, strict=True)
        ).rstrip()
        for row in cells
    ]
    return _lines(table.title, lines, table.note)


def card_text(card: Card) -> str:
    """`card` as aligned text."""
    cells = card.cells()
    width = max((len(name) for name, _, _ in cells), default=0)
    indent = "\n" + " " * (width + 2)
    lines = [f"{name.ljust(width)}  {_advised(value, advice, indent)}".rstrip() for name, value, advice in cells]
    return _lines(card.title, [*lines, *_beginnings(card)], card.note)


def table_rich(table: Table) -> RenderableType:
    """`table` for a terminal."""
    from rich.text import Text

    if not table.rows:
        return Text(table_text(table))
    return _Turning(table) if table.turns else _plain_rich(table)


@dataclass(frozen=True, slots=True)
class _Turning:
    """A table as is if it fits, otherwise transposed: a line for each column, with as many rows side by side as fit."""

    table: Table

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        table, room = self.table, options.max_width
        lines = [table.names(), *table.cells()]
        if _GAP * (len(lines[0]) - 1) + sum(map(_least, zip(*lines, strict=True))) <= room:
            yield _plain_rich(table)
            return
        widest = max(max(map(len, line[1:])) for line in lines[1:])
        beside = max(1, (room - max(map(len, lines[0]))) // (max(widest, _NAMED) + _GAP))
        for first in range(1, len(lines), beside):
            shown = [lines[0], *lines[first : first + beside]]
            names, *rows = zip(*shown, strict=True)
            if first > 1:
                yield ""
            last = first + beside >= len(lines)
            title, note = table.title if first == 1 else "", table.note if last else ""
            yield _plain_rich(Table(names, rows, title, note, frozenset(names[1:])))


def _least(column: Sequence[str]) -> int:
    """The least width of a column without breaking words, except those longer than `_NAMED`."""
    return min(_NAMED, max(len(word) for cell in column for word in cell.split() or [""]))


def _plain_rich(table: Table) -> RenderableType:
    from rich.table import Table as RichTable
    from rich.text import Text

    title = Text(one_line(table.title)) if table.title else None
    view = RichTable(title=title, title_justify="left", box=None, pad_edge=False)
    for column, name in zip(table.columns, table.names(), strict=True):
        view.add_column(Text(name), justify="right" if column in table.right else "left", overflow="fold")
    for row in table.cells():
        view.add_row(*map(Text, row))
    view.caption, view.caption_justify = (Text(one_line(table.note)) if table.note else None), "left"
    return view


def card_rich(card: Card) -> RenderableType:
    """`card` for a terminal."""
    from rich.table import Table as RichTable
    from rich.text import Text

    view = RichTable(
        title=Text(one_line(card.title)), title_justify="left", box=None, pad_edge=False, show_header=False
    )
    view.add_column(style="dim")
    view.add_column(overflow="fold")
    for name, value, advice in card.cells():
        view.add_row(Text(name), Text(_advised(value, advice)))
    for line in _beginnings(card):
        view.add_row("", Text(line))
    view.caption, view.caption_justify = (Text(one_line(card.note)) if card.note else None), "left"
    return view


def _beginnings(card: Card) -> list[str]:
    """The first lines of the long texts, for output that cannot be expanded."""
    found = []
    for title, text in card.texts():
        lines = text.splitlines()
        shown = lines if len(lines) <= _BEGINNING + 1 else [*lines[:_BEGINNING], f"… {len(lines) - _BEGINNING} more"]
        found += ["", title, *(f"  {line if len(line) <= 200 else line[:199] + '…'}" for line in shown)]
    return found


def _lines_of(text: str) -> str:
    return counted(text.count("\n") + 1, "line")


def _advised(value: str, advice: str, indent: str = "\n") -> str:
    return f"{value}{indent}→ {advice}" if advice else value


def _head(name: str, align: str) -> str:
    # Screen readers would announce an empty header.
    return _cell("th" if name else "td", name, align)


def _cell(tag: str, text: str, align: str, extra: str = "") -> str:
    # Right-aligned cells are figures, such as 100% (2/2): never wrapped, however little room a long text leaves.
    space = "pre" if tag == "td" and align == "right" else "pre-wrap"
    return f'<{tag} style="{_CELL.format(align, space)}{extra}">{escape(text)}</{tag}>'


def _titled(title: str, body: str, note: str) -> str:
    head = f"<div><strong>{escape(one_line(title))}</strong></div>" if title else ""
    return head + body + (div(FOOTER, one_line(note, 400)) if note else "")


def _lines(title: str, lines: list[str], note: str) -> str:
    return "\n".join([*([one_line(title)] if title else []), *lines, *([one_line(note, 400)] if note else [])])
