"""Formats of answers: how each is shown while it streams, and how a complete page or formula is shown.

A page written by a model is shown in a frame that runs and loads nothing. Three measures ensure this, each of them
sufficient in most cases: elements and attributes that could load or run something are removed, the page's Content
Security Policy forbids every request, and the sandbox grants no permissions. The original source is below the frame.
"""

from __future__ import annotations

import re
from html import escape
from html.parser import HTMLParser
from typing import Final

from ollama_magic.render.text import clean

__all__ = ["LIVE_FORM", "formula", "page_html", "unfenced"]

LIVE_FORM: Final = {"code": "markdown", "math": "markdown", "html": "text", "json": "json", "text": "text"}
"""The form in which a format is shown while it streams; Markdown is shown as Markdown."""

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
    """LaTeX as Markdown with maths: in display delimiters, unless it has its own delimiters."""
    body = unfenced(text).strip()
    return body if not body or _DELIMITED.search(body) else f"$$\n{body}\n$$"


_LOADING: Final = frozenset(
    [
        "animate",
        "applet",
        "audio",
        "base",
        "button",
        "embed",
        "fencedframe",
        "form",
        "frame",
        "frameset",
        "iframe",
        "input",
        "link",
        "meta",
        "object",
        "portal",
        "script",
        "set",
        "source",
        "template",
        "track",
        "video",
    ]
)
"""Elements that load, run or send something; a nested frame opens a connection even if a policy forbids it."""
_ADDRESSES: Final = frozenset(
    [
        "action",
        "attributionsrc",
        "background",
        "cite",
        "codebase",
        "data",
        "formaction",
        "href",
        "longdesc",
        "manifest",
        "ping",
        "poster",
        "src",
        "srcdoc",
        "srcset",
        "xlink:href",
    ]
)


class _Tamed(HTMLParser):
    """Rewrites a page without anything that loads, runs or sends."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self.parts: list[str] = []
        self._open = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _LOADING:
            self._open = tag
            return
        self._open = tag
        kept = "".join(f' {name}="{escape(value or "", quote=True)}"' for name, value in attrs if _is_tame(name, value))
        self.parts.append(f"<{tag}{kept}>")

    def handle_endtag(self, tag: str) -> None:
        self._open = ""
        if tag not in _LOADING:
            self.parts.append(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        if self._open == "style":
            # In SVG, browsers parse tags inside a style; in CSS the character can be escaped.
            self.parts.append(data.replace("<", "\\3c "))
        elif self._open != "script":
            self.parts.append(data.replace("<", "&lt;"))

    def handle_entityref(self, name: str) -> None:
        self.parts.append(f"&{name};")

    def handle_charref(self, name: str) -> None:
        self.parts.append(f"&#{name};")


def _is_tame(name: str, value: str | None) -> bool:
    if not re.fullmatch(r"[a-z][a-z0-9:-]*", name) or name.startswith("on"):
        return False
    return name not in _ADDRESSES or (value or "").strip().startswith(("#", "data:image/"))


def _tamed(source: str) -> str:
    parser = _Tamed()
    parser.feed(source)
    parser.close()
    return "".join(parser.parts)


def page_html(text: str) -> str:
    """A page in a frame that runs and loads nothing, with its source collapsed below."""
    from ollama_magic.render.highlight import code_block

    source = clean(unfenced(text)).strip()
    page = escape(f"<!doctype html>{_POLICY}{_tamed(source)}", quote=True)
    frame = (
        f'<iframe sandbox="" srcdoc="{page}" title="The page that the model wrote" loading="lazy" '
        'style="width:100%;height:24em;border:1px solid rgba(127,127,127,.4);background:#fff"></iframe>\n'
    )
    return f"{frame}<details><summary>Source</summary>{code_block(source, 'html')}</details>\n"
