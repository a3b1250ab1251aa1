"""Renders any notebook object as text or an image for a model: dispatches by type."""

from __future__ import annotations

import datetime
import decimal
import fractions
import numbers
import types
import uuid
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ..events import Answer, Image
from ..secret import Secret
from .arrays import describe_array
from .code import describe_code, describe_module, is_code
from .files import describe_path
from .frames import describe_frame, describe_lazy, describe_series
from .parts import Described, PromptError
from .pictures import current_figure, describe_figure, describe_picture, describe_shown, image_type
from .plain import describe_plain, describe_scalar
from .safely import kinds_of, type_name
from .tokens import cut, estimate, head
from .tracebacks import describe_exception

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["TEXT_FACTOR", "describe"]

TEXT_FACTOR: Final = 4
"""Text is usually meant to be read in full, so it gets this many budgets."""

_LONG: Final = (str, Path, Answer)
_SCALARS: Final = (
    numbers.Number,
    datetime.date,
    datetime.time,
    datetime.timedelta,
    decimal.Decimal,
    fractions.Fraction,
    uuid.UUID,
)

# By top-level package and class name of the type or any base: recognises a library's types without importing it.
_BY_NAME: Final[dict[tuple[str, str], Callable[[Any, int], Described]]] = {
    ("pandas", "DataFrame"): lambda value, budget: describe_frame(value, budget, "pandas"),
    ("polars", "DataFrame"): lambda value, budget: describe_frame(value, budget, "polars"),
    ("pandas", "Series"): lambda value, budget: describe_series(value, budget, "pandas"),
    ("polars", "Series"): lambda value, budget: describe_series(value, budget, "polars"),
    ("polars", "LazyFrame"): describe_lazy,
    ("numpy", "ndarray"): describe_array,
    ("numpy", "generic"): describe_scalar,
    ("matplotlib", "Artist"): lambda value, budget: describe_figure(value),
    ("seaborn", "Grid"): lambda value, budget: describe_figure(value),
    ("PIL", "Image"): lambda value, budget: describe_picture(value),
    ("IPython", "Image"): lambda value, budget: describe_shown(value),
}


def describe(value: Any, *, budget: int = 2000, text_budget: int | None = None) -> Described:
    """`value` as a model sees it, within `budget` estimated tokens.

    A string, an answer and a file get `text_budget`, by default TEXT_FACTOR times `budget`.

    The same value gives the same text in every kernel: no addresses, small sets sorted. The cost is bounded by the
    budget, not by the size of the value. Never raises for an ordinary object; PromptError for a coroutine, an empty
    figure or a broken picture.
    """
    limit = budget if not isinstance(value, _LONG) else text_budget or budget * TEXT_FACTOR
    found = _described(value, budget, text_budget or budget * TEXT_FACTOR)
    if not found.images and estimate(found.text) > limit:  # a heading alone may exceed the smallest budgets
        return Described(head(found.text, limit), note=found.note or "cut to fit", block=found.block)
    return found


def _described(value: Any, budget: int, text_budget: int) -> Described:
    if isinstance(value, str):
        # A subclass may hide its text on purpose or, like markupsafe's, show it differently: str() decides.
        text, note = cut(value if type(value) is str else str(value), text_budget)
        return Described(text, note=note)
    for kind in kinds_of(value):
        if (renderer := _BY_NAME.get(kind)) is not None:
            return _guarded(renderer, value, budget)
    return _builtin(value, budget, text_budget)


def _builtin(value: Any, budget: int, text_budget: int) -> Described:
    """Types of Python and of this package; anything else is traversed, or shown by its repr."""
    if value is None or isinstance(value, _SCALARS):
        return describe_scalar(value, budget)
    if isinstance(value, Secret):
        return Described(str(value), note="hidden")
    if isinstance(value, Answer):
        text, note = cut(value.text, text_budget)
        return Described(text, note=note)
    if isinstance(value, Image) or (isinstance(value, bytes) and image_type(value[:16])):
        return describe_shown(value)
    if isinstance(value, Path):
        return describe_path(value, text_budget)
    if isinstance(value, BaseException):
        return describe_exception(value, budget)
    if isinstance(value, types.ModuleType):
        if value.__name__ == "matplotlib.pyplot":
            return current_figure()
        return describe_module(value, budget)
    if isinstance(value, types.CoroutineType):
        value.close()  # or Python warns that it was never awaited
        raise PromptError(
            f"{type_name(value)} {value.__qualname__} has not run: it must be awaited",
            hint="Await it in a cell and put the result in: x = await f(), then {x}.",
        )
    if is_code(value):
        return describe_code(value, budget)
    return describe_plain(value, budget)


def _guarded(renderer: Callable[[Any, int], Described], value: Any, budget: int) -> Described:
    """Run a renderer; if it fails, as with an unknown library version, fall back to describe_plain."""
    try:
        # Warnings, such as about overflow in the user's numbers, would only clutter the output.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return renderer(value, budget)
    except PromptError:
        raise
    except Exception as error:
        found = describe_plain(value, budget)
        return Described(
            found.text, note=f"shown by its repr ({type(error).__name__} when described)", block=found.block
        )
