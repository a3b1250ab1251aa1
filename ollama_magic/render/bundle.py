"""The saved output of one answer: HTML, inert Markdown and text, with facts about the answer in the metadata."""

from __future__ import annotations

import json
from html import escape
from typing import TYPE_CHECKING, Any, Final

from ollama_magic.builder import parse_json_answer
from ollama_magic.render.footer import count_words, footer_line, marks
from ollama_magic.render.forms import formula, page_html
from ollama_magic.render.look import FOOTER, MARK, NOTICE, PRE_TEXT, div, wrap
from ollama_magic.render.text import clean, one_line
from ollama_magic.render.tooling import result_html, result_line

if TYPE_CHECKING:
    from ollama_magic.events import Answer
    from ollama_magic.render.blocks import Chunk

__all__ = [
    "Bundle",
    "answer_bundle",
    "answer_text",
    "body_html",
    "form_of",
    "notices_html",
    "pretty_json",
    "tail_html",
    "thinking_html",
]

Bundle = tuple[dict[str, Any], dict[str, Any]]
"""Data and metadata of a display message, by media type."""

_NOT_JSON: Final = "this is not JSON, though JSON was asked for; here it is as text"


def answer_bundle(answer: Answer, form: str = "markdown", *, quiet: bool = False) -> Bundle:
    """The data and metadata of `answer`, shown as `form`, a value of the `format` setting. `quiet` omits the footer."""
    from ollama_magic.render.inert import inert_markdown

    pretty = pretty_json(answer.text) if form == "json" else None
    data = {
        "text/html": _html(answer, form, pretty, quiet=quiet),
        "text/plain": answer_text(answer, form, quiet=quiet),
    }
    if form in ("markdown", "code", "math"):
        data["text/markdown"] = inert_markdown(answer.text)
    return data, {"ollama_magic": _facts(answer)}


def form_of(answer: Answer) -> str:
    """How to show an answer without knowing the settings."""
    return "json" if answer.request is not None and answer.request.format is not None else "markdown"


def answer_text(answer: Answer, form: str = "markdown", *, quiet: bool = False) -> str:
    """The answer as plain text: notices, tool results, the text, marks, and the footer unless `quiet`."""
    pretty = pretty_json(answer.text) if form == "json" else None
    lines = [one_line(notice) for notice in answer.notices]
    lines += map(result_line, answer.tool_results)
    text = pretty if pretty is not None else clean(answer.text).strip("\n")
    lines += [text] if text.strip() else []
    lines += [f"[{mark}]" for mark in _all_marks(answer, form, pretty)]
    footer = "" if quiet else footer_line(answer)
    return "\n".join([*lines, *(["", footer] if footer and lines else [footer] if footer else [])])


def body_html(text: str, form: str) -> str:
    """A piece of an answer's text as safe HTML."""
    if form in ("markdown", "code", "math"):
        from ollama_magic.render.markdown import markdown_html

        return markdown_html(formula(text) if form == "math" else text)
    return f'<pre style="{PRE_TEXT}">{escape(clean(text), quote=False)}</pre>\n'


def tail_html(tail: Chunk, form: str) -> str:
    """The part of an answer that is still being written, as safe HTML; "" while there is nothing to see."""
    text = tail.markdown if tail.text.strip() else ""
    if form == "markdown":
        # The start of a list or rule below a paragraph would turn it into a heading for a moment.
        head, newline, last = text.rpartition("\n")
        if newline and last and not last.strip(" -="):
            text = head
    return body_html(text, form) if text else ""


def thinking_html(summary: str, thinking: str) -> str:
    """The model's reasoning as plain text, collapsed."""
    text = escape(clean(thinking).strip(), quote=False)
    inner = f'<div style="{PRE_TEXT};opacity:.75;padding:.3em 0 .6em 1em">{text}</div>'
    return f'<details><summary><span style="opacity:.75">{escape(summary)}</span></summary>{inner}</details>\n'


def notices_html(notices: tuple[str, ...] | list[str]) -> str:
    """A plain line for each notice."""
    return "".join(div(NOTICE, f"ℹ {one_line(notice, 400)}") for notice in notices)


def _html(answer: Answer, form: str, pretty: str | None, *, quiet: bool) -> str:
    from ollama_magic.render.highlight import code_block

    parts = [notices_html(answer.notices)]
    if answer.thinking.strip():
        parts.append(thinking_html(f"Thinking · {count_words(answer.thinking)}", answer.thinking))
    parts += map(result_html, answer.tool_results)
    # A rendered page or formula has no tokens; other text is shown as written, token by token.
    tokens = bool(answer.probabilities) and form not in ("html", "math")
    if pretty is not None and not tokens:
        parts.append(code_block(pretty, "json"))
    elif tokens:
        from ollama_magic.render.tokens import tokens_view

        parts.append(tokens_view(answer))
    elif form == "html" and answer.text.strip():
        parts.append(page_html(answer.text))
    elif answer.text.strip():
        parts.append(body_html(answer.text, "text" if form == "json" else form))
    parts += [div(MARK, mark) for mark in _all_marks(answer, form, pretty)]
    footer = "" if quiet else footer_line(answer)
    if footer:
        parts.append(div(FOOTER, footer))
    return wrap("".join(parts))


def _all_marks(answer: Answer, form: str, pretty: str | None) -> list[str]:
    found = marks(answer)
    if form == "json" and pretty is None and answer.text.strip() and answer.complete:
        found.append(_NOT_JSON)
    return found


def pretty_json(text: str) -> str | None:
    """`text` indented, if it is JSON (also inside a code fence); None if it is not."""
    try:
        value = parse_json_answer(text)
        if value is None and "".join(text.split()).strip("`").removeprefix("json") != "null":
            return None
        return clean(json.dumps(value, indent=2, ensure_ascii=False))
    except (ValueError, RecursionError):
        return None


def _facts(answer: Answer) -> dict[str, Any]:
    stats = answer.stats
    facts = {
        "model": one_line(answer.model),
        "mode": one_line(answer.mode),
        "surface": one_line(answer.surface),
        "reason": one_line(answer.reason),
        "prompt_tokens": stats.prompt_tokens,
        "output_tokens": stats.output_tokens,
        "first_token_s": stats.first_token_s,
        "total_s": stats.total_s,
        "tokens_per_second": stats.tokens_per_second,
    }
    return {name: round(v, 3) if isinstance(v, float) else v for name, v in facts.items() if v is not None}
