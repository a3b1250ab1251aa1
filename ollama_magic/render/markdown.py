"""A model's Markdown as safe, inert HTML.

JupyterLab inserts trusted Markdown into the page unsanitised, and the output of a cell just run is trusted. So a front
end never gets a model's raw Markdown: it is parsed here, with raw HTML disabled, and rendered by the functions below.
They are the only source of tags and attributes, and all text passes through `escape`. ELEMENTS lists what they can
emit; the tests check every output against it.

Only http, https and mailto links are kept; an image becomes a link to it and is not loaded.
"""

from __future__ import annotations

import functools
import re
from html import escape
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from ollama_magic.render.blocks import Splitter
from ollama_magic.render.direction import from_right, top_blocks
from ollama_magic.render.highlight import code_block
from ollama_magic.render.look import PRE_TEXT
from ollama_magic.render.maths import maths_html, maths_rules
from ollama_magic.render.text import clean, host_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from markdown_it import MarkdownIt
    from markdown_it.token import Token

__all__ = ["ELEMENTS", "MAX_MARKDOWN", "markdown_html", "parser", "preformatted", "safe_url"]

MAX_MARKDOWN: Final = 400_000
"""The most characters that are parsed; longer text is shown preformatted."""

_PIECE = 24_000
_MAX_NESTING = 24
_SCHEMES = frozenset({"http", "https", "mailto"})
# Underlined, because in a dark theme the colour alone does not distinguish a link from the surrounding text.
_LINK = ' target="_blank" rel="noopener noreferrer nofollow" style="text-decoration:underline"'

ELEMENTS: Final[dict[str, frozenset[str]]] = {
    **dict.fromkeys(("em", "strong", "s", "br", "hr", "li", "thead", "tbody", "tr"), frozenset()),
    **dict.fromkeys(("p", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "ul", "table"), frozenset({"dir"})),
    **dict.fromkeys(("th", "td"), frozenset({"style"})),
    **dict.fromkeys(("code", "pre"), frozenset({"style", "dir"})),
    "div": frozenset({"style", "class", "role", "aria-live"}),
    "span": frozenset({"style", "class"}),
    "details": frozenset(),
    "summary": frozenset(),
    "ol": frozenset({"start", "dir"}),
    "a": frozenset({"href", "target", "rel", "style"}),
}
"""Every tag that the HTML of an answer in Markdown can contain, with its attributes."""


def markdown_html(text: str) -> str:
    """`text` as safe HTML, always balanced. Text over MAX_MARKDOWN is shown preformatted.

    A long text is parsed in pieces, because the parser's worst cases are quadratic in the length of its input.
    """
    text = clean(text)
    if len(text) > MAX_MARKDOWN:
        return preformatted(text)
    if len(text) <= _PIECE:
        return _render(text, {})
    environment: dict[str, Any] = {}
    definitions = "\n".join(re.findall(r"^ {0,3}\[[^\[\]\n]{1,200}\]:[^\n]{1,2000}$", text, re.MULTILINE))
    parser().parse(definitions[:_PIECE], environment)
    splitter = Splitter(size=_PIECE, growth=0)
    pieces = [*splitter.feed(text), splitter.tail]
    return "".join(_render(piece.markdown, environment) for piece in pieces)


def preformatted(text: str) -> str:
    """`text` unparsed, with its line breaks and spaces."""
    return f'<pre style="{PRE_TEXT}">{escape(clean(text), quote=False)}</pre>\n'


def safe_url(url: str) -> str:
    """`url` if it is allowed as the target of a link, else ""."""
    if re.search(r"[\x00-\x20\x7f-\xa0\u200b-\u200f\u2028-\u202f\u2060-\u206f\ufeff\\<>\"`]", url):
        return ""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    if parts.scheme.lower() not in _SCHEMES or (parts.scheme.lower() != "mailto" and not parts.netloc):
        return ""
    return url


@functools.cache
def parser() -> MarkdownIt:
    """CommonMark with tables, strikethrough and maths, and without raw HTML."""
    from markdown_it import MarkdownIt

    md = MarkdownIt("commonmark", {"html": False, "linkify": False, "maxNesting": _MAX_NESTING}).enable(
        ["table", "strikethrough"]
    )
    md.validateLink = lambda url: bool(safe_url(url))  # type: ignore[method-assign]
    maths_rules(md)
    return md


def _render(text: str, environment: dict[str, Any]) -> str:
    tokens = parser().parse(text, environment)
    if any(token.level >= _MAX_NESTING - 1 or _depth(token.children or ()) >= _MAX_NESTING for token in tokens):
        return preformatted(text)  # the parser drops what is nested deeper, and a browser may crash on it
    html = "".join(from_right(part, blocks) if turned else blocks(part) for part, turned in top_blocks(tokens))
    # A few lines can produce a table of a million empty cells.
    return html if len(html) < 20 * len(text) + 20_000 else preformatted(text)


def _depth(spans: Sequence[Token]) -> int:
    """How deeply these are nested: the parser does not limit emphasis."""
    deepest = depth = 0
    for token in spans:
        depth += token.nesting
        deepest = max(deepest, depth)
    return deepest


# ---- tokens to HTML --------------------------------------------------------------------------------------------

_SIMPLE: Final = {
    "blockquote": "blockquote",
    "bullet_list": "ul",
    "list_item": "li",
    "table": "table",
    "thead": "thead",
    "tbody": "tbody",
    "tr": "tr",
    "strong": "strong",
    "em": "em",
    "s": "s",
}
_HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})


def blocks(tokens: Iterable[Token]) -> str:
    """The HTML of a token stream."""
    parts: list[str] = []
    for token in tokens:
        handler = _HANDLERS.get(token.type)
        if handler is not None:
            parts.append(handler(token))
            continue
        name, _, side = token.type.rpartition("_")
        tag = _SIMPLE.get(name)
        if tag is None or side not in ("open", "close"):
            # An unknown kind of token: only its text.
            parts.append(escape(token.content))
        else:
            parts.append(f"<{tag}>" if side == "open" else f"</{tag}>")
            if token.block:
                parts.append("\n")
    return "".join(parts)


def _inline(token: Token) -> str:
    return _spans(token.children or ())


def _spans(tokens: Sequence[Token]) -> str:
    """Like `blocks`, but for children of inline tokens: images become links, and disallowed links lose both tags."""
    parts: list[str] = []
    allowed: list[bool] = []
    for token in tokens:
        if token.type == "link_open":
            url = safe_url(str(token.attrs.get("href", "")))
            allowed.append(bool(url))
            if url:
                parts.append(f'<a href="{escape(url)}"{_LINK}>')
        elif token.type == "link_close":
            if allowed and allowed.pop():
                parts.append("</a>")
        elif token.type == "image":
            parts.append(_image(token, inside_link=any(allowed)))
        else:
            parts.append(blocks((token,)))
    return "".join(parts)


def _image(token: Token, *, inside_link: bool) -> str:
    url = safe_url(str(token.attrs.get("src", "")))
    host = host_of(url)
    label = escape(f"🖼 {_plain(token.children or ()) or 'picture'}" + (f" ({host})" if host else ""))
    # Nested links are invalid HTML: the browser would close the outer one.
    return label if inside_link or not url else f'<a href="{escape(url)}"{_LINK}>{label}</a>'


def _plain(tokens: Sequence[Token]) -> str:
    return "".join(_plain(t.children) if t.children else t.content for t in tokens)


def _paragraph(token: Token) -> str:
    if token.hidden:  # in a tight list
        return "" if token.nesting == 1 else "\n"
    return "<p>" if token.nesting == 1 else "</p>\n"


def _heading(token: Token) -> str:
    tag = token.tag if token.tag in _HEADINGS else "h6"
    return f"<{tag}>" if token.nesting == 1 else f"</{tag}>\n"


def _cell(token: Token) -> str:
    tag = "th" if token.type.startswith("th_") else "td"
    if token.nesting != 1:
        return f"</{tag}>"
    align = re.fullmatch(r"text-align:(left|center|right)", str(token.attrs.get("style", "")))
    return f'<{tag} style="text-align:{align.group(1) if align else "left"}">'


def _ordered(token: Token) -> str:
    if token.nesting != 1:
        return "</ol>\n"
    start = str(token.attrs.get("start", ""))
    return f'<ol start="{start}">\n' if re.fullmatch(r"[0-9]{1,9}", start) else "<ol>\n"


_HANDLERS: Final[dict[str, Callable[[Token], str]]] = {
    "inline": _inline,
    "text": lambda t: escape(t.content, quote=False),
    "text_special": lambda t: escape(t.content, quote=False),
    "code_inline": lambda t: f"<code>{escape(t.content, quote=False)}</code>",
    "code_block": lambda t: code_block(t.content),
    "fence": lambda t: code_block(t.content, t.info),
    "softbreak": lambda _: "\n",
    "hardbreak": lambda _: "<br>\n",
    "hr": lambda _: "<hr>\n",
    "paragraph_open": _paragraph,
    "paragraph_close": _paragraph,
    "heading_open": _heading,
    "heading_close": _heading,
    "th_open": _cell,
    "th_close": _cell,
    "td_open": _cell,
    "td_close": _cell,
    "ordered_list_open": _ordered,
    "ordered_list_close": _ordered,
    "math_inline": lambda t: maths_html(t.content, display=False),
    "math_display": lambda t: maths_html(t.content, display=True),
    "math_block": lambda t: f"<p>{maths_html(t.content, display=True)}</p>\n",
}
