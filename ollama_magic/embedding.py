"""Embeddings of texts and their cosine similarities: `embed()` and `similarity()`, blocking."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Literal

from . import bridge
from .client import Client
from .errors import OllamaMagicError, SettingsError
from .many import Limiter, Outcome, run_many
from .secret import hidden
from .session import current
from .settings import by_setting, from_one
from .vectors import Embedder, choose_embedder

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from .many import Slot
    from .render.charts import Chart
    from .settings import Settings
    from .wire.embeddings import Vector

__all__ = ["Similarity", "embed", "similarity"]

Batch = tuple[int, list[str]]
"""The index of the first text, and the texts."""

_OWN: Final = ("texts", "dimensions", "batch", "truncate", "errors", "concurrency")
_AT_ONCE: Final = 4


def embed(
    texts: str | Iterable[str],
    model: str | None = None,
    *,
    dimensions: int | None = None,
    batch: int = 32,
    truncate: bool = False,
    errors: Literal["raise", "nan"] = "raise",
    concurrency: int | None = None,
    **settings: Any,
) -> Any:
    """Embed texts: a numpy array of 32-bit floats, one row for each text, in order; one vector for a single text.

    `model`: an embedding model. Without one, an embedding model that the server has; on the embedded engine the
    built-in model, which was not trained for this.
    `dimensions`: shortens the vectors, if model and server can.
    `batch`: texts per request; `concurrency`: concurrent requests, adaptive if not given.
    `truncate`: cut the end off a text that is too long for the model; otherwise it is refused, and named.
    `errors`: "nan" gives rows of NaN for texts that failed, with a warning, instead of raising.
    `settings`: as for `ask`.

    Raises the error of a failed request, ImportError without numpy, and SettingsError for anything but texts.
    """
    numpy, settings = _numpy(), hidden(settings)
    listed = _texts(texts)
    batch = from_one("batch", batch)
    limiter = Limiter(_AT_ONCE) if concurrency is None else Limiter(from_one("concurrency", concurrency), adapt=False)
    dimensions = None if dimensions is None else from_one("dimensions", dimensions)
    if errors not in ("raise", "nan"):
        raise SettingsError(f"errors cannot be {errors!r}", hint="It must be 'raise' or 'nan'.")
    if not listed:
        return numpy.zeros((0, dimensions or 0), dtype=numpy.float32)
    found = current().settings(by_setting({"model": model, **settings}, "embed()", _OWN), label="embed()")
    asked = _Asked(found, model, dimensions, truncate, None if errors == "raise" else [])
    rows = _gathered(asked, listed, batch, limiter)
    if asked.failures:
        missing = sum(row is None for row in rows)
        if missing == len(rows):
            raise asked.failures[0]
        warnings.warn(
            f"{missing} of {len(rows)} texts have no vector and became NaN: {asked.failures[0]}", stacklevel=2
        )
    made = _array(numpy, rows)
    return made[0] if isinstance(texts, str) else made


def _gathered(asked: _Asked, texts: Sequence[str], batch: int, limiter: Limiter) -> list[Vector[float] | None]:
    """The vectors in the order of the texts, with None for failed ones if failures are collected; else raises."""
    rows: list[Vector[float] | None] = [None] * len(texts)
    with bridge.shared().stream(lambda: asked.outcomes(_batches(texts, batch), limiter)) as job:
        for outcomes in job.batches():
            for outcome in outcomes:
                if isinstance(outcome, str):
                    warnings.warn(outcome, stacklevel=3)
                elif outcome.error is None:
                    first, own = outcome.item
                    rows[first : first + len(own)] = outcome.value or []
                elif asked.failures is None:
                    raise outcome.error
                else:
                    asked.failures.append(outcome.error)
    return rows


@dataclass(slots=True)
class _Asked:
    """Requests all batches, with one Embedder. If `failures` is a list, it collects errors and the rest continues."""

    settings: Settings
    model: str | None
    dimensions: int | None
    truncate: bool
    failures: list[Exception] | None

    async def outcomes(
        self, batches: Iterable[Batch], limiter: Limiter
    ) -> AsyncGenerator[Outcome[Batch, list[Vector[float] | None]] | str, None]:
        """The outcome of each batch, as it ends; a string is a notice."""
        # A model that was set for chat is not the one to use for embeddings.
        settings, notice = self.settings, ""
        if self.model is None:
            settings, notice = await current().reachable(replace(settings, model=None))
        if notice:
            yield notice
        async with Client(settings) as client:
            model = self.model or await choose_embedder(client)
        embedder = Embedder(settings, model, self.dimensions, self.truncate, self.failures)

        async def work(item: Batch, slot: Slot) -> list[Vector[float] | None]:
            return await embedder.vectors(item[1], item[0])

        running = run_many(batches, work, limiter=limiter, ends=lambda _: self.failures is None)
        async with aclosing(running) as outcomes:
            async for outcome in outcomes:
                yield outcome


def _batches(texts: Sequence[str], size: int) -> Iterable[Batch]:
    return ((start, list(texts[start : start + size])) for start in range(0, len(texts), size))


def _texts(given: str | Iterable[str]) -> list[str]:
    if hasattr(given, "columns") or isinstance(given, Mapping | bytes) or not isinstance(given, str | Iterable):
        raise SettingsError(  # iterating over a data frame or a dict would give its names, not the texts
            f"a {type(given).__name__} is not a list of texts",
            hint="Give a text or a list of texts, such as df['text'].dropna(); for numbers, take df.to_numpy().",
        )
    listed = [given] if isinstance(given, str) else list(given)
    for number, text in enumerate(listed):
        if not isinstance(text, str):
            raise SettingsError(
                f"text {number} is not a text but {str(text)[:40]} of type {type(text).__name__}",
                hint="Give a text or a list of texts, such as df['text'].dropna().",
            )
    return listed


def _array(numpy: Any, rows: Sequence[Vector[float] | None]) -> Any:
    """The rows as one array, NaN where a row is None. Raises OllamaMagicError if they differ in length."""
    widths = {len(row) for row in rows if row is not None}
    if len(widths) != 1:
        raise OllamaMagicError(
            f"the server gave vectors of different lengths: {sorted(widths)}",
            hint="Embed them again: the model may have changed meanwhile.",
        )
    made = numpy.full((len(rows), widths.pop()), numpy.nan, dtype=numpy.float32)
    for number, row in enumerate(rows):
        if row is not None:
            made[number] = row
    return made


def _numpy() -> Any:
    try:
        import numpy
    except ImportError:
        raise ImportError("embed() and similarity() need numpy: %pip install numpy") from None
    return numpy


# ---- how alike -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, repr=False)
class Similarity:
    """Cosine similarities of rows and columns: 1 for the same direction, 0 for orthogonal, -1 for opposite vectors.

    `matrix` is a numpy array, drawn as the last line of a cell. `pairs()` lists the most similar.
    """

    matrix: Any
    labels: tuple[str, ...]
    other_labels: tuple[str, ...]

    @property
    def chart(self) -> Chart:
        """The heat map."""
        from .render.heatmaps import matrix_chart

        values = self.matrix.tolist()
        most = _MOST_DRAWN
        cut = len(self.labels) > most or len(self.other_labels) > most
        title = "Cosine similarity" + (f" of the first {most}" if cut else "")
        lines = [line[:most] for line in values[:most]]
        return matrix_chart(lines, self.labels[:most], self.other_labels[:most], title=title)

    def pairs(self, count: int = 10) -> list[tuple[str, str, float]]:
        """The `count` most similar pairs, the most similar first; each pair once if rows and columns are the same."""
        numpy = _numpy()
        matrix = self.matrix
        if self.labels is self.other_labels:
            matrix = numpy.where(numpy.triu(numpy.ones(matrix.shape, dtype=bool), 1), matrix, -numpy.inf)
        flat = numpy.where(numpy.isnan(matrix), -numpy.inf, matrix).ravel()
        places = numpy.arange(flat.size)
        if 0 < count < flat.size:  # of millions, sort only the few at the top
            places = numpy.flatnonzero(flat >= numpy.partition(flat, flat.size - count)[flat.size - count])
        ordered = places[numpy.argsort(-flat[places], kind="stable")][: max(0, count)]
        best = [int(place) for place in ordered if flat[place] > -numpy.inf]
        width = len(self.other_labels)
        return [(self.labels[n // width], self.other_labels[n % width], float(flat[n])) for n in best]

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> Any:
        return self.chart.bundle()

    def __str__(self) -> str:
        return str(self.chart)

    def __repr__(self) -> str:
        return f"<Similarity of {len(self.labels)} by {len(self.other_labels)}>"


_MOST_DRAWN: Final = 100


def similarity(
    texts: Any, other: Any = None, *, labels: Sequence[str] | None = None, other_labels: Sequence[str] | None = None,
    **how: Any,
) -> Similarity:  # fmt: skip
    """Pairwise cosine similarities of texts with each other, or with each of `other`. Drawn as a heat map.

    `texts`, `other`: texts, which are embedded (`how`: as for `embed`), or vectors (an array, or a list of them).
    `labels` and `other_labels` name the rows; without them they are the texts themselves, or the row numbers.

    Raises what `embed` raises, and SettingsError for arrays that do not fit together.
    """
    numpy = _numpy()
    rows, names = _vectors(numpy, texts, labels, how)
    if other is None:
        columns, other_names = rows, names
    else:
        columns, other_names = _vectors(numpy, other, other_labels, how)
    if rows.shape[1] != columns.shape[1]:
        raise SettingsError(
            f"vectors of {rows.shape[1]} and of {columns.shape[1]} numbers cannot be compared",
            hint="Embed both with the same model and dimensions.",
        )
    return Similarity(_unit(numpy, rows) @ _unit(numpy, columns).T, names, other_names)


def _vectors(numpy: Any, given: Any, labels: Sequence[str] | None, how: dict[str, Any]) -> tuple[Any, tuple[str, ...]]:
    if isinstance(given, list | tuple) and given and all(isinstance(each, numpy.ndarray | list) for each in given):
        given = _stacked(numpy, given)
    is_array = isinstance(given, numpy.ndarray) and given.dtype.kind in "fiu"
    listed = given if is_array else _texts(given)
    vectors = numpy.atleast_2d(given) if is_array else embed(listed, **how)
    if vectors.ndim != 2:
        raise SettingsError(
            f"an array of {vectors.ndim} dimensions is not a list of vectors", hint="Give one with two."
        )
    names = tuple(map(str, labels)) if labels is not None else () if is_array else tuple(listed)
    if labels is not None and len(names) != len(vectors):
        raise SettingsError(f"{len(names)} labels for {len(vectors)} vectors", hint="Give as many labels as vectors.")
    return vectors, names or tuple(f"row {number}" for number in range(len(vectors)))


def _stacked(numpy: Any, vectors: Sequence[Any]) -> Any:
    """A list of vectors as one array. Raises SettingsError."""
    try:
        return numpy.asarray(vectors, dtype=numpy.float64)
    except (TypeError, ValueError):
        raise SettingsError(
            "the vectors are not of one length, or not of numbers", hint="Embed all with the same model and dimensions."
        ) from None


def _unit(numpy: Any, vectors: Any) -> Any:
    """The vectors scaled to length 1; a zero vector stays as it is."""
    vectors = numpy.asarray(vectors, dtype=numpy.float64)
    lengths = numpy.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / numpy.where(lengths == 0, 1.0, lengths)
