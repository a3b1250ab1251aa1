"""HTTP/1.1 over sockets; the only package that knows httpx. It sends one request and returns its response, no more."""

from . import library  # noqa: F401  before anything that imports httpx
from .exchange import Exchange, open_exchange
from .failure import BodyBroken, Failure, FailureKind

__all__ = ["BodyBroken", "Exchange", "Failure", "FailureKind", "open_exchange"]
