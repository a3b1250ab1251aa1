"""What an answer is: how each format is shown while it comes, and how a page or a formula is shown when it is whole.

A page that a model wrote is shown in a frame that runs nothing and loads nothing: the sandbox has no permission at
all, and the page's own policy forbids every request. Below it stands its source.
"""

from __future__ import annotations

import re
from html import escape
from typing import Final

from ollama_magic.render.text import clean

__all__ = ["LIVE_FORM", "formula", "page_html", "unfenced"]

LIVE_FORM: Final = {"code": "markdown", "math": "markdown", "html": "text", "json": "json", "text": "text"}
"""How a format is shown while it streams; Markdown is shown as Markdown."""

_FENCE: Final = re.compile(r"\A\s*(`{3,}|~{3,})[^\n]*\n(.*?)\n?\1[`~]*\s*\Z", re.DOTALL)
_DELIMITED: Final = re.compile(r"\$|\\\[|\\\(|\\begin\{(?:equation|align|gather|multline)")
_POLICY: Final = (
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; "
    'img-src data:; font-src data:">'
)


def unfenced(text: str) -> str:
    """`text` without a code fence around all of it."""
    match = _FENCE.match(text)
    return match[2] if match else text


def formula(text: str) -> str:
    """LaTeX as Markdown with maths: in display delimiters, unless it has delimiters of its own."""
    body = unfenced(text).strip()
    return body if not body or _DELIMITED.search(body) else f"$$\n{body}\n$$"


def page_html(text: str) -> str:
    """A page in a frame that runs and loads nothing, and its source folded below."""
    from ollama_magic.render.highlight import code_block

    source = clean(unfenced(text)).strip()
    page = escape(f"<!doctype html>{_POLICY}{source}", quote=True)
    frame = (
        f'<iframe sandbox="" srcdoc="{page}" title="The page that the model wrote" loading="lazy" '
        'style="width:100%;height:24em;border:1px solid rgba(127,127,127,.4);background:#fff"></iframe>\n'
    )
    return f"{frame}<details><summary>Source</summary>{code_block(source, 'html')}</details>\n"
