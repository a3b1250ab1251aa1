"""How one asks in a notebook with each package: the cell that loads it, and the cell that holds the prompt.

A package that cannot be installed beside the others has an environment of its own, named as this one and "-ai".
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Peer", "installed", "PEERS", "version_of"]


@dataclass(frozen=True, slots=True)
class Peer:
    """In the cells, URL stands for the server and MODEL for the model. `shows`: the media type its answers have."""

    name: str
    distribution: str
    load: str
    ask: str
    shows: str = ""
    prepare: str = ""
    """A cell that has to be run once for each model."""
    apart: bool = False
    """Whether it is in the environment of its own."""

    @property
    def python(self) -> str:
        """The interpreter of its kernel."""
        return str(Path(f"{sys.prefix}-ai", *Path(sys.executable).parts[-2:])) if self.apart else sys.executable

    def cell(self, code: str, url: str, model: str) -> str:
        """One of its cells, for that server and that model."""
        return code.replace("URL", url).replace("MODEL", model)


_MESSAGES = '[{"role": "user", "content": "long"}]'
_PRINT = "    print({}, end='', flush=True)"

# The first is ours: all others are told as so many times it.
PEERS = (
    Peer("`%%ollama`", "ollama_magic", "%load_ext ollama_magic", "%%ollama MODEL\nlong", "text/markdown"),
    Peer(
        "`ollama`, a loop that prints",
        "ollama",
        "import ollama\nclient = ollama.Client('URL')",
        f"for part in client.chat('MODEL', {_MESSAGES}, stream=True):\n" + _PRINT.format("part.message.content"),
    ),
    Peer(
        "`openai`, a loop that prints",
        "openai",
        "import openai\nclient = openai.OpenAI(base_url='URL/v1', api_key='none')",
        f"for part in client.chat.completions.create(model='MODEL', messages={_MESSAGES}, stream=True):\n"
        "  for choice in part.choices:\n" + _PRINT.format("choice.delta.content or ''"),
    ),
    Peer(
        "`chatlas`, `ChatOllama`",
        "chatlas",
        "import chatlas",
        "_ = chatlas.ChatOllama('MODEL', base_url='URL').chat('long')",
        "text/markdown",
    ),
    Peer(
        "Jupyter AI 2, `%%ai`",
        "jupyter-ai-magics",
        "%load_ext jupyter_ai_magics",
        '%%ai ollama:MODEL -m {"base_url":"URL"}\nlong',
        "text/markdown",
    ),
    Peer(
        "Jupyter AI 3, `%%ai`",
        "jupyter-ai-magic-commands",
        "%load_ext jupyter_ai_magic_commands",
        "%%ai measured\nlong",
        "text/markdown",
        "%ai alias measured ollama_chat/MODEL --api-base URL",
        apart=True,  # litellm wants openai below 3, chatlas does not run with it
    ),
)


def version_of(peer: Peer) -> str:
    """The version that is installed, or "" where there is none."""
    code = f"from importlib.metadata import version; print(version({peer.distribution!r}))"
    try:
        return subprocess.run([peer.python, "-c", code], check=True, capture_output=True, text=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def installed() -> list[Peer]:
    """Those that can be measured here; says on standard error which cannot."""
    found = []
    for peer in PEERS:
        if version_of(peer):
            found.append(peer)
        else:
            print(f"left out, not installed for {peer.python}: {peer.distribution} (see `make bench`)", file=sys.stderr)
    return found
