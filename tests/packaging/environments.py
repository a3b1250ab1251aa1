"""Fresh environments of the Python that runs the tests, with this machine's own configuration of pip."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.runners import ROOT

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["ROOT", "Environment", "copy_of_repository"]

# As it is before a test empties it: pip's configuration and cache lie in the home.
_MACHINE = {
    name: value
    for name, value in os.environ.items()
    if not name.startswith(("OLLAMA_", "PYTHON", "VIRTUAL_ENV", "JUPYTER", "IPYTHON")) and name != "USE_DIRECT_CLOUD"
}


@dataclass(frozen=True, slots=True)
class Environment:
    """A virtual environment with nothing but pip."""

    folder: Path

    @classmethod
    def make(cls, folder: Path) -> Environment:
        _run(sys.executable, "-m", "venv", str(folder), cwd=folder.parent, env=_MACHINE)
        return cls(folder)

    def install(self, *requirements: str, cwd: Path = ROOT) -> None:
        self.run("python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *requirements, cwd=cwd)

    def environ(self, **more: str) -> dict[str, str]:
        """The machine's, with this environment's programs first."""
        return {**_MACHINE, "PATH": f"{self.folder / 'bin'}{os.pathsep}{_MACHINE.get('PATH', '')}", **more}

    def run(self, program: str, *arguments: str, cwd: Path, **more: str) -> str:
        """Run a program of this environment in `cwd`; what it said."""
        return _run(str(self.folder / "bin" / program), *arguments, cwd=cwd, env=self.environ(**more))


def _run(*command: str, cwd: Path, env: dict[str, str]) -> str:
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    return done.stdout


def copy_of_repository(folder: Path) -> None:
    """What a clone of this work tree would have, with what is not committed yet."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():  # it may be deleted, and not committed
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes((ROOT / name).read_bytes())
            (folder / name).chmod((ROOT / name).stat().st_mode)
