"""Tab completion of options, commands, model names and setting names, for `%ollama` and `%%ollama`.

A version-2 matcher of IPython's completer: it names the fragment it replaces, so that names with `:`, `-` and `.`
complete right in every front end. It never raises and never waits for a server longer than the session allows.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from .commands import COMMANDS
from .errors import OllamaMagicError
from .options import OPTIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["complete", "match"]

_LINE = re.compile(r"^\s*(%%?)ollama(?=\s)(.*)$")
_FLAGS = {flag: option for option in OPTIONS for flag in option.flags if flag.startswith("-")}


def complete(line: str, first_line: bool, model_names: Callable[[str], Iterable[str]]) -> tuple[str, list[str]] | None:
    """The fragment before the cursor and the words that may stand there; None where this is not our line.

    `line` is the text up to the cursor; `model_names(mode)` gives the models of a mode, "" for the one in force.
    """
    found = _LINE.match(line)
    if found is None or (found[1] == "%%" and not first_line):
        return None
    words = found[2].split()
    fragment = "" if found[2][-1:].isspace() else words.pop()
    candidates = _cell_words(words, fragment, model_names) if found[1] == "%%" else _command_words(words, model_names)
    flag, equals, value = fragment.partition("=")
    if equals and flag in _FLAGS:
        fragment = value
        candidates = _values_of(flag, words, model_names)
    return fragment, sorted({word for word in candidates if word.startswith(fragment)})


def _cell_words(words: list[str], fragment: str, model_names: Callable[[str], Iterable[str]]) -> list[str]:
    before = words[-1] if words else ""
    if before in _FLAGS and _FLAGS[before].metavar:
        option = _FLAGS[before]
        values = _values_of(before, words, model_names)
        # The value of --think may be left out, so options may follow it too.
        return values + (list(_FLAGS) if option.optional else [])
    flags = [flag for flag in _FLAGS if _FLAGS[flag].repeat or flag not in words]
    if fragment.startswith("-"):
        return flags
    named = any(not word.startswith("-") and not _is_value(i, words) for i, word in enumerate(words))
    return flags if named else [*model_names(_mode_in(words)), *flags]


def _values_of(flag: str, words: list[str], model_names: Callable[[str], Iterable[str]]) -> list[str]:
    option = _FLAGS[flag]
    if option.dest == "model":
        return list(model_names(_mode_in(words)))
    return list(option.choices or option.optional)


def _is_value(index: int, words: list[str]) -> bool:
    before = words[index - 1] if index else ""
    return before in _FLAGS and _FLAGS[before].takes_value


def _mode_in(words: list[str]) -> str:
    for before, word in pairwise(words):
        if before == "--mode":
            return word
    return next((word.partition("=")[2] for word in words if word.startswith("--mode=")), "")


def _command_words(words: list[str], model_names: Callable[[str], Iterable[str]]) -> list[str]:
    if not words:
        return list(COMMANDS)
    command = COMMANDS.get(words[0])
    if command is None or len(words) > 1:
        return list(_FLAGS) if command is not None and command.takes_options else []
    return [*command.words(), *(model_names("") if command.takes_model else ())]


def match(context: Any) -> dict[str, Any]:
    """IPython's completion context to a matcher's result, version 2 of the protocol."""
    from IPython.core.completer import SimpleCompletion

    found = None
    try:
        found = complete(context.text_until_cursor, context.cursor_line == 0, _model_names)
    except OllamaMagicError:
        pass  # settings that cannot be used: the cell itself will say so, Tab stays silent
    if found is None:
        return {"completions": [], "suppress": False}
    fragment, words = found
    return {
        "completions": [SimpleCompletion(text=word, type="magic") for word in words],
        "matched_fragment": fragment,
        "suppress": True,
    }


def _model_names(mode: str) -> list[str]:
    from .session import current

    session = current()
    return session.model_names(session.settings({"mode": mode} if mode else None))
