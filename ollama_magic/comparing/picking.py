"""Pick an answer, by `%ollama pick B` or a button: it is bound to `--out`, joins the thread and counts as a vote."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from ..errors import SettingsError
from ..threads import Turn
from .latest import latest
from .votes import VoteError, votes_of

if TYPE_CHECKING:
    from ..render.picking import PickButtons
    from ..session import Session
    from .latest import Shown
    from .runs import Run

__all__ = ["offer", "pick"]

_MOST_OFFERED: Final = 20
"""The most comparisons with live buttons: each holds its answers in memory."""

_offered: deque[PickButtons] = deque()


def pick(session: Session, words: list[str]) -> str:
    """Pick a run of the last comparison by its letter: names are shown, the answer is bound, the vote is stored."""
    shown = latest(session, "pick")
    letters = ", ".join(run.letter for run in shown.runs.runs if _has_answer(run))
    hint = f"One of {letters}." if letters else "No column of the last comparison has one: run it again."
    if len(words) != 1:
        raise SettingsError("%ollama pick: it takes one letter", hint=hint)
    run = shown.runs.find(words[0])
    if not _has_answer(run):
        raise SettingsError(f"%ollama pick {run.letter}: there is no answer to keep", hint=hint)
    told = _picked(session, shown, run)
    if shown.buttons is not None:
        shown.buttons.close()
    shown.view.finish(shown.runs.board(run.letter))
    if shown.runs.form == "code":
        from ..nextcell import offer_code

        offer_code(shown.shell, run.answer.text)
    return told


def offer(session: Session, shown: Shown) -> None:
    """Put a button under each column that has an answer, if the front end has widgets."""
    from ..render.picking import PickButtons

    def keep(letter: str) -> str:
        told = _picked(session, shown, shown.runs.find(letter))
        if shown.runs.form == "code" and latest(session, "pick") is shown:  # only a running cell can do that
            told += f" %ollama pick {letter} puts its code into the next cell."
        shown.view.finish(shown.runs.board(letter, told=told))
        return told

    letters = [run.letter for run in shown.runs.runs if _has_answer(run)]
    try:
        shown.buttons = PickButtons(shown.id, letters, keep)
    except ImportError:  # there is `%ollama pick`
        return
    _offered.append(shown.buttons)
    while len(_offered) > _MOST_OFFERED:
        _offered.popleft().close()


def _has_answer(run: Run) -> bool:
    return bool(run.answer.text or run.answer.thinking)


def _picked(session: Session, shown: Shown, run: Run) -> str:
    """Keep the picked run and reveal the names; returns the message for the user."""
    _keep(session, shown, run)
    blind, shown.runs.hidden = shown.runs.hidden, False
    told = [f"Picked {run.letter}: {run.name}."]
    told += [f"{shown.out} is its answer."] if shown.out else []
    told += [f"Thread {shown.question.transcript.name} continues with it."] if shown.question.transcript else []
    told.append(_vote(session, shown, run, blind=blind))
    return " ".join(part for part in told if part)


def _keep(session: Session, shown: Shown, run: Run) -> None:
    answer = run.answer
    session.last = answer
    if shown.out:
        typed = shown.question.shape is not None and run.whole
        shown.shell.user_ns[shown.out] = answer.value if typed else answer
    transcript = shown.question.transcript
    if transcript is not None:
        # Recorded under its own run id, so that a later pick replaces it.
        shown.picks += 1
        run_id = f"{transcript.run}/{shown.picks}"
        turn = Turn(shown.question.user, answer.replies, transcript.cell, run_id, answer.model, answer.reason)
        if not transcript.cell:
            _take_back(session, shown, transcript.name)
        session.threads.record(transcript.name, turn, new=transcript.new)
        shown.kept = turn
        session.thread = transcript.name


def _take_back(session: Session, shown: Shown, thread: str) -> None:
    """Without a cell id to replace by: remove the turn of an earlier pick, and all turns after it."""
    turns = session.threads.turns(thread) if thread in session.threads.names() else ()
    for place, turn in enumerate(turns):
        if turn is shown.kept:
            session.threads.put(thread, turns[:place], overwrite=True)


def _vote(session: Session, shown: Shown, run: Run, *, blind: bool) -> str:
    """Count it as preferred to each of the others that gave a complete answer; returns the message for the user."""
    name = _name(run)
    others = sorted({_name(each) for each in shown.runs.runs if each.whole} - {name})
    if not others:
        return ""
    try:
        votes_of(session).put(shown.id, name, others, blind=blind)
    except VoteError as error:  # the pick itself is kept all the same
        return str(error)
    return "Counted: see %ollama votes."


def _name(run: Run) -> str:
    """The name that votes count for: the model and the swept options, without the repeat.

    If only a mode was named, it includes the model that answered: the mode's default may change.
    """
    variant, model = run.variant, run.answer.model
    if variant.model:
        return variant.who
    return replace(variant, typed="/".join(part for part in (variant.mode, model) if part)).who
