"""The consumer side of an answer, in the caller's thread: shows its events, calls its tools, keeps the Answer."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from .builder import AnswerBuilder
from .chat import ToolWork, read_shape
from .errors import OllamaMagicError, Unsupported
from .events import Text, Thinking, ToolResult
from .secret import redact
from .threads import Turn
from .tools import refused, run_tool

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from .bridge import Job
    from .events import Answer, Event, ToolCall
    from .question import Question
    from .render import View
    from .schema import Shape
    from .session import Session
    from .settings import Settings
    from .tools import Tool

__all__ = ["Reading", "Stopped", "answer_into"]

# How long events are batched once text arrives: the views repaint about ten times a second, so smaller batches only
# cost time. The first chunk is never delayed.
_GATHER_S = 0.03


class Stopped(KeyboardInterrupt):
    """An answer was stopped, by an interrupt or `Reading.stop`; ends the cell and a Run All, as any interrupt does."""

    def _render_traceback_(self) -> list[str]:
        return ["Stopped. The text so far is kept: ollama_magic.last.text"]


class Reading:
    """One answer being read. `keep` returns the final Answer; until then `builder` has the partial one."""

    def __init__(
        self,
        session: Session,
        question: Question,
        settings: Settings,
        *,
        confirm: bool = False,
        ask_user: Callable[[str], str] | None = None,
    ) -> None:
        self.builder = AnswerBuilder()
        self._session, self._question, self._settings = session, question, settings
        self._allowed = _Asking(ask_user or _ask_user) if confirm else None
        self._job: Job[Event | ToolWork] | None = None
        self._stopped = False

    def batches(self) -> Generator[list[Event], None, None]:
        """Lists of events as they arrive, an empty list if none did for a while; tools are called in between.

        Raises what the stream raises, and Stopped after `stop`. Closing the generator closes the socket.
        """
        with self._session.stream(self._question, self._settings) as job:
            self._job = job
            if self._stopped:  # read after `_job` is set; `stop` does it the other way round, so one sees the other
                raise Stopped
            for batch in job.batches():
                events = [event for event in batch if not isinstance(event, ToolWork)]
                for event in events:
                    self.builder.feed(event)
                if any(isinstance(event, Text | Thinking) for event in events):
                    job.gather_s = _GATHER_S
                yield events
                for work in batch:
                    if isinstance(work, ToolWork) and not self._stopped:
                        work.deliver(self._called(work.call))
        if job.cut:
            raise Stopped

    def _called(self, call: ToolCall) -> ToolResult:
        """The result of a call, without keys that the function may have read, such as from the environment."""
        result = _call(call, self._question.tools, self._allowed)
        return replace(result, text=redact(result.text, self._session.secrets(self._settings)))

    def stop(self, wait_s: float = 2.0) -> bool:
        """Stop the answer from another thread, as an interrupt does in the reader's own; its reader gets Stopped.

        Waits until the socket is closed; False if that takes longer than `wait_s`. A tool call that is running
        completes, since a function in a thread cannot be ended from outside.
        """
        self._stopped = True
        return self._job is None or self._job.stop(wait_s)

    def keep(self, problem: BaseException | None) -> Answer:
        """Return the Answer, stored as the session's last and in its conversation. `problem` is what cut it off.

        If it was cut off before any text or thinking, the last answer and the conversation are left unchanged.
        """
        error = problem.message if isinstance(problem, OllamaMagicError) else ""
        answer = self.builder.answer(error=error, stopped=isinstance(problem, Stopped))
        if self._question.shape is not None:
            answer = replace(answer, value=_typed(self._question.shape, answer))
        if isinstance(problem, OllamaMagicError):
            problem.partial = answer.text  # of all rounds; the error knows only its own
        if answer.text or answer.thinking or problem is None:
            self._session.last = answer
            kept = self._question.transcript
            if kept is not None:
                turn = Turn(self._question.user, answer.replies, kept.cell, kept.run, answer.model, answer.reason)
                self._session.threads.record(kept.name, turn, new=kept.new)
                self._session.thread = kept.name
        return answer


def answer_into(view: View, reading: Reading) -> tuple[Answer, BaseException | None]:
    """Show an answer in `view` to its end; returns the Answer, and the error or Stopped that cut it off.

    However it ends, the socket is closed before this returns and the view shows the text so far.
    """
    problem: BaseException | None = None
    try:
        with closing(reading.batches()) as batches:
            for events in batches:
                view.show(events)
    except OllamaMagicError as raised:
        problem = raised
    except KeyboardInterrupt:  # Stopped too
        problem = Stopped()
    except BaseException:
        view.finish(reading.builder.answer(), None)
        raise
    answer = reading.keep(problem)
    view.finish(answer, problem if isinstance(problem, OllamaMagicError) else None)
    return answer, problem


class _Asking:
    """Asks the user before each call; "all" allows the remaining calls of this answer."""

    def __init__(self, ask_user: Callable[[str], str]) -> None:
        self._ask, self._all = ask_user, False

    def __call__(self, call: ToolCall) -> bool:
        if self._all:
            return True
        told = ", ".join(f"{name}={value!r}" for name, value in call.arguments.items())
        try:
            reply = self._ask(f"Call {call.name}({told})? [y]es, [n]o, [a]ll: ").strip().lower()
        except (NotImplementedError, EOFError):  # IPython's StdinNotImplementedError; the end of a script's input
            raise Unsupported(
                f"--confirm cannot ask whether to call {call.name}: nothing can be typed in here; it was not called",
                hint="Leave --confirm out, or run the cell where input() works.",
            ) from None
        self._all = reply in ("a", "all")
        return self._all or reply in ("y", "yes")


def _ask_user(text: str) -> str:
    return input(text)  # looked up at each call: a kernel replaces `input` for each cell


def _typed(shape: Shape, answer: Answer) -> Any:
    """The value of a complete answer: of its last turn, which is the one that was validated against the schema."""
    if not answer.complete or not answer.replies or answer.replies[-1].role != "assistant":
        return None
    return read_shape(shape, answer.replies[-1].content)


def _call(call: ToolCall, tools: Sequence[Tool], allowed: Callable[[ToolCall], bool] | None) -> ToolResult:
    if allowed is not None and not allowed(call):
        outcome = refused(call)
    else:
        outcome = run_tool(tools, call, run_async=_run_async, describe=_describe)
    return ToolResult(call, outcome.text, outcome.failed)


def _describe(value: Any) -> str:
    from .context import describe

    return describe(value).text


def _run_async(awaitable: Any) -> Any:
    from .bridge import run_on_this_thread

    return run_on_this_thread(awaitable)
