"""Threads as files: Markdown to read, complete JSON that can be imported, and a notebook to continue with."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from ..errors import SettingsError
from ..events import Image, Message, ToolCall
from .store import Turn

__all__ = ["KINDS", "VERSION", "export", "import_json"]

KINDS: Final = ("markdown", "json", "ipynb")
VERSION: Final = 1
_FORMAT: Final = "ollama_magic thread"
_ROLES: Final = ("system", "user", "assistant", "tool")

Present = Callable[[str], Mapping[str, str]]


def export(name: str, turns: Sequence[Turn], kind: str, *, present: Present | None = None) -> str:
    """The turns of thread `name` as the text of a file of `kind`: markdown, json or ipynb.

    `present` turns an answer into a notebook output (text by media type); by default plain text, since a model's
    Markdown may contain live HTML. Raises SettingsError for another kind.
    """
    if kind == "markdown":
        return _markdown(name, turns)
    if kind == "json":
        body = {"format": _FORMAT, "version": VERSION, "name": name, "turns": [_turn_out(turn) for turn in turns]}
        return json.dumps(body, indent=1) + "\n"
    if kind == "ipynb":
        return _notebook(name, turns, present or (lambda text: {"text/plain": text}))
    raise SettingsError(f"A thread cannot be exported as {kind!r}", hint=f"Kinds are {', '.join(KINDS)}.")


def import_json(text: str) -> tuple[str, tuple[Turn, ...]]:
    """The name and the turns of an exported JSON file. Raises SettingsError, saying where, if it is invalid."""
    try:
        body = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _broken(f"it is not valid JSON, or cut off: {error}") from None
    if not isinstance(body, dict) or body.get("format") != _FORMAT:
        raise SettingsError(
            "This is no exported thread", hint="It must be a file made by %ollama export NAME, in its JSON form."
        )
    version = body.get("version")
    if version != VERSION:
        newer = isinstance(version, int) and version > VERSION
        raise SettingsError(
            f"The thread file has version {version!r}; this ollama_magic reads version {VERSION}",
            hint="Update ollama_magic: %pip install -U ollama_magic" if newer else "Export the thread again.",
        )
    turns = body.get("turns")
    if not isinstance(turns, list) or not isinstance(body.get("name"), str):
        raise _broken("it has no name or no turns")
    return body["name"], tuple(_turn_in(turn, f"turn {number}") for number, turn in enumerate(turns, start=1))


def _broken(why: str) -> SettingsError:
    return SettingsError(f"The thread file cannot be read: {why}", hint="Nothing was changed. Export the thread again.")


# ---- JSON ------------------------------------------------------------------------------------------------------


def _turn_out(turn: Turn) -> dict[str, Any]:
    body: dict[str, Any] = {"cell": turn.cell, "model": turn.model, "reason": turn.reason}
    body["user"] = _message_out(turn.user)
    body["replies"] = [_message_out(message) for message in turn.replies]
    return body


def _message_out(message: Message) -> dict[str, Any]:
    body: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.thinking:
        body["thinking"] = message.thinking
    if message.images:
        body["images"] = [{"media_type": image.media_type, "data": image.base64()} for image in message.images]
    if message.tool_calls:
        body["tool_calls"] = [
            {"name": call.name, "arguments": dict(call.arguments), "id": call.id} for call in message.tool_calls
        ]
    for name in ("tool_name", "tool_call_id"):
        if getattr(message, name):
            body[name] = getattr(message, name)
    return body


def _turn_in(body: Any, where: str) -> Turn:
    fields = _object(body, where)
    replies = _list(fields, "replies", where)
    return Turn(
        user=_message_in(fields.get("user"), f"the question of {where}"),
        replies=tuple(_message_in(each, f"reply {number} of {where}") for number, each in enumerate(replies, start=1)),
        cell=_text(fields, "cell", where),
        model=_text(fields, "model", where),
        reason=_text(fields, "reason", where),
    )


def _message_in(body: Any, where: str) -> Message:
    fields = _object(body, where)
    role = fields.get("role")
    if role not in _ROLES:
        raise _broken(f"{where} has the role {role!r}")
    return Message(
        role=role,
        content=_text(fields, "content", where),
        thinking=_text(fields, "thinking", where),
        images=tuple(_image_in(each, where) for each in _list(fields, "images", where)),
        tool_calls=tuple(_call_in(each, where) for each in _list(fields, "tool_calls", where)),
        tool_name=_text(fields, "tool_name", where),
        tool_call_id=_text(fields, "tool_call_id", where),
    )


def _image_in(body: Any, where: str) -> Image:
    fields = _object(body, where)
    try:
        data = base64.b64decode(_text(fields, "data", where), validate=True)
    except (binascii.Error, ValueError):
        raise _broken(f"an image of {where} is not base64") from None
    return Image(data, _text(fields, "media_type", where))


def _call_in(body: Any, where: str) -> ToolCall:
    fields = _object(body, where)
    return ToolCall(_text(fields, "name", where), _object(fields.get("arguments"), where), _text(fields, "id", where))


def _object(body: Any, where: str) -> dict[str, Any]:
    if not isinstance(body, dict):
        raise _broken(f"{where} is not there, or no object")
    return body


def _text(fields: Mapping[str, Any], name: str, where: str) -> str:
    value = fields.get(name, "")
    if not isinstance(value, str):
        raise _broken(f"{name} of {where} is not a text")
    return value


def _list(fields: Mapping[str, Any], name: str, where: str) -> list[Any]:
    value = fields.get(name, [])
    if not isinstance(value, list):
        raise _broken(f"{name} of {where} is not a list")
    return value


# ---- Markdown --------------------------------------------------------------------------------------------------


def _markdown(name: str, turns: Sequence[Turn]) -> str:
    parts = [f"# Thread {name}"]
    for number, turn in enumerate(turns, start=1):
        parts.append(f"## {number}. Prompt")
        parts.append("\n".join(f"> {line}".rstrip() for line in turn.user.content.split("\n")))
        parts += [f"*(with a picture, {image.media_type}, {len(image.data):,} bytes)*" for image in turn.user.images]
        parts.append(f"## {number}. Answer" + (f" of {turn.model}" if turn.model else ""))
        parts += [_reply(message) for message in turn.replies]
        if not turn.complete:
            parts.append(f"*({_ended(turn)})*")
    return "\n\n".join(part for part in parts if part) + "\n"


def _ended(turn: Turn) -> str:
    how = {"stopped": "stopped here", "incomplete": "cut off here"}.get(turn.reason, "ended here")
    return how if turn.replies else f"{how}, before the first word"


def _reply(message: Message) -> str:
    if message.role == "tool":
        return f"Result of `{message.tool_name}`:\n\n{_fenced(message.content)}"
    calls = [f"{call.name}({json.dumps(dict(call.arguments), ensure_ascii=False)})" for call in message.tool_calls]
    called = f"Calls:\n\n{_fenced(chr(10).join(calls))}" if calls else ""
    return "\n\n".join(part for part in (message.content.strip("\n"), called) if part)


def _fenced(text: str) -> str:
    longest = max((len(found) for found in re.findall(r"`{3,}", text)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}\n{text}\n{fence}"


# ---- notebook --------------------------------------------------------------------------------------------------


def _notebook(name: str, turns: Sequence[Turn], present: Present) -> str:
    cells: list[dict[str, Any]] = []
    ids: set[str] = set()

    def add(cell: dict[str, Any], wanted: str, otherwise: str) -> None:
        free = wanted if re.fullmatch(r"[A-Za-z0-9_-]{1,64}", wanted) and wanted not in ids else otherwise
        while free in ids:
            free += "-"
        ids.add(free)
        cells.append({"id": free, "metadata": {}, **cell})

    loading: dict[str, Any] = {
        "cell_type": "code",
        "execution_count": None,
        "outputs": [],
        "source": "%load_ext ollama_magic",
    }
    add(loading, "", "load")
    for number, turn in enumerate(turns, start=1):
        if turn.user.images:
            add(_pictures(turn.user.images), "", f"pictures-{number}")
        # --raw: what was expanded once must not be expanded again.
        line = f"%%ollama -i {name}" + (" --raw" if "{" in turn.user.content else "")
        text = "\n\n".join(part for part in map(_reply, turn.replies) if part)
        shown = text if turn.complete else f"{text}\n\n({_ended(turn)})".lstrip()
        output = {"output_type": "display_data", "metadata": {}, "data": dict(present(shown))}
        cell = {"cell_type": "code", "execution_count": None, "outputs": [output]}
        add({**cell, "source": f"{line}\n{turn.user.content}"}, turn.cell, f"turn-{number}")
    metadata = {
        "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
        "language_info": {"name": "python"},
    }
    return json.dumps({"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}, indent=1) + "\n"


def _pictures(images: Sequence[Image]) -> dict[str, Any]:
    attachments = {f"image{number}": {image.media_type: image.base64()} for number, image in enumerate(images, start=1)}
    links = "\n".join(f"![{name}](attachment:{name})" for name in attachments)
    return {"cell_type": "markdown", "source": f"Sent with the next prompt:\n\n{links}", "attachments": attachments}
