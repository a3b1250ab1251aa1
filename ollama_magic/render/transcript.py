"""The output that a panel leaves in the notebook: its conversation, readable where no panel can be displayed."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from functools import cached_property
from html import escape
from typing import TYPE_CHECKING, Any, Final

from ollama_magic.render.inert import inert_markdown
from ollama_magic.render.look import FOOTER, MARK, PRE_TEXT, div
from ollama_magic.render.text import clean, one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ollama_magic.render.bundle import Bundle

__all__ = ["FRAME", "Said", "TranscriptOutput", "pieces_of", "show_widget", "transcript_bundle"]

_CLASS: Final = "ollama-magic ollama-magic-transcript tex2jax_ignore mathjax_ignore"
_QUESTION: Final = f"{PRE_TEXT};border-left:3px solid rgba(127,127,127,.5);padding:.1em 0 .1em .7em;margin:1.2em 0 .6em"
_EMPTY: Final = "The panel's conversation is kept here."
_NOTHING: Final = {"text/html": div(FOOTER, _EMPTY), "text/plain": _EMPTY}
FRAME: Final = {
    "text/html": (f'<div class="{_CLASS}">', "", "</div>"),
    "text/plain": ("", "\n\n", ""),
    "text/markdown": ("", "\n\n", ""),
}
"""For each media type the text before, between and after the turns."""
_WIDGET: Final = (
    "The ollama_magic panel. This front end does not show it, or its kernel has ended: run the cell again in "
    "JupyterLab, Notebook 7 or another front end with Jupyter widgets. What was said in it is below."
)


@dataclass
class Said:
    """One turn: the question as typed, its attachments, the answer as safe HTML and as text, remarks, and a footer."""

    question: str
    attached: str
    html: str
    text: str
    remarks: tuple[str, ...] = ()
    footer: str = ""

    @cached_property
    def as_html(self) -> str:
        """The turn as safe HTML."""
        parts = [f'<div style="{_QUESTION}">{escape(clean(self.question), quote=False)}</div>']
        parts += [div(FOOTER, f"with {one_line(self.attached)}")] if self.attached else []
        parts.append(self.html)
        parts += [div(MARK, one_line(remark, 600)) for remark in self.remarks]
        parts += [div(FOOTER, self.footer)] if self.footer else []
        return "".join(parts)

    @cached_property
    def as_text(self) -> str:
        """The turn as plain text."""
        lines = [f"> {line}".rstrip() for line in clean(self.question).split("\n")]
        lines += [f"> (with {one_line(self.attached)})"] if self.attached else []
        lines += ["", clean(self.text).strip("\n")] if self.text.strip() else []
        lines += [f"[{one_line(remark, 600)}]" for remark in self.remarks]
        return "\n".join([*lines, *([self.footer] if self.footer else [])])

    @cached_property
    def as_markdown(self) -> str:
        """The turn as inert Markdown, without remarks and footer."""
        question = "\n".join(f"> {line}".rstrip() for line in inert_markdown(self.question).split("\n"))
        return f"{question}\n\n{inert_markdown(self.text)}"

    @cached_property
    def kinds(self) -> dict[str, str]:
        """The turn in all three media types."""
        return {"text/html": self.as_html, "text/plain": self.as_text, "text/markdown": self.as_markdown}


def pieces_of(turns: Sequence[Said]) -> list[dict[str, str]]:
    """The pieces of an output with these turns, to be assembled with `FRAME`."""
    return [turn.kinds for turn in turns] or [_NOTHING]


def transcript_bundle(turns: Sequence[Said], panel: str) -> Bundle:
    """The complete conversation of a panel as one output, with the panel's id in its metadata."""
    pieces = pieces_of(turns)
    data = {
        kind: before + between.join(piece[kind] for piece in pieces) + after
        for kind, (before, between, after) in FRAME.items()
        if kind in pieces[0]
    }
    return data, {"ollama_magic": {"panel": panel, "transcript": True}}


class TranscriptOutput:
    """One output of the running cell; any thread can update it, also after the cell has ended."""

    def __init__(self, shell: Any, panel: str) -> None:
        self._id = uuid.uuid4().hex
        # Stored now, because the shell has another publisher while a cell captures its output.
        self._publisher = shell.display_pub
        self._bundle = transcript_bundle((), panel)
        self._shown = False

    def show(self) -> None:
        """Display the output with its current content."""
        from IPython.display import display as show

        display: Any = show
        bundle = self._bundle
        display(bundle[0], metadata=bundle[1], raw=True, display_id=self._id)
        self._shown = True
        if self._bundle is not bundle:  # replaced by another thread meanwhile
            self.put(self._bundle)

    def put(self, bundle: Bundle) -> None:
        """Set the content of the output."""
        self._bundle = bundle
        if self._shown:
            self._publisher.publish(*bundle, transient={"display_id": self._id}, update=True)


def show_widget(widget: Any) -> None:
    """Display a widget in the running cell; a front end without widgets shows a text that says so."""
    from IPython.display import display as show

    view = {"version_major": 2, "version_minor": 0, "model_id": widget.model_id}
    display: Any = show
    display({"application/vnd.jupyter.widget-view+json": view, "text/plain": _WIDGET}, raw=True)
