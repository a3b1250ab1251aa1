"""What a server says about its models: /api/tags, /api/ps, /api/show and /v1/models, of any version.

Decoding never raises: a field that is missing or of another type is None (or empty), an entry without a name is left
out, and anything that is no list of models is an empty list.

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
"""Models that Ollama's documents name for the cloud: a suggestion where the list cannot be fetched."""

_CLOUD_SUFFIXES: Final = ("-cloud", ":cloud")


def full_name(name: str) -> str:
    """`name` as the server completes it, for comparing: a tag is always there, the default registry never.

    Two names of one model have the same full name. What is sent is always the name as it was typed.
    """
    name = name.lower().removeprefix("registry.ollama.ai/").removeprefix("library/")
    return name if ":" in name.rpartition("/")[2] else f"{name}:latest"


def runs_in_cloud(name: str) -> bool:
    """Whether a daemon hands questions to the model of this name on to the cloud."""
    return name.lower().endswith(_CLOUD_SUFFIXES)


@dataclass(frozen=True, slots=True)
class Model:
    """A model that a server lists. `size` is bytes on disk, `context_length` tokens; None where nobody says.

    `parameters` and `quantization` are the server's words, such as "8.0B" and "Q4_K_M". `capabilities` is None on
    servers older than v0.30. `remote_host` is set for a local name of a model that runs elsewhere.
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
    """A model in memory: `size` bytes in all, `size_vram` of them on a GPU; unloaded at `expires_at` unless used."""

    name: str
    size: int | None = None
    size_vram: int | None = None
    expires_at: datetime | None = None
    context_length: int | None = None

    @property
    def gpu_share(self) -> float | None:
        """The part of the model that is on a GPU, 0 to 1."""
        return min(1.0, self.size_vram / self.size) if self.size and self.size_vram is not None else None


@dataclass(frozen=True, slots=True)
class ModelDetails:
    """What /api/show tells about a model.

    `parameters` is the text block of its defaults ("stop   <|im_end|>" and so on), `details` the server's own table.
    `thinking_values` are the values that `think` may have, None where the server does not say.
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
        """Whether the model has `capability`, such as "tools" or "vision"; None where the server does not say."""
        return None if self.capabilities is None else capability in self.capabilities


def decode_tags(obj: object) -> list[Model]:
    """The models of a GET /api/tags."""
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
    """The models of a GET /v1/models, which tells little more than names; its `data` is null when there are none."""
    return [
        Model(name=name, modified=_time(entry.get("created")))
        for entry in _entries(obj, "data")
        if (name := _text(entry, "id"))
    ]


def decode_ps(obj: object) -> list[RunningModel]:
    """The models in memory, of a GET /api/ps."""
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
    """The answer of a POST /api/show for the model `name`."""
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


# ---- fields that may be anything -----------------------------------------------------------------------------------


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
    """An RFC 3339 text or seconds since the epoch; None for Go's zero time, which means that there is none."""
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
