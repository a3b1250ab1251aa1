"""Parsers from what users write to typed values: one function for each kind of setting. Pure.

Each takes text (from a line, a variable or a file) or a Python value, and raises NotAllowed, which says what is valid.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn, cast

from .hosts import Host, Trusted, parse_host, parse_trusted
from .secret import Secret, parse_key, refuse_keys

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "NotAllowed", "any_text", "boolean", "cache_policy", "duration", "file_path", "host", "key", "meant", "name",
    "option_mapping", "parse_option_value", "number", "one_of", "thinking", "time_limit", "trusted_hosts",
    "whole_number",
]  # fmt: skip

_TRUE: Final = ("true", "yes", "on", "1")
_FALSE: Final = ("false", "no", "off", "0")
_WHOLE = re.compile(r"[+-]?[0-9]+")
_DECIMAL = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_UNITS: Final = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_PIECE = r"([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)"
_DURATION = re.compile(f"[+-]?(?:{_PIECE})+")
_LONGEST_S: Final = 9.2e9
"""The range of Go's time.Duration: 292 years."""


class NotAllowed(ValueError):
    """The value is invalid. `allowed` says what is valid, `words` are the words that it may be a misspelling of."""

    def __init__(self, allowed: str, words: tuple[str, ...] = ()) -> None:
        super().__init__(allowed)
        self.allowed = allowed
        self.words = words


def meant(word: str, words: tuple[str, ...], likeness: float = 0.6) -> str:
    """ "Did you mean ...? " with the nearest of `words`; "" if none has a similarity of at least `likeness`, 0 to 1."""
    import difflib

    near = difflib.get_close_matches(word.strip().lower(), words, n=1, cutoff=likeness)
    return f"Did you mean {near[0]}? " if near else ""


def one_of(*words: str) -> Callable[[object], str]:
    """A parser for one of `words`, in any case."""

    def parse(value: object) -> str:
        word = value.strip().lower() if isinstance(value, str) else ""
        if word not in words:
            raise NotAllowed(f"one of {', '.join(words)}", words)
        return word

    return parse


def boolean(value: object) -> bool:
    """True or False, from itself or a word for it."""
    if isinstance(value, bool):
        return value
    word = str(value).strip().lower()
    if word in _TRUE or word in _FALSE:
        return word in _TRUE
    raise NotAllowed("true or false (also 1/0, yes/no, on/off)", (*_TRUE, *_FALSE))


def cache_policy(value: object) -> str:
    """off, use or refresh; True is use, and False off."""
    word = str(value).strip().lower()
    if word in (*_TRUE, *_FALSE):
        return "use" if word in _TRUE else "off"
    if word in ("use", "refresh"):
        return word
    raise NotAllowed("one of off, use, refresh; true is use, false is off", ("off", "use", "refresh"))


def any_text(value: object) -> str:
    """Any text, unchanged, even empty."""
    if not isinstance(value, str):
        raise NotAllowed("a text")
    return value


def name(value: object) -> str:
    """A model's name, exactly as typed."""
    if not isinstance(value, str) or not value.isprintable() or value != value.strip():
        raise NotAllowed("a model's name, without line breaks or spaces around it")
    return value


def file_path(value: object) -> Path:
    """A path; a leading ~ is expanded to the home folder."""
    if not isinstance(value, (str, Path)) or "\0" in str(value):
        raise NotAllowed("a path")
    try:
        return Path(value).expanduser()
    except RuntimeError:
        raise NotAllowed("a path; the home folder that its ~ stands for is not known") from None


def whole_number(allowed: str, accept: Callable[[int], bool]) -> Callable[[object], int]:
    """A parser for the integers that `accept` returns True for; `allowed` describes them."""

    def parse(value: object) -> int:
        found: int | None = None
        if isinstance(value, str):
            found = int(value) if _WHOLE.fullmatch(value.strip()) and len(value) < 25 else None
        elif isinstance(value, (int, float)) and not isinstance(value, bool) and value == value // 1:
            found = int(value)
        if found is None or abs(found) >= 2**63 or not accept(found):
            raise NotAllowed(allowed)
        return found

    return parse


def number(value: object) -> float:
    """A finite number of at least 0."""
    found = _finite(value)
    if found is None or found < 0:
        raise NotAllowed("a number from 0 up")
    return found


def _finite(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return None
    if isinstance(value, str) and not _DECIMAL.fullmatch(value.strip()):
        return None  # float() would also take nan, infinity and 1_000
    try:
        found = float(value)
    except OverflowError:
        return None
    return found if math.isfinite(found) else None


def _seconds(value: object) -> float | None:
    """The seconds of a number or a Go duration ("1h30m"); None for anything else, and beyond _LONGEST_S."""
    found = _finite(value)
    if found is None and isinstance(value, str) and _DURATION.fullmatch(value.strip()):
        found = sum(float(amount) * _UNITS[unit] for amount, unit in re.findall(_PIECE, value))
        found = -found if value.strip().startswith("-") else found
    return found if found is not None and abs(found) <= _LONGEST_S else None


def duration(value: object) -> str | float:
    """A keep_alive: seconds as a number, or a Go duration as text, the two forms that Ollama accepts."""
    seconds = _seconds(value)
    if seconds is None:
        raise NotAllowed("seconds, or a duration such as 30s, 5m, 1h30m; 0 unloads at once, -1 keeps for ever")
    if isinstance(value, str) and _finite(value) is None:
        return value.strip()
    return int(seconds) if seconds.is_integer() else seconds


def time_limit(value: object) -> float | None:
    """A timeout in seconds above 0; None for no limit, which 0 also means."""
    word = value.strip().lower() if isinstance(value, str) else ""
    if word in ("off", "none", "never"):
        return None
    seconds = _seconds(value)
    if seconds is None or seconds < 0:
        raise NotAllowed('seconds above 0, a duration such as 90s or 30m, or "off" for no limit', ("off", "none"))
    return seconds or None


def thinking(value: object) -> bool | str:
    """True, False, or the name of a level; the levels depend on the model, and are not checked here."""
    if isinstance(value, bool):
        return value
    word = str(value).strip()
    if word.lower() in _TRUE or word.lower() in (*_FALSE, "none"):
        return word.lower() in _TRUE
    if isinstance(value, str) and re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]*", word):
        return word
    raise NotAllowed("true, false, or a level such as low, medium, high")


def host(value: object) -> Host:
    """A server's address. Raises SettingsError, from `parse_host`, for an invalid one."""
    if isinstance(value, Host):
        return value
    if not isinstance(value, str):
        raise NotAllowed("an address such as gpu-box:11434 or https://example.com")
    return parse_host(value)


def trusted_hosts(value: object) -> tuple[Trusted, ...]:
    """Host names, as text separated by commas or as a list."""
    if isinstance(value, str):
        return parse_trusted(value)
    if not isinstance(value, (list, tuple, set, frozenset)):
        raise NotAllowed("names between commas, such as gateway.example.com, localhost:8080")
    found: list[Trusted] = []
    for each in value:
        found += [each] if isinstance(each, Trusted) else trusted_hosts(each if isinstance(each, str) else None)
    return tuple(found)


def key(value: object) -> Secret:
    """An API key. Raises SettingsError, from `parse_key`, which never shows the key."""
    if isinstance(value, Secret):
        return parse_key(value.reveal())
    if not isinstance(value, str):
        raise NotAllowed("a text")
    return parse_key(value)


# ---- model options ---------------------------------------------------------------------------------------------


def parse_option_value(text: str) -> Any:
    """The value of `-o NAME=VALUE`: parsed if it is JSON (or Python's True, False, .5 and 5.), else the text itself."""
    if text in ("True", "False"):
        return text == "True"
    if re.fullmatch(r"-?(\.[0-9]+|[0-9]+\.)", text):
        return float(text)
    try:
        value = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return text
    return value if _sendable(value) else text


def option_mapping(value: object) -> dict[str, Any]:
    """Model options: a mapping, a JSON object, or NAME=VALUE pairs separated by commas. Values may be None (null), with
    which `resolve` removes an option."""
    allowed = 'a JSON object, or names and values such as top_k=20,stop=["END"]'
    if isinstance(value, str):
        value = _option_text(value, allowed)
    if not isinstance(value, Mapping):
        raise NotAllowed(allowed)
    refuse_keys(value)
    found = {}
    for each, setting in value.items():
        if not isinstance(each, str) or not re.fullmatch(r"\w+", each):
            raise NotAllowed(f"{allowed}; {str(each)[:40]!r} is not an option's name")
        if each in ("logprobs", "top_logprobs"):  # a server would ignore these among the options
            raise NotAllowed(f"{allowed}; {each} is not one: write --tokens, or ask(..., top_logprobs=5)")
        if not _sendable(setting):
            raise NotAllowed(f"{allowed}; the value of {each} cannot be written as JSON")
        found[each] = setting
    return found


def _option_text(text: str, allowed: str) -> Mapping[str, Any]:
    text = text.strip()
    if text.startswith("{"):
        try:
            return cast("Mapping[str, Any]", json.loads(text, parse_constant=_no_constant))
        except (ValueError, RecursionError):
            raise NotAllowed(allowed) from None
    found: dict[str, Any] = {}
    while text:
        option, mark, text = text.partition("=")
        if not mark:
            raise NotAllowed(allowed)
        end = _value_end(text)
        found[option.strip()] = parse_option_value(text[:end].strip())
        text = text[end + 1 :]
    return found


def _value_end(text: str) -> int:
    """Where the first value of `text` ends: at a comma outside of JSON lists, objects and strings, or at the end."""
    start = len(text) - len(text.lstrip())
    if text[start : start + 1] in ("[", "{", '"'):
        try:
            end = json.JSONDecoder().raw_decode(text, start)[1]
        except (ValueError, RecursionError):
            end = start
        if not text[end:].strip() or text[end:].lstrip().startswith(","):
            return end + len(text[end:]) - len(text[end:].lstrip())
    comma = text.find(",")
    return len(text) if comma < 0 else comma


def _no_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is not JSON")


def _sendable(value: object, depth: int = 0) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    if depth < 20 and isinstance(value, (list, tuple)):
        return all(_sendable(each, depth + 1) for each in value)
    if depth < 20 and isinstance(value, dict):
        return all(isinstance(name, str) and _sendable(each, depth + 1) for name, each in value.items())
    return value is None or isinstance(value, (str, bool, int))
