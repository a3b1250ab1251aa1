"""Values that must never be shown, and their redaction from texts of other origin."""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from html.entities import codepoint2name
from typing import TYPE_CHECKING, Any, Final, NoReturn, final
from urllib.parse import unquote

from .errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["KEY_NAMES", "SECRET_NAMES", "Secret", "Written", "hidden", "parse_key", "redact", "refuse_keys"]

KEY_NAMES: Final = ("key", "api_key", "apikey", "ollama_api_key")
SECRET_NAMES: Final = (*KEY_NAMES, "token", "api_token", "secret", "password", "auth", "authorization", "bearer")
"""Names that people use for a key, and for similar secrets."""

HIDDEN: Final = "***"
_SHORTEST: Final = 4
"""A shorter secret is not redacted: it would also be found inside ordinary words."""
_LONG: Final = 16
_BEGINNING: Final = 8
"""This many leading characters of a form of _LONG or more are redacted even alone: a message may be truncated."""


@final
class Secret:
    """A text that only `reveal()` returns.

    repr, str, format, dir, pickle and getstate never show it, so that a traceback, a log line, a saved notebook or
    `%store` cannot either. Two of them are compared in constant time; a plain str never equals one.
    """

    __slots__ = ("_value",)

    _value: str

    def __init__(self, value: str) -> None:
        object.__setattr__(self, "_value", value)

    def reveal(self) -> str:
        """The text itself: to be sent to a host that may have it, never to be shown."""
        return self._value

    @property
    def is_short(self) -> bool:
        """Whether it, or the password after a user name, could be an ordinary word, and so occur in any text."""
        return len(self._value.rpartition(":")[2]) < _BEGINNING

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
        return ["is_short", "reveal"]

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


@final
class Written(str):
    """A host as the user wrote it: a str whose repr hides the user and password in it.

    Protects it in tracebacks with locals, debuggers and `vars()`. Like a Secret it cannot be pickled.
    """

    __slots__ = ()

    def __copy__(self) -> Written:
        return self

    def __deepcopy__(self, memo: object) -> Written:
        return self

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a host with a password is not pickled: it would be readable in the file")

    def __repr__(self) -> str:
        before, at, after = self.rpartition("@")
        scheme, mark, _ = before.partition("://")
        return repr(f"{scheme}{mark}{HIDDEN}@{after}" if at and mark else f"{HIDDEN}@{after}" if at else str(self))


def hidden(values: Mapping[str, Any]) -> dict[str, Any]:
    """`values` by setting's name, with keys as Secret, and hosts with credentials as Written.

    This includes keys under other names, so that they are not shown when they are refused.
    """
    found = dict(values)
    for name, value in values.items():
        if str(name).lower() in SECRET_NAMES and isinstance(value, str) and value.strip():
            found[name] = Secret(value)
    for name in ("host", "trusted_hosts"):
        host = found.get(name)
        if isinstance(host, str) and "@" in host:
            found[name] = Written(host)
    return found


def refuse_keys(options: Iterable[object]) -> None:
    """Raise SettingsError if one of these model option names is that of a key: any server would receive it."""
    for name in options:
        if str(name).lower() in SECRET_NAMES:
            raise SettingsError(
                f"{str(name)!r} is not an option of a model; nothing was sent",
                hint="For a key use %ollama login, OLLAMA_API_KEY, or in Python connect(key=...).",
            )


def parse_key(text: str) -> Secret:
    """An API key as typed, pasted or found in the environment, stripped of spaces and quotes.

    Raises SettingsError, without echoing the key, if it could not be sent in an HTTP header.
    """
    key = text.strip().strip("\"'").strip()
    problem = _problem_of(key)
    if not problem:
        return Secret(key)
    del text, key  # a traceback may be shown with its variables
    raise SettingsError(
        problem,
        hint="Copy the key again from https://ollama.com/settings/keys; it is one word of letters, digits and signs.",
    )


def _problem_of(key: str) -> str:
    if not key:
        return "The key is empty"
    if key.lower().startswith("bearer "):
        return 'The key starts with the word "Bearer", which is added when it is sent'
    bad = re.search(r"[^\x21-\x7e]", key)
    if bad is None:
        return ""
    kind = "a space" if bad[0] == " " else "a line break" if bad[0] in "\r\n" else "a character that is not ASCII"
    if bad[0] < " " and bad[0] not in "\r\n":
        kind = "a control character"
    return f"The key has {kind} inside, and cannot be sent"


def redact(text: str, secrets: Iterable[Secret | None]) -> str:
    """`text` with each of `secrets` replaced by ***, also escaped as in JSON, HTML or a URL, and without "Bearer".

    For a server's responses: an error body that echoes the Authorization header must not print the key. The beginning
    of a long secret is replaced too, since a text may be truncated in the middle of it.
    """
    forms: set[str] = set()
    for secret in secrets:
        if secret is not None:
            forms |= _forms(secret.reveal())
    for form in sorted(forms, key=len, reverse=True):
        text = _without(text, form)
    return text


def _forms(value: str) -> set[str]:
    """The forms of `value` to redact: complete, without its scheme, decoded if it is Basic, and its password."""
    scheme, _, credentials = value.partition(" ")
    found = {value, credentials}
    if scheme.lower() == "basic":
        try:
            value = base64.b64decode(credentials, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            value = ""
        found |= {value, value.partition(":")[2]}
    elif ":" in value:  # user:password, as written in a URL
        found |= {value.partition(":")[2], unquote(value), unquote(value.partition(":")[2])}
    return {each for each in found if len(each) >= _SHORTEST}


def _without(text: str, form: str) -> str:
    # If a scheme or a user name comes first, the beginning is not secret.
    whole = len(form) < _LONG or " " in form or ":" in form
    start = re.compile("".join(map(_written, form if whole else form[:_BEGINNING])))
    kept, at = [], 0
    while found := start.search(text, at):
        kept += [text[at : found.start()], HIDDEN]
        at = found.end()
        for sign in "" if whole else form[_BEGINNING:]:
            following = re.compile(_written(sign)).match(text, at)
            if following is None:
                break
            at = following.end()
    return "".join([*kept, text[at:]])


def _written(sign: str) -> str:
    """A pattern for a character in plain text, and as JSON, HTML, Markdown and URLs may escape it."""
    if sign.isascii() and sign.isalnum():
        return sign
    code = ord(sign)
    ways = [rf"\\*{re.escape(sign)}", rf"\\+u{code:04x}", f"&#0*{code};", f"&#x0*{code:x};"]
    ways.append("".join(f"%(?:25)*{byte:02x}" for byte in sign.encode("utf-8", "surrogatepass")))
    if named := codepoint2name.get(code):
        ways.append(f"&{named};")
    return f"(?i:{'|'.join(ways)})"
