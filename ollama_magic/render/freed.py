"""A widget's messages handled while a cell runs: in a thread of the kernel's own (a subshell), where it has them.

Since 7.4 ipykernel sends a comm's messages to the shell that last published on it, which for a widget made in a cell
is the main one: they would wait until the cell ends. The method that decides it is private, so it is only taken away
where it is found; earlier kernels with subshells go by what the front end asks, and need nothing.
"""

from __future__ import annotations

from typing import Any

__all__ = ["free", "has_subshells"]


def free(widget: Any) -> bool:
    """Let the messages of `widget` go where the front end sends them; False where they wait for the running cell.

    True is no promise: the front end may have subshells switched off, so ask it for a message before relying on one.
    Children have comms of their own. Callbacks then run in another thread, idle or busy.
    """
    comm = getattr(widget, "comm", None)
    if not has_subshells(getattr(comm, "kernel", None)):
        return False
    if callable(getattr(comm, "_reply_subshell_for", None)):
        comm._reply_subshell_for = _as_sent  # type: ignore[union-attr]  # there is a comm: it has a kernel
    return True


def has_subshells(kernel: Any) -> bool:
    """Whether this kernel can handle messages in other threads than that of the running cell."""
    return bool(getattr(kernel, "_supports_kernel_subshells", False))


def _as_sent(data: Any, default: str | None) -> str | None:
    return default
