"""The exception hierarchy.

    OllamaMagicError
    ├── SettingsError        a setting or an option cannot be used as given
    │   └── Unsupported      this surface, mode or model cannot do what was asked
    ├── Unreachable          no server answered at the host
    ├── Stalled              the server went silent for longer than the limit
    ├── Incomplete           the answer ended before the server said it was done
    ├── EmbeddedError        the embedded engine could not be started or died
    └── ResponseError        the server answered with an error
        ├── Unauthorized     401: a key is missing or wrong
        ├── Forbidden        403: not allowed (a subscription, a Host header, cloud switched off)
        ├── ModelNotFound    404: the server does not have the model
        ├── UsageLimit       402 or 429: a quota is used up; a short wait does not help
        ├── Busy             429, 499 or 503: too many concurrent requests; a retry may work
        ├── BadRequest       400: the server does not accept the request
        │   └── PromptTooLong    the prompt does not fit into the context length
        └── ServerError      5xx, or a body that is not Ollama's (a proxy's page)

Each says what was tried and what happened (the message) and what to do (`hint`). In a notebook an error prints as
those two or three lines; it is an ordinary exception everywhere else. None of them ever holds a key.
"""

from __future__ import annotations

import re

__all__ = [
    "BadRequest",
    "Busy",
    "EmbeddedError",
    "Forbidden",
    "Incomplete",
    "ModelNotFound",
    "OllamaMagicError",
    "PromptTooLong",
    "ResponseError",
    "ServerError",
    "SettingsError",
    "Stalled",
    "Unauthorized",
    "Unreachable",
    "Unsupported",
    "UsageLimit",
    "strip_control",
]

# ANSI sequences: CSI; strings with their content (OSC, which has titles, links and the clipboard, and DCS, SOS, PM,
# APC); the same introduced by one C1 character; short escapes. Then the rest of C0 and C1 except tab and
# newline, and the bidirectional overrides that make text display differently from its content.
_CONTROL = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x9b[0-?]+[ -/]*[@-~]"
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\n\x80-\x9f]*(?:\x07|\x1b\\|\x9c)"
    r"|\x1b(?:[ -/]*[0-~])?"
    r"|[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]"
)


def strip_control(text: str) -> str:
    """`text` without terminal control sequences; tabs and newlines stay.

    What a server or a model sends must not be able to move the cursor, retitle the window or hide text.
    """
    return _CONTROL.sub("", text.replace("\r\n", "\n"))


class OllamaMagicError(Exception):
    """Base of all our errors: `message`, `hint` (what to do), and `partial`, the text that had arrived."""

    def __init__(self, message: str, *, hint: str = "", partial: str = "") -> None:
        self.message = strip_control(message)
        self.hint = strip_control(hint)
        self.partial = partial
        super().__init__(self.message)

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}" if self.hint else self.message

    def __reduce__(self) -> tuple[object, ...]:
        # Exception.__reduce__ would call __init__ with args only, but a subclass's may take other parameters.
        return (_rebuild, (type(self), self.args, self.__dict__.copy()))

    def _render_traceback_(self) -> list[str]:
        """What IPython prints instead of a traceback."""
        lines = f"{type(self).__name__}: {self}".splitlines()
        if self.partial:
            lines.append("It is in ollama_magic.last.text" if "kept" in self.hint else "Kept: ollama_magic.last.text")
        return lines


def _rebuild(kind: type[OllamaMagicError], args: tuple[str, ...], state: dict[str, object]) -> OllamaMagicError:
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class SettingsError(OllamaMagicError):
    """A setting or an option cannot be used as given; nothing was sent."""


class Unsupported(SettingsError):
    """The surface, mode or model cannot do what was asked; nothing was sent, or the server refused it for that."""


class Unreachable(OllamaMagicError):
    """No server answered at the host: refused, unknown name, no route, bad certificate, lost before an answer."""


class Stalled(OllamaMagicError):
    """The server went silent for longer than the limit; `partial` has the text so far."""


class Incomplete(OllamaMagicError):
    """The answer ended before the server said that it was done; `partial` has the text so far."""


class EmbeddedError(OllamaMagicError):
    """The embedded engine is not installed, could not be started, or died."""


class ResponseError(OllamaMagicError):
    """The server answered with an error: `status` is the HTTP status, None for one inside a stream."""

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        partial: str = "",
        status: int | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, hint=hint, partial=partial)
        self.status = status
        self.retry_after = retry_after
        """Seconds to wait, if the server said."""


class Unauthorized(ResponseError):
    """401: the key is missing or wrong."""


class Forbidden(ResponseError):
    """403: not allowed (a subscription, a Host header, cloud switched off)."""


class ModelNotFound(ResponseError):
    """404: the server does not have the model."""


class UsageLimit(ResponseError):
    """402, or 429 for a quota: the allowance is used up, and a retry will not help."""


class Busy(ResponseError):
    """429, 499 or 503: too many concurrent requests; a retry may work."""


class BadRequest(ResponseError):
    """400: the server does not accept the request."""


class PromptTooLong(BadRequest):
    """The prompt does not fit into the context length."""


class ServerError(ResponseError):
    """5xx, or a response that is not Ollama's, such as a proxy's page."""
