"""`%ollama threads | history | reset | export | import` and `%ollama cache`: conversations and cached answers."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import SettingsError
from .options import nearest
from .render import Table
from .render.inert import inert_markdown
from .threads import export, import_json
from .units import counted

if TYPE_CHECKING:
    from .session import Session

__all__ = ["cache", "export_thread", "history", "import_thread", "reset", "threads"]

_KINDS = {".md": "markdown", ".json": "json", ".ipynb": "ipynb"}
_SHOWN = 200


def threads(session: Session, words: list[str]) -> Table:
    """The conversations of this kernel."""
    rows = []
    for name in session.threads.names():
        turns = session.threads.turns(name)
        rows.append((name, str(len(turns)), turns[-1].model if turns else "", _start(turns[-1].user.content)))
    return Table(
        ("thread", "turns", "model", "last question"),
        rows,
        "Threads",
        "Go on with one: %%ollama -i NAME; with the last one: %%ollama -c.",
        right=frozenset({"turns"}),
        empty="No conversation has begun. Begin one: %%ollama -i NAME",
    )


def history(session: Session, words: list[str]) -> Table:
    """The messages of a conversation."""
    name = _named(session, words, "history")
    rows = []
    for number, turn in enumerate(session.threads.turns(name), start=1):
        for message in (turn.user, *turn.replies):
            calls = ", ".join(f"calls {call.name}" for call in message.tool_calls)
            unfinished = "" if turn.complete or message.role == "user" else f" [{turn.reason}]"
            rows.append((str(number), message.role, _start(message.content or calls) + unfinished))
    return Table(("turn", "who", "what"), rows, f"Thread {name}", right=frozenset({"turn"}))


def reset(session: Session, words: list[str]) -> str:
    """Delete a conversation."""
    name = _named(session, words, "reset")
    count = len(session.threads.reset(name))
    return f"Thread {name} is forgotten ({counted(count, 'turn')})."


def export_thread(session: Session, words: list[str]) -> str:
    """NAME [FILE]: write a conversation to a file, as Markdown, JSON or a notebook by the file's extension."""
    name = _named(session, words[:1], "export")
    file = Path(words[1] if len(words) > 1 else f"{name}.md").expanduser()
    kind = _KINDS.get(file.suffix.lower())
    if kind is None:
        raise SettingsError(
            f"%ollama export: a thread is not written as {file.suffix or 'a file without an ending'}",
            hint="End the file's name in .md, .json or .ipynb.",
        )
    if file.exists() and len(words) < 2:
        raise SettingsError(f"%ollama export: {file} is there already", hint=f"Name a file: %ollama export {name} FILE")
    text = export(name, session.threads.turns(name), kind)
    if kind == "markdown":
        text = inert_markdown(text)  # it is opened rendered, and a model may have written an image URL
    _write(file, text)
    return f"Thread {name} is in {file}."


def import_thread(session: Session, words: list[str]) -> str:
    """FILE [NAME]: read a conversation from a JSON file that `export` wrote."""
    if not words:
        raise SettingsError("%ollama import: no file is named", hint="Write %ollama import FILE.json [NAME].")
    name, turns = import_json(_read(Path(words[0]).expanduser()))
    name = words[1] if len(words) > 1 else name
    session.threads.put(name, turns)
    session.thread = name
    return f"Thread {name} has {counted(len(turns), 'turn')}. Go on with it: %%ollama -i {name}"


def cache(session: Session, words: list[str]) -> Table | str:
    """status | clear | export FILE [--all] | import FILE: the answers kept on disk.

    `export` writes those that this kernel kept or replayed; with --all, all of them.
    """
    store = session.cache(session.settings())
    action, rest = (words or ["status"])[0], words[1:]
    if action == "status":
        now = store.status()
        rows = [
            ("file", str(now.path)),
            ("answers", f"{now.answers:,}"),
            ("size", f"{now.bytes / 1e6:.1f} MB"),
            ("oldest", _date(now.oldest)),
            ("newest", _date(now.newest)),
            *(("broken, set aside", str(path)) for path in now.set_aside),
        ]
        return Table(("", "value"), rows, "Kept answers", "Keep and replay: --cache, or %ollama config cache use.")
    if action == "clear":
        return f"Forgotten: {counted(store.clear(), 'kept answer')}."
    if action in ("export", "import"):
        if not rest:
            raise SettingsError(f"%ollama cache {action}: no file is named", hint=f"%ollama cache {action} FILE.json")
        file = Path(rest[0]).expanduser()
        if action == "export":
            keys = None if "--all" in rest else list(session.kept)
            if keys == []:
                raise SettingsError(
                    "%ollama cache export: this kernel has kept and replayed no answer",
                    hint="Run cells with --cache first; add --all for the answers of all notebooks.",
                )
            told = counted(store.export(file, keys), "answer")
            return f"{told} in {file}. To replay them elsewhere: %ollama cache import FILE."
        return f"{counted(store.import_(file), 'answer')} taken in. Replay them: --cache, or %ollama config cache use."
    known = ("status", "clear", "export", "import")
    raise SettingsError(
        f"%ollama cache: there is no {action!r}{nearest(action, known)}", hint=f"One of {', '.join(known)}."
    )


def _named(session: Session, words: list[str], command: str) -> str:
    if len(words) > 1:
        raise SettingsError(f"%ollama {command}: one thread, not {len(words)}", hint="See %ollama threads.")
    name = words[0] if words else session.thread
    if not name:
        raise SettingsError(f"%ollama {command}: no thread is named", hint="See %ollama threads.")
    session.threads.turns(name)  # raises if there is none, naming those there are
    return name


def _start(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN else line[: _SHOWN - 1] + "…"


def _date(seconds: float | None) -> str:
    return "" if seconds is None else datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M")


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise SettingsError(f"{file} cannot be written: {error.strerror}", hint="Name another file.") from None


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not text"
        raise SettingsError(f"{file} cannot be read: {why}", hint="Name a file that %ollama export wrote.") from None
