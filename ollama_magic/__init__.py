"""Prompt Ollama models from a notebook.

`%load_ext ollama_magic`, then a cell that begins with `%%ollama`. In Python: `Client`, `connect()`, `last`.
Importing this builds no client, reads no environment, and touches neither network nor disk.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._version import __version__

if TYPE_CHECKING:
    from .client import Client
    from .errors import OllamaMagicError
    from .events import Answer, Image, Message, Request
    from .python import Chat, ask

__all__ = [
    "__version__",
    "Answer",
    "ask",
    "Chat",
    "Client",
    "connect",
    "Image",
    "load_ipython_extension",
    "Message",
    "OllamaMagicError",
    "Request",
    "unload_ipython_extension",
]

# Public names that live elsewhere, imported when first used.
_HOMES = {
    "Answer": "events",
    "ask": "python",
    "Chat": "python",
    "Client": "client",
    "Image": "events",
    "Message": "events",
    "OllamaMagicError": "errors",
    "Request": "events",
}


def __getattr__(name: str) -> Any:
    if name == "last":
        from .session import current

        return current().last
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f".{_HOMES[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "last"])


def connect(**settings: object) -> Client:
    """Use `settings` for all that follows in this kernel, and return a Client that has them.

    Takes any setting by name: `mode` ("local", "cloud" or "embedded"), `host`, `key`, `model`, `temperature`, ...;
    None forgets one. Kept in memory only. Raises SettingsError where one cannot be used; then nothing changes.
    """
    from .client import Client
    from .session import current

    return Client(current().set(**settings))


def load_ipython_extension(shell: Any) -> None:
    """What `%load_ext ollama_magic` runs: registers `%ollama`, `%%ollama` and their completion."""
    from .magics import register

    register(shell)


def unload_ipython_extension(shell: Any) -> None:
    """What `%unload_ext ollama_magic` runs: takes them out again and forgets what this kernel was told."""
    from .magics import unregister

    unregister(shell)
