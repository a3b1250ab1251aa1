"""Finds the JSON in an answer: all of it, or values in a code fence or between sentences. Pure.

A truncated or broken value is an error, never a reason to take a smaller one from inside it: part of an answer that
happens to match would look complete.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from .validate import Mismatch

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["json_values"]

_THOUGHTS: Final = re.compile(r"\A\s*<think(?:ing)?>.*?</think(?:ing)?>", re.DOTALL)
_FENCE: Final = re.compile(r"\A```[^\n]*\n(.*?)\n?```\s*\Z", re.DOTALL)
_STARTS: Final = re.compile(r"[{\[]")
# Unlikely in prose: an object with its first key, or a list that starts with an object, a list or a string.
_SURELY_JSON: Final = re.compile(r'\{\s*"(?:[^"\\]|\\.)*"\s*:|\[\s*(?:\{\s*"|\[|")')

# Models write unescaped line breaks into strings, which the standard forbids.
_DECODER: Final = json.JSONDecoder(strict=False)


def json_values(text: str) -> Iterator[Any]:
    """The top-level JSON values of `text`, in order.

    Raises Mismatch at a truncated or broken one, after yielding those before it, and if there is none at all.
    """
    body = _THOUGHTS.sub("", text).strip().lstrip("\ufeff")
    if not body:
        raise Mismatch("the answer is empty")
    fenced = _FENCE.match(body)
    try:
        yield _DECODER.decode(fenced[1] if fenced else body)
        return
    except RecursionError:
        raise Mismatch("the JSON is nested too deeply") from None
    except ValueError:
        pass
    yield from _in_prose(body)


def _in_prose(body: str) -> Iterator[Any]:
    at, count = 0, 0
    while start := _STARTS.search(body, at):
        at = start.start()
        try:
            value, at = _DECODER.raw_decode(body, at)
        except json.JSONDecodeError as error:
            if error.pos >= len(body) or error.msg.startswith("Unterminated string"):
                raise Mismatch(f"the JSON is cut off, after {_tail(body)}") from None
            if _SURELY_JSON.match(body, at):
                line = body.count("\n", 0, error.pos) + 1
                column = error.pos - body.rfind("\n", 0, error.pos)
                raise Mismatch(f"the JSON is broken in line {line}, column {column}: {error.msg}") from None
            at += 1
        except (ValueError, RecursionError):  # a number of thousands of digits, or excessive nesting
            raise Mismatch("the JSON has a number that is too long, or is nested too deeply") from None
        else:
            count += 1
            yield value
    if not count:
        raise Mismatch(f"there is no JSON in the answer, which begins with {json.dumps(body[:40], ensure_ascii=False)}")


def _tail(body: str) -> str:
    return json.dumps(body[-30:], ensure_ascii=False)
