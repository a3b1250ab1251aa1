"""Tool calls as servers send them: complete or in fragments, with arguments as an object or as a JSON string."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Final

from ..events import ToolCall
from .bodies import as_json

__all__ = ["RAW_ARGUMENTS", "CallCollector", "arguments_of", "calls_of"]

RAW_ARGUMENTS: Final = "__raw__"
"""The only key of tool call arguments that are not a JSON object; its value is the text as the model wrote it."""


def arguments_of(value: object) -> dict[str, Any]:
    """The arguments of a tool call, which servers send as an object or as a JSON string; {} for null or blank.

    A model may write text that is not a JSON object. It is kept under RAW_ARGUMENTS, so that the code that answers the
    call can report what was wrong.
    """
    text = value
    for _ in range(2):  # some servers encode the string twice
        if isinstance(value, str) and value.strip():
            try:
                value = json.loads(value)
            except (ValueError, RecursionError):
                return {RAW_ARGUMENTS: text}
    if value is None or value == "" or (isinstance(value, str) and not value.strip()):
        return {}
    return value if isinstance(value, dict) else {RAW_ARGUMENTS: text if isinstance(text, str) else as_json(text)}


def calls_of(entries: object) -> tuple[ToolCall, ...]:
    """Complete calls: `[{"id"?, "function": {"name", "arguments"}}]`, or without the enclosing `function`."""
    calls = []
    for entry in entries if isinstance(entries, list) else ():
        function = entry.get("function", entry) if isinstance(entry, dict) else None
        name = function.get("name") if isinstance(function, dict) else None
        if isinstance(function, dict) and isinstance(name, str) and name:
            calls.append(ToolCall(name, arguments_of(function.get("arguments")), _text(entry.get("id"))))
    return tuple(calls)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


@dataclass(slots=True)
class _Parts:
    """A tool call being assembled."""

    id: str = ""
    name: str = ""
    pieces: list[str] = field(default_factory=list)
    value: object = None

    def call(self) -> ToolCall:
        """The assembled call."""
        return ToolCall(self.name, arguments_of("".join(self.pieces) if self.value is None else self.value), self.id)


class CallCollector:
    """Assembles calls from fragments, matched by index."""

    def __init__(self) -> None:
        self._calls: list[_Parts] = []
        self._by_index: dict[object, _Parts] = {}

    def add(self, pieces: object) -> None:
        """Add the fragments of one chunk."""
        for piece in pieces if isinstance(pieces, list) else ():
            function = piece.get("function") if isinstance(piece, dict) else None
            if not isinstance(function, dict):
                continue
            name, identity, arguments = _text(function.get("name")), _text(piece.get("id")), function.get("arguments")
            call = self._call_for(piece.get("index"), identity, name)
            call.id = call.id or identity
            if name != call.name:
                call.name += name
            if isinstance(arguments, str):
                call.pieces.append(arguments)
            elif arguments is not None:
                call.value = arguments

    def take(self) -> tuple[ToolCall, ...]:
        """Return the calls so far, and forget them."""
        calls = tuple(parts.call() for parts in self._calls if parts.name)
        self._calls, self._by_index = [], {}
        return calls

    def _call_for(self, index: object, identity: str, name: str) -> _Parts:
        """The call that a fragment belongs to. A different id under the same index starts a new call."""
        key = index if isinstance(index, int) else None
        call = self._by_index.get(key)
        other = call is not None and identity and call.id and identity != call.id
        unnumbered = call is not None and key is None and name and not identity
        if call is None or other or unnumbered:
            call = self._by_index[key] = _Parts()
            self._calls.append(call)
        return call
