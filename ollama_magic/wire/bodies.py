"""Reads error bodies of any form: one Report from JSON of any nesting, an HTML page, or plain text.

Forms in use: `{"error": "text"}` (native), `{"error": {"message", "type", "code"}}` (/v1, llama.cpp), either of them
JSON-encoded in a string of the other, `{"StatusCode": 429, "Status": "...", "error": "..."}` (a remote model behind a
daemon), `{"detail": ...}` and `{"message": ...}` (gateways), a proxy's page, `404 page not found`, an empty body.
"""

from __future__ import annotations

import html
import json
import re
from dataclasses import dataclass, replace
from typing import Any

__all__ = ["LONGEST", "Report", "as_json", "excerpt", "read_body", "read_payload", "without_secrets"]

LONGEST = 500
"""The maximum number of characters of a server's text in an error message."""

_DEEPEST = 8
_LONGEST_PAGE = 20_000
_HTML = re.compile(r"<!doctype\s+html|<html|<head|<body|<title|<h1", re.IGNORECASE)
_TITLE = re.compile(r"<(title|h1)[^>]*>(.*?)</\1", re.IGNORECASE | re.DOTALL)
_TAG = re.compile(r"<(script|style)\b.*?</\1\s*>|<[^>]*>", re.IGNORECASE | re.DOTALL)
_SECRETS = (
    (re.compile(r"\b(Bearer|Basic)\s+[^\s\"',;}]{16,}", re.IGNORECASE), r"\1 ***"),
    (re.compile(r"(//)[^/\s@\"']+@"), r"\1***@"),
    (re.compile(r"\bsk-[A-Za-z0-9_-]{8,}"), "***"),
    (re.compile(r"\b[0-9a-f]{32}\.[A-Za-z0-9_-]{8,}"), "***"),  # the format of Ollama's own keys
)


@dataclass(frozen=True, slots=True)
class Report:
    """The error that a server reported. `text` is "" if it gave none; `page` is true for an HTML page."""

    text: str = ""
    status: int | None = None
    kind: str = ""
    signin_url: str = ""
    page: bool = False


def read_body(body: bytes) -> Report:
    """The report in the body of a response with an error status."""
    text = body.decode("utf-8", "replace").lstrip("\ufeff").strip()
    if text.startswith(("{", "[")):
        try:
            payload, _ = json.JSONDecoder().raw_decode(text)
        except (ValueError, RecursionError):
            return Report(excerpt(text))
        return read_payload(payload)
    return _read_text(text)


def read_payload(payload: object) -> Report:
    """The report in a JSON value: a complete body, or an object with `error` inside a stream."""
    report = _walk(payload, Report(), 0)
    return replace(report, text=excerpt(report.text))


def _walk(value: object, report: Report, depth: int) -> Report:
    if depth > _DEEPEST:
        return report
    if isinstance(value, str):
        inner = _inner_json(value)
        if inner is not None:
            return _walk(inner, report, depth + 1)
        found = _read_text(value.strip())
        return replace(report, text=found.text, page=found.page) if found.text else report
    if isinstance(value, dict):
        return _walk_object(value, report, depth)
    if isinstance(value, list) and value:
        return _walk(value[0], report, depth + 1)
    return report


def _walk_object(value: dict[str, Any], report: Report, depth: int) -> Report:
    for name in ("StatusCode", "status_code", "status", "code"):
        status = value.get(name)
        if isinstance(status, int) and 400 <= status <= 599:
            report = replace(report, status=status)
            break
    for name in ("type", "code"):
        kind = value.get(name)
        if isinstance(kind, str) and kind:
            report = replace(report, kind=kind)
            break
    signin = value.get("signin_url")
    if isinstance(signin, str) and signin.startswith("https://"):
        report = replace(report, signin_url=signin)
    for name in ("error", "message", "msg", "detail", "error_description", "reason", "title", "Status"):
        inner = value.get(name)
        if inner not in (None, "", {}, []):
            found = _walk(inner, report, depth + 1)
            if found.text:
                return found
            report = found
    if depth and not report.text and value:
        return replace(report, text=as_json(value))
    return report


def _inner_json(text: str) -> object:
    text = text.strip()
    if not text.startswith(("{", "[")):
        return None
    try:
        value: object = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, (dict, list)) and value else None


def _read_text(text: str) -> Report:
    if not _HTML.search(text[:2000]):
        return Report(excerpt(text))
    text = text[:_LONGEST_PAGE]
    titles = [_plain(found.group(2)) for found in _TITLE.finditer(text)]
    title = next((title for title in titles if title), "")
    return Report(excerpt(title or _plain(text)), page=True)


def _plain(page: str) -> str:
    return " ".join(html.unescape(_TAG.sub(" ", page)).split())


def excerpt(text: str) -> str:
    """`text` on one line, at most LONGEST characters, without lone surrogates."""
    line = " ".join(text[: 20 * LONGEST].encode("utf-8", "replace").decode().split())
    return line if len(line) <= LONGEST else line[: LONGEST - 1] + "…"


def as_json(value: object) -> str:
    """Encode a value decoded from JSON as JSON again."""
    try:
        return json.dumps(value, ensure_ascii=False, default=str)
    except RecursionError:  # the parser accepted this depth, but here the stack is deeper
        return "(deeply nested JSON)"


def without_secrets(text: str, hide: tuple[str, ...] = ()) -> str:
    """`text` with the strings of `hide`, and anything that looks like a key, token or URL password, masked."""
    for secret in hide:
        if secret:
            text = text.replace(secret, "***")
    for pattern, shown in _SECRETS:
        text = pattern.sub(shown, text)
    return text
