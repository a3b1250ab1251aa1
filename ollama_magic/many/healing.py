"""Which errors are retried, and when. Pure.

too many requests (Busy)        retried, after Retry-After if the server sent it; at lower concurrency from then on
502, 503, 504                   retried; never a 504 after a long wait, since the server would start over
unreachable                     retried; twice in a row, and the server is set aside for a while
silence (Stalled)               retried at lower concurrency if the server answered others meanwhile: it was queued
one of several lacks the model  retried on another server, never on that one
everything else                 never retried
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ..errors import Busy, ModelNotFound, ResponseError, ServerError, Stalled, Unreachable
from ..retry import Retry

if TYPE_CHECKING:
    from .hosts import Hosts, Place

__all__ = ["PATIENT", "Try", "wait_after"]

PATIENT: Final = Retry(tries=8, first_s=0.5, longest_s=60.0)
"""The default policy: its tries span a minute or two."""
_LONG_WAIT_S: Final = 20.0
_LOST_IN_A_ROW: Final = 2
"""Unanswered requests in a row that set a server aside: a single one may be the request's own fault."""
_LOST_ALONE: Final = 3
"""Tries of a request that gets no answer from a server that answers others."""
_GATEWAY: Final = (502, 503, 504)
_GATEWAY_IN_A_ROW: Final = 3


@dataclass(frozen=True, slots=True)
class Try:
    """A failed attempt: its server, its start and end by the event loop's clock, and its number, from 1."""

    place: Place
    began: float
    ended: float
    number: int


def wait_after(error: Exception, tried: Try, hosts: Hosts, retry: Retry) -> float | None:
    """Seconds until the next attempt, None for no retry; also records in the server's state what the error implies."""
    place = tried.place
    wait = retry.wait_s(tried.number - 1, error.retry_after if isinstance(error, ResponseError) else None)
    if isinstance(error, Unreachable):
        place.strike(tried.ended, tried.began, _LOST_IN_A_ROW, error.message)
        if hosts.gone(retry.tries):
            return None
        if place.failures and wait is not None:
            return 0.0  # the server waits, not the work
        return wait if tried.number < _LOST_ALONE else None
    if isinstance(error, ModelNotFound) and hosts.others(place):
        place.leave(error.message)
        return 0.0
    if isinstance(error, Stalled):
        return wait if tried.number < _LOST_ALONE and place.answered_at > tried.began else None
    if isinstance(error, Busy):
        if error.retry_after is not None and wait is not None:
            place.rests(tried.ended + wait)
        return wait
    if isinstance(error, ServerError) and error.status in _GATEWAY:
        if hosts.several:
            place.strike(tried.ended, tried.began, _GATEWAY_IN_A_ROW, error.message)
        return None if error.status == 504 and tried.ended - tried.began > _LONG_WAIT_S else wait
    return None
