"""What is compared: parsing `--compare` and `--sweep`, and the grid of runs that they make. Pure.

--compare local/llama3.2,cloud/gpt-oss:120b      a mode before the slash; every other id is sent exactly as typed
--sweep temperature=0,0.7 --sweep seed=1,2       every combination of values
-n 5                                             each of them this many times
"""

from __future__ import annotations

import difflib
import itertools
import json
import random
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, SupportsIndex

from ..errors import SettingsError
from ..settings import MODES, parse_option_value

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["MOST", "Variant", "across", "grid", "letter", "models_of", "shuffled", "sweep_of"]

MOST: Final = 64
"""The most runs of one comparison."""

# The settings that can be swept; a name that is no setting is sent as a model option.
_SWEPT: Final = ("system", "temperature", "seed", "max_tokens", "num_ctx", "keep_alive", "think", "api")
_NOT_SWEPT: Final = {
    "model": "List models with --compare a,b.",
    "mode": "Put the mode before each model: --compare local/a,cloud/b.",
    "host": "A comparison asks one server of each mode.",
}
_OTHER_SETTINGS: Final = (
    *("key", "format", "render", "quiet", "trusted_hosts", "connect_timeout", "first_byte_timeout", "stall_timeout"),
    *("gguf", "cache", "pace", "budget", "rounds", "cache_dir", "options"),
)

_ALIASES: Final = {"num_predict": "max_tokens"}
_SLIP: Final = 0.8
"""Similarity of a name to a setting, from 0 to 1, at which it is taken for a typo."""


@dataclass(frozen=True, slots=True)
class Variant:
    """One run of a comparison: the model, its options, and the number of the repeat (0: it is asked once)."""

    typed: str = ""
    """The model as typed, with its mode; "" if none was named."""
    mode: str = ""
    model: str = ""
    options: tuple[tuple[str, Any], ...] = ()
    repeat: int = 0

    @property
    def who(self) -> str:
        """What is compared, without the number of the repeat: "llama3.2 · temperature=0"."""
        return " · ".join([*([self.typed] if self.typed else []), *(f"{k}={_told(v)}" for k, v in self.options)])

    @property
    def title(self) -> str:
        """The heading of its column."""
        return " ".join(part for part in (self.who, f"#{self.repeat}" if self.repeat else "") if part)

    def values(self) -> dict[str, Any]:
        """The settings that distinguish it, which override those of the cell."""
        found: dict[str, Any] = {name: value for name, value in self.options if name in _SWEPT}
        found |= {"mode": self.mode} if self.mode else {}
        found |= {"model": self.model} if self.model else {}
        own = {name: value for name, value in self.options if name not in _SWEPT}
        return found | ({"options": own} if own else {})


def models_of(given: str | Iterable[str]) -> tuple[Variant, ...]:
    """The models of a list `a,b,c`. Raises SettingsError for an empty name, or a model that is listed twice."""
    listed = given.split(",") if isinstance(given, str) else list(given) if isinstance(given, Iterable) else [given]
    odd = next((name for name in listed if not isinstance(name, str)), "")
    if odd != "":
        raise SettingsError(
            f"--compare: {odd!r} is no model's name", hint="Write names, as in llama3.2,qwen3:8b or a list of them."
        )
    names = [name.strip() for name in listed]
    if not names or not all(names):
        raise SettingsError(
            "--compare: a model's name is missing", hint="Write for instance --compare llama3.2,qwen3:8b."
        )
    twice = next((name for name in names if names.count(name) > 1), "")
    if twice:
        raise SettingsError(f"--compare: {twice!r} is listed twice", hint="To ask each model again, write -n 2.")
    return tuple(_model(name) for name in names)


def _model(name: str) -> Variant:
    mode, slash, rest = name.partition("/")
    if name in MODES:  # its default model
        return Variant(name, name)
    if slash and mode in MODES:
        if not rest:
            raise SettingsError(
                f"--compare: there is no model after {name!r}", hint=f"Write {mode}/NAME, or {mode} for its default."
            )
        return Variant(name, mode, rest)
    return Variant(name, "", name)


def sweep_of(text: str) -> tuple[str, tuple[Any, ...]]:
    """The name and values of `NAME=V1,V2`, parsed as for `-o`. A comma in quotes or brackets does not separate."""
    name, equals, rest = text.partition("=")
    name = name.strip().lstrip("-").replace("-", "_")  # accept the spelling of command-line options
    name = _ALIASES.get(name, name)
    if not equals or not re.fullmatch(r"\w+", name):
        raise SettingsError(
            f"--sweep {text!r} is not NAME=VALUE,VALUE", hint="Write for instance --sweep temperature=0,0.7."
        )
    pieces = [piece.strip() for piece in _pieces(rest)]
    if not all(pieces):
        raise SettingsError(f"--sweep {name}: a value is missing", hint=f"Write for instance --sweep {name}=1,2.")
    return name, swept(name, [parse_option_value(piece) for piece in pieces])


def swept(name: str, values: Iterable[Any]) -> tuple[Any, ...]:
    """The values to sweep `name` over, without duplicates. Raises SettingsError for what cannot be swept."""
    if name in _NOT_SWEPT or name in _OTHER_SETTINGS:
        raise SettingsError(
            f"--sweep {name}: it cannot be swept",
            hint=_NOT_SWEPT.get(name, f"Sweep one of {', '.join(_SWEPT)}, or an option of the model such as top_k."),
        )
    slip = difflib.get_close_matches(name, _SWEPT, n=1, cutoff=_SLIP)
    slip = slip or [known for known in _SWEPT if known.startswith(name)]
    if slip and name not in _SWEPT:
        raise SettingsError(
            f"--sweep {name}: did you mean {slip[0]!r}?", hint="A server ignores an option that it does not know."
        )
    if isinstance(values, str | bytes | Mapping) or not isinstance(values, Iterable):
        raise SettingsError(
            f"sweep {name}: {values!r} is not a list of values", hint=f"Write {{{name!r}: [{values!r}]}}."
        )
    plain = [value.item() if hasattr(value, "dtype") else value for value in values]  # JSON takes no numpy numbers
    found: dict[str, Any] = {json.dumps(value, default=repr): value for value in plain}
    if not found:
        raise SettingsError(f"--sweep {name}: there are no values", hint=f"Write for instance {name}=1,2.")
    return tuple(found.values())


def _pieces(text: str) -> list[str]:
    """`text` split at its commas, except those within double quotes, brackets or braces."""
    pieces, depth, quoted = [""], 0, False
    for sign in text:
        quoted ^= sign == '"'
        depth += 0 if quoted else (sign in "[{") - (sign in "]}")
        if sign == "," and not quoted and depth <= 0:
            pieces.append("")
        else:
            pieces[-1] += sign
    return pieces


def grid(
    models: Sequence[Variant] = (), sweeps: Mapping[str, Sequence[Any]] | None = None, repeats: int = 1
) -> tuple[Variant, ...]:
    """All runs, with the models of one combination next to each other. Raises SettingsError for more than MOST."""
    if not isinstance(repeats, SupportsIndex) or (repeats := int(repeats)) < 1:
        raise SettingsError(
            f"{repeats!r} is not a number of repeats: each run is asked at least once",
            hint="Write -n 3, or repeats=3, for three answers of each.",
        )
    named = [[(name, value) for value in values] for name, values in (sweeps or {}).items()]
    count = len(models or [0]) * repeats
    for values in named:
        count *= len(values)
    if count > MOST:
        raise SettingsError(
            f"This would be {count:,} runs in one cell; at most {MOST} can be compared",
            hint="Compare fewer models, sweep fewer values, or repeat less often (-n).",
        )
    return tuple(
        replace(model, options=options, repeat=number if repeats > 1 else 0)
        for options in itertools.product(*named)
        for number in range(1, repeats + 1)
        for model in (models or (Variant(),))
    )


def across(variants: Sequence[Variant]) -> int:
    """How many go into one row if there is room: the models, else the repeats, else the last option's values."""
    first = variants[0]
    for same in (
        [each for each in variants if (each.options, each.repeat) == (first.options, first.repeat)],
        [each for each in variants if (each.typed, each.options) == (first.typed, first.options)],
        [each for each in variants if each.options[:-1] == first.options[:-1]],
    ):
        if len(same) > 1:
            return len(same)
    return 1


def shuffled(variants: Sequence[Variant], chance: random.Random | None = None) -> tuple[Variant, ...]:
    """The variants in random order, which reveals nothing."""
    mixed = list(variants)
    (chance or random.SystemRandom()).shuffle(mixed)
    return tuple(mixed)


def letter(number: int) -> str:
    """A, B, ... Z, AA, AB, ... for 0, 1, ..."""
    return (letter(number // 26 - 1) if number >= 26 else "") + chr(ord("A") + number % 26)


def _told(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 40 else text[:39] + "…"
