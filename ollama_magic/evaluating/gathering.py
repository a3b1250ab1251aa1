"""Answers and verdicts as they arrive, gathered into an Evaluation; an interrupt leaves what has arrived."""

from __future__ import annotations

from collections import deque
from contextlib import aclosing, closing
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

from .. import bridge
from ..errors import OllamaMagicError
from ..events import CUT_OFF
from ..mapping.engine import told
from ..render.bar import Bar
from ..schema import SchemaMismatch
from .asking import Answered, Asked, Judged, Server, Task, all_answers, all_verdicts
from .checks import Check, Verdict
from .evaluation import Evaluation
from .trials import Trial

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator, Sequence

    from ..events import Answer
    from ..settings import Settings
    from .inputs import Row
    from .judging import Judge

__all__ = ["Gathering"]

T = TypeVar("T")


class Gathering:
    """Collects trials as they arrive. Checks run here, in the caller's thread, where notebook functions belong."""

    def __init__(self, asked: Asked, rows: Sequence[Row], checks: Sequence[Check | Judge]) -> None:
        self._asked, self._rows, self._checks = asked, rows, checks
        self._trials: dict[Task, Trial] = {}
        self._verdicts: dict[tuple[Task, str], Verdict] = {}
        self._misfits: set[Task] = set()
        self._server = Server()
        self._unread: deque[Answered] = deque()
        self._unread_verdicts: deque[Judged] = deque()

    def gather(self, judges: Sequence[tuple[Judge, Settings]], *, shown: bool) -> None:
        """Ask for everything. An interrupt is raised from here, and what has arrived is kept."""
        asked = self._asked
        total = len(asked.models) * len(asked.prompts) * asked.repeats
        bar = Bar(total, shown=shown, unit="answer")
        answers = self._read(lambda: all_answers(asked, self._server), self._unread, bar)
        with bar, closing(answers):
            for answered in answers:
                self.take(answered)
                self._unread.popleft()
                bar.step(failed=answered.error is not None, kept=_is_replayed(answered.answer))
        if not judges:
            return
        whole = self.to_judge()
        bar = Bar(len(judges) * len(whole), shown=shown, unit="verdict")
        verdicts = self._read(
            lambda: all_verdicts(asked.session, judges, whole, asked.limiter, self._server), self._unread_verdicts, bar
        )
        with bar, closing(verdicts):
            for judged in verdicts:
                self.judge(judged)
                self._unread_verdicts.popleft()
                bar.step(failed=judged.error is not None, kept=False)

    def _read(
        self, source: Callable[[], AsyncGenerator[T, None]], unread: deque[T], bar: Bar
    ) -> Generator[T, None, None]:
        """The items of the generator as they arrive; however it ends, all connections are closed.

        Each item is in `unread` first, until the reader removes it: an interrupt may lose an item on its way to the
        reader, but not from there.
        """

        async def noted() -> AsyncGenerator[T, None]:
            async with aclosing(source()) as given:
                async for each in given:
                    unread.append(each)
                    yield each

        with bridge.shared().stream(noted) as job:
            for batch in job.batches():
                if not batch:
                    bar.idle(self._server.waits_for)
                yield from batch

    def take_unread(self) -> None:
        """Take what had arrived at the time of an interrupt; a check that it interrupted is not run again."""
        for answered in tuple(self._unread):
            if answered.task not in self._trials:
                self.take(answered)
        for judged in tuple(self._unread_verdicts):
            self.judge(judged)

    def take(self, answered: Answered) -> None:
        """Keep an answer and the checks' verdicts on it."""
        task = answered.task
        trial = _trial(self._asked, answered)
        if isinstance(answered.error, SchemaMismatch) and self._checks:
            # It counts as a failed answer, not a missing one: leaving it out would favour models that often misfit.
            trial = replace(trial, error="")
            self._misfits.add(task)
            for check in self._checks:
                self._verdicts[task, check.name] = Verdict(check.name, False, 0.0, told(answered.error)[:300])
        self._trials[task] = trial
        if answered.answer is None:
            return
        value = trial.answer if self._asked.shape is None else answered.answer.value
        for check in self._checks:
            if isinstance(check, Check):
                self._verdicts[task, check.name] = check.judge(value, trial.answer, self._rows[task.prompt])

    def to_judge(self) -> list[tuple[Task, str, str, Row]]:
        """Each complete answer with its prompt and row, for the judges; one that does not fit its schema has failed."""
        open_ones = [each for each in self._in_order() if not each[1].error and each[0] not in self._misfits]
        return [(task, trial.prompt, trial.answer, self._rows[task.prompt]) for task, trial in open_ones]

    def judge(self, judged: Judged) -> None:
        """Keep a judge's verdict."""
        name, reply = judged.judge.name, judged.reply
        if judged.error is not None or not isinstance(reply, dict):
            why = "it was cut off" if judged.error is None else told(judged.error)
            verdict = Verdict(name, None, error=f"the judge gave no verdict: {why}")
        else:
            passed = reply["verdict"] == "yes"
            verdict = Verdict(name, passed, float(passed), " ".join(str(reply["reason"]).split())[:300])
        self._verdicts[judged.task, name] = verdict

    def evaluation(self) -> Evaluation:
        """Everything gathered so far, as an Evaluation."""
        missing = "it was stopped before this was judged"
        trials = []
        for task, trial in self._in_order():
            verdicts = (
                self._verdicts.get((task, check.name), Verdict(check.name, None, error=missing))
                for check in self._checks
            )
            trials.append(trial if trial.error else replace(trial, verdicts=tuple(verdicts)))
        return Evaluation(
            prompts=tuple(self._asked.prompts),
            models=tuple(model.label for model in self._asked.models),
            checks=tuple(check.name for check in self._checks),
            trials=tuple(trials),
            repeats=self._asked.repeats,
            settings={model.label: dict(model.public) for model in self._asked.models},
            made=datetime.now(UTC).isoformat(timespec="seconds"),
        )

    def _in_order(self) -> list[tuple[Task, Trial]]:
        return sorted(self._trials.items(), key=lambda item: (item[0].prompt, item[0].model, item[0].repeat))


def _trial(asked: Asked, answered: Answered) -> Trial:
    task, answer, error = answered.task, answered.answer, answered.error
    trial = Trial(task.prompt, asked.prompts[task.prompt], asked.models[task.model].label, task.repeat)
    if answer is None:
        partial = error.partial if isinstance(error, OllamaMagicError) else ""
        return replace(trial, answer=partial, error=told(error) or "no answer")
    stats = answer.stats
    return replace(
        trial,
        answer=answer.text,
        seconds=stats.total_s,
        first_token_s=stats.first_token_s,
        tokens_per_second=stats.tokens_per_second,
        prompt_tokens=stats.prompt_tokens,
        output_tokens=stats.output_tokens,
        notice=" ".join(" ".join([*answer.notices, *([CUT_OFF] if answer.reason == "length" else [])]).split()),
        replayed=_is_replayed(answer),
    )


def _is_replayed(answer: Answer | None) -> bool:
    return answer is not None and answer.surface == "replayed"
