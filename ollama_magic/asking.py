"""One `%%ollama` cell from its first line to its Answer: parse, put together, ask, show, keep."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .answering import Reading, answer_into
from .composing import compose
from .errors import SettingsError
from .options import usage
from .parsing import parse_cell_line
from .render import show, view_for

if TYPE_CHECKING:
    from .session import Session

__all__ = ["run_cell"]


def run_cell(session: Session, line: str, prompt: str, shell: Any) -> None:
    """Ask `prompt` as `line` says and show the answer as it comes; keeps it as `session.last` and as `--out`.

    Raises what went wrong, or Stopped, after the text so far was shown and kept.
    """
    parsed = parse_cell_line(line)
    if not prompt.strip():
        raise SettingsError("%%ollama: the cell has no prompt", hint=f"Write it below the first line.\n{usage()}")
    # A value is shown as what it is, not as prose, unless the cell says otherwise.
    shown = {"format": "json"} if parsed.how.schema else {}
    settings = session.settings({**shown, **parsed.values})
    cell = Cell(shell)
    namespace = {"Err": session.failures.errors, **_own_names(shell)}
    question = compose(session, prompt.strip("\n"), parsed.how, settings, namespace, cell=cell.id, run=cell.run)
    if parsed.how.dry_run:
        from .preview import preview

        show(shell, preview(session, question, settings))
        return
    view = view_for(shell, settings, whole_cell=cell.is_whole)
    answer, problem = answer_into(view, Reading(session, question, settings, confirm=parsed.how.confirm))
    # A failure that brought nothing does not take away the answer that was there.
    if parsed.how.out and (answer.text or answer.thinking or problem is None):
        shell.user_ns[parsed.how.out] = answer.value if question.shape is not None and problem is None else answer
    if problem is not None:
        raise problem from None
    if settings.format == "code":
        from .nextcell import offer_code

        offer_code(shell, answer.text)


def _own_names(shell: Any) -> dict[str, Any]:
    """The notebook's variables, without the functions that IPython puts beside them."""
    hidden = shell.user_ns_hidden
    own = dict(shell.user_ns)
    for name in ("get_ipython", "exit", "quit", "open"):
        if name in hidden and own.get(name) is hidden[name]:
            del own[name]
    return own


class Cell:
    """The cell that runs, as the front end names it: `id` is "" where there are no cells."""

    def __init__(self, shell: Any) -> None:
        parent = (shell.get_parent() if hasattr(shell, "get_parent") else None) or {}
        header, metadata = parent.get("header", {}), parent.get("metadata", {})
        content = parent.get("content", {})
        self.id = str(metadata.get("cellId", ""))
        self.run = str(header.get("msg_id", ""))
        # Then all outputs of the cell are ours, and may be cleared when the answer is whole.
        self.is_whole = str(content.get("code", "")).lstrip().startswith("%%ollama")
