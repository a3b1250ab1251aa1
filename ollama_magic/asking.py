"""One `%%ollama` cell from its first line to its Answer: parse, compose, ask, show, keep."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import jobs
from .answering import Reading, answer_into
from .composing import compose
from .errors import SettingsError
from .options import usage
from .parsing import parse_cell_line
from .render import show, view_for, with_stop_button

if TYPE_CHECKING:
    from .session import Session

__all__ = ["Cell", "own_names", "run_cell"]


def run_cell(session: Session, line: str, prompt: str, shell: Any) -> None:
    """Ask `prompt` as `line` says and show the answer as it arrives; keeps it as `session.last` and as `--out`.

    Raises the error that ended it, or Stopped, after the text so far was shown and kept.
    """
    cell = Cell(shell)
    jobs.stop_in_cell(session, cell.id)
    parsed = parse_cell_line(line)
    if not prompt.strip():
        raise SettingsError("%%ollama: the cell has no prompt", hint=f"Write it below the first line.\n{usage()}")
    # A structured value is shown as JSON, not as prose, unless the cell says otherwise.
    shown = {"format": "json"} if parsed.how.schema else {}
    settings = session.settings({**shown, **parsed.values})
    namespace = {"Err": session.failures.errors, **own_names(shell)}
    if parsed.how.map:
        from .mapping.cell import map_cell

        map_cell(parsed, prompt.strip("\n"), namespace, shell)
        return
    question = compose(session, prompt.strip("\n"), parsed.how, settings, namespace, cell=cell.id, run=cell.run)
    if parsed.how.compares:
        from .comparing.cell import compare_cell

        compare_cell(session, parsed, question, settings, shell, whole_cell=cell.is_whole and bool(cell.id))
        return
    if parsed.how.dry_run:
        from .preview import preview

        show(shell, preview(session, question, settings))
        return
    if parsed.how.bg:
        jobs.begin(session, question, settings, parsed.how, shell, cell.id)
        return
    reading = Reading(session, question, settings, confirm=parsed.how.confirm)
    view = view_for(shell, settings, whole_cell=cell.is_whole)
    if cell.is_whole and cell.id and settings.render == "live":
        view = with_stop_button(view, shell, lambda: reading.stop(0))
    answer, problem = answer_into(view, reading)
    # A failure without any text does not overwrite the previous answer.
    if parsed.how.out and (answer.text or answer.thinking or problem is None):
        shell.user_ns[parsed.how.out] = answer.value if question.shape is not None and problem is None else answer
    if problem is not None:
        raise problem from None
    if settings.format == "code":
        from .nextcell import offer_code

        offer_code(shell, answer.text)


def own_names(shell: Any) -> dict[str, Any]:
    """The notebook's variables, without the functions that IPython injects."""
    hidden = shell.user_ns_hidden
    own = dict(shell.user_ns)
    for name in ("get_ipython", "exit", "quit", "open"):
        if name in hidden and own.get(name) is hidden[name]:
            del own[name]
    return own


class Cell:
    """The running cell, as identified by the front end: `id` is "" if there are no cells."""

    def __init__(self, shell: Any) -> None:
        parent = (shell.get_parent() if hasattr(shell, "get_parent") else None) or {}
        header, metadata = parent.get("header", {}), parent.get("metadata", {})
        content = parent.get("content", {})
        self.id = str(metadata.get("cellId", ""))
        self.run = str(header.get("msg_id", ""))
        # If so, all outputs of the cell are ours, and may be cleared when the answer is complete.
        self.is_whole = str(content.get("code", "")).lstrip().startswith("%%ollama")
