"""Code as safe HTML, highlighted by Pygments in the colours of JupyterLab's editor."""

from __future__ import annotations

import functools
import re
from html import escape
from typing import TYPE_CHECKING, Final

from ollama_magic.render.look import CODE

if TYPE_CHECKING:
    from pygments.lexer import Lexer
    from pygments.token import _TokenType

__all__ = ["code_block", "code_spans", "known_language"]

# Lexers are regular expressions, and some are prone to catastrophic backtracking. Only widely used ones are allowed,
# and only for code of ordinary length and line width.
_LANGUAGES: Final = frozenset(
    re.findall(
        r"\S+",
        """
        bash c c++ cpp cs csharp css cuda cypher diff docker dockerfile elixir fortran fsharp go golang
        graphql haskell hcl html http ini ipython java javascript jl js json jsx julia kotlin latex lua make
        makefile matlab nginx objc ocaml perl php postgresql powershell prolog protobuf ps1 py py3 pycon pytb
        python python3 r rb rs ruby rust sass scala scheme scss sh shell sql sqlite3 swift tex toml ts tsx
        typescript vim xml yaml yml zig zsh
        """,
    )
)
_MAX_CODE = 40_000
_MAX_LINE = 1_000

_COLOURS: Final = {
    "Keyword": "keyword-color,#a626a4",
    "Operator.Word": "keyword-color,#a626a4",
    "Name.Builtin": "builtin-color,#b07a00",
    "Name.Function": "def-color,#4078d8",
    "Name.Class": "def-color,#4078d8",
    "Name.Decorator": "meta-color,#a05fd0",
    "Name.Tag": "tag-color,#c2453f",
    "Name.Attribute": "attribute-color,#b07a00",
    "Name.Exception": "builtin-color,#b07a00",
    "Literal.String": "string-color,#3f8f3a",
    "Literal.Number": "number-color,#b07a00",
    "Comment": "comment-color,#8a8f98",
    "Generic.Deleted": "error-color,#d0453f",
    "Generic.Inserted": "string-color,#3f8f3a",
    "Generic.Prompt": "comment-color,#8a8f98",
}
# Some of JupyterLab's have less contrast than 4.5:1 in one of its own themes, so the text's colour is mixed in.
_STYLES: Final = {
    kind: f"color:color-mix(in srgb,var(--jp-mirror-editor-{value}) 70%,currentColor)"
    + (";font-style:italic" if kind == "Comment" else "")
    for kind, value in _COLOURS.items()
}


def code_block(code: str, language: str = "") -> str:
    """`code` as `<pre><code>`; `language` is the info string of the fence."""
    return f'<pre style="{CODE}"><code style="background:none">{code_spans(code, language)}</code></pre>\n'


def code_spans(code: str, language: str = "") -> str:
    """`code` escaped, with coloured spans if the language is known and the code is of ordinary size."""
    lexer = _lexer(_word(language))
    if lexer is None or len(code) > _MAX_CODE or max(map(len, code.split("\n"))) > _MAX_LINE:
        return escape(code)
    parts: list[str] = []
    run: list[str] = []
    style = ""
    for kind, value in lexer.get_tokens(code):
        now = style if value.isspace() else _style(kind)
        if now != style:
            _flush(parts, run, style)
            style = now
        run.append(value)
    _flush(parts, run, style)
    return "".join(parts)


def known_language(info: str) -> str:
    """The language named by `info`, the info string of a fence, if it can be highlighted; else ""."""
    name = _word(info)
    return name if name in _LANGUAGES else ""


def _flush(parts: list[str], run: list[str], style: str) -> None:
    text = escape("".join(run), quote=False)
    run.clear()
    if text:
        parts.append(f'<span style="{style}">{text}</span>' if style else text)


@functools.cache
def _style(kind: _TokenType) -> str:
    """The style of a token's nearest ancestor that has one."""
    names = str(kind).split(".")[1:]
    for length in range(len(names), 0, -1):
        style = _STYLES.get(".".join(names[:length]))
        if style:
            return style
    return ""


def _word(language: str) -> str:
    match = re.match(r"[{.]*([\w+#-]{1,20})", language.strip().lower())
    return match.group(1) if match else ""


@functools.lru_cache(maxsize=128)
def _lexer(name: str) -> Lexer | None:
    if name not in _LANGUAGES:
        return None
    from pygments.lexers import get_lexer_by_name
    from pygments.util import ClassNotFound

    try:
        return get_lexer_by_name(name, stripnl=False, ensurenl=False)
    except ClassNotFound:
        return None
