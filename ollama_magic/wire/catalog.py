"""Decodes a server's model listings: /api/tags, /api/ps, /api/show and /v1/models, of any version.

Decoding never raises: a field that is missing or of the wrong type is None (or empty), an entry without a name is
skipped, and anything that is not a list of models is an empty list.

Source: ollama api/types.go, docs/api.md; openai/openai.go
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

__all__ = [
    "CLOUD_CATALOGUE",
    "Model",
    "ModelDetails",
    "RunningModel",
    "decode_models_v1",
    "decode_ps",
    "decode_show",
    "decode_tags",
    "full_name",
    "runs_in_cloud",
]

CLOUD_CATALOGUE: Final[tuple[str, ...]] = ("qwen3-coder:480b", "deepseek-v3.1:671b", "kimi-k2:1t")
"""Cloud models named in Ollama's documentation: suggestions for when the list cannot be fetched."""

_CLOUD_SUFFIXES: Final = ("-cloud", ":cloud")


def full_name(name: str) -> str:
    """`name` normalized for comparison: lower case, always with a tag, never with the default registry.

    Two names of one model have the same full name. Requests always send the name as it was typed.
    """
    name = name.lower().removeprefix("registry.ollama.ai/").removeprefix("library/")
    return name if ":" in name.rpartition("/")[2] else f"{name}:latest"


def runs_in_cloud(name: str) -> bool:
    """Whether a daemon forwards requests for the model of this name to the cloud."""
    return name.lower().endswith(_CLOUD_SUFFIXES)


@dataclass(frozen=True, slots=True)
class Model:
    """A model that a server lists. `size` is in bytes on disk, `context_length` in tokens; None if unknown.

    `parameters` and `quantization` are the server's text, such as "8.0B" and "Q4_K_M". `capabilities` is None on
    servers older than v0.30. `remote_host` is set for a local name of a model that runs on another host.
    """

    name: str
    size: int | None = None
    modified: datetime | None = None
    digest: str = ""
    family: str = ""
    parameters: str = ""
    quantization: str = ""
    capabilities: tuple[str, ...] | None = None
    context_length: int | None = None
    remote_host: str = ""


@dataclass(frozen=True, slots=True)
class RunningModel:
    """A model in memory: `size` bytes in total, `size_vram` of them on a GPU; unloaded at `expires_at` unless used."""

    name: str
    size: int | None = None
    size_vram: int | None = None
    expires_at: datetime | None = None
    context_length: int | None = None

    @property
    def gpu_share(self) -> float | None:
        """The fraction of the model that is on a GPU, 0 to 1; None if unknown."""
        return min(1.0, self.size_vram / self.size) if self.size and self.size_vram is not None else None


@dataclass(frozen=True, slots=True)
class ModelDetails:
    """The details of a model from /api/show.

    `parameters` is the text block of its defaults ("stop   <|im_end|>" and so on), `details` the server's own object.
    `thinking_values` are the values that `think` may have, None if the server does not say.
    """

    name: str
    capabilities: tuple[str, ...] | None = None
    context_length: int | None = None
    template: str = ""
    system: str = ""
    parameters: str = ""
    license: str = ""
    family: str = ""
    parameter_size: str = ""
    quantization: str = ""
    modified: datetime | None = None
    remote_host: str = ""
    remote_model: str = ""
    thinking_values: tuple[bool | str, ...] | None = None
    thinking_default: bool | str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    info: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def can(self, capability: str) -> bool | None:
        """Whether the model has `capability`, such as "tools" or "vision"; None if the server does not say."""
        return None if self.capabilities is None else capability in self.capabilities


def decode_tags(obj: object) -> list[Model]:
    """The models in a response of GET /api/tags."""
    models = []
    for entry in _entries(obj, "models"):
        name = _text(entry, "name") or _text(entry, "model")
        if not name:
            continue
        details = _table(entry, "details")
        models.append(
            Model(
                name=name,
                size=_number(entry, "size"),
                modified=_time(entry.get("modified_at")),
                digest=_text(entry, "digest"),
                family=_text(details, "family"),
                parameters=_text(details, "parameter_size"),
                quantization=_text(details, "quantization_level"),
                capabilities=_words(entry.get("capabilities")),
                context_length=_number(details, "context_length") or None,
                remote_host=_text(entry, "remote_host"),
            )
        )
    return models


def decode_models_v1(obj: object) -> list[Model]:
    """The models in a response of GET /v1/models: little more than names. `data` is null if there are none."""
    return [
        Model(name=name, modified=_time(entry.get("created")))
        for entry in _entries(obj, "data")
        if (name := _text(entry, "id"))
    ]


def decode_ps(obj: object) -> list[RunningModel]:
    """The models in memory, from a response of GET /api/ps."""
    return [
        RunningModel(
            name=name,
            size=_number(entry, "size"),
            size_vram=_number(entry, "size_vram"),
            expires_at=_time(entry.get("expires_at")),
            context_length=_number(entry, "context_length") or None,
        )
        for entry in _entries(obj, "models")
        if (name := _text(entry, "name") or _text(entry, "model"))
    ]


def decode_show(name: str, obj: object) -> ModelDetails:
    """The response of POST /api/show for the model `name`."""
    value = obj if isinstance(obj, Mapping) else {}
    details, info, thinking = _table(value, "details"), _table(value, "model_info"), value.get("thinking")
    values = thinking.get("values") if isinstance(thinking, Mapping) else None
    default = thinking.get("default") if isinstance(thinking, Mapping) else None
    return ModelDetails(
        name=name,
        capabilities=_words(value.get("capabilities")),
        context_length=_context_length(details, info),
        template=_text(value, "template"),
        system=_text(value, "system"),
        parameters=_text(value, "parameters"),
        license=_text(value, "license"),
        family=_text(details, "family"),
        parameter_size=_text(details, "parameter_size"),
        quantization=_text(details, "quantization_level"),
        modified=_time(value.get("modified_at")),
        remote_host=_text(value, "remote_host"),
        remote_model=_text(value, "remote_model"),
        thinking_values=tuple(v for v in values if isinstance(v, (bool, str))) if isinstance(values, list) else None,
        thinking_default=default if isinstance(default, (bool, str)) else None,
        details=dict(details),
        info=dict(info),
    )


def _context_length(details: Mapping[str, Any], info: Mapping[str, Any]) -> int | None:
    architecture = _text(info, "general.architecture")
    keys = [f"{architecture}.context_length"] if architecture else []
    keys += [key for key in info if isinstance(key, str) and key.endswith(".context_length")]
    lengths = (_number(info, key) for key in keys)
    return next(filter(None, lengths), None) or _number(details, "context_length") or None


# ---- fields of any type --------------------------------------------------------------------------------------------


def _entries(obj: object, name: str) -> list[Mapping[str, Any]]:
    entries = obj.get(name) if isinstance(obj, Mapping) else None
    return [entry for entry in entries if isinstance(entry, Mapping)] if isinstance(entries, list) else []


def _table(value: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    inner = value.get(name)
    return inner if isinstance(inner, Mapping) else {}


def _text(value: Mapping[str, Any], name: str) -> str:
    text = value.get(name)
    return text if isinstance(text, str) else ""


def _number(value: Mapping[str, Any], name: str) -> int | None:
    number = value.get(name)
    if isinstance(number, bool) or not isinstance(number, (int, float)) or not 0 <= number < 2**63:
        return None
    return int(number)


def _words(value: object) -> tuple[str, ...] | None:
    return tuple(word for word in value if isinstance(word, str)) if isinstance(value, list) else None


def _time(value: object) -> datetime | None:
    """An RFC 3339 string or seconds since the epoch; None for Go's zero time, which means no time."""
    try:
        if isinstance(value, str):
            time = datetime.fromisoformat(value)
            time = time if time.tzinfo else time.replace(tzinfo=UTC)
        elif isinstance(value, (int, float)) and not isinstance(value, bool) and value > 0:
            time = datetime.fromtimestamp(value, UTC)
        else:
            return None
    except (ValueError, OverflowError, OSError):
        return None
    return time if time.year > 1 else None
