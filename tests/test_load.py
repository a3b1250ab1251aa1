"""`%load_ext ollama_magic` costs next to nothing: no slow import, no network, no file, no thread, no process.

Watched from inside with an audit hook, in an interpreter of its own: what pytest has imported would hide the answer.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

NOT_ON_LOAD = ("httpx", "rich", "markdown_it", "ipywidgets", "anywidget", "dotenv", "xllamacpp", "ssl", "pandas")

# A shell is made first, so that only what the extension itself does is seen.
WATCH = """
import json, os, sys, threading
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

config = Config()
config.HistoryManager.enabled = False
shell = InteractiveShell.instance(config=config)

seen = []
NETWORK = ("socket.connect", "socket.bind", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto")
FILES = ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.truncate", "shutil.", "tempfile.", "sqlite3.connect")
PROCESSES = ("subprocess.Popen", "os.system", "os.exec", "os.fork", "os.posix_spawn")

def hook(event, args):
    if event == "open" and isinstance(args[2], int) and args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
        seen.append(["write", str(args[0])])
    elif event.startswith((*NETWORK, *FILES, *PROCESSES)):
        seen.append([event, str(args)[:200]])

before, threads = set(sys.modules), threading.active_count()
sys.addaudithook(hook)
shell.extension_manager.load_extension("ollama_magic")
print(json.dumps({
    "modules": sorted(set(sys.modules) - before),
    "seen": list(seen),
    "threads": threading.active_count() - threads,
    "cell_magic": "ollama" in shell.magics_manager.magics["cell"],
    "line_magic": "ollama" in shell.magics_manager.magics["line"],
}))
"""


ROOT = Path(__file__).parent.parent


def environment(tmp_path: Path, **more: str) -> dict[str, str]:
    env = {name: value for name, value in os.environ.items() if not name.startswith(("OLLAMA", "USE_DIRECT_CLOUD"))}
    home = {"HOME": str(tmp_path), "IPYTHONDIR": str(tmp_path / "ipython"), "PYTHONPATH": str(ROOT)}
    return env | home | {"PYTHONDONTWRITEBYTECODE": "1"} | more


def output_of(code: str, tmp_path: Path, **more: str) -> str:
    """What code prints in an interpreter of its own, with no more than a clean environment and `more`."""
    run = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment(tmp_path, **more),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


def loaded(tmp_path: Path, **more: str) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(output_of(WATCH, tmp_path, **more).splitlines()[-1])
    return result


@pytest.mark.slow
def test_loading_touches_neither_network_nor_files_and_imports_nothing_slow(tmp_path: Path) -> None:
    # A key and a host are set: loading must not use them.
    result = loaded(tmp_path, OLLAMA_HOST="http://127.0.0.1:9", OLLAMA_API_KEY="not-a-key", USE_DIRECT_CLOUD="1")
    assert result["cell_magic"]
    assert result["line_magic"]
    assert result["seen"] == []
    assert result["threads"] == 0
    assert [name for name in result["modules"] if name.split(".")[0] in NOT_ON_LOAD] == []
    assert not (tmp_path / "ipython" / "extensions" / "ollama_magic").exists()


@pytest.mark.slow
def test_loading_works_whatever_the_environment_says(tmp_path: Path) -> None:
    # A wrong setting is told of by the cell that uses it, where there is room to say what to do.
    result = loaded(tmp_path, OLLAMA_HOST="http://[", OLLAMA_MAGIC_MODE="nowhere", OLLAMA_MAGIC_TEMPERATURE="warm")
    assert result["cell_magic"]


@pytest.mark.slow
@pytest.mark.parametrize("before", ["", "import httpx; "], ids=["first", "after the user's own import"])
def test_a_cell_imports_httpx_without_its_command_line(tmp_path: Path, before: str) -> None:
    # The command line needs these; where one is not installed there is nothing to see.
    for name in ("click", "pygments", "rich"):
        pytest.importorskip(name)
    code = (
        f"{before}import json, sys, ollama_magic.asking, httpx;"
        "seen = [name in sys.modules for name in ('click', 'rich.progress')];"
        "from httpx._main import main;"
        "print(json.dumps([seen, callable(httpx.main), hasattr(main, 'params')]))"
    )
    brought = bool(before)  # then it is there, and stays as it is
    assert json.loads(output_of(code, tmp_path)) == [[brought, brought], True, True]


@pytest.mark.slow
def test_importing_the_package_is_as_light(tmp_path: Path) -> None:
    names = (*NOT_ON_LOAD, "IPython")
    code = f"import sys, ollama_magic; print([m for m in sys.modules if m.split('.')[0] in {names}])"
    assert output_of(code, tmp_path).strip() == "[]"
