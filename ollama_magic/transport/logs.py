"""Keeps the key out of the logs of httpx and httpcore: they include response headers, and a server may echo it."""

from __future__ import annotations

import logging
from contextvars import ContextVar

from ..secret import Secret, redact

__all__ = ["SENT"]

SENT: ContextVar[tuple[Secret, ...]] = ContextVar("SENT", default=())
"""The secrets of the request that is being sent."""


class _Redact(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        secrets = SENT.get()
        if secrets:
            record.msg, record.args = redact(record.getMessage(), secrets), ()
        return True


for _name in ("httpx", "httpcore.connection", "httpcore.http11", "httpcore.proxy", "httpcore.socks"):
    logging.getLogger(_name).addFilter(_Redact())
