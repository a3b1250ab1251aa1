"""Maps every error status, body and mid-stream report of a server to one exception hierarchy.

`bodies` extracts what the server said; here that becomes an error of `ollama_magic.errors`, with the failed request in
its message and the remedy in its hint. The text takes precedence over most statuses, because Ollama reports some
invalid requests as 500 and forwards other servers' messages under statuses of its own.

Source: ollama server/routes.go, llm/llama_server.go, openai/openai.go, server/cloud_proxy.go (v0.33)
"""

from __future__ import annotations

import email.utils
import re
import time
from dataclasses import dataclass, field, replace
from datetime import UTC
from typing import TYPE_CHECKING

from ..errors import (
    BadRequest,
    Busy,
    Forbidden,
    ModelNotFound,
    OllamaMagicError,
    PromptTooLong,
    ResponseError,
    ServerError,
    Unauthorized,
    Unsupported,
    UsageLimit,
)
from . import bodies, hints

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .bodies import Report

__all__ = [
    "Target",
    "error_from_response",
    "error_from_stream",
    "error_from_text",
    "retry_after_seconds",
]


@dataclass(frozen=True, slots=True)
class Target:
    """The request, for messages, so `url` has no credentials. `hide` lists strings that no message may contain."""

    method: str
    url: str
    model: str = ""
    mode: str = "local"
    key_sent: bool = False
    hide: tuple[str, ...] = field(default=(), repr=False)


def error_from_response(
    status: int, body: bytes, headers: Mapping[str, str], target: Target, *, now: float | None = None
) -> OllamaMagicError:
    """The error for a response with an error status, from its complete `body`.

    `now` is the time against which a date in Retry-After is compared, in seconds since the epoch; None: the clock's.
    Returns a ResponseError, or Unsupported if the model or server cannot do what was asked.
    """
    report = replace(bodies.read_body(body), status=status)
    retry_after = retry_after_seconds(_header(headers, "retry-after"), time.time() if now is None else now)
    return _error(report, target, retry_after, _header(headers, "location") or "")


def error_from_stream(payload: object, target: Target) -> OllamaMagicError:
    """The error reported by an object with `error` inside a stream whose status was 200."""
    return _error(bodies.read_payload(payload), target, None, "")


def error_from_text(text: str, target: Target) -> ServerError:
    """The error for a response with status 200 that is not JSON: a proxy's page, or any text."""
    report = bodies.read_body(text.encode("utf-8", "replace"))
    what = f"a web page titled “{report.text}”" if report.page else f"“{report.text}”"
    message = f"the answer is not Ollama's but {what} ({target.method} {target.url})"
    return ServerError(bodies.without_secrets(message, target.hide), hint=hints.NOT_OLLAMA, status=200)


def retry_after_seconds(value: str | None, now: float) -> float | None:
    """Seconds to wait according to a Retry-After header, which has seconds or a date; None if it has neither.

    Source: RFC 9110, 10.2.3
    """
    text = (value or "").strip()
    if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{0,9})?", text, re.ASCII):
        return float(text)
    try:
        date = email.utils.parsedate_to_datetime(text)
        return max(0.0, (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - now)
    except (ValueError, TypeError, OverflowError):
        return None


def _header(headers: Mapping[str, str], name: str) -> str | None:
    return next((value for key, value in headers.items() if key.lower() == name), None)


# ---- from a report to an error class -------------------------------------------------------------------------------

# Checked in this order. A crashed runner's report quotes its log, so it comes before anything the log may mention.
_BY_TEXT: tuple[tuple[re.Pattern[str], type[OllamaMagicError]], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), kind)
    for pattern, kind in (
        (r"error was encountered while running the model|runner (has unexpectedly|process)", ServerError),
        (r"out[ -]of[ -]memory|more system memory|process has terminated", ServerError),
        (r"exceed_context_size|exceeds the (available )?context|longer than the context", PromptTooLong),
        (r"maximum context length|context (length|window|size) exceeded|prompt is too long", PromptTooLong),
        (r"input \(\d+ tokens\) is too large to process", PromptTooLong),
        (r"does(n't| not) support |not support image|is not supported by this model", Unsupported),
        (
            r"option \"?[^\"]*\"? must be of type|invalid format:|invalid think value|invalid reasoning value",
            BadRequest,
        ),
        (r"model '[^']*' not found|model \"[^\"]*\" not found|try pulling it|model not found", ModelNotFound),
        (r"pull model manifest: file does not exist", ModelNotFound),
        (r"concurrent request slot|server (is )?(busy|overloaded)|maximum pending requests|please retry shortly", Busy),
        (r"usage limit|\bquota|extra usage|usage balance|(weekly|monthly|hourly|daily|session) limit", UsageLimit),
    )
)
_ADVICE = re.compile(r",? try increasing it")
_QUOTA = re.compile(r"limit.*upgrade|upgrade for higher|allowance|credits?\b|billing|subscription", re.IGNORECASE)
_MODEL_NAME = re.compile(r"model ['\"]([^'\"]+)['\"]|^\"?([\w.:/-]+)\"? does not support", re.IGNORECASE)


def _kind(report: Report, target: Target) -> type[OllamaMagicError]:
    text, status = report.text, report.status
    if report.page and (status is None or status in (404, 405) or status >= 500):
        return ServerError
    if status in (401, 407) or (status is None and text.lower() == "unauthorized"):
        return Unauthorized if status != 407 else ServerError
    if status in (402, 403):
        return UsageLimit if status == 402 else Forbidden
    said = f"{report.kind} {text}"
    by_text = next((kind for pattern, kind in _BY_TEXT if pattern.search(said)), None)
    if by_text is not None:
        return by_text
    if status == 429:
        return UsageLimit if _QUOTA.search(text) else Busy
    return _kind_by_status(report, target)


def _kind_by_status(report: Report, target: Target) -> type[OllamaMagicError]:
    status = report.status
    if status is None or status >= 500 or status < 400:
        return Busy if status == 503 else ServerError
    if status == 499:
        return Busy
    if status in (404, 405):
        # An unknown path is answered with plain text, or with an object that mentions the path.
        named = target.model and target.model.lower() in report.text.lower()
        return ModelNotFound if named else ServerError
    return BadRequest


def _error(report: Report, target: Target, retry_after: float | None, location: str) -> OllamaMagicError:
    kind = _kind(report, target)
    found = _MODEL_NAME.search(report.text)
    model = target.model or (next(filter(None, found.groups()), "") if found else "")
    hint = hints.hint_for(kind, report, target.mode, model, target.key_sent, retry_after, location)
    message = bodies.without_secrets(_message(report, target), target.hide)
    hint = bodies.without_secrets(hint, target.hide)
    if issubclass(kind, ResponseError):
        return kind(message, hint=hint, status=report.status, retry_after=retry_after)
    return kind(message, hint=hint)


def _message(report: Report, target: Target) -> str:
    tried, text = f"{target.method} {target.url}", report.text
    if target.mode == "embedded":  # its address is meaningless to users, and they cannot increase its context
        tried, text = "the built-in engine", _ADVICE.sub("", text)
    ended = f"{tried} answered {report.status}" if report.status is not None else f"in the answer of {tried}"
    if report.page:
        return f"a web page came instead of an answer, titled “{report.text}” ({ended})"
    return f"{text} ({ended})" if text else f"{ended}, without a reason"
