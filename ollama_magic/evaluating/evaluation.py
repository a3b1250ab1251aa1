"""The result of `evaluate`: every answer with its verdicts, and the statistics, tables and charts made from them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self

from ..errors import SettingsError
from ..units import counted
from . import report, saving
from .comparison import Comparison, compared
from .trials import Trial, passed_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ..render.charts import Chart
    from ..render.tables import Table
    from .intervals import Rate

__all__ = ["Evaluation"]


@dataclass(frozen=True, slots=True, repr=False)
class Evaluation:
    """Prompts, models and checks by name, and a Trial for each answer, in the order prompt, model, repeat.

    As the last line of a cell it shows the table and the heat map. An interrupted one has fewer trials than `expected`.
    """

    prompts: tuple[str, ...]
    models: tuple[str, ...]
    checks: tuple[str, ...]
    trials: tuple[Trial, ...]
    repeats: int = 1
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """What each model was asked with, by the model's name; never a key or a host."""
    made: str = ""
    """When it was made, in UTC, as ISO 8601."""

    # ---- results -----------------------------------------------------------------------------------------------

    @property
    def expected(self) -> int:
        """How many answers were asked for."""
        return len(self.prompts) * len(self.models) * self.repeats

    @property
    def errors(self) -> tuple[Trial, ...]:
        """The trials with trouble: no complete answer, or a check that could not be evaluated."""
        return tuple(trial for trial in self.trials if trial.trouble)

    @property
    def failed(self) -> tuple[Trial, ...]:
        """The trials that failed at least one check."""
        return tuple(trial for trial in self.trials if trial.passed() is False)

    def rate(self, model: str = "", check: str = "") -> Rate:
        """How many trials passed, with the 95% interval; of one model, or by one check, if named."""
        self._knows((model, self.models), (check, self.checks))
        return passed_of((trial for trial in self.trials if not model or trial.model == model), check)

    def _knows(self, *named: tuple[str, Sequence[str]]) -> None:
        for name, known in named:
            if name and name not in known:
                raise SettingsError(
                    f"there is no {name!r} in this evaluation", hint=f"There is {', '.join(known) or 'none'}."
                )

    @property
    def df(self) -> Any:
        """A tidy pandas DataFrame with a row for each verdict (for each answer without verdicts).

        `passed` is of pandas' type `boolean`: missing if it could not be determined.
        """
        try:
            import pandas
        except ImportError:
            raise ImportError("`.df` needs pandas: %pip install pandas") from None
        frame = pandas.DataFrame(report.records(self.trials), columns=list(report.COLUMNS))
        return frame.astype({"passed": "boolean", "score": "float64"})  # so that both aggregate despite missing values

    def only(self, model: str, *more: str) -> Self:
        """This evaluation restricted to these models: `run.only("b").compare(run.only("a"))` compares two of one run.

        Raises SettingsError for a model that is not in it.
        """
        wanted = {model, *more}
        self._knows(*((name, self.models) for name in wanted))
        return replace(
            self,
            models=tuple(name for name in self.models if name in wanted),
            trials=tuple(trial for trial in self.trials if trial.model in wanted),
            settings={name: values for name, values in self.settings.items() if name in wanted},
        )

    def compare(self, other: Evaluation) -> Comparison:
        """What changed since `other`, the earlier run; regressions first, which passed then and fail now.

        Prompts are matched by their text, models and checks by their name. Only checks of both runs count. If no prompt
        is in both and both have as many, as with another template, prompts are matched by position.
        """
        if not isinstance(other, Evaluation):
            raise SettingsError(
                f"a {type(other).__name__} is not an evaluation",
                hint="Load one first: Evaluation.load('run1.json').",
            )
        return compared(other, self)

    # ---- tables and charts -------------------------------------------------------------------------------------

    @property
    def table(self) -> Table:
        """Pass rates by model and by check with 95% intervals, times and tokens."""
        return report.rates_table(self.trials, self.models, self.checks, self.expected)

    def heatmap(self, check: str = "", *, most: int = report.MOST_ROWS) -> Chart:
        """Pass rates by prompt and model, for all checks or one; at most `most` prompts, those that pass least."""
        self._knows((check, self.checks))
        return report.heat_map(self.trials, self.models, check, most)

    def latency(self) -> Chart:
        """Seconds to the end of each answer, by model."""
        return report.latency(self.trials, self.models)

    def throughput(self) -> Chart:
        """Output tokens per second of each answer, by model."""
        return report.throughput(self.trials, self.models)

    # ---- keeping -----------------------------------------------------------------------------------------------

    def save(self, path: str | Path) -> Path:
        """Write all of it to a JSON file, without any key or host, and return its path.

        Raises SettingsError if its folder does not exist or the path is a folder, OSError.
        """
        return saving.write(path, saving.encode(self))

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read what `save` wrote. Raises SettingsError if the file is not a saved evaluation, OSError."""
        return cls(**saving.read(path))

    # ---- showing -----------------------------------------------------------------------------------------------

    def _ipython_display_(self) -> None:
        from ..render.charts import show_parts

        show_parts([self.table, *([self.heatmap()] if self.checks and self.trials else [])])

    def __str__(self) -> str:
        from ..render.tables import table_text

        return table_text(self.table)

    def __repr__(self) -> str:
        named = (("prompt", self.prompts), ("model", self.models), ("check", self.checks))
        counts = ", ".join(counted(len(each), name) for name, each in named)
        return f"<Evaluation of {counts}: {report.told_rate(self.rate())} passed>"
