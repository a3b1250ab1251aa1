"""Tab completion for `%ollama` and `%%ollama`: options, commands, models, settings, conversations, variables.

A version-2 matcher of IPython's completer: it names the fragment it replaces, so that names with `:`, `-` and `.`
complete correctly in every front end. It waits for a server no longer than `_WAIT_S`.
"""

from __future__ import annotations

import re
import time
from inspect import isroutine
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Protocol

from IPython import get_ipython

from .commands import COMMANDS, SYNONYMS
from .errors import OllamaMagicError
from .options import OPTIONS
from .session import current
from .settings import MODES

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Known", "complete", "match"]

_WAIT_S = 0.25
_LEAST_S = 0.15
"""The minimum wait, if the import used up `_WAIT_S`: a running server answers within it, even on a new connection."""
_LINE = re.compile(r"^\s*(%%?)ollama(?=\s)(.*)$")
_SWEPT = ("temperature", "seed", "max_tokens", "num_ctx", "system", "think", "top_k", "top_p")
_FLAGS = {flag: option for option in OPTIONS for flag in option.flags if flag.startswith("-")}


class Known(Protocol):
    """The names available for completion."""

    def models(self, mode: str) -> Iterable[str]:
        """The models of a mode, "" for the one in force."""

    def threads(self) -> Iterable[str]:
        """The conversations of this kernel."""

    def variables(self, functions: bool) -> Iterable[str]:
        """The notebook's variables, or only its functions."""


def complete(line: str, first_line: bool, known: Known) -> tuple[str, list[str]] | None:
    """The fragment before the cursor and its possible completions; None if this is not our line.

    `line` is the text up to the cursor.
    """
    found = _LINE.match(line)
    if found is None or (found[1] == "%%" and not first_line):
        return None
    words = found[2].split()
    fragment = "" if found[2][-1:].isspace() else words.pop()
    candidates = _cell_words(words, fragment, known) if found[1] == "%%" else _command_words(words, known)
    flag, equals, value = fragment.partition("=")
    if equals and flag in _FLAGS:
        fragment = value
        candidates = _values_of(flag, words, known)
    if words and words[-1] in ("--tools", "--compare"):  # a list: only its last item is being typed
        fragment = fragment.rpartition(",")[2]
    if words and words[-1] == "--compare":
        mode, slash, _ = fragment.partition("/")
        if slash and mode in MODES:
            candidates = [f"{mode}/{name}" for name in known.models(mode)]
    return fragment, sorted({word for word in candidates if word.startswith(fragment)})


def _cell_words(words: list[str], fragment: str, known: Known) -> list[str]:
    before = words[-1] if words else ""
    if before in _FLAGS and _FLAGS[before].metavar:
        option = _FLAGS[before]
        values = _values_of(before, words, known)
        # The value of --think may be left out, so options may follow it too.
        return values + (list(_FLAGS) if option.optional else [])
    flags = [flag for flag in _FLAGS if _FLAGS[flag].repeat or flag not in words]
    if fragment.startswith("-"):
        return flags
    named = any(not word.startswith("-") and not _is_value(i, words) for i, word in enumerate(words))
    return flags if named else [*known.models(_mode_in(words)), *flags]


def _values_of(flag: str, words: list[str], known: Known) -> list[str]:
    option = _FLAGS[flag]
    if option.dest == "model":
        return list(known.models(_mode_in(words)))
    if option.dest == "compare":
        return [*known.models(_mode_in(words)), *(f"{mode}/" for mode in MODES), "embedded"]
    if option.dest == "sweep":
        return [f"{name}=" for name in _SWEPT]
    if option.dest == "thread":
        return list(known.threads())
    if option.dest in ("attach", "schema", "out", "tools", "map"):
        return list(known.variables(functions=option.dest == "tools"))
    return list(option.choices or option.optional)


def _is_value(index: int, words: list[str]) -> bool:
    before = words[index - 1] if index else ""
    return before in _FLAGS and _FLAGS[before].takes_value


def _mode_in(words: list[str]) -> str:
    for before, word in pairwise(words):
        if before == "--mode":
            return word
    return next((word.partition("=")[2] for word in words if word.startswith("--mode=")), "")


def _command_words(words: list[str], known: Known) -> list[str]:
    if not words:
        return list(COMMANDS)
    command = COMMANDS.get(SYNONYMS.get(words[0], words[0]))
    if command is None or len([word for word in words if not word.startswith("-")]) > 1:
        return list(_FLAGS) if command is not None and command.takes_options else []
    models = known.models("") if command.takes_model else ()
    threads = known.threads() if command.takes_thread else ()
    return [*command.words(), *models, *threads]


def match(context: Any, began: float) -> dict[str, Any]:
    """The result of a version-2 matcher for IPython's completion context.

    `began` is when Tab was pressed, by time.monotonic(): the answer comes within about 0.3 s of that.
    """
    from IPython.core.completer import SimpleCompletion

    found = None
    try:
        found = complete(context.text_until_cursor, context.cursor_line == 0, _Kernel(began))
    except OllamaMagicError:
        pass  # invalid settings: running the cell reports them, Tab stays silent
    if found is None:
        return {"completions": [], "suppress": False}
    fragment, words = found
    return {
        "completions": [SimpleCompletion(text=word, type="magic") for word in words],
        "matched_fragment": fragment,
        "suppress": True,
    }


class _Kernel:
    """The names in this kernel."""

    def __init__(self, began: float) -> None:
        self._until = began + _WAIT_S

    def models(self, mode: str) -> list[str]:
        session = current()
        settings = session.settings({"mode": mode} if mode else None)
        return session.model_names(settings, wait_s=max(_LEAST_S, self._until - time.monotonic()))

    def threads(self) -> list[str]:
        return current().threads.names()

    def variables(self, functions: bool) -> list[str]:
        shell = get_ipython()
        mine = {} if shell is None else {n: v for n, v in shell.user_ns.items() if not n.startswith("_")}
        hidden = set() if shell is None else set(shell.user_ns_hidden)
        return [name for name, value in mine.items() if name not in hidden and (isroutine(value) or not functions)]
