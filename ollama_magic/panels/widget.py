"""The panel in a notebook: an anywidget without state of its own, so that no panel content is saved as widget state.

Everything is sent in messages: ipywidgets stores and synchronises traits, but not messages.
"""

from __future__ import annotations

import uuid
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import anywidget

from ..asking import own_names
from ..render.freed import free
from ..render.transcript import TranscriptOutput, show_widget
from .controller import Controller
from .saving import Saving

if TYPE_CHECKING:
    from ..session import Session
    from .outlet import Outlet

__all__ = ["Panel"]


def _static(ending: str) -> str:
    """The front end's files with that suffix, concatenated in the order of their names."""
    folder = files(__package__) / "static"
    found = sorted((each for each in folder.iterdir() if each.name.endswith(ending)), key=lambda each: each.name)
    return "\n".join(each.read_text(encoding="utf-8") for each in found)


class _Widget(anywidget.AnyWidget):
    """The kernel side of the comm; it synchronises only its code and style."""

    _esm = _static(".js")
    _css = _static(".css")


class Panel:
    """A panel, as `ollama_magic.panel()` returns it: shown in the cell that made it, until that cell is run again."""

    def __init__(self, session: Session, shell: Any) -> None:
        ident = uuid.uuid4().hex
        self._widget = _Widget()
        free(self._widget)
        output = TranscriptOutput(shell, ident)

        def keeper(outlet: Outlet) -> Saving:
            return Saving(outlet, ident, output.put)

        self._controller = Controller(
            session,
            self._widget.send,
            lambda: {"Err": session.failures.errors, **own_names(shell)},
            {"model_id": self._widget.model_id, "panel": ident},
            keeper,
        )
        self._widget.on_msg(self._take)
        # Last: the page may answer while this cell is still running.
        show_widget(self._widget)
        output.show()

    def _take(self, widget: Any, content: Any, buffers: Any) -> None:
        self._controller.take(content, buffers or ())

    def close(self) -> None:
        """Stop its work, leave its conversation in the notebook, and remove the panel."""
        self._controller.close()
        self._widget.close()

    def _ipython_display_(self) -> None:
        """Do nothing: the cell that made it shows it already."""

    def __repr__(self) -> str:
        return repr(self._controller)
