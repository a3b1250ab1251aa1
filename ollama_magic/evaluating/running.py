"""`evaluate`: sends prompts to models and their answers to checks, and returns an Evaluation. Blocking."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from ..answering import Stopped
from ..many import Limiter
from ..schema import schema_for
from ..secret import hidden
from ..session import current
from ..settings import from_one
from .asking import Asked
from .checks import checks_of
from .gathering import Gathering
from .inputs import model_of, models_from, prompts_from
from .judging import Judge

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..session import Session
    from ..settings import Settings
    from .checks import Check
    from .evaluation import Evaluation

__all__ = ["EvaluationStopped", "evaluate", "last_evaluation"]

_AT_ONCE: Final = 4
_MOST_AT_ONCE: Final = 64

_WHERE: Final = frozenset(
    {"mode", "host", "key", "trusted_hosts", "api", "gguf", "cache", "cache_dir", "keep_alive"}
    | {"connect_timeout", "first_byte_timeout", "stall_timeout"}
)
"""The settings about where to ask and what to cache."""

_last: Evaluation | None = None


class EvaluationStopped(Stopped):
    """An evaluation was stopped by an interrupt; what arrived is in `ollama_magic.last_evaluation`, and in the cache if
    `kept`."""

    def __init__(self, done: int, total: int, *, kept: bool = True) -> None:
        came = f"{done:,} of {total:,} answers arrived{', not all verdicts,' if done == total else ''}"
        rest = (
            "Run it again to ask only the rest." if kept else "The cache is off: running it again asks for all of it."
        )
        super().__init__(f"Stopped: {came} and are{' kept,' if kept else ''} in ollama_magic.last_evaluation. {rest}")

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
    """Ask every model every prompt, check the answers, and return the Evaluation.

        evaluate(["Where does the Danube begin?"], ["llama3.2", "qwen3:8b"], ["Germany"])

    `prompts`: a text, a list of texts or dicts, or a data frame. Rows have the prompt in a column `prompt`, or fill
    `{column}` in `template`; their columns also fill expected texts and judges' questions, and are passed to checks
    that take (answer, row).
    `models`: names, with an optional mode before a slash ("cloud/gpt-oss:120b"), or dicts of settings; the default
    model if none is given.
    `checks`: one, a list, or a dict by name, of: functions of the answer's text (of its value, with `schema`) that
    return True, False or a score from 0 to 1; texts that the answer should contain, ignoring case (`equals` for an
    exact match); re.compile(...); types and schemas; judge("...", model=...). If not given, a column `expected`: a
    text, or a list of texts of which one is enough.
    `repeats`: how many times each prompt is asked; a seed is increased by one each time.
    `concurrency`: concurrent requests to one model; adapts if not given, which makes single answers slower, so give 1
    to measure times. Models are asked one after another.
    `settings`: as for `ask`. Answers are cached and not asked for again, unless cache is False or "refresh".

    A failed request or check is recorded as an error of that answer only; an answer that does not fit `schema` fails
    all checks. Raises SettingsError before anything is sent, and EvaluationStopped after an interrupt; the answers so
    far are in `ollama_magic.last_evaluation`.
    """
    global _last
    settings = hidden(settings)
    texts, rows = prompts_from(prompts, template)
    wanted = checks_of(checks, {name for row in rows for name in row})
    asked, judges = _to_ask(texts, models, wanted, settings, schema=schema, repeats=repeats, concurrency=concurrency)
    gathering = Gathering(asked, rows, wanted)
    try:
        gathering.gather(judges, shown=progress)
    except KeyboardInterrupt:
        try:
            gathering.take_unread()
        finally:  # also after a second interrupt
            _last = gathering.evaluation()
        raise EvaluationStopped(len(_last.trials), _last.expected, kept=asked.are_kept) from None
    _last = found = gathering.evaluation()
    return found


def last_evaluation() -> Evaluation | None:
    """The last evaluation of this kernel, even if it was stopped; None if there was none."""
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
    """All that is asked of the models, and the judges with their settings. Raises SettingsError for invalid ones."""
    session = current()
    limiter = _limiters(concurrency)
    # As in a map: answers are cached unless the setting says otherwise.
    common = {**({"cache": "use"} if session.settings().is_default("cache") else {}), **settings}
    chosen = models_from(session, models, common)
    judges = [(each, _for_judge(session, each, common)) for each in wanted if isinstance(each, Judge)]
    shape = None if schema is None else schema_for(schema)
    return Asked(session, chosen, texts, from_one("repeats", repeats), shape, limiter), judges


def _limiters(concurrency: int | None) -> Callable[[], Limiter]:
    """The factory of each model's limiter."""
    if concurrency is None:
        return lambda: Limiter(_AT_ONCE, most=_MOST_AT_ONCE)
    at_once = from_one("concurrency", concurrency)
    return lambda: Limiter(at_once, adapt=False)


def _for_judge(session: Session, judge: Judge, common: Mapping[str, Any]) -> Settings:
    """The judge's settings: the models' on where to ask and what to cache, but not others, such as a system prompt."""
    where = {name: value for name, value in common.items() if name in _WHERE}
    found = model_of(session, judge.model, {"temperature": 0, "system": "", **where, **judge.settings}, "judge()")
    own = {*judge.settings, *(judge.model if isinstance(judge.model, Mapping) else ())}
    # What is set for all answers of the kernel is not for a verdict, which is none when it is cut off.
    return found.settings if own & {"max_tokens", "num_predict"} else replace(found.settings, max_tokens=None)
