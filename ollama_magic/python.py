"""The blocking Python API, for notebooks and scripts: `ask()` and `Chat`. `Client` is the asynchronous one."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .answering import Reading, Stopped, answer_into
from .bridge import heeding
from .context import PromptError, describe
from .context.pictures import image_from_bytes, picture_file
from .errors import OllamaMagicError
from .events import Image
from .question import Question, Transcript
from .schema import schema_for
from .secret import hidden
from .session import current
from .settings import by_setting
from .tools import tools_from

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from .events import Answer, Event

__all__ = ["Chat", "ask", "pictures"]

_OWN = ("schema", "images", "tools", "top_logprobs")


def ask(
    prompt: str,
    model: str | None = None,
    *,
    system: str | None = None,
    schema: Any = None,
    images: Sequence[Image | bytes | str | Path | Any] = (),
    tools: Sequence[Callable[..., Any]] = (),
    thread: str = "",
    think: bool | str | None = None,
    top_logprobs: int | None = None,
    **options: Any,
) -> Answer:
    """Ask a model, wait for the whole answer, and return it. Nothing is shown.

        answer = ask("Name a river.", temperature=0)
        answer.text, answer.stats.output_tokens

    `model`: a name, sent exactly as given; without one, the model that a `%%ollama` cell would ask.
    `schema`: a Pydantic model, a dataclass, a TypedDict, a JSON schema, or a text such as "name: str, year: int";
    `answer.value` is then of that type.
    `images`: encoded bytes, files, figures, PIL images or arrays, one or several.
    `tools`: functions that the model may call; they run in this thread.
    `thread`: the conversation to continue, shared with `%%ollama -i`.
    `think`: True, False, or a level that the model knows.
    `top_logprobs`: how many alternatives to report for each token, 0 to 20, in `answer.probabilities`; the answer as
    the last line of a cell then shows them.
    `options`: settings (mode, host, cache, max_tokens, ...) and the model's own options (top_k, ...). Whatever is not
    given is as `%ollama config` says.

    Raises an OllamaMagicError for what goes wrong; `.partial` and `ollama_magic.last` keep the text so far.
    """
    options = hidden(options)
    how = {"system": system, "schema": schema, "images": images, "tools": tools, "think": think}
    how["top_logprobs"] = top_logprobs
    with heeding():
        answer, problem = answer_into(_Silent(), _reading(prompt, thread, {"model": model, **how, **options}))
    if problem is not None:
        raise problem
    return answer


class Chat:
    """A conversation: `chat("hello")` returns an Answer, `chat.stream("hello")` its events as they arrive.

        chat = Chat(system="You are a geographer.")
        chat("Where does the Danube begin?").text

    `name` makes it one of this kernel's threads, shared with `%%ollama -i NAME`. The other arguments are those of
    `ask`, and apply to every turn.
    """

    def __init__(self, name: str = "", model: str | None = None, **how: Any) -> None:
        global _count
        if not name:
            _count += 1
            name = f"chat-{_count}"
        self.name = name
        self._how = {"model": model, **hidden(how)}

    def __call__(self, prompt: str, **how: Any) -> Answer:
        """Ask the next question of this conversation."""
        return ask(prompt, thread=self.name, **{**self._how, **how})

    def stream(self, prompt: str, **how: Any) -> Iterator[Event]:
        """Ask the next question, and yield the events as they arrive; the turn is kept when they end or are left.

        Tools run while the events are read. Raises what `ask` raises.
        """
        reading = _reading(prompt, self.name, {**self._how, **how})
        problem: BaseException | None = Stopped()  # unless it is read to its end
        try:
            with closing(reading.batches()) as batches:
                for events in batches:
                    yield from events
            problem = None
        except OllamaMagicError as raised:
            problem = raised
            raise
        finally:
            reading.keep(problem)

    @property
    def turns(self) -> tuple[Any, ...]:
        """The turns so far."""
        threads = current().threads
        return threads.turns(self.name) if self.name in threads.names() else ()

    def __repr__(self) -> str:
        return f"Chat({self.name!r}, {len(self.turns)} turns)"


_count = 0


class _Silent:
    """A view that shows nothing."""

    def show(self, events: Sequence[Event]) -> None:
        pass

    def finish(self, answer: Answer, error: OllamaMagicError | None = None) -> None:
        pass


def _reading(prompt: str, thread: str, how: Mapping[str, Any]) -> Reading:
    """The reading of a question from Python; `how` as for `ask`."""
    given = {name: value for name, value in how.items() if name not in _OWN}
    settings = current().settings(by_setting(given, "ask()", (*_OWN, "prompt", "thread")), label="ask()")
    session, tools, schema = current(), _several(how.get("tools")), how.get("schema")
    question = Question(
        prompt=prompt,
        images=pictures(how.get("images")),
        history=session.threads.history(thread) if thread else (),
        shape=None if schema is None else schema_for(schema),
        tools=tuple(tools_from({}, tools)),
        rounds=settings.rounds,
        cache="off" if tools else settings.cache,
        top_logprobs=how.get("top_logprobs"),
        transcript=Transcript(thread) if thread else None,
    )
    return Reading(session, question, settings)


def pictures(given: Any) -> tuple[Image, ...]:
    """The argument of `images=`, one or several, as Images. Raises PromptError for anything that is not a picture."""
    return tuple(_image(each) for each in _several(given))


def _several(given: Any) -> list[Any]:
    """The argument as a list; [] for None, and a single value need not be in a list."""
    if given is None:
        return []
    return list(given) if isinstance(given, list | tuple) else [given]


def _image(given: Any) -> Image:
    if isinstance(given, Image):
        return given
    if isinstance(given, bytes):
        return image_from_bytes(given, "the picture")
    try:
        found = picture_file(Path(given)) if isinstance(given, str | Path) else describe(given)
    except OSError as error:
        raise PromptError(f"The picture {given} cannot be read: {error.strerror}", hint="Name another file.") from None
    if not found.images:
        raise PromptError(
            f"A {type(given).__name__} is not a picture", hint="Give bytes, a file, a figure or an image."
        )
    return found.images[0]
