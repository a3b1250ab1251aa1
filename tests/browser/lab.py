"""JupyterLab on a free loopback port, and what it is looked at with."""

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
    from collections.abc import Iterator

    from playwright.sync_api import Page

ROOT = Path(__file__).parent.parent.parent
ARTEFACTS = ROOT / "artefacts"

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "microsoft-edge")
MAC_BROWSERS = (
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge",
)

# JupyterLab draws only the cells in view, may ask which kernel to start, and asks about news: all off.
LAB_SETTINGS = {
    "notebook-extension/tracker": {"windowingMode": "none", "autoStartDefaultKernel": True},
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
}


@dataclass(frozen=True)
class Lab:
    """A running JupyterLab: its address, its token, and the folder that it serves."""

    url: str
    token: str
    folder: Path

    def open(self, page: Page, notebook: str) -> None:
        """Open a notebook of the folder and wait until its kernel is there."""
        page.goto(f"{self.url}/lab/tree/{notebook}?token={self.token}&reset")
        page.wait_for_selector(".jp-NotebookPanel .jp-Notebook-cell")
        kernel = "window.jupyterapp.shell.currentWidget?.sessionContext?.session?.kernel"
        page.wait_for_function(f"{kernel}?.status === 'idle'")


def find_browser() -> str | None:
    """The path of a browser of Chromium's kind that is installed, or None."""
    found = [path for name in BROWSERS if (path := shutil.which(name))]
    found += [path for path in MAC_BROWSERS if Path(path).exists()]
    return found[0] if found else None


@contextlib.contextmanager
def running_lab(base: Path) -> Iterator[Lab]:
    """JupyterLab serving copies of the notebooks; its settings and runtime files lie in `base` too."""
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
        "--LabApp.expose_app_in_browser=True",
    ]
    log = base / "lab.log"
    with log.open("wb") as out:
        env = _environment(base, running.token)
        server = subprocess.Popen(command, cwd=folder, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
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
    # The embedded engine answers, whatever daemon or key this machine has.
    env = {name: value for name, value in os.environ.items() if not name.startswith(("OLLAMA", "USE_DIRECT_CLOUD"))}
    kept = {name: os.environ[name] for name in ("OLLAMA_MAGIC_CACHE_DIR", "OLLAMA_MAGIC_GGUF") if name in os.environ}
    folders = {"JUPYTERLAB_SETTINGS_DIR": "settings", "JUPYTERLAB_WORKSPACES_DIR": "workspaces"}
    folders |= {"JUPYTER_CONFIG_DIR": "config", "JUPYTER_RUNTIME_DIR": "runtime", "IPYTHONDIR": "ipython"}
    env |= {name: str(base / folder) for name, folder in folders.items()}
    return env | kept | {"JUPYTER_TOKEN": token, "PYTHONPATH": str(ROOT), "OLLAMA_MAGIC_MODE": "embedded"}


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
