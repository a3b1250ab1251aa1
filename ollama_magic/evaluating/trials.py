"""What an evaluation is made of: one Trial for each answer that was asked for, and how many of them passed. Pure."""

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

    `error` says why there is no whole answer; `answer` then has what came. Times are seconds, None where unknown.
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
    """What is to be known of the answer, such as that the model read only the end of the prompt."""
    replayed: bool = False
    """Whether the answer was asked for earlier and kept; its times are those of then."""

    def passed(self, check: str = "") -> bool | None:
        """Whether it passed `check`, or all of them; None where that cannot be told, as without an answer."""
        found = [verdict.passed for verdict in self.verdicts if not check or verdict.check == check]
        if self.error or not found:
            return None
        if False in found:
            return False
        return None if None in found else True

    @property
    def trouble(self) -> str:
        """Why it cannot be told whether it passed, in one line; "" where it can."""
        if self.error:
            return self.error
        return next((f"{verdict.check}: {verdict.error}" for verdict in self.verdicts if verdict.error), "")


def why_of(trials: Iterable[Trial]) -> str:
    """What the first check that failed said, or what kept the first trial from being judged; "" where all passed."""
    for trial in trials:
        if trial.trouble:
            return trial.trouble
        for verdict in trial.verdicts:
            if verdict.passed is False:
                return f"{verdict.check}: {verdict.reason}" if verdict.reason else verdict.check
    return ""


def passed_of(trials: Iterable[Trial], check: str = "") -> Rate:
    """How many passed, of those of which it can be told."""
    found = [passed for trial in trials if (passed := trial.passed(check)) is not None]
    return rate(sum(found), len(found))
