r"""Maths in Markdown: parsed here, and passed to the page's typesetter so that it can do nothing but typeset.

Recognised are `$..$`, `$$..$$`, `\(..\)`, `\[..\]` and the amsmath environments. The rules for `$` are slightly
stricter than Pandoc's, so that "$5 and $10" is money: no space just inside, no digit after the closing one, no letter
or digit before the opening one.

JupyterLab 4, Notebook 7 (MathJax 3) and nbconvert (MathJax 2) typeset text between dollars in an HTML output, but not
in an element of class `mathjax_ignore` / `tex2jax_ignore`, unless it is inside one of class `mathjax_process` /
`tex2jax_process`. All output is wrapped in the former, and each formula in the latter: unmarked text stays text.
Source: https://docs.mathjax.org/en/v3.2/options/document.html#the-configuration-block
"""

from __future__ import annotations

import re
from html import escape
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.rules_block import StateBlock
    from markdown_it.rules_inline import StateInline

__all__ = ["FORBIDDEN", "is_burden", "is_safe_maths", "maths_html", "maths_rules"]

# Formulas are short. The limits keep unclosed delimiters from costing a search of the full text each.
_MAX_CHARACTERS = 4_000
_MAX_LINES = 100
# No readable formula is nested deeper. Typesetters recurse: a few hundred levels crash the browser tab.
_MAX_DEPTH = 20
_MAX_SWITCHES = 50

_ENVIRONMENT = re.compile(
    r"\\begin\{(equation|multline|gather|align|alignat|flalign|eqnarray|[pbBvV]?matrix|cases|split|aligned|gathered)"
    r"(\*?)\}"
)
# Macros that set links, styles, ids or attributes, load something, or define macros: definitions outlive their formula
# and could hide any of the others. And \pmb, which typesets its argument twice: nested twenty times, a million times.
FORBIDDEN: Final = frozenset(
    re.findall(
        r"\S+",
        """
        action bbox catcode class csname cssid data declaremathoperator declarepaireddelimiter
        declarepaireddelimiters declarepaireddelimiterx declarepaireddelimiterxpp def definecolor edef enclose
        eqref expandafter fontfamily futurelet gdef global href html htmlclass htmldata htmlid htmlstyle
        include includegraphics input let long mathjax mathtip mathtoggle mathtoolsset mincdarrowwidth mmltoken
        moveleft moveright
        newcolumntype newcommand newenvironment newextarrow newtagform openin pmb providecommand ref renewcommand
        renewenvironment renewtagform require rule setoptions special style texttip toggle tooltip unicode url
        usetagform verb write xdef
        """,
    )
)
_COLOUR_MACROS: Final = frozenset(
    {"cellcolor", "color", "colorbox", "columncolor", "fcolorbox", "pagecolor", "rowcolor", "textcolor"}
)
_COLOUR_ARGUMENTS = re.compile(r"\s*(?:\[\w*\]\s*)?\{[\w#., !-]*\}")
_FRAME_ARGUMENTS = re.compile(r"\s*(?:\[\w*\]\s*)?\{[\w#., !-]*\}\s*\{[\w#., !-]*\}")
_TOKEN = re.compile(r"\\(?:[a-zA-Z]+|.)|[{}$]", re.DOTALL)
_OPENING: Final = frozenset({"{", "\\begin", "\\left"})
_CLOSING: Final = frozenset({"}", "\\end", "\\right"})
# Lengths can move a formula out of its place and over other content: none may have more than two digits.
_FAR = re.compile(
    r"\\(?:(?:above|abovewithdelims|[hm]space|(?-i:Space)|[hm]skip|m?kern|raise|lower|genfrac|(?:math)?makebox|framebox)\*?"
    r"|\\\*?\s*\[)[\s{}\[\]=+-]*\d{3,}(?:[.,]\d*)?\s*[a-z]{2}(?![a-zA-Z])",
    re.IGNORECASE,
)
# Each of these applies to everything after it, so these nest too.
_SWITCH = re.compile(
    r"\\(?:(?:display|text|script|scriptscript)style|tiny|Tiny|scriptsize|small|normalsize|[lL]arge|LARGE|[hH]uge|color)"
    r"(?![a-zA-Z])"
)
_LABEL = re.compile(r"\\label\s*\{[^{}]*\}")


def maths_html(source: str, *, display: bool) -> str:
    """`source` (TeX without its delimiters) for the typesetter, or as code if it does more than typesetting."""
    # A label must be unique in the page; a repainted or repeated answer would define it again.
    tex = _LABEL.sub("", source).strip()
    mark = "$$" if display else "$"
    if not tex or not is_safe_maths(tex):
        return f"<code>{escape(mark + source + mark)}</code>"
    return f'<span class="tex2jax_process mathjax_process">{mark}{escape(tex, quote=False)}{mark}</span>'


def is_safe_maths(tex: str) -> bool:
    """Whether `tex` only typesets: no links, styles, ids, loading or definitions, braces balanced, no stray dollar.

    It must also be neither too long nor a burden (`is_burden`).
    """
    if len(tex) > _MAX_CHARACTERS or is_burden(tex):
        return False
    depth = 0
    for match in _TOKEN.finditer(tex):
        token = match.group()
        if token == "{":
            depth += 1
        elif token == "}":
            depth -= 1
            if depth < 0:
                return False
        elif token == "$":
            if depth == 0:
                return False
        elif not _is_safe_macro(token[1:], tex, match.end()):
            return False
    return depth == 0


def is_burden(tex: str) -> bool:
    """Whether typesetting `tex` could hang or crash the reader's browser, or cover other content."""
    if _FAR.search(tex) or len(_SWITCH.findall(tex)) > _MAX_SWITCHES:
        return True
    depth = 0
    for match in _TOKEN.finditer(tex):
        depth += (match.group() in _OPENING) - (match.group() in _CLOSING)
        if depth > _MAX_DEPTH:
            return True
        depth = max(depth, 0)
    return False


def _is_safe_macro(name: str, tex: str, end: int) -> bool:
    if name.lower() in FORBIDDEN or name.lower().startswith("html"):
        return False
    if name in _COLOUR_MACROS:
        arguments = _FRAME_ARGUMENTS if name == "fcolorbox" else _COLOUR_ARGUMENTS
        return arguments.match(tex, end) is not None
    return True


# ---- parsing ---------------------------------------------------------------------------------------------------


def maths_rules(md: MarkdownIt) -> None:
    """Add maths to `md`: tokens `math_inline`, `math_display` (in a paragraph) and `math_block`."""
    md.inline.ruler.before("escape", "maths", _inline)
    md.block.ruler.before("fence", "maths", _block, {"alt": ["paragraph", "reference", "blockquote", "list"]})


def _inline(state: StateInline, silent: bool) -> bool:
    source, start = state.src, state.pos
    found = _dollars(state) if source[start] == "$" else _brackets(state)
    if found is None:
        return False
    opening, end = found
    content = source[start + len(opening) : end]
    if not content.strip():
        return False
    if not silent:
        display = opening in ("$$", "\\[")
        token = state.push("math_display" if display else "math_inline", "", 0)
        token.content = content
    state.pos = end + len(opening)
    return True


def _brackets(state: StateInline) -> tuple[str, int] | None:
    source, start = state.src, state.pos
    opening = source[start : start + 2]
    if opening not in ("\\(", "\\["):
        return None
    end = source.find("\\)" if opening == "\\(" else "\\]", start + 2, min(state.posMax, start + _MAX_CHARACTERS))
    return (opening, end) if end >= 0 else None


def _dollars(state: StateInline) -> tuple[str, int] | None:
    source, start = state.src, state.pos
    limit = min(state.posMax, start + _MAX_CHARACTERS)
    opening = "$$" if source.startswith("$$", start) else "$"
    begin = start + len(opening)
    if begin >= limit or (opening == "$" and (source[begin].isspace() or source[start - 1 : start].isalnum())):
        return None
    end = source.find(opening, begin, limit)
    while end > 0 and _is_escaped(source, end):
        end = source.find(opening, end + 1, limit)
    if end < 0:
        return None
    after = source[end + len(opening) : end + len(opening) + 1]
    if opening == "$" and (source[end - 1].isspace() or after.isdigit() or after == "$"):
        return None
    return opening, end


def _is_escaped(source: str, position: int) -> bool:
    count = 0
    while count < position and source[position - 1 - count] == "\\":
        count += 1
    return count % 2 == 1


def _block(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    if state.is_code_block(start):
        return False
    first = _line(state, start)
    environment = _ENVIRONMENT.match(first)
    if environment:
        opening, closing = environment.group(), f"\\end{{{environment.group(1)}{environment.group(2)}}}"
    elif first.startswith(("$$", "\\[")):
        opening, closing = first[:2], "$$" if first[0] == "$" else "\\]"
    else:
        return False
    last = _closing_line(state, start, end, len(opening), closing)
    if last is None:
        return False
    if silent:
        return True
    lines = [_line(state, n) for n in range(start, last + 1)]
    content = "\n".join(lines)
    token = state.push("math_block", "", 0)
    token.block = True
    token.content = content if environment else content[len(opening) : -len(closing)]
    token.map = [start, last + 1]
    state.line = last + 1
    return True


def _line(state: StateBlock, number: int) -> str:
    return state.src[state.bMarks[number] + state.tShift[number] : state.eMarks[number]].rstrip()


def _closing_line(state: StateBlock, start: int, end: int, skip: int, closing: str) -> int | None:
    """The line that ends with `closing`; None if there is none, or if text follows it."""
    for number in range(start, min(end, start + _MAX_LINES)):
        line = _line(state, number)
        if number > start and (not line or state.sCount[number] < state.blkIndent):
            return None
        rest = line[skip:] if number == start else line
        if closing in rest:
            return number if rest.index(closing) == len(rest) - len(closing) else None
    return None
