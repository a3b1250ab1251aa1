"""Comparisons from Python: `compare()` and `sweep()`, blocking, in notebooks and in scripts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from ..errors import SettingsError
from ..python import pictures
from ..question import Question
from ..schema import schema_for
from ..secret import hidden
from ..session import current
from ..settings import by_setting
from .grid import grid, models_of, swept
from .latest import remember
from .reading import Comparison, StoppedRuns, contestants, read_into

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from ..events import Answer, Event, Image
    from ..render.columns import Columns
    from .grid import Variant
    from .runs import Runs

__all__ = ["compare", "sweep"]

_OWN = ("schema", "images", "thread", "top_logprobs")
_NAMES = ("prompt", "models", "sweep", "grid", "repeats", *_OWN)
# Arguments that would otherwise be sent as model options, which no server knows.
_NOT_TAKEN: Final = {
    "tools": "Leave it out: tools would be called by all runs at once.",
    "model": "Name all of them in `models`.",
    "models": "Use compare(prompt, models, sweep={...}).",
}


def compare(
    prompt: str,
    models: str | Iterable[str],
    *,
    sweep: Mapping[str, Iterable[Any]] | None = None,
    repeats: int = 1,
    system: str | None = None,
    schema: Any = None,
    images: Sequence[Image | bytes | str | Path | Any] = (),
    thread: str = "",
    top_logprobs: int | None = None,
    **options: Any,
) -> Runs:
    """Ask several models the same prompt concurrently, and wait for all of them. Nothing is shown.

        runs = compare("Explain recursion.", ["llama3.2", "qwen3:8b"], repeats=3)
        runs.df

    `models`: model names, with "local/..." or "cloud/...", or "embedded", for another mode.
    `sweep`: settings or model options, each with its values; every model is asked with every combination.
    `repeats`: how many times each is asked.
    `thread`: the conversation to continue from; nothing is recorded there.
    `top_logprobs`: as for `ask`; each run then has its perplexity, also in `.df`.
    `options`, `schema` and `images`: as for `ask`.

    A run that fails has its error in the Runs (`.df`, `.runs`) and raises nothing. Raises SettingsError, before
    anything is sent, for invalid arguments, and StoppedRuns after an interrupt. The last comparison's Runs, partial if
    it was stopped, are `ollama_magic.last_runs`.
    """
    options = hidden(options)
    _refuse("compare()", options, "model")
    own = {"schema": schema, "images": images, "thread": thread, "top_logprobs": top_logprobs}
    how = {**own, "values": {"system": system, **options}}
    return _ask(prompt, models_of(models), sweep or {}, repeats, how)


def sweep(
    prompt: str, grid: Mapping[str, Iterable[Any]], *, model: str | None = None, repeats: int = 1, **how: Any
) -> Runs:
    """Ask one model the same prompt with every combination of options: `sweep("Hi", {"temperature": [0, 0.7]})`.

    Everything else is as in `compare`.
    """
    how = hidden(how)
    _refuse("sweep()", how, "models")
    own: dict[str, Any] = {name: how.pop(name) for name in _OWN if name in how}
    return _ask(prompt, (), grid, repeats, {**own, "values": {"model": model, **how}})


def _ask(
    prompt: str,
    models: Sequence[Variant],
    sweeps: Mapping[str, Iterable[Any]],
    repeats: int,
    how: Mapping[str, Any],
) -> Runs:
    if not isinstance(prompt, str):
        raise SettingsError(f"The prompt is a text, not of type {type(prompt).__name__}", hint="Write it as a string.")
    if not isinstance(sweeps, Mapping):
        raise SettingsError(
            f"{sweeps!r} does not say what to sweep", hint='Write names with their values: {"temperature": [0, 0.7]}.'
        )
    session, schema, thread = current(), how.get("schema"), how.get("thread") or ""
    values = by_setting(how["values"], "compare()", _NAMES)
    variants = grid(models, {name: swept(name, given) for name, given in sweeps.items()}, repeats)
    shown = {"format": "json"} if schema is not None else {}
    settings = session.settings({**shown, **values}, label="compare()")
    question = Question(
        prompt=prompt,
        images=pictures(how.get("images")),
        history=session.threads.history(thread) if thread else (),
        shape=None if schema is None else schema_for(schema),
        cache=settings.cache,
        top_logprobs=how.get("top_logprobs"),
    )
    runners = contestants(session, variants, {**shown, **values}, label="compare()")
    comparison = Comparison(session, question, runners, settings)
    whole = read_into(_Silent(), comparison)
    runs = remember(comparison.runs())
    session.last = runs.last or session.last
    if not whole:
        raise StoppedRuns(runs)
    return runs


def _refuse(who: str, given: Mapping[str, Any], *others: str) -> None:
    for name in ("tools", *others):
        if given.get(name) is not None:
            raise SettingsError(f"{who} takes no {name}", hint=_NOT_TAKEN[name])


class _Silent:
    """A view that shows nothing."""

    def show(self, batch: Sequence[tuple[int, Event]]) -> None:
        pass

    def end(self, number: int, answer: Answer, error: str) -> None:
        pass

    def finish(self, board: Columns) -> None:
        pass
