"""Background cells: `%%ollama --bg`, and `%ollama jobs` to list, show, wait for and stop them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from .answering import Reading, Stopped
from .background import start
from .errors import SettingsError
from .nextcell import offer_code
from .options import nearest
from .render import Table, place_of, placed_view, say, show

if TYPE_CHECKING:
    from collections.abc import Callable

    from .background import BackgroundJob
    from .events import Answer
    from .parsing import How
    from .question import Question
    from .session import Session
    from .settings import Settings

__all__ = ["WORDS", "begin", "jobs", "stop_in_cell"]

WORDS = ("show", "stop", "wait", "code")
_KEPT = 50
_SHOWN = 60
_STOP_S = 3.0


@dataclass(frozen=True, slots=True)
class _Listed:
    number: int
    cell: str
    model: str
    settings: Settings
    job: BackgroundJob


class _Jobs:
    """The background cells of one session. Beyond `_KEPT`, the oldest of those that have ended are dropped."""

    def __init__(self) -> None:
        self.count = 0
        self.listed: dict[int, _Listed] = {}

    def add(self, listed: _Listed) -> None:
        self.listed[listed.number] = listed
        ended = [each.number for each in self.listed.values() if each.job.done]
        for number in ended[: max(0, len(self.listed) - _KEPT)]:
            del self.listed[number]


_of: WeakKeyDictionary[Session, _Jobs] = WeakKeyDictionary()


def _jobs_of(session: Session) -> _Jobs:
    return _of.setdefault(session, _Jobs())


# ---- cells -----------------------------------------------------------------------------------------------------


def begin(session: Session, question: Question, settings: Settings, how: How, shell: Any, cell: str) -> None:
    """Ask in the background and return immediately: the answer streams into this cell's output.

    In a terminal or a script it is not shown until `%ollama jobs show`; a line says when it has ended. Raises
    SettingsError for what cannot be done in the background.
    """
    _refuse(question, how)
    jobs = _jobs_of(session)
    jobs.count += 1
    number = jobs.count
    in_notebook = place_of(shell) == "jupyter"

    def ended(answer: Answer, problem: BaseException | None) -> None:
        if how.out and (answer.text or answer.thinking or problem is None):
            value = answer.value if question.shape is not None and problem is None else answer
            shell.user_ns[how.out] = value
        if not in_notebook and not isinstance(problem, Stopped):  # the user who stopped it knows
            how_it_ended = "has its answer" if problem is None else "failed"
            say(shell, f"Job {number} {how_it_ended}. See it: %ollama jobs show {number}")

    def note(answer: Answer | None) -> str:
        return _note(number, how.out, settings.format, answer)

    view = placed_view(shell, settings, note) if in_notebook else None
    job = start(Reading(session, question, settings), view, question.prompt, ended)
    jobs.add(_Listed(number, cell, settings.model or "", settings, job))
    if not in_notebook:
        say(shell, note(None))


def stop_in_cell(session: Session, cell: str) -> None:
    """Stop the background jobs of a cell that is run again; "" is no cell."""
    for each in list(_jobs_of(session).listed.values()) if cell else ():
        if each.cell == cell and not each.job.done:
            each.job.stop(_STOP_S)


def _refuse(question: Question, how: How) -> None:
    if how.confirm:
        raise SettingsError(
            "%%ollama: --confirm asks before each call, and a background cell has nobody to ask",
            hint="Leave out --bg or --confirm.",
        )
    slow = [tool.name for tool in question.tools if tool.is_async]
    if slow:
        raise SettingsError(
            f"%%ollama: {slow[0]} is an async function: it runs on the notebook's own event loop, "
            "which a background cell must not wait for",
            hint="Leave out --bg, or make it an ordinary function; it is then called in a thread.",
        )


def _note(number: int, out: str, form: str, answer: Answer | None) -> str:
    """The line under a background cell's answer."""
    if answer is None:
        bound = f" {out} is bound when it ends." if out else ""
        return f"Job {number}, in the background.{bound} Stop it, or show it again: %ollama jobs stop|show {number}"
    parts = []
    if out and (answer.text or answer.thinking or answer.complete):
        parts.append(f"{out} is bound.")
    if form == "code" and answer.text:
        parts.append(f"Put the code into a cell: %ollama jobs code {number}")
    return " ".join(parts)


# ---- the command -----------------------------------------------------------------------------------------------


def jobs(session: Session, words: list[str], shell: Any) -> None:
    """`%ollama jobs [show|stop|wait|code] [N|all]`: without a word, list them; without a number, the last job."""
    what, *rest = words or [""]
    run = _COMMANDS.get(what)
    if run is None or len(rest) > 1:
        odd = rest[1] if run is not None else what
        raise SettingsError(
            f"%ollama jobs: cannot place {odd!r}{nearest(odd, WORDS)}",
            hint="Write %ollama jobs, or %ollama jobs show|stop|wait|code [N]; stop and wait take all, too.",
        )
    run(session, rest[0] if rest else "", shell)


def _list(session: Session, which: str, shell: Any) -> None:
    rows = [
        (str(each.number), each.job.so_far.model or each.model, each.job.state, *_figures(each.job), each.job.label)
        for each in _jobs_of(session).listed.values()
    ]
    table = Table(
        ("job", "model", "state", "time", "tokens", "prompt"),
        [(*row[:-1], " ".join(row[-1].split())[:_SHOWN]) for row in rows],
        "Background cells",
        "See one: %ollama jobs show N. Others: stop N|all, wait N|all, code N (its code into the next cell).",
        right=frozenset({"job", "time", "tokens"}),
        empty="No cell has been asked in the background. Begin one: %%ollama --bg",
    )
    show(shell, table)


def _figures(job: BackgroundJob) -> tuple[str, str]:
    return f"{job.seconds:.1f} s", f"{job.tokens:,}"


def _show(session: Session, which: str, shell: Any) -> None:
    [each] = _chosen(session, which, several=False)
    if place_of(shell) == "jupyter":
        each.job.show_in(
            placed_view(shell, each.settings, lambda answer: _note(each.number, "", each.settings.format, answer))
        )
        return
    if each.job.done:
        show(shell, each.job.so_far)
        if each.job.state == "failed":
            say(shell, str(each.job.problem))
        return
    time, tokens = _figures(each.job)
    show(shell, each.job.so_far.text)
    say(shell, f"Job {each.number} is still at work ({time}, {tokens} tokens).")


def _stop(session: Session, which: str, shell: Any) -> None:
    chosen = [each for each in _chosen(session, which, several=True) if each.job.answer is None]
    for each in chosen:
        each.job.stop(0)  # signal all of them first, then wait
    late = [str(each.number) for each in chosen if not each.job.stop(_STOP_S)]
    stopped = [str(each.number) for each in chosen if each.job.state == "stopped"]
    told = f"Stopped: job {', '.join(stopped)}." if stopped else "" if late else "Nothing was running."
    if late:
        told += f" A tool of job {', '.join(late)} still runs: the job ends after it."
    say(shell, told.strip())


def _wait(session: Session, which: str, shell: Any) -> None:
    for each in _chosen(session, which, several=True):
        each.job.wait()
        say(shell, f"Job {each.number}: {each.job.state}, {', '.join(_figures(each.job))} tokens.")


def _code(session: Session, which: str, shell: Any) -> None:
    [each] = _chosen(session, which, several=False)
    if not each.job.done:
        raise SettingsError(
            f"%ollama jobs: job {each.number} is still at work", hint=f"Wait for it: %ollama jobs wait {each.number}"
        )
    offer_code(shell, each.job.so_far.text)


def _chosen(session: Session, which: str, *, several: bool) -> list[_Listed]:
    listed = _jobs_of(session).listed
    if not listed:
        raise SettingsError("%ollama jobs: there is none", hint="Begin one: %%ollama --bg on a cell's first line.")
    if several and which == "all":
        return list(listed.values())
    number = int(which) if which.isdecimal() else 0 if which else max(listed)
    if number not in listed:
        raise SettingsError(
            f"%ollama jobs: there is no job {which}", hint=f"There are: {', '.join(map(str, listed))}. %ollama jobs"
        )
    return [listed[number]]


_COMMANDS: dict[str, Callable[[Session, str, Any], None]] = {
    "": _list,
    "show": _show,
    "stop": _stop,
    "wait": _wait,
    "code": _code,
}
