"""A prompt with placeholders for the columns of a row: `Classify: {text}`. Pure.

    {text}  {score:.1f}  {name!r}       a column, with a format as in an f-string
    {meta.title}  {tags[0]}             an attribute, a key or an index of its value; nothing is ever called
    {first name}                        a column whose name is not a Python identifier
    {{ and its }}  {"a": 1}  {}         braces that stay, as in a cell's prompt

A missing value (None, NaN) becomes an empty string.
"""

from __future__ import annotations

import ast
import keyword
import re
import unicodedata
from typing import TYPE_CHECKING, Any, Final

from ..context.braces import Expression, Unknown, pieces
from ..errors import SettingsError
from ..options import nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from collections.abc import Set as AbstractSet

__all__ = ["Template", "is_missing"]

_SHOWN: Final = 12
_NAME: Final = re.compile(r"[^\W\d]\w*")
_KEYWORDS: Final = frozenset(keyword.kwlist) - {"None", "True", "False"}
_CONVERSIONS: Final[dict[str, Callable[[object], str]]] = {"r": repr, "s": str, "a": ascii}


class Template:
    """A prompt for rows that have `columns`; None if they are known only when the rows come.

    `names` are the columns it uses. Raises SettingsError for an unknown column, naming the nearest, for a prompt
    without placeholders, and for a placeholder that is more than a lookup.
    """

    def __init__(self, text: str, columns: Sequence[str] | None) -> None:
        self.text = text
        used: dict[str, None] = {}
        known = None if columns is None else set(columns)
        self._parts = [part for part in _parts(text, known, used) if part]
        self.names = tuple(used)
        if not used:
            there = f" The columns are {_listed(columns)}." if columns else ""
            raise SettingsError(
                f"The prompt {_cut(text)} names no column, so every row would ask the same",
                hint=f"Write the name of one in braces, as in Classify: {{text}}.{there}",
            )

    def fill(self, row: Mapping[str, Any]) -> str:
        """The prompt for one row. Raises ValueError, naming the placeholder, if a value cannot be inserted."""
        return "".join(part if isinstance(part, str) else part.text(row) for part in self._parts)


class _Place:
    """A placeholder for a value of a row."""

    __slots__ = ("_code", "_conversion", "_name", "_spec", "_steps")

    def __init__(self, expression: Expression, name: str, steps: tuple[tuple[str, Any], ...]) -> None:
        self._code, self._conversion, self._spec = expression.code, expression.conversion, expression.spec
        self._name, self._steps = name, steps

    def text(self, row: Mapping[str, Any]) -> str:
        try:
            value = row[self._name]
        except KeyError:
            near = nearest(self._name, map(str, row))
            raise ValueError(f"{{{self._code}}}: the row has no {self._name!r}{near}") from None
        try:
            for kind, key in self._steps:
                value = _step(value, kind, key)
            if self._conversion:
                value = _CONVERSIONS[self._conversion](value)
            elif is_missing(value):
                return ""
            return format(value, self._spec)
        except Exception as error:  # whatever the value's own code raises concerns this row only
            raise ValueError(f"{{{self._code}}}: {type(error).__name__}: {error}") from None


def _step(value: Any, kind: str, key: Any) -> Any:
    if kind == "." and not (isinstance(value, dict) and key in value):
        return getattr(value, key)
    return value[key]


def is_missing(value: Any) -> bool:
    """Whether `value` is None, NaN, NaT or pandas' NA."""
    if value is None:
        return True
    if isinstance(value, str | int | list | dict | tuple):
        return False
    try:
        return bool(value != value)
    except (TypeError, ValueError):  # NA has no truth value, and neither has an array of several
        return type(value).__name__ == "NAType"


def _parts(text: str, known: set[str] | None, used: dict[str, None]) -> list[str | _Place]:
    """The text and the placeholders in order; adds the columns to `used`."""
    found: list[str | _Place] = []
    for piece, odd in _odd_names(text, _KEYWORDS if known is None else known):
        if odd:
            used[odd] = None
            found.append(_Place(Expression(odd), odd, ()))
            continue
        for part in pieces(piece, lambda name: known is None or name in known):
            if isinstance(part, Unknown):
                raise SettingsError(
                    f"There is no column {part.name.partition('.')[0]!r} for {{{part.name}}}"
                    f"{nearest(part.name.partition('.')[0], known or ())}",
                    hint=f"The columns are {_listed(sorted(known or ()))}. To keep braces as text, write them twice: "
                    f"{{{{{part.name}}}}}.",
                )
            if isinstance(part, Expression):
                name, steps = _steps(part)
                used[name] = None
                found.append(_Place(part, name, steps))
            else:
                found.append(part)
    return found


def _odd_names(text: str, known: AbstractSet[str]) -> list[tuple[str, str]]:
    """Pairs (text, "") or ("", name), where name is a column in braces that is not a Python identifier."""
    odd = sorted((name for name in known if name and not _is_name(name)), key=len, reverse=True)
    if not odd:
        return [(text, "")]
    pattern = re.compile(r"(?<!\{)\{(" + "|".join(map(re.escape, odd)) + r")\}(?!\})")
    split = pattern.split(text)
    return [("", piece) if place % 2 else (piece, "") for place, piece in enumerate(split)]


def _is_name(text: str) -> bool:
    """Whether Python reads `text` as an identifier and does not normalise it to another."""
    return text.isidentifier() and not keyword.iskeyword(text) and unicodedata.normalize("NFKC", text) == text


def _steps(expression: Expression) -> tuple[str, tuple[tuple[str, Any], ...]]:
    """The column and the lookups in its value, in order of application."""
    steps: list[tuple[str, Any]] = []
    node: ast.expr = ast.parse(expression.code, mode="eval").body
    while not isinstance(node, ast.Name):
        if isinstance(node, ast.Attribute) and not node.attr.startswith("_"):
            steps.append((".", node.attr))
            node = node.value
        elif isinstance(node, ast.Subscript) and (key := _constant(node.slice)) is not None:
            steps.append(("[", key))
            node = node.value
        else:
            raise SettingsError(
                f"{{{expression}}} asks for more than a column and what is in it",
                hint="Make a column of it first, or write the braces twice to keep them as text.",
            )
    name = _NAME.match(expression.code)  # not node.id, in which Python normalises characters such as µ and º
    assert name is not None
    return name[0], tuple(reversed(steps))


def _constant(node: ast.expr) -> Any:
    try:
        value = ast.literal_eval(node)
    except ValueError:
        return None
    return value if isinstance(value, str | int) else None


def _listed(names: Sequence[str] | None) -> str:
    names = [str(name) for name in names or ()]
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more if names else "none"


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return repr(line if len(line) <= 60 else f"{line[:59]}…")
