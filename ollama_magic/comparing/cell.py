"""A `%%ollama` cell with `--compare`, `--sweep` or `-n`: from its line to its Runs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..errors import SettingsError
from ..render import Table, show
from ..render.columns import Column, Columns
from ..render.racing import race_view
from .grid import across, grid, letter, models_of, shuffled, sweep_of
from .latest import Shown, keep, remember
from .picking import offer
from .reading import Comparison, StoppedRuns, contestants, read_into

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..parsing import How, Parsed
    from ..question import Question
    from ..session import Session
    from ..settings import Settings
    from .grid import Variant
    from .racing import Contestant

__all__ = ["compare_cell", "variants_of"]


def compare_cell(
    session: Session, parsed: Parsed, question: Question, settings: Settings, shell: Any, *, whole_cell: bool = False
) -> None:
    """Run the comparison that the line asks for, show the answers side by side as they stream in, and keep them.

    `--out` is bound to the Runs, until one is picked; the session's last answer is the first complete one. Raises
    StoppedRuns after an interrupt, and the first error if every run failed without text; all is shown and kept before.
    """
    how = parsed.how
    variants = variants_of(parsed)
    if how.blind:
        variants = shuffled(variants)
    as_shown = {"format": settings.format} if how.schema else {}
    runners = contestants(session, variants, {**as_shown, **parsed.values})
    if how.dry_run:
        _dry_run(session, question, runners, shell)
        return
    comparison = Comparison(session, question, runners, settings)
    board = _empty(variants, question, settings, how)
    once = settings.render == "once"
    view = race_view(shell, board, once=once, whole_cell=whole_cell, stop=comparison.stop)
    whole = read_into(view, comparison)
    runs = remember(comparison.runs())
    runs.hidden = how.blind and runs.last is not None  # otherwise there is nothing to pick
    shown = Shown(runs, view, question, how.out, shell)
    with_buttons = whole_cell and len(runs) > 1 and runs.last is not None
    view.finish(runs.board(id=shown.id if with_buttons else ""))
    keep(session, shown)
    session.last = runs.last or session.last
    if how.out and any(run.answer.text or run.whole for run in runs.runs):
        shell.user_ns[how.out] = runs
    if with_buttons:
        offer(session, shown)
    if not whole:
        raise StoppedRuns(runs)
    if comparison.first_error is not None:
        raise comparison.first_error


def variants_of(parsed: Parsed) -> tuple[Variant, ...]:
    """The runs that a line asks for. Raises SettingsError for options that cannot be combined."""
    how = parsed.how
    _refuse(how, parsed)
    sweeps: dict[str, tuple[Any, ...]] = {}
    for text in how.sweep:
        name, values = sweep_of(text)
        if name in sweeps:
            raise SettingsError(f"--sweep {name} is given twice", hint="Put all its values into one.")
        sweeps[name] = values
    variants = grid(models_of(how.compare) if how.compare else (), sweeps, how.repeats)
    if how.blind and len(variants) < 2:
        raise SettingsError(
            "%%ollama: --blind hides who is who in a comparison, and this is not one", hint="Add --compare a,b."
        )
    return variants


def _refuse(how: How, parsed: Parsed) -> None:
    if how.compare and "model" in parsed.values:
        raise SettingsError(
            f"%%ollama: a model is named beside --compare: {parsed.values['model']!r}",
            hint="Put all of them into the list: --compare a,b,c.",
        )
    for given, name, why in (
        (how.tools or how.web, "--tools and --web", "tools would be called by all runs at once, in this notebook"),
        (how.bg, "--bg", "only one answer can go on in the background"),
    ):
        if given:
            raise SettingsError(f"%%ollama: a comparison does not take {name}: {why}", hint=f"Leave out {name}.")


def _empty(variants: Sequence[Variant], question: Question, settings: Settings, how: How) -> Columns:
    columns = tuple(Column(letter(number), variant.title) for number, variant in enumerate(variants))
    notices = question.notices
    return Columns(columns, across(variants), settings.format, settings.quiet, notices, hidden=how.blind)


def _dry_run(session: Session, question: Question, runners: Sequence[Contestant], shell: Any) -> None:
    from ..preview import preview

    rows = [(letter(n), each.variant.title, each.settings.mode) for n, each in enumerate(runners)]
    show(shell, Table(("run", "what", "mode"), rows, f"{len(runners)} runs", "Below: what the first would send."))
    show(shell, preview(session, replace(question, cache="off"), runners[0].settings))
