"""How a request can fail before there is a response, classified from what httpx and the system raise. No I/O."""

from __future__ import annotations

import socket
import ssl
from typing import TYPE_CHECKING, Literal

import httpx

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["BodyBroken", "Failure", "FailureKind", "failure_of"]

FailureKind = Literal[
    "refused", "unknown host", "no route", "certificate", "tls", "timeout", "proxy", "closed", "not http", "failed"
]


class BodyBroken(Exception):
    """The body ended early or could not be read. Never leaves the client."""


class Failure(Exception):
    """No response at all: `kind` says how, `detail` in the system's words. Never leaves the client."""

    def __init__(self, kind: FailureKind, detail: str, *, reused: bool = False, temporary: bool = False) -> None:
        super().__init__(detail)
        self.kind: FailureKind = kind
        self.detail = detail
        self.reused = reused
        """Whether the connection had carried a request before: the server may have closed it meanwhile."""
        self.temporary = temporary
        """Whether a retry may succeed: the name lookup said so, or there was no route."""


def failure_of(error: Exception, *, reused: bool) -> Failure:
    """The Failure for an httpx error; it keeps no reference to that."""
    causes = list(_chain(error))
    names = {type(cause): cause for cause in reversed(causes)}
    system = [cause for cause in causes if isinstance(cause, OSError)]
    if isinstance(error, httpx.ProxyError):
        return Failure("proxy", str(error))
    if ConnectionRefusedError in names:
        return Failure("refused", "connection refused")
    for cause in system:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return Failure("certificate", cause.verify_message)
        if isinstance(cause, ssl.SSLError):
            return Failure("tls", (cause.reason or str(cause)).lower().replace("_", " "))
        if isinstance(cause, socket.gaierror):
            return Failure("unknown host", cause.strerror or "", temporary=cause.errno == socket.EAI_AGAIN)
    if isinstance(error, httpx.ConnectTimeout) or any(isinstance(cause, TimeoutError) for cause in system):
        return Failure("timeout", "no answer to the attempt to connect")
    if isinstance(error, httpx.ConnectError):
        return Failure("no route", (system[-1].strerror if system else "") or "could not connect", temporary=True)
    if isinstance(error, httpx.NetworkError) or "disconnected" in str(error):
        return Failure("closed", "the server closed the connection without an answer", reused=reused)
    if isinstance(error, httpx.RemoteProtocolError):
        return Failure("not http", "what answers there does not speak HTTP")
    return Failure("failed", type(error).__name__)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and its causes, outermost first, with exception groups expanded."""
    yield error
    for inner in error.exceptions if isinstance(error, BaseExceptionGroup) else ():
        yield from _chain(inner)
    cause = error.__cause__ or error.__context__
    if cause is not None:
        yield from _chain(cause)
