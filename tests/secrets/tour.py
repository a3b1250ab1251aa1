"""What is led through a kernel that has a key and a password: the kernel, its servers, and all that came of it."""

from __future__ import annotations

import base64
import json
import os
from typing import TYPE_CHECKING, Any

from tests.secrets.planted import KEY, PASSWORD, files_below, found_in, with_password

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fake_ollama import FakeOllama
    from tests.kernel.harness import Cell, Kernel
    from tests.secrets.internet import Internet

__all__ = ["LOUD", "REPORT", "TYPED", "Tour", "environment"]

TYPED = KEY.replace("om", "on", 1)
"""The key that is typed at the hidden prompt; another one than the environment's."""

# Every variable of every frame, everything logged, everything that Python can warn of.
LOUD = """\
%xmode Verbose
import logging, warnings, sys, os, gc, json, pickle, traceback
logging.basicConfig(force=True)
for name in ("httpx", "httpcore", "asyncio", "ollama_magic", "dask"): logging.getLogger(name).setLevel(1)
warnings.simplefilter("always")
import ollama_magic
from ollama_magic.session import current
"""
# Run while an error is the last one: what a debugger and an error reporter would show of it.
REPORT = """\
error = sys.last_value
while error is not None:
    trace = error.__traceback__
    while trace is not None and ("ipykernel_" in trace.tb_frame.f_code.co_filename
                                 or "IPython" in trace.tb_frame.f_code.co_filename):
        trace = trace.tb_next
    shown = traceback.TracebackException(type(error), error, trace, capture_locals=True)
    print("".join(shown.format(chain=False)))
    error = error.__cause__ or error.__context__
"""


class Tour:
    """A kernel, the servers that it may ask, and all that was written or sent."""

    def __init__(self, kernel: Kernel, home: Path, local: FakeOllama, gateway: FakeOllama, internet: Internet) -> None:
        self.kernel, self.home, self.local, self.gateway, self.internet = kernel, home, local, gateway, internet
        self.cells: list[Cell] = []
        self.cloud = f"--mode cloud --host {gateway.url}"

    def run(self, code: str, *, fails: bool = False, cell_id: str = "") -> Cell:
        """A cell, looked at as soon as it has run."""
        assert found_in(code) == [], "a cell's source is the user's own"
        cell = self.kernel.run(code, cell_id)
        assert (cell.reply["status"] == "error") is fails, (code, cell.shown(), cell.reply.get("evalue"))
        assert found_in(cell.raw()) == [], (code, [t for t in _texts(json.loads(cell.raw())) if found_in(t)])
        return cell

    def nothing_leaked(self) -> None:
        """Neither in any message, nor in a file, nor to a server that it was not meant for."""
        heard = [message["content"] for message in self.kernel.heard]
        assert [text for text in _texts(json.loads(json.dumps(heard, default=str))) if found_in(text)] == []
        assert files_below(self.home) == {}
        basic = "Basic " + base64.b64encode(f"ada:{PASSWORD}".encode()).decode()
        bearers = {f"Bearer {KEY}", f"Bearer {TYPED}"}
        for server, meant in ((self.local, {basic}), (self.gateway, bearers)):
            for request in server.recorded:
                sent = dict(request.headers)
                assert sent.pop("authorization", None) in meant
                told = (request.method, request.path, request.body, repr(sent))
                assert found_in(*told) == [], told
        assert found_in(*self.internet.heads) == []
        for name, sent in self.internet.reached.items():
            assert name == "ollama.com:443"
            assert set(sent) <= bearers


def _texts(value: Any) -> list[str]:
    """Every text in a value of JSON."""
    if isinstance(value, dict):
        return [text for inner in value.values() for text in _texts(inner)]
    if isinstance(value, list):
        return [text for inner in value for text in _texts(inner)]
    return [value] if isinstance(value, str) else []


def environment(home: Path, local: FakeOllama, gateway: FakeOllama, internet: Internet) -> dict[str, str]:
    """A fresh home, the key, the password, an internet that is not the real one, and Python as talkative as it gets."""
    places = {name: str(home / name.lower()) for name in ("XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME")}
    jupyter = {"JUPYTER_RUNTIME_DIR": os.environ.get("JUPYTER_RUNTIME_DIR", str(home / "runtime"))}
    return {
        **places,
        **jupyter,
        "HOME": str(home),
        "IPYTHONDIR": str(home / "ipython"),
        "OLLAMA_API_KEY": KEY,
        "OLLAMA_HOST": with_password(local.url),
        "OLLAMA_MODEL": "llama3.2",
        "OLLAMA_MAGIC_TRUSTED_HOSTS": f"127.0.0.1:{gateway.port}",
        "HTTPS_PROXY": f"http://127.0.0.1:{internet.port}",
        "HTTP_PROXY": f"http://127.0.0.1:{internet.port}",
        "SSL_CERT_FILE": str(internet.certificates),
        "PYTHONASYNCIODEBUG": "1",
        "PYTHONWARNINGS": "always",
        "PYTHONFAULTHANDLER": "1",
    }
