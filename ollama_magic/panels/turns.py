"""One turn as the panel shows it: the question, the answer so far, and both as a message to the browser."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from ..events import Answer
from ..nextcell import code_in
from ..render.bundle import body_html, pretty_json, thinking_html
from ..render.footer import count_words, footer_line, marks
from ..render.forms import LIVE_FORM, page_html
from ..render.highlight import code_block
from ..render.markdown import preformatted
from ..render.text import clean, one_line
from ..render.tooling import result_html
from ..render.transcript import Said
from .outlet import error_of

if TYPE_CHECKING:
    from ..errors import OllamaMagicError
    from ..events import Image
    from ..threads import Turn

__all__ = ["Asked", "Entry", "live_form"]

_STATES: Final = {"stopped": "stopped", "incomplete": "failed"}
_ENDINGS: Final = {
    "stopped": "stopped — this is what had arrived",
    "incomplete": "incomplete: the answer was cut off",
    "length": "cut off: the limit on tokens was reached",
}


@dataclass(frozen=True)
class Asked:
    """A question as it was typed, so that it can be asked again. `raw`: braces in it are not variables."""

    prompt: str
    attach: tuple[str, ...] = ()
    images: tuple[Image, ...] = ()
    raw: bool = False


@dataclass(eq=False)
class Entry:
    """One turn. `cell` and `run` are its place in the thread; `turn` is what the thread stores of it, if anything."""

    id: str
    asked: Asked
    cell: str
    run: str = ""
    turn: Turn | None = None
    replaces: Turn | None = None
    """The turn that this one replaces if it gets an answer."""
    state: str = "waiting"
    model: str = ""
    html: str = ""
    tail_html: str = ""
    thinking_html: str = ""
    thinking: dict[str, Any] = field(default_factory=lambda: {"words": 0, "tail": ""})
    notices: list[str] = field(default_factory=list)
    phase: str = "waiting…"
    marks: list[str] = field(default_factory=list)
    error: dict[str, str] | None = None
    footer: str = ""
    text: str = ""
    has_code: bool = False

    @classmethod
    def of(cls, ident: str, turn: Turn, answer: Answer | None) -> Entry:
        """The entry of a turn asked elsewhere; `answer` if more is known than the thread stores."""
        asked = Asked(turn.user.content, (), turn.user.images, raw=True)
        entry = cls(ident, asked, turn.cell, turn.run, turn)
        entry.take(answer or _answer_of(turn), "markdown", None)
        if answer is None:
            entry.marks = [_ENDINGS[turn.reason]] if turn.reason in _ENDINGS else []
            entry.footer = one_line(turn.model, 80)
        return entry

    def take(self, answer: Answer, form: str, error: OllamaMagicError | None) -> None:
        """Fill in the finished answer."""
        self.state = "failed" if error is not None else _STATES.get(answer.reason, "done")
        self.model = one_line(answer.model, 80)
        self.html, self.tail_html, self.phase = _answer_html(answer, form), "", ""
        self.thinking = {"words": 0, "tail": ""}
        self.thinking_html = ""
        if answer.thinking.strip():
            self.thinking_html = thinking_html(f"Thinking · {count_words(answer.thinking)}", answer.thinking)
        self.notices = [one_line(notice, 400) for notice in answer.notices]
        self.marks = marks(answer)
        self.error = error_of(error) if error is not None else None
        self.footer = footer_line(answer) if answer.text or answer.thinking or error is None else ""
        self.text = clean(answer.text)
        self.has_code = bool(code_in(self.text))

    def fail(self, answer: Answer, error: OllamaMagicError) -> None:
        """Fill in the answer as plain text, and the error."""
        self.state, self.error = "failed", error_of(error)
        self.text, self.html, self.tail_html, self.phase = clean(answer.text), preformatted(answer.text), "", ""

    @cached_property
    def said(self) -> Said:
        """What is saved of it in the notebook, once it has ended."""
        error = [f"{self.error['message']} {self.error['hint']}".strip()] if self.error else []
        with_ = [*self.asked.attach, *(["a picture"] * len(self.asked.images))]
        return Said(
            self.asked.prompt,
            ", ".join(with_),
            self.thinking_html + self.html,
            self.text,
            (*self.notices, *self.marks, *(error if not self.marks else [])),
            self.footer,
        )

    @property
    def running(self) -> bool:
        """Whether its answer has not ended yet."""
        return self.state in ("waiting", "streaming")

    def message(self, *, can_retry: bool) -> dict[str, Any]:
        """The complete turn as a message to the browser."""
        return {
            "id": self.id,
            "state": self.state,
            "user": clean(self.asked.prompt),
            "pictures": len(self.asked.images),
            "attached": [one_line(each) for each in self.asked.attach],
            "model": self.model,
            "notices": self.notices,
            "html": self.html,
            "tail_html": self.tail_html,
            "thinking_html": self.thinking_html,
            "thinking": self.thinking,
            "phase": self.phase,
            "marks": self.marks,
            "error": self.error,
            "footer": self.footer,
            "text": self.text,
            "has_code": self.has_code,
            "can_retry": can_retry,
        }


def _answer_html(answer: Answer, form: str) -> str:
    """The text of a complete answer as safe HTML, below the results of its tools."""
    tools = "".join(map(result_html, answer.tool_results))
    if not answer.text.strip():
        return tools
    pretty = pretty_json(answer.text) if form == "json" else None
    if pretty is not None:
        return tools + code_block(pretty, "json")
    if form == "html":
        return tools + page_html(answer.text)
    return tools + body_html(answer.text, "text" if form == "json" else form)


def live_form(form: str) -> str:
    """The format in which an unfinished answer is shown."""
    return LIVE_FORM.get(form, form)


def _answer_of(turn: Turn) -> Answer:
    """The answer, as far as the thread stores it."""
    said = [reply for reply in turn.replies if reply.role == "assistant"]
    called = [f"⚙ {reply.tool_name} → {one_line(reply.content, 120)}" for reply in turn.replies if reply.role == "tool"]
    return Answer(
        text="\n\n".join(reply.content for reply in said if reply.content),
        thinking="\n\n".join(reply.thinking for reply in said if reply.thinking),
        model=turn.model,
        reason=turn.reason,
        notices=tuple(called),
    )
