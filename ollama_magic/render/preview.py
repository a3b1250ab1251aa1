"""The output of a dry run: each message, each variable, and the request body that would be sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ollama_magic.render.look import FOOTER, div
from ollama_magic.render.tables import Table, table_html, table_rich, table_text
from ollama_magic.render.text import clean, one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType

__all__ = ["Preview", "preview_html", "preview_rich", "preview_text"]


@dataclass(frozen=True, slots=True)
class Preview:
    """`messages`: role, cost, text, pictures; `parts`: the included parts of the notebook and their cost."""

    title: str
    messages: Sequence[tuple[str, str, str, str]]
    parts: Sequence[tuple[str, str]]
    body: str
    note: str


def _tables(preview: Preview) -> list[Table]:
    rows = [
        (role, cost, f"{one_line(text, 160)}{f' ({also})' if also else ''}")
        for role, cost, text, also in preview.messages
    ]
    tables = [Table(("message", "tokens", "text"), rows, preview.title, right=frozenset({"tokens"}))]
    if preview.parts:
        tables.append(Table(("from the notebook", "tokens"), preview.parts, right=frozenset({"tokens"})))
    return tables


def preview_html(preview: Preview) -> str:
    """Tables of the messages and the included parts, and the request body."""
    from ollama_magic.render.highlight import code_block

    tables = "".join(table_html(table) for table in _tables(preview))
    body = f"<details open><summary>Body</summary>{code_block(clean(preview.body), 'json')}</details>"
    return f"{tables}{body}{div(FOOTER, preview.note)}"


def preview_text(preview: Preview) -> str:
    """The same as text."""
    parts = [table_text(table) for table in _tables(preview)]
    return "\n\n".join([*parts, clean(preview.body), preview.note])


def preview_rich(preview: Preview) -> RenderableType:
    """The same for a terminal."""
    from rich.console import Group
    from rich.syntax import Syntax
    from rich.text import Text

    body = Syntax(clean(preview.body), "json", theme="ansi_dark", background_color="default", word_wrap=True)
    return Group(*map(table_rich, _tables(preview)), Text(), body, Text(preview.note, style="dim"))
