"""`evaluate`: prompts to models, their answers to checks, and all of it into an Evaluation. Blocking."""

from __future__ import annotations

from collections import deque
from contextlib import aclosing, closing
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, TypeVar

from .. import bridge
from ..answering import Stopped
from ..errors import OllamaMagicError
from ..events import CUT_OFF
from ..many import Limiter
from ..render.bar import Bar
from ..schema import SchemaMismatch, schema_for
from ..secret import hidden
from ..session import current
from ..settings import from_one
from .asking import Answered, Asked, Judged, Task, all_answers, all_verdicts, told
from .checks import Check, Verdict, checks_of
from .evaluation import Evaluation
from .inputs import model_of, models_from, prompts_from
from .judging import Judge
from .trials import Trial

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator, Mapping, Sequence

    from ..events import Answer
    from ..settings import Settings
    from .inputs import Row

__all__ = ["EvaluationStopped", "evaluate", "last_evaluation"]

_AT_ONCE: Final = 4
_MOST_AT_ONCE: Final = 64

_WHERE: Final = frozenset(
    {"mode", "host", "key", "trusted_hosts", "api", "gguf", "cache", "cache_dir", "keep_alive"}
    | {"connect_timeout", "first_byte_timeout", "stall_timeout"}
)
"""The settings that are about where to ask and what to keep."""

T = TypeVar("T")

_last: Evaluation | None = None


class EvaluationStopped(Stopped):
    """An evaluation was stopped by an interrupt; what there is is in `ollama_magic.last_evaluation`, and on disk."""

    def __init__(self, done: int, total: int) -> None:
        came = (
            f"{done:,} of {total:,} answers arrived"
            if done < total
            else f"all {total:,} answers arrived, not all verdicts,"
        )
        super().__init__(
            f"Stopped: {came} and are kept, in ollama_magic.last_evaluation. Run it again to ask only the rest."
        )

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


def evaluate(
    prompts: Any,
    models: Any = None,
    checks: Any = None,
    *,
    template: str = "",
    schema: Any = None,
    repeats: int = 1,
    concurrency: int | None = None,
    progress: bool = True,
    **settings: Any,
) -> Evaluation:
    """Ask every model every prompt, hold the answers against the checks, and return the Evaluation.

        evaluate(["Where does the Danube begin?"], ["llama3.2", "qwen3:8b"], ["Germany"])

    `prompts`: a text, texts, dicts, or a data frame. Rows have the prompt in a column `prompt`, or fill `{column}` in
    `template`; their columns also fill expected texts and judges' questions, and reach checks that take (answer, row).
    `models`: names, with a mode before a slash if need be ("cloud/gpt-oss:120b"), or dicts of settings; the default
    model if none is given.
    `checks`: one, a list, or a dict by name, of: functions of the answer's text (of its value, with `schema`) that
    return True, False or a score from 0 to 1; texts that the answer should contain, ignoring case (`equals` for nothing
    else); re.compile(...); types and schemas; judge("...", model=...). Without any, a column `expected`: a text, or a
    list of texts of which one is enough.
    `repeats`: how often each prompt is asked; with a seed, each time with the next one.
    `concurrency`: how many prompts one model is asked at once; adapts if not given, which makes single answers slower,
    so give 1 to measure times. Models are asked one after another.
    `settings`: as for `ask`. Answers are kept in the cache and not asked for again, unless cache is False or "refresh".

    A prompt or a check that fails is an error of its own; an answer that does not fit `schema` has failed all checks.
    Raises SettingsError before anything is sent, and EvaluationStopped after an interrupt; the answers so far are in
    `ollama_magic.last_evaluation`.
    """
    global _last
    settings = hidden(settings)
    texts, rows = prompts_from(prompts, template)
    wanted = checks_of(checks, {name for row in rows for name in row})
    asked, judges = _to_ask(texts, models, wanted, settings, schema=schema, repeats=repeats, concurrency=concurrency)
    gathering = _Gathering(asked, rows, wanted)
    try:
        gathering.gather(judges, shown=progress)
    except KeyboardInterrupt:
        try:
            gathering.take_unread()
        finally:  # of a second interrupt
            _last = gathering.evaluation()
        raise EvaluationStopped(len(_last.trials), _last.expected) from None
    _last = found = gathering.evaluation()
    return found


def last_evaluation() -> Evaluation | None:
    """The last evaluation of this kernel, also one that was stopped; None if there was none."""
    return _last


def _to_ask(
    texts: Sequence[str],
    models: Any,
    wanted: Sequence[Check | Judge],
    settings: Mapping[str, Any],
    *,
    schema: Any,
    repeats: int,
    concurrency: int | None,
) -> tuple[Asked, list[tuple[Judge, Settings]]]:
    """All that is asked of the models, and the judges with their settings. Raises SettingsError for what cannot be."""
    session = current()
    limiter = _limiters(concurrency)
    # As in a map: kept unless somebody said otherwise.
    common = {**({"cache": "use"} if session.settings().is_default("cache") else {}), **settings}
    chosen = models_from(session, models, common)
    judges = [
        (each, model_of(session, each.model, _for_judge(each, common), "judge()").settings)
        for each in wanted
        if isinstance(each, Judge)
    ]
    shape = None if schema is None else schema_for(schema)
    return Asked(session, chosen, texts, from_one("repeats", repeats), shape, limiter), judges


def _limiters(concurrency: int | None) -> Callable[[], Limiter]:
    """What makes the limit for each model."""
    if concurrency is None:
        return lambda: Limiter(_AT_ONCE, most=_MOST_AT_ONCE)
    at_once = from_one("concurrency", concurrency)
    return lambda: Limiter(at_once, adapt=False)


def _for_judge(judge: Judge, common: Mapping[str, Any]) -> dict[str, Any]:
    """The judge's settings: where to ask as for the models, but not how, such as a system prompt."""
    where = {name: value for name, value in common.items() if name in _WHERE}
    return {"temperature": 0, "system": "", **where, **judge.settings}


def _batches(source: Callable[[], AsyncGenerator[T, None]], unread: deque[T]) -> Generator[list[T], None, None]:
    """What the generator gives, in lists as it comes; whatever ends it closes all connections.

    Each is in `unread` first, for the reader to take away: an interrupt may lose a list, but not what is there.
    """

    async def noted() -> AsyncGenerator[T, None]:
        async with aclosing(source()) as given:
            async for each in given:
                unread.append(each)
                yield each

    with bridge.shared().stream(noted) as job:
        yield from job.batches()


class _Gathering:
    """Trials as they come. Checks run in here, in the caller's thread, where the notebook's functions belong."""

    def __init__(self, asked: Asked, rows: Sequence[Row], checks: Sequence[Check | Judge]) -> None:
        self._asked, self._rows, self._checks = asked, rows, checks
        self._trials: dict[Task, Trial] = {}
        self._verdicts: dict[tuple[Task, str], Verdict] = {}
        self._misfits: set[Task] = set()
        self._unread: deque[Answered] = deque()
        self._unread_verdicts: deque[Judged] = deque()

    def gather(self, judges: Sequence[tuple[Judge, Settings]], *, shown: bool) -> None:
        """Ask for everything. An interrupt comes out of here, and leaves what there is."""
        asked = self._asked
        total = len(asked.models) * len(asked.prompts) * asked.repeats
        answers = _batches(lambda: all_answers(asked), self._unread)
        with Bar(total, shown=shown, unit="answer") as bar, closing(answers) as batches:
            for batch in batches:
                if not batch:
                    bar.idle()
                for answered in batch:
                    self.take(answered)
                    self._unread.popleft()
                    bar.step(failed=answered.error is not None, kept=_is_replayed(answered.answer))
        if judges:
            whole = self.to_judge()
            replies = _batches(lambda: all_verdicts(asked.session, judges, whole, asked.limiter), self._unread_verdicts)
            with Bar(len(judges) * len(whole), shown=shown, unit="verdict") as bar, closing(replies) as judgements:
                for verdicts in judgements:
                    if not verdicts:
                        bar.idle()
                    for judged in verdicts:
                        self.judge(judged)
                        self._unread_verdicts.popleft()
                        bar.step(failed=judged.error is not None, kept=False)

    def take_unread(self) -> None:
        """What had come when an interrupt struck; a check that it struck is not run again."""
        for answered in tuple(self._unread):
            if answered.task not in self._trials:
                self.take(answered)
        for judged in tuple(self._unread_verdicts):
            self.judge(judged)

    def take(self, answered: Answered) -> None:
        """Keep an answer and what the checks say of it."""
        task = answered.task
        trial = _trial(self._asked, answered)
        if isinstance(answered.error, SchemaMismatch) and self._checks:
            # A bad answer, and none that is missing: left out, it would favour a model that fits more seldom.
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
        """Each whole answer with its prompt and row, for the judges; what fits no schema has failed already."""
        open_ones = [each for each in self._in_order() if not each[1].error and each[0] not in self._misfits]
        return [(task, trial.prompt, trial.answer, self._rows[task.prompt]) for task, trial in open_ones]

    def judge(self, judged: Judged) -> None:
        """Keep what a judge said."""
        name, reply = judged.judge.name, judged.reply
        if judged.error is not None or not isinstance(reply, dict):
            why = "it was cut off" if judged.error is None else told(judged.error)
            verdict = Verdict(name, None, error=f"the judge gave no verdict: {why}")
        else:
            passed = reply["verdict"] == "yes"
            verdict = Verdict(name, passed, float(passed), " ".join(str(reply["reason"]).split())[:300])
        self._verdicts[judged.task, name] = verdict

    def evaluation(self) -> Evaluation:
        """All of it."""
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
