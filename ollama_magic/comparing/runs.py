"""The result of a comparison: its runs in order, as answers, as a tidy table, and as a diff of two of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, overload

from ..errors import SettingsError
from ..options import nearest
from ..render.columns import Column, Columns, columns_bundle
from ..render.diff import Diff

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ..events import Answer
    from .grid import Variant

__all__ = ["Run", "Runs"]


@dataclass(frozen=True, slots=True)
class Run:
    """One run: its letter, its model and options, and its answer. `error` is "" if it did not fail."""

    letter: str
    variant: Variant
    answer: Answer
    error: str = ""

    @property
    def name(self) -> str:
        """Its name, shown beside its letter."""
        return self.variant.title or self.answer.model

    @property
    def whole(self) -> bool:
        """Whether its answer is complete."""
        return not self.error and self.answer.complete

    @property
    def row(self) -> dict[str, Any]:
        """Everything known about it, by column name."""
        stats, variant = self.answer.stats, self.variant
        return {
            "run": self.letter,
            "model": self.answer.model or variant.model,
            "mode": self.answer.mode or variant.mode,
            **dict(variant.options),
            "repeat": variant.repeat or 1,
            "answer": self.answer.text,
            "value": self.answer.value,
            "prompt_tokens": stats.prompt_tokens,
            "output_tokens": stats.output_tokens,
            "first_token_s": stats.first_token_s,
            "total_s": stats.total_s,
            "tokens_per_second": stats.tokens_per_second,
            **({"perplexity": self.answer.perplexity} if self.answer.probabilities else {}),
            "reason": self.answer.reason,
            "error": self.error,
        }


class Runs:
    """The runs of one comparison: iterate for the answers; `.df` for a table; `.diff("A", "B")` to compare two.

    A run is selected by its number, from 0, or by its letter. As the last line of a cell it is shown as the comparison
    was; while `hidden`, until one is picked, without names. `.rows` and `.df` always have the names.
    """

    def __init__(
        self,
        prompt: str,
        runs: Sequence[Run],
        *,
        across: int = 1,
        form: str = "markdown",
        quiet: bool = False,
        notices: tuple[str, ...] = (),
        note: str = "",
        hidden: bool = False,
        valued: bool = False,
    ) -> None:
        self.prompt = prompt
        self.hidden = hidden
        self.note = note
        """A note on all runs: what was included from the notebook, or that a server ran them sequentially."""
        self._runs = tuple(runs)
        self.form = form
        self._across, self._quiet, self._notices = across, quiet, notices
        self._valued = valued or any(run.answer.value is not None for run in runs)

    @property
    def runs(self) -> tuple[Run, ...]:
        """All runs, in display order."""
        return self._runs

    @property
    def answers(self) -> tuple[Answer, ...]:
        """Their answers; a failed one has the text that had arrived, and its error."""
        return tuple(run.answer for run in self._runs)

    @property
    def rows(self) -> list[dict[str, Any]]:
        """A dictionary for each run: model, mode, each swept option, repeat, answer, tokens, times, reason, error.

        If a schema or JSON was asked for, also its `value`, None for a run without one.
        """
        left_out = () if self._valued else ("value",)
        return [{name: value for name, value in run.row.items() if name not in left_out} for run in self._runs]

    @property
    def df(self) -> Any:
        """The rows as a pandas DataFrame. Raises ImportError if pandas is not installed."""
        try:
            import pandas
        except ImportError:
            raise ImportError("`.df` needs pandas: %pip install pandas; `.rows` needs nothing") from None
        return pandas.DataFrame(self.rows)

    @property
    def last(self) -> Answer | None:
        """The first complete answer, else the first with any text: `ollama_magic.last` after a comparison."""
        begun = [run for run in self._runs if run.answer.text]
        found = [run for run in self._runs if run.whole] or begun
        return found[0].answer if found else None

    def find(self, which: int | str) -> Run:
        """The run with a number or letter. Raises SettingsError, listing the letters, if there is none."""
        if isinstance(which, int) and -len(self._runs) <= which < len(self._runs):
            return self._runs[which]
        letters = [run.letter for run in self._runs]
        if isinstance(which, str) and which.upper() in letters:
            return self._runs[letters.index(which.upper())]
        raise SettingsError(
            f"There is no run {which!r}{nearest(str(which).upper(), letters)}", hint=f"Runs: {', '.join(letters)}."
        )

    def diff(self, first: int | str, second: int | str) -> Diff:
        """The word-by-word diff of two runs' answers; shown as the last line of a cell."""
        one, other = self.find(first), self.find(second)
        names = [run.letter if self.hidden else f"{run.letter} · {run.name}" for run in (one, other)]
        return Diff(names[0], one.answer.text, names[1], other.answer.text)

    def board(self, picked: str = "", *, told: str = "", id: str = "") -> Columns:
        """The columns to show; `told` is shown below them, and `id` identifies them to the buttons."""
        letters = [run.letter for run in self._runs if run.answer.text]
        either = f"{', '.join(letters[:-1])} or {letters[-1]}" if len(letters) > 1 else "".join(letters)
        note = f"Names and times are shown after the pick: %ollama pick {either}"
        columns = tuple(Column(run.letter, run.name, run.answer, run.error, run.letter == picked) for run in self._runs)
        note = note if self.hidden else " ".join(part for part in (told, self.note) if part)
        return Columns(columns, self._across, self.form, self._quiet, self._notices, note, self.hidden, id)

    def __len__(self) -> int:
        return len(self._runs)

    def __iter__(self) -> Iterator[Answer]:
        return iter(self.answers)

    @overload
    def __getitem__(self, which: int | str) -> Answer: ...
    @overload
    def __getitem__(self, which: slice) -> tuple[Answer, ...]: ...
    def __getitem__(self, which: int | str | slice) -> Answer | tuple[Answer, ...]:
        if isinstance(which, slice):
            return self.answers[which]
        if isinstance(which, int):
            return self.answers[which]  # the sequence protocol needs an IndexError at the end
        return self.find(which).answer

    def __repr__(self) -> str:
        whole = sum(run.whole for run in self._runs)
        return f"Runs({len(self._runs)} runs, {whole} whole)"

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> Any:
        return columns_bundle(self.board())
