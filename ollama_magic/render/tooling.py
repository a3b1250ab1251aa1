"""Tool calls and their results: collapsed in a notebook, one line elsewhere."""

from __future__ import annotations

import json
from html import escape
from typing import TYPE_CHECKING, Final

from ollama_magic.render.look import PRE_TEXT
from ollama_magic.render.text import clean, one_line

if TYPE_CHECKING:
    from ollama_magic.events import ToolResult

__all__ = ["call_line", "result_html", "result_line"]

_SHOWN: Final = 4000


def call_line(result: ToolResult) -> str:
    """The call as it would be written: `add(a=2, b=40)`."""
    told = ", ".join(f"{name}={_short(value)}" for name, value in result.call.arguments.items())
    return one_line(f"{result.call.name}({told})", 200)


def result_line(result: ToolResult) -> str:
    """The call and the start of its result, in one line."""
    return f"⚙ {call_line(result)} → {one_line(result.text, 120)}"


def result_html(result: ToolResult) -> str:
    """The call, with its result collapsed."""
    mark = "failed" if result.failed else one_line(result.text, 60)
    text = clean(result.text)
    shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}\n… ({len(text):,} characters)"
    body = f'<pre style="{PRE_TEXT};opacity:.75;padding:.3em 0 .6em 1em">{escape(shown, quote=False)}</pre>'
    summary = f"⚙ <code>{escape(call_line(result))}</code> → {escape(mark)}"
    return f'<details><summary><span style="opacity:.75">{summary}</span></summary>{body}</details>\n'


def _short(value: object) -> str:
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError):
        text = repr(value)
    return text if len(text) <= 60 else f"{text[:59]}…"
