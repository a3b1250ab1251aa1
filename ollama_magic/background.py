"""Answers that go on while the notebook does something else: each is read in a thread of its own.

Strategy: nothing is locked. The reading thread is the only one that shows anything; a view that joins later is put
into a queue, which that thread looks at between two batches, and whoever takes the view out of the queue shows it.
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
    """Called in the job's thread when the answer is kept, before it is shown as whole."""

    def __call__(self, answer: Answer, problem: BaseException | None) -> None: ...


def start(reading: Reading, view: View | None = None, label: str = "", ended: Ended | None = None) -> BackgroundJob:
    """Read an answer in a thread of its own and return at once; `view` shows it, from that thread.

    Nothing is raised there: see `BackgroundJob.problem`. A kernel's interrupt does not end it, `stop` does.
    """
    return BackgroundJob(reading, view, label, ended)


class BackgroundJob:
    """One answer being read in the background. All of it may be used from any thread."""

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

    # ---- what there is to know ---------------------------------------------------------------------------------

    @property
    def done(self) -> bool:
        """Whether the answer has ended and all is shown."""
        return self._worker.done

    @property
    def state(self) -> str:
        """One of "running", "done", "stopped", "failed"."""
        if self.answer is None:
            return "running"
        return "done" if self.problem is None else "stopped" if isinstance(self.problem, Stopped) else "failed"

    @property
    def seconds(self) -> float:
        """How long it has been at work, or was."""
        return (self._over_at or time.monotonic()) - self._began

    @property
    def tokens(self) -> int:
        """Tokens written: as the server counts them, or, until it tells, the pieces that have come."""
        return (self.answer and self.answer.stats.output_tokens) or self._pieces

    @property
    def so_far(self) -> Answer:
        """The answer as far as it has come."""
        return self.answer or self._reading.builder.answer()

    # ---- what can be done --------------------------------------------------------------------------------------

    def stop(self, wait_s: float = 2.0) -> bool:
        """End it, as an interrupt ends a cell's answer; the text so far is kept. Does nothing where it has ended.

        Waits until the socket is closed and the views have shown the end; False if that took longer than `wait_s`. A
        tool that is running cannot be ended: the job ends after it.
        """
        closed = self._reading.stop(wait_s)
        return self._worker.wait(wait_s) and closed

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until it has ended; False if that took longer. An interrupt ends the waiting, not the job."""
        return self._worker.wait(seconds)

    def show_in(self, view: View) -> None:
        """Show all of it so far in `view` too, and what follows."""
        self._joining.append(view)
        if self.answer is not None:
            self._finish_those_joining()

    # ---- in the thread -----------------------------------------------------------------------------------------

    def _read(self) -> None:
        try:
            answer, problem = answer_into(_Views(self._take), self._reading)
            if self._ended is not None:
                self._ended(answer, problem)
        except BaseException as fault:  # a thread's error would be printed below whichever cell runs now
            told = f"The answer was broken off by {type(fault).__name__}: {fault}"
            problem = OllamaMagicError(told, hint="The text so far is kept; ask again for the rest.")
            answer = self._reading.builder.answer(error=problem.message)
        self._over_at = time.monotonic()
        self.problem, self.answer = problem, answer  # the answer last: it says that both are there
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
        """False for a view that failed: its place is gone, and the answer goes on without it."""
        try:
            view.show(events)
        except Exception:
            return False
        return True

    def _finish_those_joining(self) -> None:
        """In whichever thread comes first: each view is taken out of the queue once."""
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
    """All views of a job as the one that is read into; the job finishes them itself, when all else is done."""

    def __init__(self, take: Callable[[Sequence[Event]], None]) -> None:
        self._take = take

    def show(self, events: Sequence[Event]) -> None:
        self._take(events)

    def finish(self, answer: Answer, error: OllamaMagicError | None = None) -> None:
        pass
