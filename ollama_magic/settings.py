"""What can be set, where it may be set, and which value is in force. Every value remembers where it came from.

`resolve` is pure: it takes layers, strongest first, and gives Settings. `environment_layer` and `dotenv_layer` are the
only two functions that read anything. A value that cannot be used is an error only where it would be in force.
"""

# ruff: noqa: RUF009 -- `_setting` is dataclasses.field with our table's columns as metadata

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, NoReturn

from . import values
from .envfile import nearest_env_file
from .errors import SettingsError
from .hosts import CLOUD, LOCAL, Host, Trusted, may_receive_key
from .secret import Secret, hidden
from .values import NotAllowed, parse_option_value

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = [
    "FIELDS",
    "MODES",
    "Field",
    "Layer",
    "Row",
    "Settings",
    "dotenv_layer",
    "environment_layer",
    "parse_option_value",
    "resolve",
]

Mode = Literal["local", "cloud", "embedded"]
MODES: Final[tuple[Mode, ...]] = ("local", "cloud", "embedded")

_DIRECT_CLOUD: Final = "USE_DIRECT_CLOUD"
_ALIASES: Final = {"temperature": "temperature", "seed": "seed", "num_predict": "max_tokens", "num_ctx": "num_ctx"}
"""Model options that are settings too: said either way, the stronger layer counts."""


# ---- the table -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Field:
    """One setting: `env` are its variables, the first one set counts; `parse` raises NotAllowed or SettingsError."""

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
    """The values in force. None means that nothing is set, and for a time limit that there is none."""

    mode: Mode = _setting("local", values.one_of(*MODES), "where prompts go: local, cloud or embedded")
    host: Host | None = _setting(None, values.host, "the server, in any form that OLLAMA_HOST takes", "OLLAMA_HOST")
    key: Secret | None = _setting(
        None, values.key, "API key; sent to https://ollama.com and trusted hosts alone", "OLLAMA_API_KEY", own=False
    )
    model: str | None = _setting(None, values.name, "the model, sent exactly as typed", "OLLAMA_MODEL")
    api: Literal["auto", "openai", "native"] = _setting(
        "auto", values.one_of("auto", "openai", "native"), "which surface to use: openai is /v1, native is /api"
    )
    system: str | None = _setting(None, values.any_text, "system prompt")
    temperature: float | None = _setting(None, values.number, "sampling temperature; 0 is the most repeatable")
    seed: int | None = _setting(None, _ANY_WHOLE, "seed of the sampling")
    max_tokens: int | None = _setting(None, _LIMIT, "longest answer, in tokens")
    num_ctx: int | None = _setting(None, _COUNT, "context length, in tokens")
    keep_alive: str | float | None = _setting(
        None, values.duration, "how long the model stays loaded: seconds, or 5m, 1h; negative for ever"
    )
    options: Mapping[str, Any] = _setting(
        MappingProxyType({}), values.option_mapping, "further model options, such as top_k=20"
    )
    think: bool | str | None = _setting(None, values.thinking, "reasoning: true, false or a level of the model")
    format: Literal["markdown", "text", "json", "code", "html", "math"] = _setting(
        "markdown", values.one_of("markdown", "text", "json", "code", "html", "math"), "what an answer is"
    )
    render: Literal["live", "once"] = _setting(
        "live", values.one_of("live", "once"), "show an answer while it comes, or once at its end"
    )
    quiet: bool = _setting(False, values.boolean, "no footer under an answer")
    trusted_hosts: tuple[Trusted, ...] = _setting(
        (), values.trusted_hosts, "hosts that may have the key too: names, https alone (http on loopback)"
    )
    connect_timeout: float | None = _setting(10.0, values.time_limit, "seconds to wait for a connection")
    first_byte_timeout: float | None = _setting(
        1800.0, values.time_limit, "seconds to wait for the first token; the server is silent while it loads a model"
    )
    stall_timeout: float | None = _setting(120.0, values.time_limit, "seconds of silence allowed inside an answer")
    gguf: Path | None = _setting(None, values.file_path, "weights for the embedded engine, a .gguf file")
    cache: Literal["off", "use", "refresh"] = _setting(
        "off", values.one_of("off", "use", "refresh"), "whether answers are kept on disk and replayed"
    )
    pace: float = _setting(0.0, values.number, "speed of a replay: 0 at once, 1 with the recorded pauses, 0.5 half")
    budget: int = _setting(2000, _COUNT, "most tokens that one object of the notebook may cost in a prompt")
    rounds: int = _setting(8, _COUNT, "how often in a row a model may ask for tools")
    cache_dir: Path | None = _setting(None, values.file_path, "folder for downloaded weights and kept answers")
    _origins: Mapping[str, str] = field(default_factory=dict, hash=False)
    _from_folder: frozenset[str] = frozenset()

    def origin(self, name: str) -> str:
        """Where the value of `name` came from: "cell", "environment (OLLAMA_HOST)", ..., "default"."""
        return self._origins.get(name, "default")

    def is_default(self, name: str) -> bool:
        """Whether nobody set `name`."""
        return name not in self._origins

    def came_with_folder(self, name: str) -> bool:
        """Whether `name` was set by a file that belongs to a folder, and so perhaps by somebody else (a .env)."""
        return name in self._from_folder

    def in_mode(self, mode: Mode, origin: str) -> Settings:
        """These settings with another mode, which was decided by `origin`."""
        return replace(self, mode=mode, _origins=MappingProxyType({**self._origins, "mode": origin}))

    def at_cloud(self, origin: str) -> Settings:
        """These settings as the cloud is asked, which was decided by `origin`: at https://ollama.com, unless they name
        a host that may have the key, such as a trusted gateway."""
        if self.host is not None and may_receive_key(self.host, self.trusted_hosts):
            return self.in_mode("cloud", origin)
        origins = MappingProxyType({**self._origins, "mode": origin, "host": origin})
        return replace(self, mode="cloud", host=CLOUD, api="auto", _origins=origins)

    def request_options(self) -> dict[str, Any]:
        """The model options to send, by Ollama's names."""
        own = {option: getattr(self, name) for option, name in _ALIASES.items()}
        return {**self.options, **{option: value for option, value in own.items() if value is not None}}

    def rows(self) -> list[Row]:
        """Every setting as it may be shown: the key as set or not set, no credentials."""
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
_BY_NAME: Final = {spec.name: spec for spec in FIELDS}


# ---- layers ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Layer:
    """Values from one place, as they were written. None, and an empty text but for `system`, mean unset."""

    label: str
    values: Mapping[str, object] = field(repr=False)
    variables: Mapping[str, str] = field(default_factory=dict)
    """The variable that each value came from, where it came from one."""
    file: Path | None = None
    """The file of a .env layer."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", hidden(self.values))

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """The key and the host's credentials in it, whether or not they are in force: what no prompt may carry."""
        found = []
        for name in ("key", "host"):
            try:
                value = _BY_NAME[name].parse(self.values.get(name))
            except (NotAllowed, SettingsError):
                continue
            secret = value.userinfo if isinstance(value, Host) else value
            found += [secret] if secret else []
        return tuple(found)

    def origin(self, name: str) -> str:
        """What is said of a value from here."""
        return f"{self.label} ({self.variables[name]})" if name in self.variables else self.label


def environment_layer(environ: Mapping[str, str] | None = None) -> Layer:
    """What the environment sets; `environ` instead of the process's own, if given."""
    return _layer_of_variables("environment", os.environ if environ is None else environ)


def dotenv_layer(start: Path) -> Layer:
    """What the nearest `.env` in `start` or a folder above it sets; see envfile."""
    found = nearest_env_file(start)
    return Layer(".env", {}) if found is None else _layer_of_variables(".env", found[1], found[0])


def _layer_of_variables(label: str, source: Mapping[str, str], file: Path | None = None) -> Layer:
    found: dict[str, object] = {}
    variables: dict[str, str] = {}
    for name, names in [*((spec.name, spec.env) for spec in FIELDS), ("direct_cloud", (_DIRECT_CLOUD,))]:
        for variable in names:
            text = _trimmed(source.get(variable, ""), prose=name in ("system", "options"))
            if text:
                found[name] = Secret(text) if name == "key" else text
                variables[name] = variable
                break
    return Layer(label, found, variables, file)


def _trimmed(text: str, *, prose: bool) -> str:
    """Without the spaces and quotes around it, as Ollama does. In prose and JSON only a pair of quotes goes."""
    text = text.strip()
    if not prose:
        return text.strip("\"'").strip()
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'" else text


# ---- resolving -------------------------------------------------------------------------------------------------


def resolve(*layers: Layer) -> Settings:
    """The settings in force under `layers`, strongest first; `options` of all layers are merged.

    Raises SettingsError, naming the value, its origin and what is allowed, for one that is in force and unusable.
    """
    chosen: dict[str, tuple[object, Layer, str]] = {}
    options: dict[str, Any] = {}
    told_options: list[str] = []
    switch = next((layer for layer in layers if _is_set("direct_cloud", layer.values.get("direct_cloud"))), None)
    for layer in reversed(layers):
        if layer is switch and _parsed("direct_cloud", layer.values["direct_cloud"], layer.origin("direct_cloud")):
            chosen["mode"] = "cloud", layer, layer.origin("direct_cloud")
        given = {name: value for name, value in layer.values.items() if _is_set(name, value)}
        if "options" in given:
            origin = layer.origin("options")
            for option, value in _parsed("options", given.pop("options"), origin).items():
                if option not in _ALIASES:
                    options[option] = value
                    told_options = [origin, *(each for each in told_options if each != origin)]
                elif value is not None:
                    chosen[_ALIASES[option]] = value, layer, origin
                else:  # taken out again, whatever weaker layers say
                    chosen.pop(_ALIASES[option], None)
        for name, value in given.items():
            if name != "direct_cloud":
                chosen[name] = value, layer, layer.origin(name)
    found = {name: _parsed(name, value, origin) for name, (value, _, origin) in chosen.items()}
    origins = {name: origin for name, (_, _, origin) in chosen.items()}
    if "mode" not in found and "host" in found and found["host"].is_cloud:  # who names ollama.com means the cloud
        found["mode"], origins["mode"] = "cloud", origins["host"]
    kept = {option: value for option, value in options.items() if value is not None}
    if kept:
        found["options"] = MappingProxyType(kept)
        origins["options"] = " + ".join(told_options)
    from_folder = frozenset(name for name, (_, layer, _) in chosen.items() if layer.file is not None)
    return Settings(**found, _origins=MappingProxyType(origins), _from_folder=from_folder)


def _is_set(name: str, value: object) -> bool:
    return value is not None and (name == "system" or not (isinstance(value, str) and not value.strip()))


def _parsed(name: str, value: object, origin: str) -> Any:
    spec = _BY_NAME.get(name)
    if spec is None and name != "direct_cloud":
        known = tuple(_BY_NAME)
        hint = f"{values.meant(name, known)}Settings: {', '.join(known)}."
        raise SettingsError(f"There is no setting {name!r} (from {origin})", hint=hint)
    try:
        return spec.parse(value) if spec else values.boolean(value)
    except NotAllowed as error:
        _refuse(name if spec else _DIRECT_CLOUD, value, origin, error)
    except SettingsError as error:
        raise SettingsError(f"{error.message} ({name} from {origin})", hint=error.hint) from None


def _refuse(name: str, value: object, origin: str, error: NotAllowed) -> NoReturn:
    secret = name in ("key", "host")
    shown = "that value" if secret else ascii(value) if len(ascii(value)) <= 60 else f"{ascii(value)[:60]}..."
    hint = f"{'' if secret else values.meant(str(value), error.words)}It must be {error.allowed}."
    raise SettingsError(f"{name} cannot be {shown} (from {origin})", hint=hint) from None
