"""Answers read in the background while the notebook does something else, each in its own thread.

Strategy: no locks. Until the end only the reading thread shows anything; a view that joins later is put into a queue,
which that thread checks between batches. At the end, whichever thread takes a view out of the queue finishes it.
"""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, Protocol

from .answering import Stopped, answer_into
from .bridge import Worker
from .errors import OllamaMagicError
from .events import Answer, Event, Text, Thinking

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .answering import Reading
    from .render import View

__all__ = ["BackgroundJob", "Ended", "start"]


class Ended(Protocol):
    """Called in the job's thread when the answer has been kept, before it is shown as complete."""

    def __call__(self, answer: Answer, problem: BaseException | None) -> None: ...


def start(reading: Reading, view: View | None = None, label: str = "", ended: Ended | None = None) -> BackgroundJob:
    """Read an answer in a new thread and return immediately; `view` shows it, from that thread.

    Errors are stored in `BackgroundJob.problem`, not raised. A kernel interrupt does not end it, `stop` does.
    """
    return BackgroundJob(reading, view, label, ended)


class BackgroundJob:
    """One answer being read in the background. Thread-safe."""

    def __init__(self, reading: Reading, view: View | None, label: str, ended: Ended | None) -> None:
        self.label = label
        self.answer: Answer | None = None
        """The answer, once it has ended."""
        self.problem: BaseException | None = None
        """What cut the answer off: an OllamaMagicError, or Stopped."""
        self._reading, self._ended = reading, ended
        self._began = time.monotonic()
        self._over_at: float | None = None
        self._pieces = 0
        self._events: list[Event] = []
        self._views: list[View] = [] if view is None else [view]
        self._joining: deque[View] = deque()
        self._worker = Worker(self._read)

    # ---- state -------------------------------------------------------------------------------------------------

    @property
    def done(self) -> bool:
        """Whether the answer has ended and is fully shown."""
        return self._worker.done

    @property
    def state(self) -> str:
        """One of "running", "done", "stopped", "failed"."""
        if self.answer is None:
            return "running"
        return "done" if self.problem is None else "stopped" if isinstance(self.problem, Stopped) else "failed"

    @property
    def seconds(self) -> float:
        """How long it has been running, or ran."""
        return (self._over_at or time.monotonic()) - self._began

    @property
    def tokens(self) -> int:
        """Output tokens as counted by the server; until it reports them, the number of chunks received."""
        return (self.answer and self.answer.stats.output_tokens) or self._pieces

    @property
    def so_far(self) -> Answer:
        """The answer so far."""
        return self.answer or self._reading.builder.answer()

    # ---- control -----------------------------------------------------------------------------------------------

    def stop(self, wait_s: float = 2.0) -> bool:
        """End it, as an interrupt ends a cell's answer; the text so far is kept. Does nothing if it has ended.

        Waits until the socket is closed, then until the views have shown the end; False if either takes longer than
        `wait_s`. A running tool call cannot be ended: the job ends after it.
        """
        closed = self._reading.stop(wait_s)
        return self._worker.wait(wait_s) and closed

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until it has ended; False on timeout. An interrupt ends the wait, not the job."""
        return self._worker.wait(seconds)

    def show_in(self, view: View) -> None:
        """Also show the answer in `view`, from its beginning."""
        self._joining.append(view)
        if self.answer is not None:
            self._finish_those_joining()

    # ---- in the thread -----------------------------------------------------------------------------------------

    def _read(self) -> None:
        try:
            answer, problem = answer_into(_Views(self._take), self._reading)
            if self._ended is not None:
                self._ended(answer, problem)
        except BaseException as fault:  # an error in a thread would be printed below whichever cell is running
            told = f"The answer was broken off by {type(fault).__name__}: {fault}"
            problem = OllamaMagicError(told, hint="The text so far is kept; ask again for the rest.")
            answer = self._reading.builder.answer(error=problem.message)
        self._over_at = time.monotonic()
        self.problem, self.answer = problem, answer  # the answer last: it signals that both are set
        for view in self._views:
            self._finish(view, answer, problem)
        self._finish_those_joining()
        self._views.clear()
        self._events.clear()

    def _take(self, events: Sequence[Event]) -> None:
        self._events += events
        self._pieces += sum(isinstance(event, Text | Thinking) for event in events)
        self._views = [view for view in self._views if self._shown(view, events)]
        while self._joining:
            view = self._joining.popleft()
            if self._shown(view, self._events):
                self._views.append(view)

    def _shown(self, view: View, events: Sequence[Event]) -> bool:
        """Show events in a view; False if it failed, as when its output is gone: the answer goes on without it."""
        try:
            view.show(events)
        except Exception:
            return False
        return True

    def _finish_those_joining(self) -> None:
        """Finish the queued views, in whichever thread comes first: each view is dequeued once."""
        while self.answer is not None:
            try:
                view = self._joining.popleft()
            except IndexError:
                return
            self._finish(view, self.answer, self.problem)

    def _finish(self, view: View, answer: Answer, problem: BaseException | None) -> None:
        try:
            view.finish(answer, problem if isinstance(problem, OllamaMagicError) else None)
        except Exception:  # as above
            return


class _Views:
    """All views of a job as one View for `answer_into`; the job itself finishes them, after everything else."""

    def __init__(self, take: Callable[[Sequence[Event]], None]) -> None:
        self._take = take

    def show(self, events: Sequence[Event]) -> None:
        self._take(events)

    def finish(self, answer: Answer, error: OllamaMagicError | None = None) -> None:
        pass
