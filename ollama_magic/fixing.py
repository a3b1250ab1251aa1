"""`%ollama fix`: explains the last error of the notebook, given the cell that failed and the values involved.

Failures are recorded by IPython's post_run_cell event; no exception hook is replaced.
"""

from __future__ import annotations

import ast
import re
import sys
from typing import TYPE_CHECKING, Any

from .answering import Reading, answer_into
from .context import describe, estimate
from .errors import SettingsError
from .nextcell import offer_code
from .parsing import How, parse_words
from .question import Question
from .render import view_for
from .secret import redact

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .secret import Secret
    from .session import Session

__all__ = ["fix", "question_about"]

_BUDGET = 300
_MOST_VALUES = 12
_CELL_CHARACTERS = 6000
_WORD = re.compile(r"[^\W\d]\w*")
_EXPLAIN = (
    "You help with Python in a Jupyter notebook. Say in plain words what went wrong and why, then how to mend it. "
    "Be short. Use the values that are given."
)
_CORRECT = (
    "You mend Python in a Jupyter notebook. Answer with the whole corrected cell in one ```python block, "
    "and nothing else."
)


def fix(session: Session, words: list[str], shell: Any) -> None:
    """Explain the notebook's last error; with --code, offer a corrected cell. Also takes MODEL and settings."""
    wants_code = "--code" in words
    rest = [word for word in words if word != "--code"]
    parsed = parse_words(rest)
    if parsed.how != How():
        raise SettingsError("%ollama fix takes --code, MODEL and settings", hint="See %ollama help fix.")
    values = {"system": _CORRECT if wants_code else _EXPLAIN, **parsed.values}
    if not wants_code:
        values = {"format": "markdown", **values}
    settings = session.settings(values)
    question = question_about(session, shell.user_ns, session.secrets(settings))
    answer, problem = answer_into(view_for(shell, settings), Reading(session, question, settings))
    if problem is not None:
        raise problem from None
    if wants_code:
        offer_code(shell, answer.text)


def question_about(session: Session, namespace: Mapping[str, Any], secrets: tuple[Secret, ...] = ()) -> Question:
    """A Question about the last error: its traceback, the failing cell, the values of variables in the cell."""
    failure = session.failures.last
    if failure is None:
        raise SettingsError(
            "%ollama fix: no cell has failed since ollama_magic was loaded",
            hint="Run the cell that fails again, then %ollama fix.",
        )
    parts = [f"This error came up:\n\n{describe(failure.error, budget=1200).text}"]
    if failure.cell.strip():
        parts.append(f"The cell that failed:\n\n```python\n{failure.cell.strip()[:_CELL_CHARACTERS]}\n```")
    for name, value in _values_in(failure.cell, namespace):
        shown = describe(value, budget=_BUDGET)
        if shown.text:
            parts.append(f"`{name}` is:\n\n{shown.text}")
    text = redact("\n\n".join(parts), secrets)
    return Question(text, included=(("the last error, its cell and values", estimate(text)),))


def _values_in(cell: str, namespace: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """The first variables that a cell names, in order, without modules, private names and IPython's In and Out."""
    try:
        names = dict.fromkeys(node.id for node in ast.walk(ast.parse(cell)) if isinstance(node, ast.Name))
    except (SyntaxError, ValueError):  # this may be the very error, or the cell contains a magic
        names = dict.fromkeys(_WORD.findall(cell))
    module = type(sys)
    found = [
        (name, namespace[name])
        for name in names
        if name in namespace and not name.startswith("_") and not isinstance(namespace[name], module)
    ]
    return [(name, value) for name, value in found if name not in ("In", "Out")][:_MOST_VALUES]
