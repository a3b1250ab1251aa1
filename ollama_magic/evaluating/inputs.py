"""The arguments of `evaluate`, normalised: rows and prompts, models by name with their settings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from ..comparing.grid import models_of
from ..embedded import engine
from ..errors import SettingsError
from ..mapping.frames import is_dask, source_of
from ..mapping.template import Template
from ..secret import hidden
from ..settings import by_setting
from .asking import Model

if TYPE_CHECKING:
    from ..session import Session

__all__ = ["Row", "model_of", "models_from", "prompts_from"]

Row = Mapping[str, Any]

_OWN: Final = ("prompts", "models", "checks", "template", "schema", "repeats", "concurrency", "progress", "label")
_PRIVATE: Final = frozenset({"key", "host", "trusted_hosts", "gguf", "cache_dir"})
"""What no file and no model label may show: keys, credentials, paths on this machine."""
_PROMPTS: Final = "Give texts, or rows with a column `prompt`, or rows and template='... {column} ...'."


# ---- prompts ---------------------------------------------------------------------------------------------------


def prompts_from(given: Any, template: str = "") -> tuple[list[str], list[Row]]:
    """The prompts and the row of each: {"prompt": text} for plain texts. Raises SettingsError."""
    if type(given).__name__ == "Series" and not template:  # a column is a list of prompts, whatever its name
        given = list(given)
    if isinstance(given, bytes) or is_dask(given) or not (isinstance(given, Iterable) or hasattr(given, "collect")):
        hint = "Give frame.compute(): a whole data frame." if is_dask(given) else _PROMPTS
        raise SettingsError(f"prompts cannot be of type {type(given).__name__}", hint=hint)
    source = source_of([given] if isinstance(given, str | Mapping) else given)
    rows = [_row(each, number) for number, each in enumerate(source.rows(source.columns or ()))]
    if not rows:
        raise SettingsError("there are no prompts", hint=_PROMPTS)
    if not template:
        return [_prompt(row, number) for number, row in enumerate(rows)], rows
    filled = Template(template, list(dict.fromkeys(name for row in rows for name in row)))
    try:
        return [filled.fill(row) for row in rows], rows
    except ValueError as error:
        raise SettingsError(f"the template cannot be filled for each row: {error}", hint=_PROMPTS) from None


def _row(given: Any, number: int) -> Row:
    if isinstance(given, str):
        return {"prompt": given}
    if isinstance(given, Mapping):
        return {str(name): value for name, value in given.items()}
    raise SettingsError(f"prompt {number} is of type {type(given).__name__}", hint=_PROMPTS)


def _prompt(row: Row, number: int) -> str:
    text = row.get("prompt")
    if isinstance(text, str) and text.strip():
        return text
    raise SettingsError(f"row {number} has no text in a column `prompt`", hint=_PROMPTS)


# ---- models ----------------------------------------------------------------------------------------------------


def models_from(session: Session, given: Any, common: Mapping[str, Any]) -> list[Model]:
    """The models from a name, a dict of settings, or a list of those, each under a unique label.

    Raises SettingsError, also for a model that is given twice.
    """
    listed: Sequence[Any] = list(given) if _is_several(given) else [given]
    if not listed:
        raise SettingsError("there are no models", hint="Name one, such as models='llama3.2', or leave it out.")
    found = [model_of(session, each, common) for each in listed]
    labels = [model.label for model in found]
    twice = next((label for label in labels if labels.count(label) > 1), "")
    if twice:
        raise SettingsError(
            f"the model {twice!r} is given twice",
            hint="Give each a name: {'model': ..., 'label': 'warm', 'temperature': 1}; to ask again, use repeats=.",
        )
    return found


def _is_several(models: Any) -> bool:
    return isinstance(models, Iterable) and not isinstance(models, str | bytes | Mapping)


def model_of(session: Session, given: Any, common: Mapping[str, Any], label: str = "evaluate()") -> Model:
    """One model: a name, optionally with a mode (`cloud/gpt-oss:120b`), a dict of settings, or None for the default."""
    if given is not None and not isinstance(given, str | Mapping):
        raise SettingsError(
            f"a model cannot be of type {type(given).__name__}", hint="Give a name or a dict of settings."
        )
    own: dict[str, Any] = hidden(given) if isinstance(given, Mapping) else {} if given is None else {"model": given}
    name = own.pop("label", None)
    typed = own.get("model")
    has_mode = False
    if isinstance(typed, str):
        (variant,) = models_of([typed])
        has_mode = bool(variant.mode)
        own = {**own, "model": None, **variant.values()}
    settings = session.settings(by_setting({**common, **own}, label, _OWN), label=label)
    if has_mode and "host" not in own:  # ignore a host that is set for another mode
        settings = settings.without_foreign_host()
    told = [f"{key}={value}" for key, value in own.items() if key not in _PRIVATE | {"model", "mode"}]
    model = typed or (engine.model_name(settings) if settings.mode == "embedded" else settings.model or "default model")
    public = {key: value for key, value in {**common, **own}.items() if key not in _PRIVATE and value is not None}
    return Model(str(name or " · ".join([str(model), *told])), settings, public)
