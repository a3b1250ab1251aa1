"""`%%ollama` and `%ollama`: the IPython magics, their configuration, and their registration."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from IPython.core.completer import context_matcher
from IPython.core.magic import Magics, line_cell_magic, magics_class
from traitlets import Any as AnyTrait
from traitlets import Bool, Dict, Float, Int, Unicode

from .render import register_formatters, say

if TYPE_CHECKING:
    from .session import Session

__all__ = ["OllamaMagics", "register", "unregister"]

# Everything else is imported by the first cell, so that loading the extension takes only a few milliseconds.

_MATCHER = "ollama_magic"


def _unset(trait: type[Any], text: str) -> Any:
    return trait(None, allow_none=True, help=text).tag(config=True)


class _Host(Unicode):  # type: ignore[type-arg]
    """A text that `%config OllamaMagics` shows without the user and password in it."""

    def validate(self, obj: Any, value: Any) -> Any:
        from .secret import hidden

        return hidden({"host": super().validate(obj, value)})["host"]


@magics_class
class OllamaMagics(Magics):
    """Prompt Ollama models from cells. Each trait sets the setting of the same name, with the lowest precedence."""

    # There is no trait for the key: `%config OllamaMagics` would print it.
    mode = _unset(Unicode, "local, cloud or embedded")
    host = _unset(_Host, "the server, in any form that OLLAMA_HOST takes")
    model = _unset(Unicode, "the model for cells that name none")
    api = _unset(Unicode, "auto, openai or native")
    system = _unset(Unicode, "system prompt")
    temperature = _unset(Float, "sampling temperature")
    seed = _unset(Int, "seed of the sampling")
    max_tokens = _unset(Int, "longest answer, in tokens")
    num_ctx = _unset(Int, "context length, in tokens")
    keep_alive = _unset(AnyTrait, "how long the model stays loaded: seconds, or a Go duration such as 5m")
    options = _unset(Dict, "any other Ollama options, by name")
    think = _unset(AnyTrait, "True, False or a level")
    format = _unset(Unicode, "markdown, text, json, code, html or math")
    render = _unset(Unicode, "live, or once to show an answer only when it is whole")
    quiet = _unset(Bool, "no footer under answers")
    trusted_hosts = _unset(AnyTrait, "hosts that may be sent the key, besides https://ollama.com")
    connect_timeout = _unset(AnyTrait, "seconds to wait for a connection")
    first_byte_timeout = _unset(AnyTrait, "seconds to wait for the first byte of an answer, 0 for ever")
    stall_timeout = _unset(AnyTrait, "seconds of silence allowed in the middle of an answer, 0 for ever")
    gguf = _unset(Unicode, "weights for the embedded engine, a .gguf file")
    cache = _unset(AnyTrait, "off, use or refresh: whether answers are kept on disk and replayed")
    pace = _unset(Float, "pauses of a replay: 0 none, 1 as recorded, 0.5 half as long")
    budget = _unset(Int, "most tokens that one object of the notebook may cost in a prompt")
    rounds = _unset(Int, "how often in a row a model may ask for tools")
    cache_dir = _unset(Unicode, "folder for the embedded engine's weights and kept answers")

    def configured(self) -> dict[str, object]:
        """The traits that are set."""
        return {
            name: value for name in self.class_own_traits(config=True) if (value := getattr(self, name)) is not None
        }

    @line_cell_magic
    def ollama(self, line: str, cell: str | None = None) -> None:
        """`%%ollama [MODEL] [options]` with the prompt below it; `%ollama COMMAND`. `%ollama help` tells more."""
        from .bridge import heeding

        with heeding():
            if cell is None:
                from .commands import run_command

                run_command(self._session(), line, self.shell)
            else:
                from .asking import run_cell

                run_cell(self._session(), line, cell, self.shell)

    def _session(self) -> Session:
        from .session import current

        session = current()
        session.configuration = self.configured
        return session


def register(shell: Any) -> None:
    """Register the magics and their completion with `shell`; report it if `%%ollama` was another extension's."""
    held = shell.magics_manager.magics["cell"].get("ollama")
    owner = getattr(held, "__self__", held)
    shell.register_magics(OllamaMagics)
    _uninstall_matcher(shell)
    shell.Completer.custom_matchers.append(context_matcher(identifier=_MATCHER)(_match))
    register_formatters(shell)
    _stop_listening(shell)
    shell.events.register("post_run_cell", _after_cell)
    if held is not None and not isinstance(owner, OllamaMagics):
        say(shell, f"%%ollama was registered by {owner.__module__}; it is ollama_magic's now.")


def unregister(shell: Any) -> None:
    """Unregister the magics and their completion, and unset this kernel's settings."""
    from .session import current

    _uninstall_matcher(shell)
    _stop_listening(shell)
    for kind in ("line", "cell"):
        held = shell.magics_manager.magics[kind].get("ollama")
        if isinstance(getattr(held, "__self__", None), OllamaMagics):
            del shell.magics_manager.magics[kind]["ollama"]
    current().forget()


def _match(context: Any) -> Any:
    began = time.monotonic()  # the first Tab includes the import, and waits less for a server
    from .completion import match

    return match(context, began)


def _uninstall_matcher(shell: Any) -> None:
    matchers = shell.Completer.custom_matchers
    matchers[:] = [m for m in matchers if getattr(m, "matcher_identifier", "") != _MATCHER]


def _after_cell(result: Any) -> None:
    """Record a failed cell for `{Err[n]}` and `%ollama fix`. No exception hook is needed: IPython reports each cell."""
    error = result.error_in_exec or result.error_before_exec
    if error is not None and result.execution_count is not None:
        from .session import current

        current().failures.note(result.execution_count, result.info.raw_cell, error)


def _stop_listening(shell: Any) -> None:
    # By module name, not by identity: after a reload of the module the function is another one.
    for callback in list(shell.events.callbacks["post_run_cell"]):
        if getattr(callback, "__module__", "") == __name__:
            shell.events.unregister("post_run_cell", callback)
