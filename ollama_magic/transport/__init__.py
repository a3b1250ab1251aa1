"""HTTP/1.1 over sockets: the only place that knows httpx. It sends one request and gives back what comes, no more."""

from . import library  # noqa: F401  before all that imports httpx
from .exchange import Exchange, open_exchange
from .failure import BodyBroken, Failure, FailureKind

__all__ = ["BodyBroken", "Exchange", "Failure", "FailureKind", "open_exchange"]
