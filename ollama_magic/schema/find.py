"""The JSON in an answer: the whole of it, or a value in a code fence or between sentences. Pure.

A value that begins and does not end well is an error, never a reason to take a smaller one from inside it: half an
answer that happens to fit would look like a whole one.
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
# What can hardly be prose: an object with its first key, or a list that opens with an object, a list or a string.
_SURELY_JSON: Final = re.compile(r'\{\s*"(?:[^"\\]|\\.)*"\s*:|\[\s*(?:\{\s*"|\[|")')

# Models write line breaks into strings as they are; the standard wants them escaped.
_DECODER: Final = json.JSONDecoder(strict=False)


def json_values(text: str) -> Iterator[Any]:
    """The JSON values of `text` in their order, none inside another.

    Raises Mismatch, after those before it, for one that is cut off or broken, and where there is none at all.
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
        except (ValueError, RecursionError):  # a number of thousands of digits, or nesting without end
            raise Mismatch("the JSON has a number that is too long, or is nested too deeply") from None
        else:
            count += 1
            yield value
    if not count:
        raise Mismatch(f"there is no JSON in the answer, which begins with {json.dumps(body[:40], ensure_ascii=False)}")


def _tail(body: str) -> str:
    return json.dumps(body[-30:], ensure_ascii=False)
