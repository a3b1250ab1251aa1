"""The short form of a schema, `name: str, year: int, tags: list[str]`, as Python types. Pure; nothing is evaluated.

    name: str, year: int            an object
    list[name: str, year: int]      a list of them; also list[{name: str, year: int}]
    kind: 'a' | 'b', when: date | None, rest: dict[str, int], who: {name: str, age: int}

A comma or a line end separates fields. A name that is not a Python identifier is quoted. A type is one of str int
float bool date datetime time any list dict set tuple, the name of a given variable, an object in braces, a literal
string or number, or several of these separated by `|`.
"""

from __future__ import annotations

import ast
import difflib
import re
import warnings
from datetime import date, datetime, time
from typing import TYPE_CHECKING, Any, Final, Literal, Optional, Union

from ..errors import SettingsError
from .records import typed_dict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["parse_short"]

_WORDS: Final[dict[str, Any]] = {
    "str": str, "string": str, "text": str,
    "int": int, "integer": int,
    "float": float, "number": float,
    "bool": bool, "boolean": bool,
    "date": date, "datetime": datetime, "time": time,
    "any": Any, "Any": Any, "object": dict,
    "list": list, "List": list, "dict": dict, "Dict": dict, "set": set, "tuple": tuple,
    "None": None, "null": None,
}  # fmt: skip
_EXAMPLE: Final = 'Write it as in "name: str, year: int, tags: list[str]".'
# A quoted string is unchanged; a name before a colon is quoted, so that `class: str` can be parsed.
_NAMES: Final = re.compile(r"""("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|([^\W\d][\w-]*)(?=\s*:)""")
_LONGEST: Final = 10_000


def parse_short(text: str, namespace: Mapping[str, Any] | None = None) -> Any:
    """The type that `text` describes, such as a TypedDict or a list of one. Names are also looked up in `namespace`.

    Raises SettingsError that says what is not understood.
    """
    body = text.strip().strip(",").strip()
    if not body:
        raise SettingsError("The schema is empty", hint=_EXAMPLE)
    if len(body) > _LONGEST:
        raise SettingsError(f"The schema has {len(body):,} characters, more than {_LONGEST:,}", hint=_EXAMPLE)
    quoted = _NAMES.sub(lambda found: found[1] or f'"{found[2]}"', body)
    # A line end before a field name separates like a comma, except after an opening bracket or a separator.
    fields = re.sub(r"(?<![,\[{(|:\s])[ \t]*\n\s*(?=[\"'])", ", ", quoted)
    tree = _parsed("{" + fields + "}")
    if not isinstance(tree, ast.Dict):
        tree = _parsed(quoted)
    if tree is None:
        raise SettingsError(f"The schema {_cut(body)} is not understood{_where(fields)}", hint=_EXAMPLE)
    if not isinstance(tree, ast.Dict | ast.Subscript | ast.List):
        raise SettingsError(f"The schema {_cut(body)} has no fields", hint=_EXAMPLE)
    try:
        return _Reader(namespace or {}).type(tree)
    except RecursionError:
        raise SettingsError("The schema is nested too deeply", hint=_EXAMPLE) from None
    except TypeError as error:  # a variable that is not a type
        raise SettingsError(
            f"The schema {_cut(body)} has something that is not a type: {error}", hint=_EXAMPLE
        ) from None


def _parsed(source: str) -> ast.expr | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about invalid escapes in the user's text
            return ast.parse(source, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _where(fields: str) -> str:
    """Where parsing fails: near the first field that cannot be parsed, if one can be found."""
    bad = [each for each in re.split(r",(?![^\[{(]*[\]})])", fields) if _parsed("{" + each + "}") is None]
    bad = [each for each in bad if each.strip()] or [each for each in fields.split(",") if ":" not in each]
    return f" near {_cut(bad[0].strip())}" if bad else ""


def _cut(text: str) -> str:
    return f'"{text}"' if len(text) <= 60 else f'"{text[:60]}…"'


class _Reader:
    def __init__(self, namespace: Mapping[str, Any]) -> None:
        self._namespace = namespace

    def type(self, node: ast.expr) -> Any:
        """The type that one expression describes."""
        if isinstance(node, ast.Name):
            return self._word(node.id)
        if isinstance(node, ast.Constant) or _is_negative(node):
            value = ast.literal_eval(node)
            if value is None or isinstance(value, str | int | float):
                return None if value is None else Literal[value]
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
            return self._union(_operands(node))
        if isinstance(node, ast.Dict):
            return self._record(node.keys, node.values)
        if isinstance(node, ast.List) and len(node.elts) == 1:
            return self._list_of(node.elts[0])
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name):
            return self._generic(node.value.id, node.slice)
        raise SettingsError(f"In the schema, {_cut(ast.unparse(node))} is not a type", hint=_EXAMPLE)

    def _union(self, parts: Sequence[ast.expr]) -> Any:
        known = {*_WORDS, *self._namespace}
        words = [
            repr(part.id) if isinstance(part, ast.Name) and part.id not in known else ast.unparse(part)
            for part in parts
        ]
        quoted = f"Words to choose from stand in quotes: {' | '.join(words)}."
        types = (self._word(part.id, quoted) if isinstance(part, ast.Name) else self.type(part) for part in parts)
        return Union[tuple(types)]  # noqa: UP007 -- made from a list, and `|` fails for Literal | None

    def _word(self, word: str, otherwise: str = _EXAMPLE) -> Any:
        if word in _WORDS:
            return _WORDS[word]
        if word in self._namespace:
            return self._namespace[word]
        near = difflib.get_close_matches(word, [*_WORDS, *self._namespace], n=1)
        hint = f"Did you mean {near[0]}? {_EXAMPLE}" if near else otherwise
        raise SettingsError(f"In the schema, {word!r} is not a type", hint=hint)

    def _record(self, keys: list[ast.expr | None], values: list[ast.expr]) -> Any:
        fields: dict[str, Any] = {}
        for key, value in zip(keys, values, strict=True):
            if not (isinstance(key, ast.Constant) and isinstance(key.value, str) and key.value):
                raise SettingsError(f"In the schema, the type {_cut(ast.unparse(value))} has no name", hint=_EXAMPLE)
            if key.value in fields:
                raise SettingsError(f"In the schema, the field {key.value!r} stands twice", hint=_EXAMPLE)
            fields[key.value] = self.type(value)
        if not fields:
            raise SettingsError("The schema has no fields", hint=_EXAMPLE)
        return typed_dict(fields)

    def _list_of(self, inner: ast.expr) -> Any:
        parts = inner.elts if isinstance(inner, ast.Tuple) else [inner]
        if parts and all(isinstance(part, ast.Slice) for part in parts):  # list[name: str, year: int]
            slices = [part for part in parts if isinstance(part, ast.Slice)]
            if any(part.upper is None or part.step is not None for part in slices):
                raise SettingsError(f"In the schema, {_cut(ast.unparse(inner))} is not a list of fields", hint=_EXAMPLE)
            return list[self._record([part.lower for part in slices], [part.upper for part in slices if part.upper])]  # type: ignore[misc]
        return list[self.type(inner)]  # type: ignore[misc]

    def _generic(self, word: str, inner: ast.expr) -> Any:
        parts = inner.elts if isinstance(inner, ast.Tuple) else [inner]
        if word in ("list", "List"):
            return self._list_of(inner)
        if word == "Optional" and len(parts) == 1:
            return Optional[self.type(parts[0])]  # noqa: UP045 -- `|` fails for Literal | None
        if word == "Literal":
            return self._union(parts)
        if word in ("dict", "Dict") and len(parts) == 2:
            return dict[self.type(parts[0]), self.type(parts[1])]  # type: ignore[misc]
        if word == "set" and len(parts) == 1:
            return set[self.type(parts[0])]  # type: ignore[misc]
        if word == "tuple":
            return tuple[tuple(self.type(part) for part in parts)]  # type: ignore[misc]
        raise SettingsError(f"In the schema, {word}[{ast.unparse(inner)}] is not a type", hint=_EXAMPLE)


def _operands(node: ast.expr) -> list[ast.expr]:
    """What stands between the `|` of an expression."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return [*_operands(node.left), *_operands(node.right)]
    return [node]


def _is_negative(node: ast.expr) -> bool:
    return isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) and isinstance(node.operand, ast.Constant)
