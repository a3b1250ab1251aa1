"""The elements of an evaluation: one Trial for each requested answer, and how many of them passed. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .intervals import Rate, rate

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .checks import Verdict

__all__ = ["Trial", "passed_of", "why_of"]


@dataclass(frozen=True, slots=True)
class Trial:
    """One model's answer to one prompt. `number` is the prompt's, from 0; `repeat` counts from 1.

    `error` says why there is no complete answer; `answer` is then what arrived. Times are seconds, None if unknown.
    """

    number: int
    prompt: str
    model: str
    repeat: int = 1
    answer: str = ""
    verdicts: tuple[Verdict, ...] = ()
    error: str = ""
    seconds: float | None = None
    first_token_s: float | None = None
    tokens_per_second: float | None = None
    prompt_tokens: int | None = None
    output_tokens: int | None = None
    notice: str = ""
    """A note on the answer, such as that the model read only the end of the prompt."""
    replayed: bool = False
    """Whether the answer is from the cache; its times are those measured originally."""

    def passed(self, check: str = "") -> bool | None:
        """Whether it passed `check`, or all of them; None if that is unknown, as without an answer."""
        found = [verdict.passed for verdict in self.verdicts if not check or verdict.check == check]
        if self.error or not found:
            return None
        if False in found:
            return False
        return None if None in found else True

    @property
    def trouble(self) -> str:
        """Why the answer or one of its verdicts is missing, in one line; "" if none is."""
        if self.error:
            return self.error
        return next((f"{verdict.check}: {verdict.error}" for verdict in self.verdicts if verdict.error), "")


def why_of(trials: Iterable[Trial]) -> str:
    """The trouble or first failed check of the first trial that has either; "" if none has."""
    for trial in trials:
        if trial.trouble:
            return trial.trouble
        for verdict in trial.verdicts:
            if verdict.passed is False:
                return f"{verdict.check}: {verdict.reason}" if verdict.reason else verdict.check
    return ""


def passed_of(trials: Iterable[Trial], check: str = "") -> Rate:
    """How many trials passed, of those that were judged."""
    found = [passed for trial in trials if (passed := trial.passed(check)) is not None]
    return rate(sum(found), len(found))
