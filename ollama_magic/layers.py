"""Where settings come from, and which value is in effect; an unusable value is an error only if no layer overrides it.

`resolve` is pure: it takes layers, strongest first, and returns Settings. Only `environment_layer` and `dotenv_layer`
read anything.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NoReturn

from . import values
from .envfile import nearest_env_file
from .errors import SettingsError
from .hosts import Host
from .secret import Secret, hidden
from .settings import ALIASES, FIELDS, Settings
from .values import NotAllowed

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["Layer", "dotenv_layer", "environment_layer", "resolve"]

_DIRECT_CLOUD: Final = "USE_DIRECT_CLOUD"
_BY_NAME: Final = {spec.name: spec for spec in FIELDS}


@dataclass(frozen=True, slots=True)
class Layer:
    """Values from one place, as they were written. None and, except for `system`, blank text mean unset."""

    label: str
    values: Mapping[str, object] = field(repr=False)
    variables: Mapping[str, str] = field(default_factory=dict)
    """The variable that each value came from, for values that came from one."""
    file: Path | None = None
    """The file of a .env layer."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", hidden(self.values))

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """The key and the host's credentials in it, in effect or not: what no prompt may contain."""
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
        """The origin to show for a value of this layer."""
        return f"{self.label}: {self.variables[name]}" if name in self.variables else self.label


def environment_layer(environ: Mapping[str, str] | None = None) -> Layer:
    """The settings in the environment: `environ` if given, else the process's own."""
    return _layer_of_variables("environment", os.environ if environ is None else environ)


def dotenv_layer(start: Path) -> Layer:
    """The settings in the nearest `.env`, in `start` or a folder above it; see envfile."""
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
    """`text` without surrounding spaces and quotes, as Ollama trims it; for prose and JSON only one matching pair."""
    text = text.strip()
    if not prose:
        return text.strip("\"'").strip()
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'" else text


# ---- resolving -------------------------------------------------------------------------------------------------


def resolve(*layers: Layer) -> Settings:
    """The settings that result from `layers`, strongest first; the `options` of all layers are merged.

    Raises SettingsError, naming the value, its origin and what is allowed, for an unusable value that is in effect.
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
                if option not in ALIASES:
                    options[option] = value
                    told_options = [origin, *(each for each in told_options if each != origin)]
                elif value is not None:
                    chosen[ALIASES[option]] = value, layer, origin
                else:  # removed, whatever weaker layers set
                    chosen.pop(ALIASES[option], None)
        for name, value in given.items():
            if name != "direct_cloud":
                chosen[name] = value, layer, layer.origin(name)
    found = {name: _parsed(name, value, origin) for name, (value, _, origin) in chosen.items()}
    origins = {name: origin for name, (_, _, origin) in chosen.items()}
    if "mode" not in found and "host" in found and found["host"].is_cloud:  # ollama.com implies cloud
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
