"""Handles a widget's messages while a cell runs: in another thread of the kernel (a subshell), if it supports them.

Since 7.4 ipykernel routes a comm's messages to the shell that last published on it, which for a widget made in a cell
is the main one: they would wait until the cell ends. The method that decides this is private, so it is overridden only
if it exists; earlier kernels with subshells use the one that the front end requests, and need no change.
"""

from __future__ import annotations

from typing import Any

__all__ = ["free", "has_subshells"]


def free(widget: Any) -> bool:
    """Route messages of `widget` to the subshell that the front end requests; False if they wait for the running cell.

    True is no guarantee: subshells may be disabled in the front end, so wait for a first message before relying on it.
    Child widgets have their own comms. Callbacks then run in another thread, whether the kernel is idle or busy.
    """
    comm = getattr(widget, "comm", None)
    if not has_subshells(getattr(comm, "kernel", None)):
        return False
    if callable(getattr(comm, "_reply_subshell_for", None)):
        comm._reply_subshell_for = _as_sent  # type: ignore[union-attr]  # there is a comm: it has a kernel
    return True


def has_subshells(kernel: Any) -> bool:
    """Whether this kernel can handle messages in threads other than that of the running cell."""
    return bool(getattr(kernel, "_supports_kernel_subshells", False))


def _as_sent(data: Any, default: str | None) -> str | None:
    return default
