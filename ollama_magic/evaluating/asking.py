"""All answers of an evaluation, one model after another, and then the judges' replies. Runs on the event loop.

One model at a time, so that a server need not switch models for each prompt and none is timed while another runs;
judges only once all models have answered, for the same reason.
"""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ..builder import AnswerBuilder
from ..chat import ToolWork, converse, read_shape
from ..client import Client
from ..errors import OllamaMagicError, Unreachable
from ..events import Done, Notice
from ..guards import Checked, cut_notice, prompt_tokens
from ..many import Hosts, Limiter, run_many
from ..mapping.engine import is_hopeless
from ..models import choose_model
from ..question import Question
from ..recall import Recall, remembered
from ..retry import Retry

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping, Sequence

    from ..events import Answer, Event, Request
    from ..many import Slot
    from ..schema import Shape
    from ..session import Session
    from ..settings import Settings
    from .judging import Judge

__all__ = ["Answered", "Asked", "Judged", "Model", "Server", "Task", "all_answers", "all_verdicts"]


@dataclass(frozen=True, slots=True)
class Model:
    """A model under its label, with its settings; `public` are those that may be saved."""

    label: str
    settings: Settings
    public: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Task:
    """One answer to request: the indices of its model and prompt, and the number of the repeat, from 1."""

    model: int
    prompt: int
    repeat: int


@dataclass(frozen=True, slots=True)
class Asked:
    """Everything that an evaluation asks."""

    session: Session
    models: Sequence[Model]
    prompts: Sequence[str]
    repeats: int = 1
    shape: Shape | None = None
    limiter: Callable[[], Limiter] = Limiter

    @property
    def are_kept(self) -> bool:
        """Whether the answers of all models are kept in the cache."""
        return all(model.settings.cache != "off" for model in self.models)

    def tasks(self, model: int) -> list[Task]:
        """The tasks of one model."""
        return [
            Task(model, prompt, repeat) for prompt in range(len(self.prompts)) for repeat in range(1, self.repeats + 1)
        ]


@dataclass(frozen=True, slots=True)
class Answered:
    """The result of a task: an answer, or an error, whose `partial` is the text that had arrived."""

    task: Task
    answer: Answer | None = None
    error: Exception | None = None


@dataclass(frozen=True, slots=True)
class Judged:
    """A judge's reply about the answer to a task."""

    task: Task
    judge: Judge
    reply: Any = None
    error: Exception | None = None


class Server:
    """The server that is being asked at the moment."""

    def __init__(self) -> None:
        self.name = ""
        self.hosts = Hosts()

    @property
    def waits_for(self) -> str:
        """Its name while it does not answer and is waited for; else ""."""
        return self.name if self.hosts.waited_for else ""


async def all_answers(asked: Asked, server: Server) -> AsyncGenerator[Answered, None]:
    """Every answer or error as it arrives; answers are cached on disk as they arrive, if the settings say so."""
    for number, model in enumerate(asked.models):
        questions = [Question(prompt, shape=asked.shape) for prompt in asked.prompts]
        items = [(task, questions[task.prompt]) for task in asked.tasks(number)]
        async with aclosing(_answers(asked.session, model.settings, items, asked.limiter(), server)) as answers:
            async for answered in answers:
                yield answered


async def all_verdicts(
    session: Session,
    judges: Sequence[tuple[Judge, Settings]],
    answers: Sequence[tuple[Task, str, str, Mapping[str, Any]]],
    limiter: Callable[[], Limiter],
    server: Server,
) -> AsyncGenerator[Judged, None]:
    """Every judge's reply about each of `answers`: a task, its prompt, the answer's text, and the row."""
    for judge, settings in judges:
        items = []
        for task, prompt, text, row in answers:
            try:
                items.append((task, Question(judge.asks(prompt, text, row), shape=judge.shape)))
            except ValueError as error:
                yield Judged(task, judge, None, error)
        async with aclosing(_answers(session, settings, items, limiter(), server)) as replies:
            async for reply in replies:
                value = reply.answer.value if reply.answer is not None else None
                yield Judged(reply.task, judge, value, reply.error)


async def _answers(
    session: Session, settings: Settings, items: Sequence[tuple[Task, Question]], limiter: Limiter, server: Server
) -> AsyncGenerator[Answered, None]:
    """One model's answer to each of `items`, in order of completion."""
    try:
        one = await _One.of(session, settings)
    except OllamaMagicError as error:  # no server or no model: every item gets that error
        for task, _ in items:
            yield Answered(task, None, error)
        return

    async def work(item: tuple[Task, Question], slot: Slot) -> Answer:
        return await one.answer(item[1], item[0].repeat)

    host = one.client.settings.host
    server.name, server.hosts = host.display if host else "the server", Hosts()
    async with aclosing(run_many(items, work, limiter=limiter, hosts=server.hosts, ends=_is_of_all)) as outcomes:
        async for outcome in outcomes:
            yield Answered(outcome.item[0], outcome.value, outcome.error)


def _is_of_all(error: Exception) -> bool:
    """Whether every prompt would fail in the same way: a missing model is asked only once."""
    return isinstance(error, Unreachable) or is_hopeless(error)


# ---- one model -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _One:
    """One model, resolved: its client, its name, and its digest, which is part of the cache key."""

    session: Session
    client: Client
    model: str
    digest: str
    notice: str

    @classmethod
    async def of(cls, session: Session, settings: Settings) -> _One:
        """Find the server and model that will answer. Raises OllamaMagicError if none can."""
        settings, notice = await session.reachable(settings)
        client = Client(settings, retry=Retry(tries=1))  # run_many retries
        model = settings.model or await choose_model(client)
        digest = ""
        if settings.cache != "off":
            empty = Question("").request(settings, model)
            digest = await Recall(session.cache(settings), empty, settings).digest()
        return cls(session, client, model, digest, notice)

    async def answer(self, question: Question, repeat: int) -> Answer:
        """One complete answer, cached or fresh; each repeat is cached under its own key."""
        settings = self.client.settings
        request = _again(question.request(settings, self.model), repeat)
        source = self._fresh(request, question)
        if settings.cache != "off":
            # The repeat distinguishes cache keys only: it is not sent.
            wanted = replace(request, options={**request.options, "repeat": repeat}) if repeat > 1 else request
            kept = self.session.kept
            recall = _Known(self.session.cache(settings), wanted, settings, kept, self.digest)
            source = remembered(source, recall, refresh=settings.cache == "refresh")
        builder = AnswerBuilder()
        async with aclosing(source) as events:
            async for event in events:
                if not isinstance(event, ToolWork):  # there are no tools
                    builder.feed(event)
        answer = builder.answer()
        if self.notice:
            answer = replace(answer, notices=(self.notice, *answer.notices))
        return answer if question.shape is None else replace(answer, value=read_shape(question.shape, answer.text))

    async def _fresh(self, request: Request, question: Question) -> AsyncGenerator[Event | ToolWork, None]:
        async with aclosing(converse(self.client, request, shape=question.shape)) as events:
            async for event in events:
                if isinstance(event, Done):
                    checked = Checked(request, prompt_tokens(request))
                    if cut := await cut_notice(self.client, checked, event.stats):
                        yield Notice(cut)
                yield event


def _again(request: Request, repeat: int) -> Request:
    """The request of a repeat: if a seed is set, with the next one, as the same one would repeat the answer."""
    seed = request.options.get("seed")
    if repeat == 1 or not isinstance(seed, int):
        return request
    return replace(request, options={**request.options, "seed": seed + repeat - 1})


@dataclass(frozen=True, slots=True)
class _Known(Recall):
    """A Recall whose model digest is known, so it is not requested for each prompt."""

    known: str = ""

    async def digest(self) -> str:
        return self.known
