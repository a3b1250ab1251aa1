"""The consumer of a comparison, in the caller's thread: shows the events of all runs and builds their answers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from .. import bridge
from ..answering import Stopped
from ..builder import AnswerBuilder
from ..chat import read_shape
from ..errors import OllamaMagicError
from ..events import Text, Thinking
from ..render.footer import included_line
from ..units import counted
from .grid import across, letter
from .racing import Contestant, Ended, in_turn, race
from .runs import Run, Runs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..bridge import Job
    from ..events import Answer, Event
    from ..question import Question
    from ..render.racing import RaceView
    from ..session import Session
    from ..settings import Settings
    from .grid import Variant

__all__ = ["Comparison", "StoppedRuns", "contestants", "read_into"]

# How long events are batched, in seconds, once answers are streaming; see answering.
_GATHER_S: Final = 0.03


def contestants(
    session: Session, variants: Sequence[Variant], values: Mapping[str, Any], label: str = "cell"
) -> list[Contestant]:
    """The variants with their settings: `values` are those of the cell, which a variant's own override.

    If a variant names its mode, a host that is set for another mode is ignored.

    Raises SettingsError for an invalid value, before anything is sent.
    """
    found = []
    for variant in variants:
        own = variant.values()
        options = {**(values.get("options") or {}), **own.pop("options", {})}
        layer = {**values, **own, **({"options": options} if options else {})}
        settings = session.settings(layer, label=label)
        found.append(Contestant(variant, settings.without_foreign_host() if variant.mode else settings))
    return found


@dataclass
class Comparison:
    """One comparison: the question, the contestants, and the state of each so far."""

    session: Session
    question: Question
    contestants: Sequence[Contestant]
    settings: Settings
    """Those of the cell, for how it is shown."""

    def __post_init__(self) -> None:
        self._builders = [AnswerBuilder() for _ in self.contestants]
        self._ended: dict[int, Ended] = {}
        self._job: Job[tuple[int, Event | Ended]] | None = None
        self._stopped = False

    def begin(self, job: Job[tuple[int, Event | Ended]]) -> bool:
        """Set the job that `stop` ends; False if it was stopped already."""
        self._job = job
        return not self._stopped  # read after _job is set, while `stop` sets it before reading _job: one sees the other

    def stop(self) -> None:
        """Stop all runs from another thread, as an interrupt does from the caller's own."""
        self._stopped = True
        if self._job is not None:
            self._job.stop(0)

    def runs(self) -> Runs:
        """The Runs so far: complete answers, failed ones, and what has arrived of the others."""
        variants = [each.variant for each in self.contestants]
        runs = [
            Run(letter(number), variant, self._answer(number), self._error(number))
            for number, variant in enumerate(variants)
        ]
        host = in_turn(each.times for each in self._ended.values())
        included = included_line(self.question.included)
        notes = [f"Asked {included}." if included else "", _IN_TURN.format(host) if host else ""]
        return Runs(
            self.question.prompt,
            runs,
            across=across(variants),
            form=self.settings.format,
            quiet=self.settings.quiet,
            notices=self.question.notices,
            note=" ".join(part for part in notes if part),
            valued=self.question.shape is not None or self.settings.format == "json",
        )

    def feed(self, number: int, event: Event | Ended) -> None:
        """Process one event of a run."""
        if isinstance(event, Ended):
            self._ended[number] = event
        else:
            self._builders[number].feed(event)

    def told(self, number: int) -> tuple[Answer, str]:
        """The answer of a run so far, and its error."""
        return self._answer(number), self._error(number)

    @property
    def first_error(self) -> Exception | None:
        """The error of the first run, if every run failed without any text."""
        found = [each.error for _, each in sorted(self._ended.items()) if each.error is not None]
        begun = any(builder.text for builder in self._builders)
        return found[0] if len(found) == len(self.contestants) and not begun else None

    def _answer(self, number: int) -> Answer:
        ended, shape = self._ended.get(number), self.question.shape
        error = "" if ended is None or ended.error is None else _said(ended.error).partition("\n")[0]
        answer = self._builders[number].answer(error=error, stopped=ended is None)
        answer = replace(answer, included=self.question.included)
        if shape is not None:
            whole = answer.complete and bool(answer.replies)
            answer = replace(answer, value=read_shape(shape, answer.replies[-1].content) if whole else None)
        return answer

    def _error(self, number: int) -> str:
        ended = self._ended.get(number)
        return "" if ended is None or ended.error is None else _said(ended.error, named=True)


_IN_TURN: Final = (
    "{} seems to have run these one after another: then the time to the first token includes the wait for those before "
    "it. An Ollama server runs more at once with OLLAMA_NUM_PARALLEL and OLLAMA_MAX_LOADED_MODELS."
)


class StoppedRuns(Stopped):
    """A comparison was stopped by an interrupt; `runs` has what had arrived, and so has `ollama_magic.last_runs`."""

    def __init__(self, runs: Runs) -> None:
        whole = sum(run.whole for run in runs.runs)
        super().__init__(
            f"Stopped: {whole:,} of {counted(len(runs), 'answer')} came whole. What had arrived is kept, in "
            "ollama_magic.last_runs."
        )
        self.runs = runs

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


def read_into(view: RaceView, comparison: Comparison) -> bool:
    """Run the comparison, showing events in `view` as they arrive; False if it was interrupted or stopped.

    However it ends, all sockets are closed before this returns. The view is not finished here.
    """
    # What is the same for all runs is shown once, above them.
    question = replace(comparison.question, notices=(), included=())
    runs = comparison.contestants
    try:
        with bridge.shared().stream(lambda: race(comparison.session, question, runs)) as job:
            if not comparison.begin(job):
                return False
            for batch in job.batches():
                _take(view, comparison, batch)
                if any(isinstance(event, Text | Thinking) for _, event in batch):
                    job.gather_s = _GATHER_S
    except KeyboardInterrupt:
        return False
    return not job.cut


def _take(view: RaceView, comparison: Comparison, batch: Sequence[tuple[int, Event | Ended]]) -> None:
    shown: list[tuple[int, Event]] = []
    for number, event in batch:
        comparison.feed(number, event)
        if not isinstance(event, Ended):
            shown.append((number, event))
    for number, event in batch:
        if isinstance(event, Ended):
            view.end(number, *comparison.told(number))
    view.show(shown)


def _said(error: Exception, *, named: bool = False) -> str:
    if not isinstance(error, OllamaMagicError):
        return f"{type(error).__name__}: {error}"
    return f"{type(error).__name__}: {error}" if named else error.message
