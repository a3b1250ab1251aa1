"""The panel: connection, models, parameters and a conversation as a form in the notebook."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..asking import Cell
from ..errors import Unsupported
from ..render import place_of
from ..session import current

if TYPE_CHECKING:
    from ..session import Session
    from .widget import Panel

__all__ = ["open_panel", "panel"]

_open: dict[str, Panel] = {}
"""The panel of each cell."""


def panel() -> Panel:
    """Show the panel below this cell: connection, models, parameters, and a conversation that streams.

    It shares this kernel's settings and conversations with the cells, so what one changes the other shows. Running the
    cell again closes the panel it showed before; so does `.close()`. Raises Unsupported outside a notebook.
    """
    from IPython.core.getipython import get_ipython

    return open_panel(current(), get_ipython())


def open_panel(session: Session, shell: Any) -> Panel:
    """As `panel`, for the given session and shell."""
    if place_of(shell) != "jupyter":
        raise Unsupported(
            "The panel is a form in a notebook; a terminal or a script cannot show it",
            hint="Use it in JupyterLab or Notebook 7. Here, write %%ollama cells, and see %ollama help.",
        )
    from .widget import Panel

    cell = Cell(shell).id
    earlier = _open.pop(cell, None)
    if earlier is not None:
        earlier.close()
    made = Panel(session, shell)
    if cell:  # without cell ids it is unknown which cell is run again
        _open[cell] = made
    return made
