"""A key and a password that are found again in whatever way they were written, and where to look for them."""

from __future__ import annotations

import base64
import copy
import pickle
import traceback
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

__all__ = ["HOST_PASSWORD", "KEY", "PASSWORD", "everything_of", "files_below", "found_in", "shown", "with_password"]

_KEY_CORE = "Planted7Q4x9Zr2Lw8Kd"
_PASSWORD_CORE = "Hunted5Rm2Xv8Tq1BnSj"

# JSON, Python, HTML, Markdown and URLs each write the edges in another way; the core stays as it is in all of them.
KEY = f'om"\\/{_KEY_CORE}+&<='
PASSWORD = f"{_PASSWORD_CORE}/@"
HOST_PASSWORD = f"{_PASSWORD_CORE}%2F%40"
"""The password as it stands in a host."""


def with_password(url: str) -> str:
    """The address with a user and the password in it."""
    scheme, mark, rest = url.rpartition("://")
    return f"{scheme}{mark}ada:{HOST_PASSWORD}@{rest}"


def _base64_of(core: str) -> list[bytes]:
    """What is the same in the base64 of every text that has `core` in it, for each place where it may begin."""
    found = []
    for shift in range(3):
        data = b"\0" * shift + core.encode()
        data = data[: len(data) // 3 * 3]
        found.append(base64.b64encode(data)[4 if shift else 0 :])
    return found


_TRACES = {
    name: [core.lower().encode(), *(each.lower() for each in _base64_of(core)), core.encode().hex().encode()]
    for name, core in (("the key", _KEY_CORE), ("the password", _PASSWORD_CORE))
}
_BEGINNINGS = {"half the key": KEY[:10].lower().encode(), "half the password": _PASSWORD_CORE[:10].lower().encode()}
_BEGINNINGS["half the key, bare"] = _KEY_CORE[:8].lower().encode()


def found_in(*texts: str | bytes) -> list[str]:
    """What was planted and can be found in `texts`: whole, its beginning, in base64 or hexadecimal, in any case."""
    data = b"\n".join(text.encode("utf-8", "replace") if isinstance(text, str) else text for text in texts).lower()
    whole = [name for name, traces in _TRACES.items() if any(trace in data for trace in traces)]
    return whole or [name for name, trace in _BEGINNINGS.items() if trace in data]


def shown(error: BaseException) -> str:
    """All that a traceback with the variables of each frame would print, with causes, suppressed ones too."""
    lines, seen = [], set()
    todo: list[BaseException | None] = [error]
    while todo:
        each = todo.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        lines += traceback.TracebackException.from_exception(each, capture_locals=True).format(chain=False)
        lines += [repr(each), str(each), repr(vars(each)), *getattr(each, "__notes__", ())]
        todo += [each.__cause__, each.__context__]
    return "\n".join(lines)


def everything_of(value: Any) -> list[str | bytes]:
    """The ways in which somebody may look at `value`, or write it down."""
    found: list[str | bytes] = [repr(value), str(value), f"{value!s:>9}", repr([value]), repr(copy.copy(value))]
    ways = [lambda: repr(copy.deepcopy(value)), lambda: repr(vars(value)), lambda: repr(value.__getstate__())]
    ways += [lambda: pickle.dumps(value), lambda: _cloudpickled(value), lambda: repr(sorted(map(repr, dir(value))))]
    ways.append(lambda: repr([getattr(value, name, None) for name in dir(value) if not name.startswith("_")]))
    for way in ways:
        try:
            found.append(way())
        except (TypeError, AttributeError, pickle.PicklingError) as error:
            found.append(shown(error) if "pickle" not in str(error) else str(error))
    return found


def _cloudpickled(value: Any) -> bytes:
    import cloudpickle

    data = cloudpickle.dumps(value)
    assert isinstance(data, bytes)
    return data


def files_below(*folders: Path) -> dict[str, list[str]]:
    """The files in `folders` that something planted can be found in, by name or content."""
    found = {}
    for path in _files(folders):
        if what := found_in(str(path), path.read_bytes()):
            found[str(path)] = what
    return found


def _files(folders: Iterable[Path]) -> list[Path]:
    return [path for folder in folders for path in folder.rglob("*") if path.is_file()]
