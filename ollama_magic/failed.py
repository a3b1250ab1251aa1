"""The cells of this kernel that failed, for `{Err[3]}` and `%ollama fix`; only the latest, to limit memory use."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from .errors import OllamaMagicError

__all__ = ["Failure", "Failures"]

_MOST = 20


@dataclass(frozen=True, slots=True)
class Failure:
    """A cell's source and what it raised."""

    cell: str
    error: BaseException


class Failures:
    """Failures by the cell's execution count."""

    def __init__(self) -> None:
        self._by_number: OrderedDict[int, Failure] = OrderedDict()

    def note(self, number: int, cell: str, error: BaseException) -> None:
        """Record a failure, unless it is not a mistake in the notebook: our own errors and interrupts."""
        if isinstance(error, OllamaMagicError | KeyboardInterrupt):
            return
        self._by_number[number] = Failure(cell, error)
        while len(self._by_number) > _MOST:
            self._by_number.popitem(last=False)

    @property
    def last(self) -> Failure | None:
        """The latest one."""
        return next(reversed(self._by_number.values()), None)

    @property
    def errors(self) -> dict[int, BaseException]:
        """The exceptions by execution count, for `{Err[3]}`."""
        return {number: failure.error for number, failure in self._by_number.items()}
