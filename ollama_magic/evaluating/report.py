"""Trials as tables and charts: their data and wording. The drawing itself is in render/."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from ..units import counted
from .intervals import Rate, percentile
from .trials import Trial, passed_of, why_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..render.charts import Chart
    from ..render.tables import Table

__all__ = [
    "COLUMNS",
    "MOST_ROWS",
    "heat_map",
    "latency",
    "rates_table",
    "records",
    "throughput",
    "told_rate",
    "told_share",
]

MOST_ROWS: Final = 60
"""How many prompts a heat map shows by default."""

_MEASURED: Final = (
    *("seconds", "first_token_s", "tokens_per_second", "prompt_tokens", "output_tokens", "replayed", "notice", "error"),
)
COLUMNS: Final = (
    *("number", "prompt", "model", "repeat", "check", "passed", "score", "reason", "check_error", "answer"),
    *_MEASURED,
)


def records(trials: Sequence[Trial]) -> list[tuple[Any, ...]]:
    """The rows of the data frame, as COLUMNS."""
    rows: list[tuple[Any, ...]] = []
    for trial in trials:
        begin = (trial.number, trial.prompt, trial.model, trial.repeat)
        measured = tuple(getattr(trial, name) for name in _MEASURED)
        said = [(each.check, each.passed, each.score, each.reason, each.error) for each in trial.verdicts]
        rows += [(*begin, *each, trial.answer, *measured) for each in said or [("", None, None, "", "")]]
    return rows


def told_share(value: float | None) -> str:
    """A share as a percentage, "–" for None; 0% and 100% only if exactly none or all passed."""
    if value is None:
        return "–"
    return "<1%" if 0 < value <= 0.005 else ">99%" if 0.995 <= value < 1 else f"{value:.0%}"


def told_rate(rate: Rate) -> str:
    """A rate with its counts: "73% (8/11)"."""
    return f"{told_share(rate.value)} ({rate.passed}/{rate.of})"


# ---- the table -------------------------------------------------------------------------------------------------


def rates_table(trials: Sequence[Trial], models: Sequence[str], checks: Sequence[str], expected: int) -> Table:
    """A row for each model."""
    from ..render.tables import Table

    several = checks if len(checks) > 1 else ()
    columns = (
        *(("passed", "95% interval") if checks else ()),
        *several,
        *("answers", "errors", "median s", "p90 s", "tok/s", "tokens in", "tokens out"),
    )
    rows = [_row([trial for trial in trials if trial.model == model], model, checks, several) for model in models]
    notes = [f"stopped: {len(trials)} of {expected} answers"] if len(trials) < expected else []
    if kept := sum(trial.replayed for trial in trials):
        notes.append(f"{kept:,} of {counted(len(trials), 'answer')} from earlier runs, with the times measured then")
    notes += _copies(trials, models)
    notes += _counted([trial.trouble for trial in trials], ".errors has them")
    notes += _counted([trial.notice for trial in trials], "see .notice of each trial")
    return Table(("model", *columns), rows, note=" · ".join(notes), right=frozenset(columns), turns=True)


def _copies(trials: Sequence[Trial], models: Sequence[str]) -> list[str]:
    """A note on models that answered the same in each repeat: copies are not independent, as the interval assumes."""
    said: dict[str, dict[int, list[str]]] = {}
    for trial in trials:
        if not trial.error:
            said.setdefault(trial.model, {}).setdefault(trial.number, []).append(trial.answer)
    same = [model for model in models if model in said and _is_the_same(list(said[model].values()))]
    names = ", ".join(same)
    return (
        [f"{names}: the same answer in each repeat; if these are copies (temperature 0), count prompts"] if same else []
    )


def _is_the_same(answers: Sequence[Sequence[str]]) -> bool:
    return max(map(len, answers)) > 1 and all(len(set(each)) == 1 for each in answers)


def _row(own: Sequence[Trial], model: str, checks: Sequence[str], several: Sequence[str]) -> tuple[str, ...]:
    total = passed_of(own)
    times = [trial.seconds for trial in own if trial.seconds is not None and not trial.error]
    speeds = [trial.tokens_per_second for trial in own if trial.tokens_per_second is not None]
    return (
        model,
        *((told_rate(total), _interval(total)) if checks else ()),
        *(told_share(passed_of(own, check).value) for check in several),
        str(sum(not trial.error for trial in own)),
        str(sum(bool(trial.trouble) for trial in own) or ""),
        _number(percentile(times, 0.5)),
        _number(percentile(times, 0.9)),
        _number(percentile(speeds, 0.5)),
        _sum([trial.prompt_tokens for trial in own]),
        _sum([trial.output_tokens for trial in own]),
    )


def _interval(rate: Rate) -> str:
    return f"{rate.low:.0%}–{rate.high:.0%}" if rate.of else "–"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}" if value < 10 else f"{value:,.0f}"


def _sum(counts: Sequence[int | None]) -> str:
    known = [count for count in counts if count is not None]
    return f"{sum(known):,}" if known else "–"


def _counted(texts: Sequence[str], where: str) -> list[str]:
    """The most frequent of `texts` with its count, and the number of other kinds; empty ones are ignored."""
    said: dict[str, int] = {}
    for text in filter(None, texts):
        said[text] = said.get(text, 0) + 1
    if not said:
        return []
    first = max(said, key=lambda text: said[text])
    rest = f" (and {counted(len(said) - 1, 'more kind')}: {where})" if len(said) > 1 else ""
    return [f"{said[first]} × {first[:200]}{rest}"]


# ---- charts ----------------------------------------------------------------------------------------------------


def heat_map(trials: Sequence[Trial], models: Sequence[str], check: str, most: int) -> Chart:
    """A heat map with a cell for each prompt and model: the share of its repeats that passed."""
    from ..render.heatmaps import Cell, heat_map_chart

    prompts = {trial.number: trial.prompt for trial in trials}
    numbers = sorted(prompts)
    groups: dict[tuple[int, str], list[Trial]] = {}
    for trial in trials:
        groups.setdefault((trial.number, trial.model), []).append(trial)
    note = ""
    if len(numbers) > most:
        own = {number: passed_of([t for t in trials if t.number == number], check).value for number in numbers}
        worst = sorted(numbers, key=lambda number: (own[number] is None, own[number] or 0.0))[:most]
        note, numbers = f"the {most} lowest of {len(numbers)} prompts", sorted(worst)
    rows = {number: f"{number + 1} · {prompts[number]}" for number in numbers}
    cells = [
        _cell(Cell, rows[number], model, groups[number, model], check)
        for number in numbers
        for model in models
        if (number, model) in groups
    ]
    title = "Passed" + (f" · {check}" if check else "") + (f" · {note}" if note else "")
    return heat_map_chart(cells, list(rows.values()), list(models), title=title, names=("prompt", "model", "passed"))


def _cell(make: Any, row: str, model: str, own: Sequence[Trial], check: str) -> Any:
    share = passed_of(own, check)
    asked = [replace(trial, verdicts=tuple(v for v in trial.verdicts if check in ("", v.check))) for trial in own]
    failed = [trial for trial in asked if trial.passed() is False]
    why = why_of([*failed, *asked])
    if share.value is None:
        return make(row, model, None, "error" if why else "–", asked[0].answer, why)
    label = ("✓" if share.passed else "✗") if share.of == 1 else told_share(share.value)
    return make(row, model, share.value, label, (failed or asked)[0].answer, why)


def latency(trials: Sequence[Trial], models: Sequence[str]) -> Chart:
    """Seconds to the end of each complete answer."""
    from ..render.charts import spread_chart

    found = {
        model: [t.seconds for t in trials if t.model == model and t.seconds is not None and not t.error]
        for model in models
    }
    return spread_chart(found, title="Latency", unit="seconds to the end of an answer")


def throughput(trials: Sequence[Trial], models: Sequence[str]) -> Chart:
    """Output tokens per second of each answer during generation."""
    from ..render.charts import spread_chart

    found = {
        model: [t.tokens_per_second for t in trials if t.model == model and t.tokens_per_second is not None]
        for model in models
    }
    return spread_chart(found, title="Throughput", unit="output tokens a second")
