"""The panel in a notebook: an anywidget that has no state of its own, so that nothing of a panel is ever saved in it.

Everything goes by messages. ipywidgets keeps and sends around what is in a trait; a message is for whoever gets it.
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
    """The files of the front end with that ending as one, in the order of their names."""
    folder = files(__package__) / "static"
    found = sorted((each for each in folder.iterdir() if each.name.endswith(ending)), key=lambda each: each.name)
    return "\n".join(each.read_text(encoding="utf-8") for each in found)


class _Widget(anywidget.AnyWidget):
    """This end of the line; its code and its style are all that it synchronises."""

    _esm = _static(".js")
    _css = _static(".css")


class Panel:
    """A panel, as `ollama_magic.panel()` gives it: shown in the cell that made it, until that cell is run again."""

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
        # Last of all: its page may answer while this cell still runs.
        show_widget(self._widget)
        output.show()

    def _take(self, widget: Any, content: Any, buffers: Any) -> None:
        self._controller.take(content, buffers or ())

    def close(self) -> None:
        """Stop what it does, leave its conversation in the notebook, and take the panel away."""
        self._controller.close()
        self._widget.close()

    def _ipython_display_(self) -> None:
        """Nothing: it is shown already, by the cell that made it."""

    def __repr__(self) -> str:
        return repr(self._controller)
