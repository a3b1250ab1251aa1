"""What the panel hands to the notebook and the browser: cells to insert, files to save, names to attach."""

from __future__ import annotations

from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import TYPE_CHECKING, Any, Final

from ..errors import SettingsError
from ..nextcell import code_in
from ..render.inert import inert_markdown
from ..render.text import one_line
from ..threads import export

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..session import Session

__all__ = ["cells_of", "file_of", "variables_of"]

_FILES: Final = {
    "markdown": ("md", "text/markdown"),
    "json": ("json", "application/json"),
    "ipynb": ("ipynb", "application/x-ipynb+json"),
}
_MOST: Final = 500
_HIDDEN: Final = (ModuleType, FunctionType, BuiltinFunctionType, type)


def cells_of(text: str, wanted: str = "") -> list[dict[str, str]]:
    """The cells that an answer becomes: its code, not run, or else its text as Markdown made inert."""
    code = "" if wanted == "markdown" else code_in(text)
    if not (code or text.strip()):
        raise SettingsError("There is nothing to insert: the answer has no text", hint="Retry it first.")
    if wanted == "code" and not code:
        raise SettingsError("There is no code in the answer", hint="Insert it as Markdown.")
    return [{"type": "code", "source": code} if code else {"type": "markdown", "source": inert_markdown(text)}]


def file_of(session: Session, name: str, form: str) -> dict[str, str]:
    """A thread as a file: its name, media type and text. Markdown is made inert."""
    if name not in session.threads.names():
        raise SettingsError("There is nothing to export yet", hint="Ask something first.")
    text = export(name, session.threads.turns(name), form)  # raises for another form
    if form == "markdown":
        text = inert_markdown(text)
    ending, kind = _FILES[form]
    return {"name": f"{name}.{ending}", "type": kind, "text": text}


def variables_of(namespace: Mapping[str, Any]) -> list[dict[str, str]]:
    """The user's variables, at most 500, with their types; no private names, modules, functions or classes."""
    named = [
        {"name": name, "kind": one_line(type(value).__name__, 60)}
        for name, value in list(namespace.items())
        if not name.startswith("_") and name not in ("In", "Out", "Err") and not isinstance(value, _HIDDEN)
    ]
    return sorted(named, key=lambda each: each["name"].lower())[:_MOST]
