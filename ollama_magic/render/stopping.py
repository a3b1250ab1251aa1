"""A Stop button beside an answer that streams into a cell, if a click can reach the kernel while the cell runs.

A click is a widget message, and most kernels handle those only after the cell. So this is tested first: a widget is
opened but not displayed; its code in the page sends "here" soon after it is loaded; only if that arrives *while the
cell runs*, which takes another thread, is the button displayed. Each answer has its own widget, closed with the
answer, so that neither the saved file nor the widget state keeps a trace, and a late click has no effect.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, ClassVar

from ollama_magic.bridge import Worker, this_thread
from ollama_magic.events import Text, Thinking
from ollama_magic.render.freed import free, has_subshells
from ollama_magic.render.widgets import button_css, close, load, made

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ollama_magic.errors import OllamaMagicError
    from ollama_magic.events import Answer, Event
    from ollama_magic.render import View

__all__ = ["StopButton", "with_stop_button"]

_FLOWING_S = 0.5
"""Seconds of streaming after which an answer is long enough to be worth stopping."""
_WAITING_S = 2.0
"""Seconds from the start after which the user may want to stop, even without any text."""
_PATIENCE_S = 4.0
"""Seconds that the page has to send "here"; longer answers without it count as unheard."""
_MOST_UNHEARD = 3
"""Unheard answers in a row before giving up: each try costs some kilobytes and a line in the kernel's log."""

_ESM = """
export default {
  initialize({ model }) {
    // Not at once: the front end first asks the kernel for the thread in which this is to be heard.
    let times = 3;
    const call = () => {
      model.send({ here: true });
      times -= 1;
      timer = times ? setTimeout(call, 1000) : 0;
    };
    let timer = setTimeout(call, 150);
    model.on("msg:custom", () => clearTimeout(timer));
    return () => clearTimeout(timer);
  },
  render({ model, el }) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "ollama-magic-stop";
    button.title = "Stop this answer; the text so far is kept";
    button.textContent = "■ Stop";
    button.addEventListener("click", () => {
      button.disabled = true;
      button.textContent = "Stopping…";
      model.send({ stop: true });
    });
    el.append(button);
  },
};
"""

# Above the answer, taking up no space, and in view as long as any part of the answer is.
_CSS = """
.jp-OutputArea:has(> .jp-OutputArea-child .ollama-magic-stop) {
  display: flex; flex-direction: column;
}
.jp-Cell:not(.jp-mod-outputsScrolled) .jp-OutputArea:has(> .jp-OutputArea-child .ollama-magic-stop) {
  overflow: visible;
}
.jp-OutputArea-child:has(.ollama-magic-stop) {
  order: -1; position: sticky; top: 4px; z-index: 10; align-self: flex-end; width: auto; height: 0; overflow: visible;
}
.jp-OutputArea-child:has(.ollama-magic-stop) > :not(.jp-OutputArea-output) { display: none; }
.jp-OutputArea-child:has(.ollama-magic-stop) > .jp-OutputArea-output { overflow: visible; padding: 0; flex: none; }
"""


def with_stop_button(view: View, shell: Any, stop: Callable[[], object]) -> View:
    """`view` with a Stop button that calls `stop` from another thread; `view` itself if that is not possible.

    Only for a cell that holds nothing but the answer: the button disappears when `view` clears the cell's outputs.
    """
    can_be = has_subshells(getattr(shell, "kernel", None)) and StopButton.unheard < _MOST_UNHEARD
    return StopButton(view, stop) if can_be else view


class StopButton:
    """Wraps a view. The cell's thread calls it; messages of the page arrive in another thread."""

    unheard: ClassVar[int] = 0
    """How many answers in a row gave the page time enough, and got no message from it."""

    def __init__(self, view: View, stop: Callable[[], object], clock: Callable[[], float] = time.monotonic) -> None:
        self._view, self._stop, self._clock = view, stop, clock
        self._thread = this_thread()
        self._began = clock()
        self._flowing: float | None = None
        self._loading: Worker | None = None
        self._widget: Any = None
        self._opened = 0.0
        self._heard = self._shown = self._over = False

    def show(self, events: Sequence[Event]) -> None:
        """Show the events, then take the next step towards the button."""
        self._view.show(events)
        if self._shown:
            return
        if self._flowing is None and any(isinstance(event, Text | Thinking) for event in events):
            self._flowing = self._clock()
        if self._heard:
            self._display()
        elif self._loading is None:
            if self._is_worth_it():
                self._loading = Worker(load)  # the import takes longer than text may be delayed
        elif self._widget is None and self._loading.done:
            self._open()

    def finish(self, answer: Answer, error: OllamaMagicError | None = None) -> None:
        """Finish the view, which removes the button with the other outputs, and close the widget."""
        self._over = True
        try:
            self._view.finish(answer, error)
        finally:
            if self._widget is not None:
                close(self._widget)
                if self._heard:
                    StopButton.unheard = 0
                elif self._clock() - self._opened > _PATIENCE_S:
                    StopButton.unheard += 1

    def _is_worth_it(self) -> bool:
        now = self._clock()
        return now - self._began > _WAITING_S or (self._flowing is not None and now - self._flowing > _FLOWING_S)

    def _open(self) -> None:
        try:
            self._widget = made("StopWidget", _ESM, _CSS + button_css("ollama-magic-stop"))
        except ImportError:  # without anywidget there is no button
            self._shown = True
            return
        self._opened = self._clock()
        free(self._widget)
        self._widget.on_msg(self._hear)

    def _hear(self, widget: Any, content: Any, buffers: Any) -> None:
        # In the cell's own thread messages arrive only between two events, or after the cell: too late to be useful.
        if self._over or this_thread() == self._thread or not isinstance(content, dict):
            return
        if content.get("here"):
            self._heard = True
            widget.send({"heard": True})
        elif content.get("stop"):
            self._stop()

    def _display(self) -> None:
        from ollama_magic.render.jupyter import show_bundle

        self._shown = True
        view = {"version_major": 2, "version_minor": 0, "model_id": self._widget.model_id}
        show_bundle(({"application/vnd.jupyter.widget-view+json": view, "text/plain": " "}, {}))
