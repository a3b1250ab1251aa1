"""What a panel leaves in the notebook: one output with its conversation, readable where no panel can be shown."""

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

__all__ = ["Said", "TranscriptOutput", "show_widget", "transcript_bundle"]

_CLASS: Final = "ollama-magic ollama-magic-transcript tex2jax_ignore mathjax_ignore"
_QUESTION: Final = f"{PRE_TEXT};border-left:3px solid rgba(127,127,127,.5);padding:.1em 0 .1em .7em;margin:1.2em 0 .6em"
_EMPTY: Final = "The panel's conversation is kept here."
_WIDGET: Final = (
    "The ollama_magic panel. This front end does not show it, or its kernel has ended: run the cell again in "
    "JupyterLab, Notebook 7 or another front end with Jupyter widgets. What was said in it is below."
)


@dataclass
class Said:
    """One turn: the question as typed, what was attached to it, the answer as safe HTML and as text, and remarks."""

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
        """The turn as Markdown in which nothing is live."""
        question = "\n".join(f"> {line}".rstrip() for line in inert_markdown(self.question).split("\n"))
        return f"{question}\n\n{inert_markdown(self.text)}"


def transcript_bundle(turns: Sequence[Said], panel: str) -> Bundle:
    """The whole conversation of a panel as one output, which names the panel in its metadata."""
    body = "".join(turn.as_html for turn in turns) or div(FOOTER, _EMPTY)
    data = {
        "text/html": f'<div class="{_CLASS}">{body}</div>',
        "text/plain": "\n\n".join(turn.as_text for turn in turns) or _EMPTY,
    }
    if turns:
        data["text/markdown"] = "\n\n".join(turn.as_markdown for turn in turns)
    return data, {"ollama_magic": {"panel": panel, "transcript": True}}


class TranscriptOutput:
    """One output of the cell that runs now; it can be updated from any thread, also when its cell has ended."""

    def __init__(self, shell: Any, panel: str) -> None:
        from IPython.display import display as show

        self._id = uuid.uuid4().hex
        # Taken now: a cell that captures its output has another publisher for as long as it runs.
        self._publisher = shell.display_pub
        data, metadata = transcript_bundle((), panel)
        display: Any = show
        display(data, metadata=metadata, raw=True, display_id=self._id)

    def put(self, bundle: Bundle) -> None:
        """This is what the output is now."""
        data, metadata = bundle
        self._publisher.publish(data, metadata, transient={"display_id": self._id}, update=True)


def show_widget(widget: Any) -> None:
    """Show a widget in the cell that runs now; in a front end without widgets, a text that says so."""
    from IPython.display import display as show

    view = {"version_major": 2, "version_minor": 0, "model_id": widget.model_id}
    display: Any = show
    display({"application/vnd.jupyter.widget-view+json": view, "text/plain": _WIDGET}, raw=True)
