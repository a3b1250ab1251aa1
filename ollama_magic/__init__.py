"""Prompt Ollama models from a notebook.

`%load_ext ollama_magic`, then a cell that begins with `%%ollama`. In Python `ask()`, `Chat`, `map()`, `compare()`,
`evaluate()`, `embed()`, and the async `Client`; `last` is the answer of the last cell.
Importing this builds no client, reads no environment, and touches neither network nor disk.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._version import __version__

if TYPE_CHECKING:
    from .client import Client
    from .comparing.python import compare, sweep
    from .comparing.runs import Runs
    from .embedding import embed, similarity
    from .errors import OllamaMagicError
    from .evaluating import Evaluation, contains, equals, evaluate, judge, parses
    from .events import Answer, Image, Message, Request
    from .mapping import map as map
    from .panels import panel
    from .python import Chat, ask

# Without `map`: `from ollama_magic import *` would shadow the builtin.
__all__ = [
    "__version__",
    "Answer",
    "ask",
    "Chat",
    "Client",
    "compare",
    "connect",
    "contains",
    "embed",
    "equals",
    "evaluate",
    "Evaluation",
    "Image",
    "judge",
    "load_ipython_extension",
    "Message",
    "OllamaMagicError",
    "panel",
    "parses",
    "Request",
    "Runs",
    "similarity",
    "sweep",
    "unload_ipython_extension",
]

# The modules of public names that are imported on first use.
_HOMES = {
    "Answer": "events",
    "ask": "python",
    "Chat": "python",
    "Client": "client",
    "compare": "comparing.python",
    "contains": "evaluating",
    "embed": "embedding",
    "equals": "evaluating",
    "evaluate": "evaluating",
    "Evaluation": "evaluating",
    "Image": "events",
    "judge": "evaluating",
    "map": "mapping",
    "Message": "events",
    "OllamaMagicError": "errors",
    "panel": "panels",
    "parses": "evaluating",
    "Request": "events",
    "Runs": "comparing.runs",
    "similarity": "embedding",
    "sweep": "comparing.python",
}


def __getattr__(name: str) -> Any:
    if name == "last":
        from .session import current

        return current().last
    if name == "last_map":
        from .mapping import last_map

        return last_map()
    if name == "last_evaluation":
        from .evaluating.running import last_evaluation

        return last_evaluation()
    if name == "last_runs":
        from .comparing.latest import last_runs

        return last_runs()
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f".{_HOMES[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "last", "last_evaluation", "last_map", "last_runs", "map"])


def connect(**settings: object) -> Client:
    """Use `settings` for everything that follows in this kernel, and return a Client that has them.

        connect(mode="cloud", model="gpt-oss:120b")

    Takes any setting by name: `mode` ("local", "cloud" or "embedded"), `host`, `key`, `model`, `temperature`, ...; None
    unsets one. They are kept in memory only. Raises SettingsError, and changes nothing, if one cannot be used.
    """
    from .client import Client
    from .secret import hidden
    from .session import current

    settings = hidden(settings)
    return Client(current().set(**settings))


def load_ipython_extension(shell: Any) -> None:
    """What `%load_ext ollama_magic` runs: registers `%ollama`, `%%ollama` and their completion."""
    from .magics import register

    register(shell)


def unload_ipython_extension(shell: Any) -> None:
    """What `%unload_ext ollama_magic` runs: removes them and forgets what was set in this kernel."""
    from .magics import unregister

    unregister(shell)
