"""The parameters of the panel: the values set in this kernel, and those inherited where none is set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ..errors import OllamaMagicError, SettingsError
from ..options import THINK_LEVELS
from ..render.text import clean
from ..settings import FIELDS
from ..values import NotAllowed, number, option_mapping
from .outlet import FieldError, text_of

if TYPE_CHECKING:
    from ..session import Session
    from ..settings import Settings
    from .outlet import Outlet

__all__ = ["Parameters"]

_LABELS: Final = {
    "temperature": "Temperature",
    "top_p": "Top p",
    "seed": "Seed",
    "max_tokens": "Max tokens",
    "num_ctx": "Context length",
    "think": "Thinking",
    "system": "System prompt",
}
_HELP: Final = {field.name: field.help for field in FIELDS} | {
    "top_p": "only the likeliest tokens that together have this probability, 0 to 1"
}
_PARSE: Final = {field.name: field.parse for field in FIELDS}
_DEFAULT: Final = "the model's default"


class Parameters:
    """Shows and sets the parameters of the session, so that they apply to cells and other panels too."""

    def __init__(self, session: Session, outlet: Outlet) -> None:
        self._session, self._outlet = session, outlet

    def show(self, to: str = "") -> None:
        """Show all fields; nothing if the settings are invalid, which the connection reports."""
        try:
            inherited = self._session.inherited()
            now = self._session.settings()
        except OllamaMagicError:
            return
        self._outlet.post("settings", to, fields=[self._field(name, now, inherited) for name in _LABELS])

    def set(self, message: dict[str, Any]) -> None:
        """Set parameter `name` to `value`; "" restores the inherited value or the model's default."""
        name, text = text_of(message, "name"), text_of(message, "value")
        if name not in _LABELS:
            raise SettingsError(f"The panel has no parameter {name!r}", hint=f"It has {', '.join(_LABELS)}.")
        value: object = text if text.strip() else None
        try:
            if name == "top_p":
                self._session.set(options=self._options(value))
            else:
                self._session.set(**{name: None if value is None else _parsed(name, text)})
        except NotAllowed as error:
            told = SettingsError(f"{_LABELS[name]} cannot be {_shown(text)}", hint=f"It must be {error.allowed}.")
            raise FieldError(name, told) from None
        except OllamaMagicError as error:
            raise FieldError(name, error) from None

    def _options(self, value: object) -> dict[str, Any] | None:
        """This kernel's `options` with a new top_p."""
        options = option_mapping(self._session.own("options") or {})
        options.pop("top_p", None)
        if value is not None:
            options["top_p"] = _share(str(value))
        return options or None

    def _field(self, name: str, now: Settings, inherited: Settings) -> dict[str, Any]:
        own = self._own(name, now)
        return {
            "name": name,
            "label": _LABELS[name],
            "kind": "choice" if name == "think" else "text" if name == "system" else "number",
            "value": own,
            "placeholder": _holds(name, inherited),
            "origin": now.origin("options" if name == "top_p" else name),
            "help": _HELP[name],
            "choices": _think_choices(own, _holds(name, inherited)) if name == "think" else [],
        }

    def _own(self, name: str, now: Settings) -> str:
        """The value set in this kernel, as it would be typed; "" if none is set."""
        told = option_mapping(self._session.own("options") or {})
        said = "top_p" in told if name == "top_p" else now.origin(name) == "%ollama"
        return _typed(_value(name, now)) if said else ""


def _parsed(name: str, text: str) -> object:
    return _PARSE[name](text if name == "system" else text.strip())


def _share(text: str) -> float:
    value = number(text.strip())
    if not 0 <= value <= 1:
        raise NotAllowed("a number from 0 to 1")
    return float(value)


def _value(name: str, settings: Settings) -> object:
    return settings.options.get("top_p") if name == "top_p" else getattr(settings, name)


def _typed(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:g}" if isinstance(value, float) else clean(str(value))


def _holds(name: str, inherited: Settings) -> str:
    """The value in force while the field is empty, and its origin."""
    value = _value(name, inherited)
    if value is None:
        return "none" if name == "system" else _DEFAULT
    return f"{_shown(_typed(value))} ({inherited.origin('options' if name == 'top_p' else name)})"


def _shown(text: str) -> str:
    line = " ".join(clean(text).split())
    return line if len(line) <= 60 else f"{line[:59]}…"


def _think_choices(own: str, default: str) -> list[dict[str, str]]:
    known = ["true", "false", *(level for level in THINK_LEVELS if level not in ("true", "false", "none"))]
    words = {"true": "on", "false": "off"}
    more = [own] if own and own not in known else []
    return [{"value": "", "text": default}, *({"value": each, "text": words.get(each, each)} for each in known + more)]
