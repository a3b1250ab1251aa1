"""An answer in one fixed output, which any thread can update, also after its cell has ended."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from IPython import display as ipython_display

from ollama_magic.render.bundle import Bundle, answer_bundle
from ollama_magic.render.jupyter import bundle_of
from ollama_magic.render.live import LiveView
from ollama_magic.render.look import PHASE, div, wrap

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ollama_magic.errors import OllamaMagicError
    from ollama_magic.events import Answer, Event
    from ollama_magic.render.live import ViewSettings

__all__ = ["PlacedView"]

_ipython: Any = ipython_display  # its functions have no types


class PlacedView:
    """One output of the running cell; an error is shown in it, since there is no caller to raise it to.

    `note` returns the line under the answer, "" for none; it is called with None at first, then with the Answer.
    """

    def __init__(self, shell: Any, settings: ViewSettings, note: Callable[[Answer | None], str]) -> None:
        self._format, self._quiet, self._note = settings.format, settings.quiet, note
        self._sink = _PlacedSink(shell, note(None))
        self._live = LiveView(self._sink, settings, whole_cell=False)

    def show(self, events: Sequence[Event]) -> None:
        """Take new events, and repaint if it is time to."""
        self._live.show(events)

    def finish(self, answer: Answer, error: OllamaMagicError | None = None) -> None:
        """Leave the answer, the error that cut it off, and the note."""
        data, metadata = answer_bundle(answer, self._format, quiet=self._quiet)
        if error is not None:
            told = bundle_of(error)[0]
            if not (answer.text.strip() or answer.thinking.strip() or answer.tool_calls):
                data = told
            else:
                data = {**data, **{kind: f"{data[kind]}\n{told[kind]}" for kind in told}}
        note = self._note(answer)
        if note:
            data = _with_note(data, note)
        self._sink.put((data, metadata))


class _PlacedSink:
    """The one output; LiveView adds none, but updates this one from the start."""

    def __init__(self, shell: Any, note: str) -> None:
        self._id = uuid.uuid4().hex
        self._under = note
        # Stored now, because the shell has another publisher while a cell captures its output.
        self._publisher = shell.display_pub
        first: Bundle = ({"text/html": wrap(div(PHASE, "waiting…")), "text/plain": " "}, {})
        data, metadata = self._noted(first)
        _ipython.display(data, metadata=metadata, raw=True, display_id=self._id)

    def put(self, bundle: Bundle) -> None:
        """Set the content of the output."""
        data, metadata = bundle
        self._publisher.publish(data, metadata, transient={"display_id": self._id}, update=True)

    def update(self, bundle: Bundle) -> None:
        self.put(self._noted(bundle))

    add = replace_all = update

    def clear(self) -> None:
        self.put(({"text/plain": ""}, {}))

    def _noted(self, bundle: Bundle) -> Bundle:
        return _with_note(bundle[0], self._under), bundle[1]


def _with_note(data: dict[str, Any], note: str) -> dict[str, Any]:
    return {
        **data,
        "text/html": data["text/html"] + wrap(div(PHASE, note)),
        "text/plain": f"{data['text/plain']}\n{note}",
    }
