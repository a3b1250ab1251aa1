"""Two runs of an evaluation compared: regressions first, which passed before and fail now."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from ..units import counted
from . import report
from .intervals import Change, Rate, added, change, correlation
from .trials import Trial, passed_of, why_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..render.tables import Table
    from .evaluation import Evaluation

__all__ = ["Comparison", "Difference", "compared"]

_ORDER: Final = ("regression", "lost", "fixed", "same", "new", "gone")
_SHOWN: Final = 30
_REASON: Final = 120


@dataclass(frozen=True, slots=True)
class Difference:
    """One prompt of one model, before and after.

    `what` is "regression" if the pass rate fell, "fixed" if it rose, or "same"; "lost" if it can no longer be judged,
    "new" if it was not asked, or could not be judged, before; "gone" if it was not asked again.
    """

    prompt: str
    model: str
    what: str
    before: Rate | None
    after: Rate | None
    reason: str = ""


@dataclass(frozen=True, slots=True, repr=False)
class Comparison:
    """All differences, regressions first, and for each model the change of the pass rate with its 95% interval.

    Only prompts that were judged in both runs count for the rates, and the interval accounts for the pairing.
    """

    differences: tuple[Difference, ...]
    changes: Mapping[str, tuple[Rate, Rate, Change | None]]
    notes: tuple[str, ...] = ()
    """Notes on how they were compared, such as that only one of them had a check."""

    @property
    def regressions(self) -> tuple[Difference, ...]:
        """The prompts with a lower pass rate than before."""
        return tuple(each for each in self.differences if each.what == "regression")

    @property
    def fixed(self) -> tuple[Difference, ...]:
        """The prompts with a higher pass rate than before."""
        return tuple(each for each in self.differences if each.what == "fixed")

    @property
    def table(self) -> Table:
        """The prompts that changed, regressions first."""
        from ..render.tables import Table

        changed = [each for each in self.differences if each.what != "same"]
        rows = [
            (each.what, each.model, each.prompt, _told(each.before), _told(each.after), each.reason[:_REASON])
            for each in changed[:_SHOWN]
        ]
        more = len(changed) - len(rows)
        note = f"and {more} more: .differences has all" if more > 0 else ""
        columns = ("what", "model", "prompt", "before", "after", "why")
        return Table(columns, rows, "Prompts", note, frozenset(columns[3:5]), "no prompt changed")

    @property
    def rates(self) -> Table:
        """The change of the pass rate by model."""
        from ..render.tables import Table

        columns = ("before", "after", "change", "95% interval", "regressions", "fixed")
        rows = [(model, *self._rates_row(model)) for model in self.changes]
        notes = [*(["where the interval contains 0, the change may be chance"] if rows else []), *self.notes]
        empty = "no model was judged on the same prompt in both runs"
        return Table(("model", *columns), rows, "Pass rates", " · ".join(notes), frozenset(columns), empty)

    def _rates_row(self, model: str) -> tuple[str, ...]:
        before, after, found = self.changes[model]
        counts = [
            sum(each.model == model and each.what == what for each in self.differences)
            for what in ("regression", "fixed")
        ]
        moved = (
            ("–", "–")
            if found is None
            else (f"{_points(found.value)} points", f"{_points(found.low)} to {_points(found.high)}")
        )
        return (report.told_rate(before), report.told_rate(after), *moved, *map(str, counts))

    @property
    def df(self) -> Any:
        """The differences as a pandas DataFrame."""
        try:
            import pandas
        except ImportError:
            raise ImportError("`.df` needs pandas: %pip install pandas") from None
        rows = [
            (each.what, each.model, each.prompt, each.before and each.before.value, each.after and each.after.value)
            for each in self.differences
        ]
        return pandas.DataFrame(rows, columns=["what", "model", "prompt", "before", "after"])

    def _ipython_display_(self) -> None:
        from ..render.charts import show_parts

        show_parts([self.table, self.rates])

    def __str__(self) -> str:
        from ..render.tables import table_text

        return f"{table_text(self.table)}\n\n{table_text(self.rates)}"

    def __repr__(self) -> str:
        return f"<Comparison: {counted(len(self.regressions), 'regression')}, {len(self.fixed)} fixed>"


def compared(before: Evaluation, after: Evaluation) -> Comparison:
    """What changed from `before` to `after`, matching prompts by their text and models by their name.

    Only checks that both runs have count, unless there are none. If each run has a single model, those two are
    compared even under different names; if no prompt is in both, but both have as many (as with another template),
    prompts are matched by position.
    """
    notes: list[str] = []
    models: dict[str, str] = {}
    prompts: dict[int, str] = {}
    if len(before.models) == len(after.models) == 1:
        models = {before.models[0]: after.models[0]}
        if before.models != after.models:
            notes.append(f"{after.models[0]} is compared with {before.models[0]}")
    if len(before.prompts) == len(after.prompts) and not {*before.prompts} & {*after.prompts}:
        prompts = dict(enumerate(after.prompts))
        notes.append("no prompt is in both runs: each is compared with the one in its place")
    shared = [check for check in after.checks if check in before.checks]
    notes += _unshared(before.checks, after.checks, shared)
    old, new = _grouped(before, models, prompts, shared), _grouped(after, {}, {}, shared)
    keys = list(dict.fromkeys([*new, *old]))
    found = [_difference(key, old.get(key), new.get(key)) for key in keys]
    found.sort(key=lambda each: _ORDER.index(each.what))
    changes: dict[str, tuple[Rate, Rate, Change | None]] = {}
    for model in dict.fromkeys(model for _, model in keys):
        both = [each for each in found if each.model == model and each.what in ("regression", "fixed", "same")]
        pairs = [(each.before, each.after) for each in both if each.before is not None and each.after is not None]
        if pairs:
            rates = added(one for one, _ in pairs), added(two for _, two in pairs)
            changes[model] = (*rates, change(*rates, correlation(pairs)))
    return Comparison(tuple(found), changes, tuple(notes))


def _unshared(before: Sequence[str], after: Sequence[str], shared: Sequence[str]) -> list[str]:
    """The notes on checks that only one run has."""
    if not shared and before and after:
        return ["no check is in both runs: each is held against its own"]
    only = [(name, "before") for name in before if name not in shared]
    only += [(name, "after") for name in after if name not in shared]
    told = ", ".join(f"{name} ({when})" for name, when in only)
    return [f"checks of one run alone do not count: {told}"] if told else []


def _grouped(
    run: Evaluation, models: Mapping[str, str], prompts: Mapping[int, str], checks: Sequence[str]
) -> dict[tuple[str, str], list[Trial]]:
    """The trials by prompt and model, named as in the later run, with the verdicts of `checks` only, all if none."""
    groups: dict[tuple[str, str], list[Trial]] = {}
    for trial in run.trials:
        key = prompts.get(trial.number, trial.prompt), models.get(trial.model, trial.model)
        verdicts = tuple(verdict for verdict in trial.verdicts if not checks or verdict.check in checks)
        groups.setdefault(key, []).append(replace(trial, verdicts=verdicts))
    return groups


def _difference(key: tuple[str, str], old: list[Trial] | None, new: list[Trial] | None) -> Difference:
    before = passed_of(old) if old is not None else None
    after = passed_of(new) if new is not None else None
    if before is None or after is None:
        return Difference(*key, "new" if before is None else "gone", before, after)
    if after.value == before.value:
        return Difference(*key, "same", before, after)
    if after.value is None or before.value is None:
        what = "lost" if after.value is None else "new"
    else:
        what = "regression" if after.value < before.value else "fixed"
    return Difference(*key, what, before, after, why_of(new or []) if what in ("regression", "lost") else "")


def _told(found: Rate | None) -> str:
    if found is None or found.value is None:
        return "–"
    return ("passed" if found.passed else "failed") if found.of == 1 else report.told_rate(found)


def _points(value: float) -> str:
    return f"{value * 100:+.0f}"
