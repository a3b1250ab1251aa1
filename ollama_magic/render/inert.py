r"""A model's Markdown made inert: it reads the same, but has no active content in any front end that renders it.

This is the `text/markdown` beside the HTML, for tools that prefer it. Its renderer may pass raw HTML through
(JupyterLab does, for trusted output), so a `<` that could start a tag becomes `&lt;` (in maths, `< `), images become
links, and only http, https and mailto links are kept. Code stays as is if every parser agrees that it is code:
top-level fences and simple code spans. Elsewhere the worst outcome is a visible `&lt;`.

JupyterLab extracts maths before parsing and puts it back into the HTML afterwards, even into attributes; so a dollar
or backslash must not remain in a link, or after `://` in text.
"""

from __future__ import annotations

import html
import re

from ollama_magic.render.maths import FORBIDDEN, is_burden
from ollama_magic.render.text import clean

__all__ = ["inert_markdown"]

_TAG = re.compile(r"<(?=[A-Za-z/!?])")
_FENCE = re.compile(r"(`{3,})[ ]*([\w+#.-]*)[ \t]*")
_ANY_FENCE = re.compile(r"(?:[ \t>]|[-*+][ \t]|\d{1,9}[.)][ \t])*(?:`{3,}|~{3,})")
_AMBIGUOUS_BEFORE = re.compile(r"\s|[-*+>|\[]|\d{1,9}[.)]")
_MATHS_BLOCK = re.compile(r"\$\$|\\\[|\\\]|\\begin\{|\\end\{")
_SPAN = re.compile(r"(?<![`\\])(`{1,2})(?!`)([^`\n]+)(?<!`)\1(?!`)")
# Characters inside a code span that other constructs could match before the span is recognised.
_SPAN_UNSAFE = re.compile(r"[*_~\[\]|$\\@()]")
_MATHS = re.compile(
    r"\$\$.{1,1000}?\$\$|\$(?![\s$])[^$\n]{0,1000}?(?<=[^\s\\])\$(?!\d)|\\\(.{1,1000}?\\\)|\\\[.{1,1000}?\\\]",
    re.DOTALL,
)
_MACRO = re.compile(rf"\\(?=(?:{'|'.join(sorted(FORBIDDEN))}|html[a-z]*)(?![a-z]))", re.IGNORECASE)
_MATHS_BEGINS = re.compile(r"\$|\\(?=[(\[]|begin)")
_LINKLIKE = re.compile(r"\](\(|:)")
_TARGET = re.compile(r"[ \t]*\n?[ \t]*(?P<url>[^\s()]*)")
_GOOD_URL = re.compile(r"(?:https?://[\w-]|mailto:[\w])[\w\-./?&=%#:~+,;@!*']*", re.IGNORECASE)
_GOOD_END = re.compile(r"(?:[ \t]+\"[^\"$\\@<>`\n]{0,200}\")?[ \t]*(?=\))")
_GOOD_DEFINITION_END = re.compile(r"(?:[ \t]+\"[^\"$\\@<>`\n]{0,200}\")?[ \t]*(?=\n(?![ \t]*[\"'(])|\Z)")
_BARE_URL = re.compile(r"(?:://|\bwww\.|@)\S*", re.IGNORECASE)


def inert_markdown(text: str) -> str:
    """`text` without active content. Takes time linear in its length."""
    lines = clean(text).split("\n")
    parts: list[str] = []
    prose: list[str] = []
    certain = True  # so far every parser agrees where code begins and ends
    number = 0
    while number < len(lines):
        line = lines[number]
        opening = _FENCE.fullmatch(line)
        if opening and certain and _is_certain(prose):
            end = _closing(lines, number + 1, opening.group(1))
            _flush(parts, prose, certain)
            parts.append(opening.group(1) + _language(opening.group(2)))
            parts += lines[number + 1 : end]
            parts.append(opening.group(1))
            number = end + 1
            continue
        other = _ANY_FENCE.match(line)
        if other:
            certain = False
            if "~" in other.group() or "`" not in line[other.end() :]:
                # The info string of a fence ends up in an attribute.
                line = other.group() + _language(line[other.end() :])
        prose.append(line)
        number += 1
    _flush(parts, prose, certain)
    return "\n".join(parts)


def _language(info: str) -> str:
    """The info string if it is the name of a language; "" otherwise."""
    name = re.fullmatch(r"\s*([\w+#.-]*)\s*", info)
    # A Mermaid diagram is a program that the page runs.
    return "" if name is None or name.group(1).lower() == "mermaid" else name.group(1)


def _is_certain(prose: list[str]) -> bool:
    """Whether a fence after these lines is a top-level fence for every parser."""
    if prose and prose[-1].strip() and _AMBIGUOUS_BEFORE.match(prose[-1]):
        return False
    paragraph: list[str] = []
    for line in reversed(prose[-200:]):
        if not line.strip():
            break
        paragraph.append(line)
    before = "\n".join(paragraph)
    return len(paragraph) < 200 and not _MATHS_BLOCK.search(before) and before.count("`") % 2 == 0


def _closing(lines: list[str], start: int, marker: str) -> int:
    """The number of the line that closes the fence; one past the last line if none does."""
    for number in range(start, len(lines)):
        stripped = lines[number].strip()
        if stripped.startswith(marker) and not stripped.strip("`"):
            return number
    return len(lines)


def _flush(parts: list[str], prose: list[str], certain: bool) -> None:
    if prose:
        # Paragraph by paragraph: a code span cannot extend beyond its own.
        pieces = re.split(r"(\n[ \t]*\n)", "\n".join(prose))
        parts.append("".join(_paragraph(piece, certain) if piece.strip() else piece for piece in pieces))
        prose.clear()


def _paragraph(text: str, certain: bool) -> str:
    parts: list[str] = []
    position = 0
    for match in _SPAN.finditer(text) if certain and _spans_are_certain(text) else ():
        if _TAG.search(match.group()) and _SPAN_UNSAFE.search(match.group(2)):
            continue
        parts += [_prose(text[position : match.start()]), match.group()]
        position = match.end()
    parts.append(_prose(text[position:]))
    return "".join(parts)


def _spans_are_certain(text: str) -> bool:
    """Whether the backticks of each line pair up within it, and no table or maths competes with them."""
    if "`" not in text or "$" in text or "|" in text or "@@" in text or "\\" in text:
        return False
    return "`" not in _SPAN.sub("", text)


def _prose(text: str) -> str:
    # Escape macros that do more than typesetting.
    text = _MACRO.sub("&#92;", text)
    if is_burden(text):
        text = _MATHS_BEGINS.sub(lambda m: f"&#{ord(m.group())};", text)
    # No maths may begin in a URL, which may become a link and thus an attribute.
    text = _BARE_URL.sub(lambda m: m.group().replace("$", "&#36;").replace("\\", "&#92;"), text)
    parts: list[str] = []
    position = 0
    for match in _MATHS.finditer(text):
        parts.append(_plain(text[position : match.start()]))
        # A space after the `<` does not change the formula, and prevents a tag.
        parts.append(_TAG.sub("< ", match.group()).replace("![", "! [").replace("](", "] (").replace("]:", "] :"))
        position = match.end()
    parts.append(_plain(text[position:]))
    return "".join(parts)


def _plain(text: str) -> str:
    text = _links(text.replace("![](", "🖼 [picture](").replace("![", "🖼 ["))
    return _TAG.sub("&lt;", text)


def _links(text: str) -> str:
    parts: list[str] = []
    position = 0
    for match in _LINKLIKE.finditer(text):
        if not _leads_somewhere_good(text, match):
            parts += [text[position : match.start()], "] ", match.group(1)]
            position = match.end()
    parts.append(text[position:])
    return "".join(parts)


def _leads_somewhere_good(text: str, match: re.Match[str]) -> bool:
    target = _TARGET.match(text, match.end())
    assert target is not None  # it matches the empty string too
    url = target.group("url")
    if match.group(1) == ":" and not re.search(r"[:/<&\\%$]", url) and not _defines(text, match.start()):
        return True
    if not _GOOD_URL.fullmatch(html.unescape(url)) or "@@" in url:
        return False
    ending = _GOOD_END if match.group(1) == "(" else _GOOD_DEFINITION_END
    return ending.match(text, target.end()) is not None


def _defines(text: str, bracket: int) -> bool:
    """Whether the line up to the bracket could start a link reference definition."""
    line = text[max(text.rfind("\n", 0, bracket) + 1, bracket - 1_000) : bracket]
    return line.lstrip(" \t>-*+.)0123456789").startswith("[")
