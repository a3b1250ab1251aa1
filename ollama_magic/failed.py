"""The cells of this kernel that failed, for `{Err[3]}` and `%ollama fix`; the latest few, to keep little alive."""

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
    """Failures by the cell's number."""

    def __init__(self) -> None:
        self._by_number: OrderedDict[int, Failure] = OrderedDict()

    def note(self, number: int, cell: str, error: BaseException) -> None:
        """Keep a failure, but for what is no mistake in the notebook: our own errors and interrupts."""
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
        """The exceptions by cell number: what `{Err[3]}` looks into."""
        return {number: failure.error for number, failure in self._by_number.items()}
