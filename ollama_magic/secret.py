"""A value that must never be shown, and what takes it out of texts that came from elsewhere."""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import re
from typing import TYPE_CHECKING, Final, NoReturn, final
from urllib.parse import quote, unquote

from .errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Secret", "parse_key", "redact"]

HIDDEN: Final = "***"
_SHORTEST: Final = 4
"""A shorter text is not taken out: it would also be found inside ordinary words."""


@final
class Secret:
    """A text that only `reveal()` gives back.

    repr, str, format, dir, pickle and getstate never show it, so that a traceback, a log line, a saved notebook or
    `%store` cannot either. Two are compared in constant time; a plain str never equals one.
    """

    __slots__ = ("_value",)

    _value: str

    def __init__(self, value: str) -> None:
        object.__setattr__(self, "_value", value)

    def reveal(self) -> str:
        """The text itself. Call it only where it leaves for the host that may have it."""
        return self._value

    def __bool__(self) -> bool:
        return bool(self._value)

    def __repr__(self) -> str:
        return f"Secret({HIDDEN})"

    def __str__(self) -> str:
        return HIDDEN

    def __format__(self, spec: str) -> str:
        return HIDDEN

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(_bytes(self._value), _bytes(other._value))

    def __hash__(self) -> int:
        # Not the hash of the text: that could be compared with the hash of a guess.
        return hash((Secret, self._value))

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError("a Secret cannot be changed")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError("a Secret cannot be changed")

    def __dir__(self) -> list[str]:
        return ["reveal"]

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: object) -> Secret:
        return self

    def __getstate__(self) -> NoReturn:
        raise TypeError("a Secret is not pickled: it would be readable in the file. Set it again where it is needed")

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        self.__getstate__()


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def parse_key(text: str) -> Secret:
    """An API key as typed, pasted or found in the environment: trimmed of spaces and quotes.

    Raises SettingsError, without echoing the key, where it could not be sent as an HTTP header.
    """
    key = text.strip().strip("\"'").strip()
    hint = "Copy the key again from https://ollama.com/settings/keys; it is one word of letters, digits and signs."
    if not key:
        raise SettingsError("The key is empty", hint=hint)
    if key.lower().startswith("bearer "):
        raise SettingsError('The key starts with the word "Bearer", which is added when it is sent', hint=hint)
    if bad := re.search(r"[^\x21-\x7e]", key):
        kind = "a space" if bad[0] == " " else "a line break" if bad[0] in "\r\n" else "a character that is not ASCII"
        if bad[0] < " " and bad[0] not in "\r\n":
            kind = "a control character"
        raise SettingsError(f"The key has {kind} inside, and cannot be sent", hint=hint)
    return Secret(key)


def redact(text: str, secrets: Iterable[Secret | None]) -> str:
    """`text` with every one of `secrets` replaced by ***, also inside JSON, in a URL, and the parts of a header value.

    For what a server sends back: an error body that echoes the Authorization header must not print the key.
    """
    forms: set[str] = set()
    for secret in secrets:
        if secret is not None:
            forms |= _forms(secret.reveal())
    for form in sorted(forms, key=len, reverse=True):
        text = text.replace(form, HIDDEN)
    return text


def _forms(value: str) -> set[str]:
    """How `value` may be written: whole, without its scheme word, a Basic value decoded, escaped for JSON or a URL."""
    scheme, _, credentials = value.partition(" ")
    bare = {value, credentials}
    if scheme.lower() == "basic":
        try:
            value = base64.b64decode(credentials, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            value = ""
        bare |= {value, value.partition(":")[2]}
    elif ":" in value:  # user:password, as written in a URL
        bare |= {value.partition(":")[2], unquote(value), unquote(value.partition(":")[2])}
    written = bare | {json.dumps(each)[1:-1] for each in bare} | {quote(each, safe="") for each in bare}
    return {each for each in written if len(each) >= _SHORTEST}
