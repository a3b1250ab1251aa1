"""What is in the wheel and in the sdist: all that is needed, nothing else."""

from __future__ import annotations

import email
import re
import tarfile
import zipfile
from typing import TYPE_CHECKING

import pytest

import ollama_magic
from tests.packaging.environments import ROOT

if TYPE_CHECKING:
    from email.message import Message
    from pathlib import Path

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

WANTED = {".py", ".js", ".css"}


def names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        [name] = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        return email.message_from_string(archive.read(name).decode("utf-8"))


def test_the_wheel_has_the_package_and_nothing_else(wheel: Path) -> None:
    # Whatever lies in the folder by the name of a cache or a draft is not to get into it.
    package = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "ollama_magic").rglob("*")
        if path.suffix in WANTED or path.name == "py.typed"
    }
    info = f"ollama_magic-{ollama_magic.__version__}.dist-info"
    assert names(wheel) == package | {
        f"{info}/METADATA",
        f"{info}/WHEEL",
        f"{info}/RECORD",
        f"{info}/licenses/LICENSE",
    }
    assert "ollama_magic/py.typed" in package
    assert wheel.stat().st_size < 1_000_000
    assert wheel.name.endswith("-py3-none-any.whl")


def test_its_metadata(wheel: Path) -> None:
    told = metadata(wheel)
    assert told["Version"] == ollama_magic.__version__
    assert (told["License-Expression"], told["License-File"]) == ("MIT", "LICENSE")
    assert told["Requires-Python"] == ">=3.11"
    assert told["Description-Content-Type"] == "text/markdown"
    assert told.get_payload() == (ROOT / "README.md").read_text(encoding="utf-8")
    assert not [name for name in told.get_all("Classifier", []) if name.startswith("License ::")]
    always = [need for need in told.get_all("Requires-Dist", []) if "extra ==" not in need]
    assert all(re.fullmatch(r"[\w.-]+>=[\d.]+", need) for need in always), "a lower bound that is tested, no upper one"


def test_the_version_is_written_in_one_place() -> None:
    version = re.compile(rf'["\']{re.escape(ollama_magic.__version__)}["\']')
    code = [*ROOT.glob("*.toml"), *(ROOT / "ollama_magic").rglob("*.py"), *(ROOT / "scripts").rglob("*.py")]
    found = [path.relative_to(ROOT).as_posix() for path in code if version.search(path.read_text(encoding="utf-8"))]
    assert found == ["ollama_magic/_version.py"]


def test_the_sdist_has_the_package_and_its_papers(built: Path, wheel: Path) -> None:
    # That the wheel can be made from it is known: it was.
    [sdist] = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}
    papers = {"pyproject.toml", "README.md", "CHANGELOG.md", "LICENSE", "PKG-INFO"}
    assert {name for name in held if not name.startswith("ollama_magic/")} - {".gitignore"} == papers
    assert {name for name in held if name.startswith("ollama_magic/")} == {
        name for name in names(wheel) if name.startswith("ollama_magic/")
    }
