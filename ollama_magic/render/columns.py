"""Answers side by side: a table of one cell each, which a front end with styles lays out as a grid that wraps.

Pure. The saved output is a table, not just a grid, because some front ends remove all styles: there the answers are
still side by side. While they stream the grid alone is enough, at a third of the bytes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from html import escape
from typing import TYPE_CHECKING, Any, Final, TypeVar

from ollama_magic.render.bundle import Bundle, answer_bundle, notices_html
from ollama_magic.render.footer import footer_line, seconds
from ollama_magic.render.look import FOOTER, MARK, div, wrap
from ollama_magic.render.picking import place_html
from ollama_magic.render.text import clean, one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType

    from ollama_magic.events import Answer

__all__ = [
    "Column",
    "Columns",
    "cell_html",
    "columns_bundle",
    "columns_rich",
    "columns_text",
    "foot",
    "grid_html",
    "head_html",
]

T = TypeVar("T")

_NARROWEST: Final = 260  # pixels; columns that would be narrower wrap into the next row
_GAP: Final = 14
_MOST_ACROSS: Final = 6
_IN_A_ROW: Final = 4  # if the front end removes the styles

_TABLE: Final = "display:block;width:100%;margin:0;border:0;border-collapse:collapse;table-layout:auto"
_BODY: Final = "display:grid;gap:{gap}px;grid-template-columns:repeat(auto-fit,minmax({width},1fr))"
_LIVE_BODY: Final = ";overflow-wrap:break-word"
_STEADY: Final = ";grid-auto-rows:minmax(13em,auto)"
# Content wider than its column, such as a table or a formula, scrolls: it must not overlap the next column. Long words
# break, but not so that a table's columns become as narrow as a letter (as "anywhere" would do).
_SCROLL: Final = "overflow:auto hidden"
# Grid items are blocks anyway; `display:block` here would also apply where the grid is removed and this style is not.
_CELL: Final = (
    "min-width:0;max-width:none;padding:.5em 0 .3em;text-align:left;vertical-align:top;background:none;"
    f"border:0;border-top:2px solid {{colour}};white-space:normal;overflow-wrap:break-word;{_SCROLL};"
    "font-size:var(--jp-content-font-size1,14px);line-height:var(--jp-content-line-height,1.5)"
)
_LIVE_CELL: Final = f"padding:.5em 0 .3em;border-top:2px solid {{colour}};{_SCROLL}"
_QUIET: Final = "#7f7f7f73"
_PICKED: Final = "var(--jp-brand-color1,#2196f3)"
_BADGE: Final = "border:1px solid {colour};border-radius:3px;padding:0 .4em;margin-right:.5em"
_PLAIN_ROW: Final = "display:contents;background:none"


@dataclass(frozen=True, slots=True)
class Column:
    """One answer and its heading. `error` is the message of a failure, and its second line the hint."""

    letter: str
    title: str
    answer: Answer | None = None
    error: str = ""
    picked: bool = False


@dataclass(frozen=True, slots=True)
class Columns:
    """All columns of a comparison. `across` go into one row if there is room; `hidden`: names are not shown.

    `id` identifies the board to the buttons under its columns; "" if there are none.
    """

    columns: Sequence[Column]
    across: int = 1
    form: str = "markdown"
    quiet: bool = False
    notices: tuple[str, ...] = ()
    note: str = ""
    hidden: bool = False
    id: str = ""


def columns_bundle(board: Columns) -> Bundle:
    """The data and metadata of the one output that is kept."""
    cells, texts, inert, facts = [], [], [], []
    for column in board.columns:
        data, metadata = _answer(column, board)
        error = _error(column, board)
        shown = data.get("text/html", "") + (div(f"{MARK};white-space:pre-wrap", error) if error else "")
        line = "" if board.quiet else foot(column, hidden=board.hidden)
        shown += div(FOOTER, line) if line else ""
        shown += place_html(board.id, column.letter) if board.id and data else ""
        cells.append(cell_html(head_html(column, hidden=board.hidden), shown, column.picked))
        title = head_text(column, hidden=board.hidden)
        said = [data.get("text/plain", ""), f"[{error}]" if error else "", line]
        texts.append("\n".join([f"── {title}", *(part for part in said if part)]))
        said = [f"### {_inert(title)}", data.get("text/markdown"), _inert(error), _inert(line)]
        inert.append("\n\n".join(part for part in said if part))
        facts.append(
            {"letter": column.letter, **({} if board.hidden else {"title": one_line(column.title)})} | metadata
        )
    note = div(FOOTER, board.note) if board.note else ""
    html = notices_html(board.notices) + grid_html(cells, board.across) + note
    lines = [*(one_line(notice, 400) for notice in board.notices), *texts, *([board.note] if board.note else [])]
    data = {"text/html": wrap(html), "text/plain": "\n\n".join(lines)}
    if board.form in ("markdown", "code", "math"):
        data["text/markdown"] = "\n\n".join(inert)
    return data, {"ollama_magic": {"compared": facts}}


def columns_text(board: Columns) -> str:
    """The answers as text, one below the other."""
    text: str = columns_bundle(board)[0]["text/plain"]
    return text


def columns_rich(board: Columns, width: int) -> RenderableType:
    """The answers side by side in a terminal that is `width` characters wide."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    from ollama_magic.render.terminal import terminal_markdown

    count = max(1, min(board.across, width // 36, _MOST_ACROSS))
    table = Table(show_header=False, expand=True, show_lines=True, padding=(0, 1))
    for _ in range(count):
        table.add_column(ratio=1, overflow="fold")
    for row in _rows(board.columns, count):
        cells: list[RenderableType] = []
        for column in row:
            data, _ = _answer(column, board)
            text = data.get("text/plain", "")
            marked = board.form == "markdown" and column.answer is not None and column.answer.complete
            error = _error(column, board)
            line = "" if board.quiet else foot(column, hidden=board.hidden)
            cells.append(
                Group(
                    Text(head_text(column, hidden=board.hidden), style="bold"),
                    terminal_markdown(clean(column.answer.text)) if marked and column.answer else Text(text),
                    *([Text(error, style="red")] if error else []),
                    *([Text(line, style="dim")] if line else []),
                )
            )
        table.add_row(*cells)
    lines = [Text(one_line(each, 400), style="dim") for each in (*board.notices, board.note) if each]
    return Group(table, *lines)


def grid_html(cells: Sequence[str], across: int, *, live: bool = False, steady: bool = False) -> str:
    """Cells side by side, at most `across` in a row, fewer if there is less room; `live` must match the cells'.

    `steady`: live cells have a minimum height, so that it does not change with each line.
    """
    count = max(1, min(across, _MOST_ACROSS))
    # An equal share of the width, but never too narrow to read, unless the page itself is.
    share = f"calc((100% - {(count - 1) * _GAP}px)/{count})"
    body = _BODY.format(gap=_GAP, width=f"min(100%,max({_NARROWEST}px,{share}))")
    if live:
        return f'<div style="{body}{_LIVE_BODY}{_STEADY if steady else ""}">{"".join(cells)}</div>'
    rows = "".join(f'<tr style="{_PLAIN_ROW}">{"".join(row)}</tr>\n' for row in _rows(cells, min(count, _IN_A_ROW)))
    return f'<table style="{_TABLE}"><tbody style="{body}">\n{rows}</tbody></table>\n'


def cell_html(head: str, body: str, picked: bool = False, *, live: bool = False) -> str:
    """One cell of the grid; `live`: one that will be replaced soon."""
    if live:
        return f'<div style="{_LIVE_CELL.format(colour=_QUIET)}">{head}{body}</div>'
    return f'<td style="{_CELL.format(colour=_PICKED if picked else _QUIET)}">{head}{body}</td>\n'


def head_html(column: Column, *, hidden: bool = False) -> str:
    """The letter and, unless hidden, the name."""
    colour = _PICKED if column.picked else _QUIET
    badge = f'<strong style="{_BADGE.format(colour=colour)}">{escape(column.letter)}</strong>'
    title = "" if hidden else f"<strong>{escape(one_line(column.title, 120))}</strong>"
    return f'<div style="margin-bottom:.5em">{badge} {title}{" ✓ picked" if column.picked else ""}</div>'


def head_text(column: Column, *, hidden: bool = False) -> str:
    """The heading as a line of text."""
    parts = [column.letter, "" if hidden else one_line(column.title, 120), "✓ picked" if column.picked else ""]
    return " · ".join(part for part in parts if part)


def foot(column: Column, *, hidden: bool = False) -> str:
    """The footer with the statistics; "" while hidden, since the speed can reveal the model."""
    answer = column.answer
    if hidden or answer is None or (column.error and not answer.text):
        return ""
    total = answer.stats.total_s
    line = footer_line(replace(answer, included=()))
    return f"{line} · {seconds(total)} in all" if total is not None else line


def _answer(column: Column, board: Columns) -> tuple[dict[str, Any], dict[str, Any]]:
    """The display data of one answer without its footer, and its metadata."""
    answer = column.answer
    if answer is None or (column.error and not answer.text and not answer.thinking):
        return {}, {}
    if board.hidden:  # a notice or an error may name the model
        answer = replace(answer, notices=(), error="why is shown after the pick" if answer.error else "")
    data, metadata = answer_bundle(answer, board.form, quiet=True)
    return data, {} if board.hidden else metadata["ollama_magic"]


def _error(column: Column, board: Columns) -> str:
    """The message of a failure; only the hint if a partial answer is shown, whose mark has the message already."""
    is_marked = column.answer is not None and bool(column.answer.text or column.answer.thinking)
    if board.hidden:
        return "This one failed; why is shown after the pick." if column.error and not is_marked else ""
    error = clean(column.error).strip()
    return error.partition("\n")[2] if is_marked else error


def _inert(line: str) -> str:
    from ollama_magic.render.inert import inert_markdown

    return inert_markdown(one_line(line, 400))


def _rows(items: Sequence[T], size: int) -> list[Sequence[T]]:
    return [items[start : start + size] for start in range(0, len(items), size)]
