"""The table of settings with their environment variables, and the values in effect, each with its origin."""

# ruff: noqa: RUF009 -- `_setting` is dataclasses.field with our table's columns as metadata

from __future__ import annotations

import operator
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from . import values
from .errors import SettingsError
from .hosts import CLOUD, LOCAL, Host, Trusted, may_receive_key
from .secret import refuse_keys
from .values import parse_option_value

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from .secret import Secret

__all__ = ["ALIASES", "FIELDS", "MODES", "Field", "Row", "Settings", "by_setting", "from_one", "parse_option_value"]

Mode = Literal["local", "cloud", "embedded"]
MODES: Final[tuple[Mode, ...]] = ("local", "cloud", "embedded")

ALIASES: Final = {"temperature": "temperature", "seed": "seed", "num_predict": "max_tokens", "num_ctx": "num_ctx"}
"""Model options that are also settings: whichever way they are given, the stronger layer wins."""


# ---- the table -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Field:
    """One setting: of its variables `env` the first one set counts; `parse` raises NotAllowed or SettingsError."""

    name: str
    help: str
    parse: Callable[[object], Any]
    default: Any
    env: tuple[str, ...]


def _setting(default: Any, parse: Callable[[object], Any], help: str, also: str = "", own: bool = True) -> Any:
    meta = {"help": help, "parse": parse, "default": default, "also": also, "own": own}
    if isinstance(default, Mapping):
        return field(default_factory=lambda: default, metadata=meta, hash=False)
    return field(default=default, metadata=meta)


_COUNT = values.whole_number("a whole number from 1", lambda n: n > 0)
_LIMIT = values.whole_number("a whole number from 1, or -1 for no limit", lambda n: n > 0 or n in (-1, -2))
_ANY_WHOLE = values.whole_number("a whole number", lambda n: True)


@dataclass(frozen=True, slots=True, repr=False)
class Settings:
    """The values in effect. None means not set; for a timeout, no limit."""

    mode: Mode = _setting("local", values.one_of(*MODES), "where prompts go: local, cloud or embedded")
    host: Host | None = _setting(None, values.host, "the server, in any form that OLLAMA_HOST takes", "OLLAMA_HOST")
    key: Secret | None = _setting(
        None, values.key, "API key; sent only to https://ollama.com and trusted hosts", "OLLAMA_API_KEY", own=False
    )
    model: str | None = _setting(None, values.name, "the model, sent exactly as typed", "OLLAMA_MODEL")
    api: Literal["auto", "openai", "native"] = _setting(
        "auto", values.one_of("auto", "openai", "native"), "which surface to use: openai is /v1, native is /api"
    )
    system: str | None = _setting(None, values.any_text, "system prompt")
    temperature: float | None = _setting(None, values.number, "sampling temperature; 0 is the most repeatable")
    seed: int | None = _setting(None, _ANY_WHOLE, "sampling seed")
    max_tokens: int | None = _setting(None, _LIMIT, "longest answer, in tokens")
    num_ctx: int | None = _setting(None, _COUNT, "context length, in tokens")
    keep_alive: str | float | None = _setting(
        None, values.duration, "how long the model stays loaded: seconds, or 5m, 1h; negative: forever"
    )
    options: Mapping[str, Any] = _setting(
        MappingProxyType({}), values.option_mapping, "further model options, such as top_k=20"
    )
    think: bool | str | None = _setting(None, values.thinking, "reasoning: true, false or a level of the model")
    format: Literal["markdown", "text", "json", "code", "html", "math"] = _setting(
        "markdown", values.one_of("markdown", "text", "json", "code", "html", "math"), "the form of an answer"
    )
    render: Literal["live", "once"] = _setting(
        "live", values.one_of("live", "once"), "show an answer as it arrives, or once at its end"
    )
    quiet: bool = _setting(False, values.boolean, "no footer under an answer")
    trusted_hosts: tuple[Trusted, ...] = _setting(
        (), values.trusted_hosts, "hosts that may have the key too: names, https only (http on loopback)"
    )
    connect_timeout: float | None = _setting(10.0, values.time_limit, "seconds to wait for a connection")
    first_byte_timeout: float | None = _setting(
        1800.0, values.time_limit, "seconds to wait for the first token; the server is silent while it loads a model"
    )
    stall_timeout: float | None = _setting(120.0, values.time_limit, "seconds of silence allowed within an answer")
    gguf: Path | None = _setting(None, values.file_path, "weights for the embedded engine, a .gguf file")
    cache: Literal["off", "use", "refresh"] = _setting(
        "off", values.cache_policy, "whether answers are kept on disk and replayed"
    )
    pace: float = _setting(0.0, values.number, "pauses of a replay: 0 none, 1 as recorded, 0.5 half as long")
    budget: int = _setting(2000, _COUNT, "the most tokens that one object of the notebook may cost in a prompt")
    rounds: int = _setting(8, _COUNT, "how many times in a row a model may ask for tools")
    cache_dir: Path | None = _setting(None, values.file_path, "folder for downloaded weights and kept answers")
    _origins: Mapping[str, str] = field(default_factory=dict, hash=False)
    _from_folder: frozenset[str] = frozenset()

    def origin(self, name: str) -> str:
        """Where the value of `name` came from: "cell", "environment: OLLAMA_HOST", ..., "default"."""
        return self._origins.get(name, "default")

    def is_default(self, name: str) -> bool:
        """Whether `name` was not set anywhere."""
        return name not in self._origins

    def came_with_folder(self, name: str) -> bool:
        """Whether `name` was set by a folder's file (a .env), which somebody else may have written."""
        return name in self._from_folder

    def in_mode(self, mode: Mode, origin: str) -> Settings:
        """These settings with another mode, whose origin is `origin`."""
        return replace(self, mode=mode, _origins=MappingProxyType({**self._origins, "mode": origin}))

    def at_cloud(self, origin: str) -> Settings:
        """These settings in mode cloud, with `origin` as its origin: at https://ollama.com, unless they name a host
        that may have the key, such as a trusted gateway."""
        if self.host is not None and may_receive_key(self.host, self.trusted_hosts):
            return self.in_mode("cloud", origin)
        origins = MappingProxyType({**self._origins, "mode": origin, "host": origin})
        return replace(self, mode="cloud", host=CLOUD, api="auto", _origins=origins)

    def without_foreign_host(self) -> Settings:
        """These settings without a host that their mode cannot use, such as a local server's OLLAMA_HOST in mode cloud,
        and then without the surface chosen for it; for models that are each named with a mode."""
        host = self.host
        if host is None or (may_receive_key(host, self.trusted_hosts) if self.mode == "cloud" else not host.is_cloud):
            return self
        own = {name: origin for name, origin in self._origins.items() if name not in ("host", "api")}
        return replace(self, host=None, api="auto", _origins=MappingProxyType(own))

    def request_options(self) -> dict[str, Any]:
        """The model options to send, under Ollama's names."""
        own = {option: getattr(self, name) for option, name in ALIASES.items()}
        return {**self.options, **{option: value for option, value in own.items() if value is not None}}

    def rows(self) -> list[Row]:
        """Every setting in a form safe to show: the key as set or not set, no credentials."""
        return [Row(spec.name, self._shown(spec.name), self.origin(spec.name)) for spec in FIELDS]

    def _shown(self, name: str) -> str:
        value = getattr(self, name)
        if name == "key":
            return "set" if value else "not set"
        if name == "host":
            implied = {"local": LOCAL.display, "cloud": CLOUD.display, "embedded": "started when needed"}
            return value.display if value else implied[self.mode]
        if value is None:
            return "never" if name.endswith("_timeout") else "not set"
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, Mapping):
            return ", ".join(f"{option}={setting!r}" for option, setting in value.items()) or "none"
        if isinstance(value, tuple):
            return ", ".join(map(str, value)) or "none"
        return f"{value:g}" if isinstance(value, float) else str(value)

    def __repr__(self) -> str:
        told = [f"{row.name}={row.value} [{row.origin}]" for row in self.rows() if row.name in self._origins]
        return f"Settings({', '.join(told) or 'all default'})"

    def __copy__(self) -> Settings:
        return self

    def __deepcopy__(self, memo: object) -> Settings:
        return self


class Row(NamedTuple):
    """One line of `%ollama config`."""

    name: str
    value: str
    origin: str


def _field(name: str, meta: Mapping[str, Any]) -> Field:
    env = ((f"OLLAMA_MAGIC_{name.upper()}",) if meta["own"] else ()) + ((meta["also"],) if meta["also"] else ())
    return Field(name, meta["help"], meta["parse"], meta["default"], env)


FIELDS: Final = tuple(_field(each.name, each.metadata) for each in fields(Settings) if each.metadata)

_NAMES: Final = tuple(each.name for each in FIELDS)
_SLIP: Final = 0.81
"""The similarity, from 0 to 1, at which a name counts as misspelt; `logprobs` does not for `top_logprobs`."""


def from_one(name: str, value: Any) -> int:
    """The value of keyword argument `name` as an integer of at least 1. Raises SettingsError."""
    try:
        return _COUNT(operator.index(value) if hasattr(value, "__index__") else value)  # numpy integers too
    except values.NotAllowed as error:
        raise SettingsError(f"{name} cannot be {value!r}", hint=f"It must be {error.allowed}.") from None


def by_setting(given: Mapping[str, Any], caller: str, own: Sequence[str] = ()) -> dict[str, Any]:
    """Keyword arguments as the values of a layer: those that are not settings become model options, under `options`.

    Raises SettingsError for a name that is nearly a setting's, or (nearly) one of `own`, the parameters of `caller`;
    and for a key under another name.
    """
    # JSON cannot encode numpy scalars.
    given = {name: value.item() if getattr(value, "ndim", None) == 0 else value for name, value in given.items()}
    known = {name: value for name, value in given.items() if name in _NAMES and name != "options"}
    unknown = {name: value for name, value in given.items() if name not in _NAMES}
    refuse_keys(unknown)
    for name in unknown:
        near = values.meant(str(name), tuple(each for each in (*_NAMES, *own) if each != name), _SLIP)
        if near or name in own:
            sent = f"A server ignores an option that it does not know; options={{{name!r}: ...}} sends it."
            raise SettingsError(
                f"{caller} has no {name!r}" if near else f"{name!r} is not for a model, but for {caller} itself",
                hint=near.strip() if "mean key?" in near else f"{near}{sent}",
            )
    options = given.get("options")
    if unknown:
        if not isinstance(options, Mapping | None):
            raise SettingsError(
                f"options is of type {type(options).__name__}, and {next(iter(unknown))!r} stands beside it",
                hint='Write all of them as options={"top_k": 2}, or each as an argument.',
            )
        options = {**(options or {}), **unknown}
    return {**known, **({"options": options} if options else {})}
