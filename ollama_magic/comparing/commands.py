"""`%ollama pick | diff | votes`; their implementations are imported when they are used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..render import Table
    from ..session import Session

__all__ = ["diff", "pick", "votes"]


def pick(session: Session, words: list[str]) -> str:
    """LETTER: keep that answer of the last comparison."""
    from .picking import pick as keep

    return keep(session, words)


def votes(session: Session, words: list[str]) -> Table | str:
    """The standings from all picks; clear, export FILE."""
    from .votes import votes as standings

    return standings(session, words)


def diff(session: Session, words: list[str], shell: Any) -> None:
    """LETTER LETTER: a diff of two answers of the last comparison."""
    from ..errors import SettingsError
    from ..render.diff import show_diff
    from .latest import latest

    runs = latest(session, "diff").runs
    if len(words) != 2:
        letters = ", ".join(run.letter for run in runs.runs)
        raise SettingsError(
            "%ollama diff: it compares two answers", hint=f"Write %ollama diff A B; there are {letters}."
        )
    show_diff(shell, runs.diff(*words))
