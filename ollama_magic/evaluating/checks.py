"""What an answer is checked by: functions, expected texts, patterns and schemas; each check gives a Verdict.

A check that raises, or returns no valid verdict, is an error of that check for that answer only.
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
"""Takes the answer's value, or its text without a schema, then its text, and the row; returns what `_verdict` reads."""

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
    """The verdict of one check on one answer: `passed` is None if it could not be determined, and `error` says why.

    `score` is from 0 to 1; from 0.5 on it passes. `reason` is one line, "" if there is none.
    """

    check: str
    passed: bool | None
    score: float | None = None
    reason: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """A named check that runs locally, without asking a model."""

    name: str
    test: Test

    def judge(self, value: Any, text: str, row: Mapping[str, Any]) -> Verdict:
        """The verdict on an answer; raises nothing but an interrupt."""
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
    """The answer contains `expected`, where `{column}` stands for the row's value; case matters only with `case`.

    A number is compared as written; any run of whitespace equals a single space. Raises SettingsError for a blank
    text, which every answer contains, and for anything but a text or a number.
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
    """The answer is exactly `expected`, apart from surrounding whitespace; otherwise as `contains`."""
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
    """The answer contains a value of `schema`: a type, a JSON schema, or a text such as "name: str, year: int".

    This only checks the answer; `evaluate(..., schema=...)` also asks the model for it. Raises SettingsError for an
    invalid schema.
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
    """The checks given to `evaluate`, each with a unique name. Raises SettingsError.

    If None, the answer should contain what a column `expected` says, if there is one.
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
    """The answer contains the row's `expected`, or one of a list; a row without it cannot be judged."""
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
    """Whether it is a JSON schema, and not a dict of checks by name."""
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
    """Whether it takes the row too: a second positional parameter without a default, or *args."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # a builtin without a signature
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
