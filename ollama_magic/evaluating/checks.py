"""What an answer is held against: functions, expected texts, patterns, schemas, each to a Verdict.

A check that raises, or that says neither yes nor no, is an error of that check for that answer, and nothing more.
"""

from __future__ import annotations

import inspect
import math
import re
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from ..errors import OllamaMagicError, SettingsError
from ..schema import Mismatch, schema_for
from .filling import filled, is_several
from .judging import Judge

__all__ = ["Check", "Verdict", "checks_of", "contains", "equals", "parses"]

Test = Callable[[Any, str, Mapping[str, Any]], Any]
"""Takes the answer as functions see it, its text, and the row; returns what `_verdict` reads."""

_HINT: Final = (
    "A check is a function, an expected text, re.compile(...), a type or a schema such as parses('name: str'), "
    "or judge('...'); give one, a list of them, or a dict of names and checks."
)
_SCHEMA_LIKE: Final = re.compile(r"\s*[^\W\d]\w*\s*:\s*(str|int|float|bool|date|datetime|list|dict)\b")
_JSON_TYPES: Final = ("object", "array", "string", "integer", "number", "boolean")
_PASSES: Final = 0.5
_LONGEST: Final = 300


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one check says of one answer: `passed` is None where it could not be told, and `error` says why.

    `score` is from 0 to 1; from 0.5 it passes. `reason` is one line, "" where there is nothing to say.
    """

    check: str
    passed: bool | None
    score: float | None = None
    reason: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """A named check that is made here, without asking anybody."""

    name: str
    test: Test

    def judge(self, value: Any, text: str, row: Mapping[str, Any]) -> Verdict:
        """The verdict on an answer; never raises but for an interrupt."""
        try:
            found = self.test(value, text, row)
            if inspect.isawaitable(found):
                from ..bridge import run_on_this_thread

                found = run_on_this_thread(found)
            return _verdict(self.name, found)
        except Exception as error:
            told = error.message if isinstance(error, OllamaMagicError) else str(error)
            kind = type(error).__name__
            return Verdict(self.name, None, error=_line(f"{kind}: {told}" if told else kind))


# ---- what may be given as a check ------------------------------------------------------------------------------


def contains(expected: str | float, *, case: bool = False) -> Check:
    """The answer has `expected` in it. `{column}` in it is the row's; upper and lower case count only with `case`.

    A number is taken as it is written, any white space as a single space. Raises SettingsError for a text of nothing,
    which every answer has, and for what is no text.
    """
    expected = _text_of(expected)
    if not expected.strip():
        raise SettingsError("an expected text has nothing in it", hint="equals('') is for an answer that is empty.")

    def test(value: Any, text: str, row: Mapping[str, Any]) -> Any:
        wanted = filled(expected, row)
        found = _plain(wanted, case) in _plain(text, case)
        return found, "" if found else f"“{wanted}” is not in it"

    return Check(f"contains {_short(expected)}", test)


def equals(expected: str | float, *, case: bool = False) -> Check:
    """The answer is `expected` and no more, but for the white space around it; otherwise as `contains`."""
    expected = _text_of(expected)

    def test(value: Any, text: str, row: Mapping[str, Any]) -> Any:
        wanted = filled(expected, row)
        same = _plain(wanted, case) == _plain(text, case)
        return same, "" if same else f"it is not “{wanted}”"

    return Check(f"equals {_short(expected)}", test)


def _text_of(expected: object) -> str:
    if isinstance(expected, bool) or not isinstance(expected, str | int | float):
        raise SettingsError(
            f"an expected text is a string, not of type {type(expected).__name__}",
            hint="Where one of several is enough, a function: lambda answer: 'Rome' in answer or 'Roma' in answer",
        )
    return str(expected)


def parses(schema: Any) -> Check:
    """The answer has a value of `schema` in it: a type, a JSON schema, or a text such as "name: str, year: int".

    This only looks at the answer; `evaluate(..., schema=...)` also asks for it. Raises SettingsError for no schema.
    """
    shape = schema_for(schema)

    def test(value: Any, text: str, row: Mapping[str, Any]) -> Any:
        try:
            shape.parse(text)
        except Mismatch as error:
            return False, str(error)
        return True, ""

    return Check(f"parses {_short(schema if isinstance(schema, str) else shape.name)}", test)


def checks_of(given: Any, columns: Iterable[str] = ()) -> tuple[Check | Judge, ...]:
    """The checks as they were given to `evaluate`, each with a name of its own. Raises SettingsError.

    Without any, a column `expected` is what the answer should contain.
    """
    if given is None:
        return (_expected(),) if "expected" in columns else ()
    if isinstance(given, Mapping) and not _is_json_schema(given):
        return tuple(replace(_check(each), name=_line(str(name))) for name, each in given.items())
    listed = given if isinstance(given, list | tuple) else [given]
    found: list[Check | Judge] = []
    for check in map(_check, listed):
        same = sum(each.name == check.name or each.name.startswith(f"{check.name} (") for each in found)
        found.append(replace(check, name=f"{check.name} ({same + 1})") if same else check)
    return tuple(found)


def _expected() -> Check:
    """The answer has what the row's column `expected` says, or one of a list; a row without it cannot be judged."""
    check = contains("{expected}")

    def test(value: Any, text: str, row: Mapping[str, Any]) -> Any:
        wanted: Any = row.get("expected")
        several = (list(wanted) or [None]) if is_several(wanted) else [wanted]
        found = [check.test(value, text, {"expected": each}) for each in several]
        passed = any(each for each, _ in found)
        return passed, "" if passed else " and ".join(reason for _, reason in found)

    return Check("expected", test)


def _check(given: Any) -> Check | Judge:
    if isinstance(given, Check | Judge):
        return given
    if isinstance(given, str):
        return parses(given) if _is_short_schema(given) else contains(given)
    if isinstance(given, re.Pattern):
        return _matches(given)
    if isinstance(given, (type, Mapping)) or typing.get_origin(given) is not None:
        return parses(given)
    if callable(given):
        return _function(given)
    raise SettingsError(f"{_short(given)} is not a check: its type is {type(given).__name__}", hint=_HINT)


def _is_json_schema(given: Mapping[Any, Any]) -> bool:
    """Whether it is one schema, and not checks by name."""
    return isinstance(given.get("properties"), Mapping) or str(given.get("type")) in _JSON_TYPES or "$ref" in given


def _is_short_schema(text: str) -> bool:
    if not _SCHEMA_LIKE.match(text):
        return False
    try:
        schema_for(text)
    except SettingsError:
        return False
    return True


def _matches(pattern: re.Pattern[Any]) -> Check:
    if isinstance(pattern.pattern, bytes):
        raise SettingsError("a pattern of bytes cannot match an answer", hint="Write re.compile(r'...') without the b.")

    def test(value: Any, text: str, row: Mapping[str, Any]) -> Any:
        found = pattern.search(text) is not None
        return found, "" if found else "nothing matches"

    return Check(f"/{_short(pattern.pattern)}/", test)


def _function(function: Callable[..., Any]) -> Check:
    name = getattr(function, "__name__", type(function).__name__)
    takes_row = _takes_two(function)

    def test(value: Any, text: str, row: Mapping[str, Any]) -> Any:
        return function(value, row) if takes_row else function(value)

    return Check("function" if name == "<lambda>" else name, test)


def _takes_two(function: Callable[..., Any]) -> bool:
    """Whether it wants the row too: a second parameter without a default, or any number of them."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # a builtin that does not tell
        return False
    if any(each.kind is each.VAR_POSITIONAL for each in parameters):
        return True
    placed = [each for each in parameters if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)]
    return len(placed) > 1 and placed[1].default is inspect.Parameter.empty


# ---- reading a verdict -----------------------------------------------------------------------------------------


def _verdict(name: str, found: Any) -> Verdict:
    reason = ""
    if isinstance(found, tuple) and len(found) == 2 and isinstance(found[1], str):
        found, reason = found
    if hasattr(found, "item") and getattr(found, "ndim", 0) == 0:  # numpy's own True and 0.5
        found = found.item()
    if isinstance(found, bool):
        return Verdict(name, found, float(found), _line(reason))
    if isinstance(found, int | float) and math.isfinite(found) and 0 <= found <= 1:
        return Verdict(name, found >= _PASSES, float(found), _line(reason))
    raise ValueError(f"it returned {_short(found)}, which is neither True nor False nor a score from 0 to 1")


def _plain(text: str, case: bool) -> str:
    text = " ".join(text.split())
    return text if case else text.casefold()


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= 40 else text[:39] + "…"


def _line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"
