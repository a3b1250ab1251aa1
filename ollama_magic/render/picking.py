"""A button under each column of a comparison, in a front end with widgets: "Keep this one".

Strategy: the saved output has an empty placeholder under each column. A widget without a view announces itself to the
kernel; only when the kernel replies, with the letters, does the page put buttons into the placeholders, and again
whenever they are redrawn. So the file contains neither buttons nor a widget view, and without widgets or a kernel only
the buttons are missing: the command to type instead is shown below.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any, Final

from ollama_magic.errors import OllamaMagicError
from ollama_magic.render.text import clean
from ollama_magic.render.widgets import button_css, close, made

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["PickButtons", "place_html"]

_NAME: Final = "ollama-magic-keep"

_ESM: Final = """
export default {
  initialize({ model }) {
    const NAME = "ollama-magic-keep";
    let board = "";
    let letters = [];
    let home = null;
    let times = 3;
    let timer = 0;
    const places = (letter) => [...document.getElementsByClassName(`${NAME}-${board}-${letter}`)];
    const buttons = () => letters.flatMap(places).flatMap((place) => [...place.querySelectorAll("button")]);

    const say = (letter, text) => {
      for (const place of places(letter)) {
        place.querySelector("span")?.remove();
        const said = document.createElement("span");
        said.setAttribute("role", "status");
        place.append(said);
        said.textContent = text;
      }
    };
    const pick = (letter) => {
      // The button with the focus goes; the notebook's keys are to work on.
      home = document.activeElement?.closest(".jp-Cell, [tabindex]:not(button)");
      for (const each of buttons()) each.disabled = true;
      say(letter, "Keeping…");
      model.send({ keep: letter });
    };
    const button = (letter) => {
      const made = document.createElement("button");
      made.type = "button";
      made.className = NAME;
      made.textContent = "Keep this one";
      made.setAttribute("aria-label", `Keep this one: answer ${letter}`);
      // Enter and Space are the button's, not the notebook's.
      made.dataset.lmSuppressShortcuts = "true";
      made.addEventListener("keydown", (event) => event.stopPropagation());
      made.addEventListener("click", () => pick(letter));
      return made;
    };
    const draw = () => {
      for (const letter of letters) {
        for (const place of places(letter)) if (!place.firstChild) place.append(button(letter));
      }
    };
    const clear = () => {
      drawn.disconnect();
      for (const each of buttons()) each.remove();
      letters = [];
    };
    const drawn = new MutationObserver(draw);

    // Not at once: the front end first asks the kernel for the thread in which this is to be heard.
    const call = () => {
      model.send({ here: true });
      times -= 1;
      timer = times ? setTimeout(call, 1000) : 0;
    };
    timer = setTimeout(call, 150);
    model.on("comm_live_update", clear);
    model.on("msg:custom", (message) => {
      clearTimeout(timer);
      if (message.letters) {
        ({ board, letters } = message);
        drawn.observe(document.body, { childList: true, subtree: true });
        draw();
      } else if (message.kept) {
        say(message.kept, message.told);  // for a page that display updates no longer reach
        clear();
        home?.focus();
      } else if (message.failed) {
        for (const each of buttons()) each.disabled = false;
        say(message.failed, message.told);
      }
    });
    return () => {
      clearTimeout(timer);
      clear();
    };
  },
};
"""

_CSS: Final = f"""
.{_NAME}-place:not(:empty) {{ margin-top: .5em; }}
.{_NAME}-place > .{_NAME}:focus-visible {{ outline-offset: -2px; }}  /* its column would cut off a ring around it */
.{_NAME}-place > span {{ font-size: 90%; margin-left: .6em; }}
"""


def place_html(board: str, letter: str) -> str:
    """The invisible placeholder for the button of a column."""
    return f'<div class="{_NAME}-place {_NAME}-{escape(board)}-{escape(letter)}"></div>'


class PickButtons:
    """The buttons of one board, until one is used: `keep` gets its letter, and returns a message or raises an error.

    Raises ImportError if anywidget is not installed.
    """

    def __init__(self, board: str, letters: Sequence[str], keep: Callable[[str], str]) -> None:
        self._board, self._letters, self._keep = board, list(letters), keep
        self._widget = made("PickWidget", _ESM, _CSS + button_css(_NAME))
        self._widget.on_msg(self._hear)

    def close(self) -> None:
        """Remove the buttons."""
        widget, self._widget = self._widget, None
        if widget is not None:
            close(widget)

    def _hear(self, widget: Any, content: Any, buffers: Any) -> None:
        if not isinstance(content, dict) or self._widget is None:
            return
        if content.get("here"):
            widget.send({"board": self._board, "letters": self._letters})
        elif content.get("keep") in self._letters:
            letter = content["keep"]
            try:
                told = self._keep(letter)
            except OllamaMagicError as error:
                widget.send({"failed": letter, "told": clean(str(error))})
                return
            widget.send({"kept": letter, "told": clean(told)})
            self.close()
