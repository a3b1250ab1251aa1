"""Display of streaming answers, tables, cards and errors, in a notebook, a terminal or a plain script.

Heavy modules are imported only when there is something to show.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Protocol

from ollama_magic.render.preview import Preview
from ollama_magic.render.tables import Card, Table

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ollama_magic.errors import OllamaMagicError
    from ollama_magic.events import Answer, Event
    from ollama_magic.render.bundle import Bundle
    from ollama_magic.render.live import ViewSettings

__all__ = [
    "Card",
    "Preview",
    "Table",
    "View",
    "answer_bundle",
    "place_of",
    "placed_view",
    "register_formatters",
    "say",
    "show",
    "view_for",
    "with_stop_button",
]


class View(Protocol):
    """Shows one answer."""

    def show(self, events: Sequence[Event]) -> None:
        """Take a batch of events, in order; an empty one is a tick of the clock."""

    def finish(self, answer: Answer, error: OllamaMagicError | None = None) -> None:
        """Leave the final output. Call it once, also after an interrupt or an error; the caller raises the error."""


def place_of(shell: Any) -> str:
    """Where output goes: "jupyter", "terminal" or "plain". `shell` is IPython's, None in a script."""
    if shell is not None and hasattr(shell, "kernel"):
        from ollama_magic.render.consoles import in_console

        return "plain" if in_console() else "jupyter"
    return "terminal" if _is_terminal() else "plain"


def view_for(shell: Any, settings: ViewSettings, whole_cell: bool = False) -> View:
    """The view for one answer.

    `settings` has `format` (such as "markdown" or "json"), `render` ("live", "once") and `quiet`.
    `whole_cell`: the cell contains only this question, so that all its outputs may be cleared at the end.
    """
    place = place_of(shell)
    if place == "jupyter":
        from ollama_magic.render.jupyter import JupyterSink
        from ollama_magic.render.live import LiveView

        return LiveView(JupyterSink(), settings, whole_cell=whole_cell)
    if place == "terminal":
        from ollama_magic.render.terminal import TerminalView

        return TerminalView(settings)
    from ollama_magic.render.plain import PlainView

    return PlainView(settings)


def placed_view(shell: Any, settings: ViewSettings, note: Callable[[Answer | None], str]) -> View:
    """A view in one output of the running notebook cell; any thread may use it, also after the cell has ended."""
    from ollama_magic.render.placed import PlacedView

    return PlacedView(shell, settings, note)


def with_stop_button(view: View, shell: Any, stop: Callable[[], object]) -> View:
    """`view` with a Stop button while it streams, if a click can reach a busy kernel; otherwise `view`."""
    from ollama_magic.render.stopping import with_stop_button as wrapped

    return wrapped(view, shell, stop)


def show(shell: Any, value: Answer | Card | OllamaMagicError | Preview | Table | str) -> None:
    """Show a value of this package, or plain text. Errors are shown only if not raised, such as one of several."""
    place = place_of(shell)
    if place == "jupyter":
        from ollama_magic.render.jupyter import bundle_of, show_bundle

        show_bundle(bundle_of(value))
    elif place == "terminal":
        from ollama_magic.render.terminal import print_value

        print_value(value)
    else:
        from ollama_magic.render.plain import print_value as print_plain

        print_plain(value)


def say(shell: Any, text: str) -> None:
    """Show a line of text."""
    show(shell, text)


def answer_bundle(answer: Answer) -> Bundle:
    """The display data and metadata of an answer that is the last line of a cell."""
    from ollama_magic.render.bundle import answer_bundle as bundle
    from ollama_magic.render.bundle import form_of

    return bundle(answer, form_of(answer))


def register_formatters(shell: Any) -> None:
    """Make IPython display an Answer, Table or Card on the last line of a cell as safely as a streamed answer."""
    formatter = shell.display_formatter.mimebundle_formatter
    # By name, so that loading the extension does not import these modules.
    formatter.for_type_by_name("ollama_magic.events", "Answer", _bundle)
    for name in ("Table", "Card"):
        formatter.for_type_by_name("ollama_magic.render.tables", name, _bundle)


def _bundle(value: Any) -> Bundle:
    from ollama_magic.render.jupyter import bundle_of

    return bundle_of(value)


def _is_terminal() -> bool:
    try:
        return sys.stdout.isatty()
    except (AttributeError, ValueError):  # replaced by a simpler object, or closed
        return False
