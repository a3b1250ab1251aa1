"""Notebook front ends: the sink that sends display messages, and the display data of this package's values."""

from __future__ import annotations

import uuid
from typing import Any

from IPython import display as ipython_display

from ollama_magic.errors import OllamaMagicError
from ollama_magic.events import Answer
from ollama_magic.render.bundle import Bundle, answer_bundle, form_of
from ollama_magic.render.look import MARK, div, wrap
from ollama_magic.render.preview import Preview, preview_html, preview_text
from ollama_magic.render.tables import Card, Table, card_html, card_text, table_html, table_text
from ollama_magic.render.text import clean

__all__ = ["JupyterSink", "bundle_of", "show_bundle"]

_ipython: Any = ipython_display  # its functions have no types


class JupyterSink:
    """Display messages of the running cell."""

    def __init__(self) -> None:
        self._id = ""

    def add(self, bundle: Bundle) -> None:
        """Add an output, which becomes the one that is updated."""
        self._id = uuid.uuid4().hex
        _ipython.display(bundle[0], metadata=bundle[1], raw=True, display_id=self._id)

    def update(self, bundle: Bundle) -> None:
        """Repaint the last output."""
        _ipython.update_display(bundle[0], metadata=bundle[1], raw=True, display_id=self._id)

    def replace_all(self, bundle: Bundle) -> None:
        """Replace all outputs of the cell by one, which becomes the one that is updated."""
        _ipython.clear_output(wait=True)
        self.add(bundle)

    def clear(self) -> None:
        """Remove all outputs of the cell."""
        _ipython.clear_output()


def show_bundle(bundle: Bundle) -> None:
    """Display one output."""
    _ipython.display(bundle[0], metadata=bundle[1], raw=True)


def bundle_of(value: Answer | Table | Card | Preview | OllamaMagicError | str) -> Bundle:
    """The display data of a value of this package, or of plain text."""
    if isinstance(value, Answer):
        return answer_bundle(value, form_of(value))
    if isinstance(value, Table):
        return {"text/html": wrap(table_html(value)), "text/plain": table_text(value)}, {}
    if isinstance(value, Card):
        return {"text/html": wrap(card_html(value)), "text/plain": card_text(value)}, {}
    if isinstance(value, Preview):
        return {"text/html": wrap(preview_html(value)), "text/plain": preview_text(value)}, {}
    if isinstance(value, OllamaMagicError):
        text = clean(f"{type(value).__name__}: {value}")
        return {"text/html": wrap(div(MARK + ";white-space:pre-wrap", text)), "text/plain": text}, {}
    text = clean(value)
    return {"text/html": wrap(div("white-space:pre-wrap", text)), "text/plain": text}, {}
