"""The wheel and the sdist, built once."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.packaging.environments import Environment, copy_of_repository


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with both: `python -m build` makes the sdist, and the wheel from what is in the sdist."""
    folder = tmp_path_factory.mktemp("build")
    (folder / "repository").mkdir()
    copy_of_repository(folder / "repository")
    Environment(Path(sys.prefix)).run(
        "python", "-m", "build", "--outdir", str(folder / "dist"), cwd=folder / "repository"
    )
    return folder / "dist"


@pytest.fixture(scope="session")
def wheel(built: Path) -> Path:
    [found] = built.glob("*.whl")
    return found


@pytest.fixture(scope="session")
def alone(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """A fresh environment that has the wheel and what it asks for, no extra."""
    environment = Environment.make(tmp_path_factory.mktemp("alone") / "venv")
    environment.install(str(wheel))
    return environment
