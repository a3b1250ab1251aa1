"""The parser of a cell's first line, which gives the settings for this cell and what else the line asks for.

The line is split as by a shell (quotes group words, any number of spaces separates them), except that a backslash is
an ordinary character, so that Windows paths and LaTeX survive.
"""

from __future__ import annotations

import argparse
import keyword
import re
import shlex
from dataclasses import dataclass, field, fields
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, NoReturn

from .address import without_credentials
from .errors import SettingsError
from .options import ALTERNATIVES, OPTIONS, THINK_LEVELS, nearest, usage
from .secret import KEY_NAMES, SECRET_NAMES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from .options import Option

__all__ = ["How", "Parsed", "parse_cell_line", "parse_words", "split_line"]

_KEY = re.compile(r"(?<![0-9a-f])[0-9a-f]{32}\.[A-Za-z0-9_-]{16,}")
"""The format of Ollama's own keys, which no model name has."""
_SHORTEST_KEY = 8
_LISTS = ("--compare", "--sweep", "--tools")


@dataclass(frozen=True, slots=True)
class How:
    """What a line asks for that is not a setting. "", () or None if it does not say."""

    out: str = ""
    attach: tuple[str, ...] = ()
    raw: bool = False
    schema: str = ""
    tools: tuple[str, ...] = ()
    web: bool = False
    confirm: bool = False
    go_on: bool = False
    thread: str = ""
    new: bool = False
    dry_run: bool = False
    bg: bool = False
    compare: str = ""
    sweep: tuple[str, ...] = ()
    repeats: int = 1
    blind: bool = False
    tokens: int | None = None
    map: str = ""
    into: str = ""
    concurrency: int | None = None

    @property
    def compares(self) -> bool:
        """Whether it asks for a comparison: several models or values, repeats, or --blind."""
        return bool(self.compare or self.sweep or self.repeats != 1 or self.blind)


@dataclass(frozen=True, slots=True)
class Parsed:
    """A parsed line: `values` are settings for this cell only, `how` is the rest."""

    values: Mapping[str, Any] = field(default_factory=dict)
    how: How = How()


_HOW = tuple(each.name for each in fields(How))


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise SettingsError(f"%%ollama: {message}", hint=usage())


def split_line(line: str) -> list[str]:
    """The words of a magic's line. Raises SettingsError for an unclosed quote, and for a key among the words."""
    lexer = shlex.shlex(line, posix=True)
    lexer.whitespace_split = True
    lexer.commenters = ""
    lexer.escape = ""
    try:
        words = list(lexer)
    except ValueError:
        words = []
    _refuse_keys(words or line.replace("'", " ").replace('"', " ").split())
    if line.strip() and not words:
        raise SettingsError(
            f"%%ollama: a quote is opened and not closed in: {without_credentials(line.strip())}",
            hint="Close it, or put the value in the other kind of quotes.",
        )
    return words


def parse_cell_line(line: str) -> Parsed:
    """What a cell's first line asks for; see `parse_words`."""
    return parse_words(split_line(line))


def parse_words(words: Sequence[str]) -> Parsed:
    """What the words of a line ask for.

    Raises SettingsError for what cannot be parsed; for an unknown option with the nearest one and the usage.
    """
    _refuse_keys(words)
    words = _lists_joined(words)
    _refuse_unknown(words)
    try:
        found, extra = _parser().parse_known_intermixed_args(_spell_out(words))
    except AttributeError as error:  # argparse restoring what an interrupt kept it from saving
        raise (error.__context__ if isinstance(error.__context__, KeyboardInterrupt) else error) from None
    values: dict[str, Any] = {name: value for name, value in vars(found).items() if value is not None}
    positional = values.pop("positional", [])
    if extra or len(positional) > 1:
        odd = (extra or positional[1:])[0]
        raise SettingsError(
            f"%%ollama: cannot place {without_credentials(odd)!r}: the first line takes one MODEL and options",
            hint=f"The prompt goes on the lines below it; a value with spaces goes in quotes.\n{usage()}",
        )
    if positional:
        if values.get("model", positional[0]) != positional[0]:
            raise SettingsError(
                f"%%ollama: two models are named, {values['model']!r} and {positional[0]!r}", hint="Keep one of them."
            )
        values["model"] = positional[0]
    if "options" in values:
        values["options"] = dict(_pair(text) for text in values["options"])
    return Parsed(values, _how({name: values.pop(name) for name in _HOW if name in values}))


def _how(given: dict[str, Any]) -> How:
    out = given.get("out", "")
    if out and (not out.isidentifier() or keyword.iskeyword(out)):
        raise SettingsError(f"%%ollama: --out {out!r} is not a variable name", hint="Use a name such as --out answer.")
    if given.get("new") and not (given.get("thread") or given.get("go_on")):
        raise SettingsError(
            "%%ollama: --new begins a conversation anew, and none is named", hint="Add -i NAME, or -c for the last one."
        )
    if "tools" in given:
        given["tools"] = tuple(name.strip() for name in given["tools"].split(",") if name.strip())
    if "tokens" in given:
        given["tokens"] = _number(given["tokens"], "--tokens", "10")
    for name in ("attach", "sweep"):
        if name in given:
            given[name] = tuple(given[name])
    if "concurrency" in given:
        given["concurrency"] = _number(given["concurrency"], "--concurrency", "8")
    for name in ("into", "concurrency"):
        if name in given and not given.get("map"):
            raise SettingsError(f"%%ollama: --{name} says how to map, and nothing is", hint="Add --map df.")
    if "repeats" in given:
        given["repeats"] = _number(given["repeats"], "-n", "5")
    return How(**given)


def _parser() -> _Parser:
    # With a fixed usage: generating one takes longer than all of the parsing, and an interrupt meanwhile would surface
    # as an AttributeError of argparse's.
    parser = _Parser(prog="%%ollama", usage="%%ollama", add_help=False, allow_abbrev=False)
    parser.add_argument("positional", nargs="*")
    for option in OPTIONS:
        flags = [flag for flag in option.flags if flag.startswith("-")]
        arguments: dict[str, Any] = {"dest": option.dest, "default": None}
        if option.metavar:
            arguments["metavar"] = option.metavar
            if option.repeat:
                arguments["action"] = "append"
        else:
            arguments |= {"action": "store_const", "const": option.value}
        parser.add_argument(*flags, **arguments)
    return parser


def _lists_joined(words: Sequence[str]) -> list[str]:
    """The words, with a list that has spaces after its commas joined into one: `--compare a, b` is `--compare a,b`."""
    joined: list[str] = []
    for word in words:
        last = joined[-1] if joined else ""
        named = last if last.startswith("--") else joined[-2] if len(joined) > 1 else ""
        goes_on = last.endswith(",") and named.partition("=")[0] in _LISTS
        if goes_on and (not word.startswith("-") or _is_number(word)):
            joined[-1] += word
        else:
            joined.append(word)
    return joined


def _spell_out(words: Sequence[str]) -> list[str]:
    """The words, with defaults for optional values, so that a model may follow: `--think` not followed by a level
    becomes `--think=true`, and `--tokens` not followed by a number `--tokens=5`."""
    spelled = []
    for word, follower in zip_longest(words, words[1:], fillvalue=""):
        if word == "--think" and follower not in THINK_LEVELS:
            spelled.append("--think=true")
        elif word == "--tokens" and not _is_number(follower):
            spelled.append(f"--tokens={ALTERNATIVES}")
        else:
            spelled.append(word)
    return spelled


def _number(text: str, flag: str, example: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise SettingsError(
            f"%%ollama: {flag} {text!r} is not a whole number", hint=f"Write for instance {flag} {example}."
        ) from None


def _refuse_keys(words: Iterable[str]) -> None:
    for word in words:
        if _is_key(word):
            raise SettingsError(
                "%%ollama: there is no option for a key: it would be saved in the notebook",
                hint="Use `%ollama login` (hidden prompt, kept in memory only) or set OLLAMA_API_KEY. "
                "If there is a real key in this cell, delete it, save the notebook, and make a new key."
                f"{' For the tokens of an answer: --tokens.' if word == '--token' else ''}",
            )


def _is_key(word: str) -> bool:
    name, equals, value = word.partition("=")
    plain = name.lstrip("-").lower().replace("-", "_")
    if name.startswith("-"):
        return plain in SECRET_NAMES or _KEY.search(word) is not None
    named = equals and plain in KEY_NAMES and len(value) >= _SHORTEST_KEY and " " not in value
    return bool(named) or _KEY.search(word) is not None


def _refuse_unknown(words: Sequence[str]) -> None:
    known = {flag: option for option in OPTIONS for flag in option.flags if flag.startswith("-")}
    value_follows = False
    for word in words:
        flag, equals, _ = word.partition("=")
        if value_follows:
            value_follows = False
        elif flag in known:
            value_follows = known[flag].takes_value and not equals
        elif word.startswith("-") and not _is_number(word) and not _glued_short(word, known):
            flag = flag if flag.startswith("--") else flag[:2]  # a short one may have a value attached
            raise SettingsError(f"%%ollama: unknown option {flag!r}{nearest(flag, known)}", hint=usage())


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _glued_short(word: str, known: Mapping[str, Option]) -> bool:
    """Whether this is a short option with its value attached, as in `-t0.2`."""
    return not word.startswith("--") and word[:2] in known and known[word[:2]].takes_value


def _pair(text: str) -> tuple[str, Any]:
    from .settings import parse_option_value

    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise SettingsError(f"%%ollama: -o {text!r} is not NAME=VALUE", hint="Write for instance -o top_k=20.")
    return name.strip(), parse_option_value(value.strip())
