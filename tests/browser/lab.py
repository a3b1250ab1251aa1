"""JupyterLab and Notebook 7 on a free loopback port, from one server, and what they are looked at with."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from playwright.sync_api import Page

ROOT = Path(__file__).parent.parent.parent
ARTEFACTS = ROOT / "artefacts"

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "microsoft-edge")
MAC_BROWSERS = (
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge",
)

FRONT_ENDS = ("lab", "notebook")
_PATHS = {"lab": "lab/tree", "notebook": "notebooks"}

# JupyterLab draws only the cells in view, may ask which kernel to start, and asks about news: all off.
LAB_SETTINGS = {
    "notebook-extension/tracker": {"windowingMode": "none", "autoStartDefaultKernel": True},
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
}


@dataclass(frozen=True)
class Lab:
    """A running server: its address, its token, and the folder that it serves."""

    url: str
    token: str
    folder: Path

    def open(self, page: Page, notebook: str, front_end: str = "lab") -> None:
        """Open a notebook of the folder, in JupyterLab or Notebook 7, and wait until its kernel is there."""
        page.goto(f"{self.url}/{_PATHS[front_end]}/{notebook}?token={self.token}&reset")
        page.wait_for_selector(".jp-NotebookPanel .jp-Notebook-cell")
        kernel = "window.jupyterapp.shell.currentWidget?.sessionContext?.session?.kernel"
        page.wait_for_function(f"{kernel}?.status === 'idle'")

    def write(self, name: str, *cells: str) -> str:
        """A notebook with these code cells; its name."""
        code: dict[str, object] = {"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": []}
        spec = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
        notebook = {
            "cells": [{**code, "id": f"cell-{number}", "source": source} for number, source in enumerate(cells)],
            "metadata": {"kernelspec": spec, "language_info": {"name": "python"}},
            "nbformat": 4,
            "nbformat_minor": 5,
        }
        (self.folder / name).write_text(json.dumps(notebook), encoding="utf-8")
        return name

    def read(self, name: str) -> str:
        """A notebook as it is saved."""
        return (self.folder / name).read_text(encoding="utf-8")


def find_browser() -> str | None:
    """The path of a browser of Chromium's kind that is installed, or None."""
    found = [path for name in BROWSERS if (path := shutil.which(name))]
    found += [path for path in MAC_BROWSERS if Path(path).exists()]
    return found[0] if found else None


@contextlib.contextmanager
def running_lab(base: Path, env: Mapping[str, str] | None = None) -> Iterator[Lab]:
    """A server with copies of the notebooks; its settings and runtime files lie in `base` too.

    Its kernels have `env`; without one the embedded engine answers.
    """
    folder = base / "notebooks"
    shutil.copytree(ROOT / "notebooks", folder, ignore=shutil.ignore_patterns(".ipynb_checkpoints"))
    for name, values in LAB_SETTINGS.items():
        file = base / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(values), encoding="utf-8")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    running = Lab(f"http://127.0.0.1:{port}", secrets.token_hex(), folder)
    command = [
        *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ServerApp.ip=127.0.0.1"),
        *(f"--ServerApp.port={port}", "--ServerApp.port_retries=0", f"--ServerApp.root_dir={folder}"),
        *("--LabApp.expose_app_in_browser=True", "--JupyterNotebookApp.expose_app_in_browser=True"),
    ]
    log = base / "lab.log"
    with log.open("wb") as out:
        own = _environment(base, running.token) | (dict(env) if env is not None else {"OLLAMA_MAGIC_MODE": "embedded"})
        server = subprocess.Popen(command, cwd=folder, env=own, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        try:
            _wait_for(running, server, log)
            yield running
        finally:
            server.terminate()  # takes its kernels along
            try:
                server.wait(20)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def _environment(base: Path, token: str) -> dict[str, str]:
    # Whatever daemon or key this machine has, the kernels know nothing of it.
    env = {name: value for name, value in os.environ.items() if not name.startswith(("OLLAMA", "USE_DIRECT_CLOUD"))}
    kept = {name: os.environ[name] for name in ("OLLAMA_MAGIC_CACHE_DIR", "OLLAMA_MAGIC_GGUF") if name in os.environ}
    folders = {"JUPYTERLAB_SETTINGS_DIR": "settings", "JUPYTERLAB_WORKSPACES_DIR": "workspaces"}
    folders |= {"JUPYTER_CONFIG_DIR": "config", "JUPYTER_RUNTIME_DIR": "runtime", "IPYTHONDIR": "ipython"}
    folders |= {"XDG_DATA_HOME": "data"}  # picks are no votes of whoever runs the tests
    env |= {name: str(base / folder) for name, folder in folders.items()}
    return env | kept | {"JUPYTER_TOKEN": token, "PYTHONPATH": str(ROOT)}


def _wait_for(running: Lab, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert server.poll() is None, f"JupyterLab ended:\n{log.read_text()[-3000:]}"
        try:
            with urllib.request.urlopen(f"{running.url}/api?token={running.token}", timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise TimeoutError(f"JupyterLab did not answer within a minute:\n{log.read_text()[-3000:]}")
