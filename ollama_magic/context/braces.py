"""Parses the braces in a prompt. Pure, and linear in the length of the text.

    {df.shape}  {f(x)[0]!r:>10}   an expression, if its first name is known; no spaces inside the braces
    {{ and its }}                 one brace each
    \\frac{a}{b}  \\sqrt[3]{x}      arguments of a LaTeX command: unchanged
    {"a": 1}  {a, b}  { x }  {}   unchanged

An expression is a name followed by attributes, indices and calls, on one line, of at most LONGEST characters. It ends
at its closing brace; braces inside its string literals and brackets do not count.
"""

from __future__ import annotations

import ast
import keyword
import re
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Expression", "Unknown", "parse_expression", "pieces"]

LONGEST: Final = 1000
_DEEPEST: Final = 20
"""Maximum nesting of brackets, so that text full of opening ones is not scanned LONGEST characters for each."""

_NAME = re.compile(r"[^\W\d]\w*")
_DOTTED = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)*\}")
_LATEX = re.compile(r"\\[A-Za-z]+\*?(?:\[[^\]\n{}]*\])?(?=\{)")
_NEXT = re.compile(r"[{}\\]")
_STRING = re.compile(
    r"""'''(?:\\.|[^\\])*?'''|""" + r'''"""(?:\\.|[^\\])*?"""|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"'''
)
_STOP = re.compile(r"""['"()\[\]{}!:\n]""")
# The format specs of numbers and strings, those of dates, and our own for "as a picture".
_SPEC = re.compile(r"(?:.?[<>=^])?[-+]?z?#?0?\d*[_,]?(?:\.\d+)?[bcdeEfFgGnosxX%]?|[^{}\n]*%[A-Za-z][^{}\n]*|image")
_CLOSERS: Final = {"(": ")", "[": "]", "{": "}"}


@dataclass(frozen=True, slots=True)
class Expression:
    """`code` to evaluate, with `conversion` ("r", "s", "a" or "") and `spec` as in an f-string."""

    code: str
    conversion: str = ""
    spec: str = ""

    def __str__(self) -> str:
        mark = f"!{self.conversion}" if self.conversion else ""
        return f"{self.code}{mark}{f':{self.spec}' if self.spec else ''}"


@dataclass(frozen=True, slots=True)
class Unknown:
    """An unknown name in braces: it stays in the text as `{name}`."""

    name: str


def pieces(text: str, known: Callable[[str], bool]) -> Iterator[str | Expression | Unknown]:
    """`text` in order: stretches of plain text, expressions whose first name is `known`, and unknown names."""
    place, plain = 0, 0
    open_braces: list[str] = []  # "{", "{{", or "\\" for a brace of a LaTeX command
    latex = -1  # where the argument of a LaTeX command would begin
    while found := _NEXT.search(text, place):
        at = found.start()
        if found[0] == "\\":
            command = _LATEX.match(text, at)
            latex = command.end() if command else -1
            place = max(at + 1, latex)
            continue
        if found[0] == "}":
            top = open_braces[-1] if open_braces else ""
            place = at + 1
            if top == "{{" and not text.startswith("}}", at):
                continue  # a stray brace
            if open_braces:
                open_braces.pop()
            if top == "\\":
                latex = at + 1
            elif top == "{{":
                yield text[plain:place]
                plain = place = at + 2
            continue
        if at == latex:
            open_braces.append("\\")
            place = at + 1
            continue
        if text.startswith("{{", at):
            open_braces.append("{{")
            yield text[plain : at + 1]
            plain = place = at + 2
            continue
        expression, end = _expression(text, at + 1, known)
        if expression is not None:
            yield text[plain:at]
            yield expression
            plain = place = end
            continue
        if (unknown := _DOTTED.match(text, at + 1)) and not known(_NAME.match(unknown[0])[0]):  # type: ignore[index]
            yield Unknown(unknown[0][:-1])
        open_braces.append("{")
        place = at + 1
    yield text[plain:]


def parse_expression(text: str, known: Callable[[str], bool]) -> Expression | None:
    """All of `text` as one expression with a known first name; None for anything else."""
    expression, end = _expression(text + "}", 0, known)
    return expression if expression is not None and end == len(text) + 1 else None


def _expression(text: str, start: int, known: Callable[[str], bool]) -> tuple[Expression | None, int]:
    """The expression that begins at `start` and ends with a brace, and the index after that brace."""
    name = _NAME.match(text, start)
    if name is None or not text.startswith((".", "[", "(", "!", ":", "}"), name.end()) or not known(name[0]):
        return None, start
    end = _end(text, name.end(), min(len(text), start + LONGEST))
    code, conversion, spec = text[start:end], "", ""
    if text.startswith("!", end):
        if not re.match(r"![rsa][:}]", text[end : end + 3]):
            return None, start
        conversion, end = text[end + 1], end + 2
    if text.startswith(":", end):
        match = re.compile(r"[^{}\n]{0,100}(?=\})").match(text, end + 1)
        if match is None or not match[0] or not _SPEC.fullmatch(match[0]):
            return None, start
        spec, end = match[0], match.end()
    if not text.startswith("}", end) or not _is_chain(code):
        return None, start
    return Expression(code, conversion, spec), end + 1


def _end(text: str, place: int, limit: int) -> int:
    """Where the expression ends: at the first } ! or : outside brackets and strings; -1 if there is none."""
    closers: list[str] = []
    while found := _STOP.search(text, place, limit):
        sign, place = found[0], found.end()
        if sign in "'\"":
            string = _STRING.match(text, found.start(), limit)
            if string is None:
                return -1
            place = string.end()
        elif sign in _CLOSERS:
            closers.append(_CLOSERS[sign])
            if len(closers) > _DEEPEST:
                return -1
        elif sign == "\n":
            return -1
        elif not closers:
            return found.start() if sign in "}!:" else -1
        elif sign in ")]}" and sign != closers.pop():
            return -1
    return -1


def _is_chain(code: str) -> bool:
    """Whether `code` is a name followed by attributes, indices and calls, with any arguments."""
    if _NAME.fullmatch(code):
        return not keyword.iskeyword(code)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about escapes in a string: of no concern to the prompt's author
            node: ast.expr = ast.parse(code, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Call):
        node = node.func if isinstance(node, ast.Call) else node.value
    return isinstance(node, ast.Name)
