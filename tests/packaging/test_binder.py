"""What Binder does with `binder/`, rehearsed: a fresh environment, the same files, the same steps, then the notebooks.

Without Docker: what repo2docker runs in the image is run here, in its order. The quickstart stands for the notebooks,
which `tests/test_notebooks.py` runs too; BINDER=all (`make binder`) runs all of them here.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.packaging.environments import ROOT, Environment, copy_of_repository
from tests.runners import cells
from tests.standin import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [
    pytest.mark.long,  # two large installs
    pytest.mark.slow,
    pytest.mark.kernel,
    pytest.mark.embedded,
    pytest.mark.timeout(900),
    pytest.mark.skipif(sys.platform == "win32", reason="Binder's images are Linux"),
    pytest.mark.skipif(not shutil.which("git"), reason="what a clone would have is not known without git"),
]

ALL = os.environ.get("BINDER") == "all"
NOTEBOOKS = sorted(path.name for path in (ROOT / "notebooks").glob("*.ipynb")) if ALL else ["quickstart.ipynb"]
TOKEN = "a-token-of-this-test"

# How the programs are started: repo2docker's own command, and what mybinder.org gives it instead.
LAUNCHED_BY_HUB = "import os, sys; os.execvp('jupyter-lab', sys.argv)"
COMMANDS = [
    pytest.param(["jupyter", "notebook"], id="repo2docker"),
    pytest.param(["python3", "-c", LAUNCHED_BY_HUB], id="binderhub"),
]


@dataclass(frozen=True, slots=True)
class Image:
    """What is in the image when it is built: the repository, the environment, and a user's folders."""

    repository: Path
    environment: Environment
    home: Path

    def environ(self) -> dict[str, str]:
        """No host and no key; where the machine has a daemon, it is left out."""
        folders = {name: str(self.home / name.lower()) for name in ("JUPYTER_DATA_DIR", "JUPYTER_CONFIG_DIR")}
        folders |= {"IPYTHONDIR": str(self.home / "ipython"), "JUPYTER_RUNTIME_DIR": str(self.home / "runtime")}
        return {**folders, "OLLAMA_MAGIC_MODE": "embedded"} if daemon() else folders

    def run(self, program: str, *arguments: str) -> str:
        return self.environment.run(program, *arguments, cwd=self.repository, **self.environ())


def daemon() -> bool:
    """Whether somebody listens where Ollama does."""
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", 11434)) == 0


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    """Built as repo2docker does it."""
    folder = tmp_path_factory.mktemp("binder")
    repository = folder / "repository"
    repository.mkdir()
    copy_of_repository(repository)
    made = Image(repository, Environment.make(folder / "venv"), folder / "home")
    made.environment.install("jupyterlab", "notebook")  # repo2docker's image has them, and starts the latter
    made.environment.install("-r", "binder/requirements.txt", cwd=repository)
    for name in ("postBuild", "start"):
        path = repository / "binder" / name
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
    environ = made.environment.environ(**made.environ())
    done = subprocess.run(
        ["./binder/postBuild"], cwd=repository, env=environ, capture_output=True, text=True, timeout=280, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return made


def test_the_python_asked_for_is_one_that_is_supported() -> None:
    name, _, version = (ROOT / "binder" / "runtime.txt").read_text().strip().partition("-")
    assert name == "python"
    assert f"Programming Language :: Python :: {version}" in (ROOT / "pyproject.toml").read_text(encoding="utf-8")


def test_the_built_in_model_is_in_the_image(image: Image) -> None:
    begun = time.monotonic()
    assert "smollm2:135m" in image.run("python", "-m", "ollama_magic.embedded")
    assert time.monotonic() - begun < 10, "it was fetched again"


@pytest.fixture
def page(image: Image, request: pytest.FixtureRequest) -> Iterator[tuple[str, str]]:
    """Where the root of the started server sends a browser, and what its notebooks are."""
    port = free_port()
    options = ["--no-browser", f"--ServerApp.port={port}", "--ServerApp.ip=127.0.0.1", "--allow-root"]
    server = subprocess.Popen(
        ["./binder/start", *request.param, *options, f"--IdentityProvider.token={TOKEN}"],
        cwd=image.repository,
        env=image.environment.environ(**image.environ()),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield fetched(server, port, "/"), fetched(server, port, "/api/contents/notebooks")
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(20)


def fetched(server: subprocess.Popen[bytes], port: int, path: str) -> str:
    """The body of an answer, or where it sends; waits until the server listens."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and server.poll() is None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        try:
            connection.request("GET", path, headers={"Authorization": f"token {TOKEN}"})
            answer = connection.getresponse()
            return answer.getheader("Location") or answer.read().decode("utf-8")
        except ConnectionRefusedError:
            time.sleep(0.1)
        finally:
            connection.close()
    raise AssertionError(f"the server did not start (exit code {server.poll()})")


@pytest.mark.parametrize("page", COMMANDS, indirect=True)
def test_it_opens_on_the_quickstart_in_jupyterlab(page: tuple[str, str]) -> None:
    location, listing = page
    assert location.partition("?")[0] == "/lab/tree/notebooks/quickstart.ipynb"
    assert "quickstart.ipynb" in {entry["name"] for entry in json.loads(listing)["content"]}


def test_the_notebooks_run_there(image: Image) -> None:
    image.environment.install("nbval")  # the tool of this test, last: nothing before had it
    (image.repository / "notebooks" / "pytest.ini").write_text("[pytest]\n")
    paths = [f"notebooks/{name}" for name in NOTEBOOKS]
    options = ("-c", "notebooks/pytest.ini", "-p", "no:cacheprovider", "--nbval-lax", "--nbval-current-env")
    said = image.run("python", "-P", "-m", "pytest", *options, *paths)
    code = [cell for path in paths for cell in cells(ROOT / path) if cell["cell_type"] == "code"]
    assert re.search(rf"\b{len(code)} passed\b", said), said[-2000:]
