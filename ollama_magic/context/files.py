"""Describes paths: the head of a text file, the entries of a folder, the picture in an image file. Bounded reads."""

from __future__ import annotations

import codecs
import itertools
import os
import re
import stat
from typing import TYPE_CHECKING, Final

from .parts import Described, PromptError
from .pictures import image_type, picture_file
from .tokens import estimate, head

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["attach_file", "describe_path"]

_LARGEST_PICTURE: Final = 100_000_000
_LARGEST_LISTING: Final = 10_000
_MARKS: Final = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_SECRET_LINE = re.compile(r"^(\s*(?:export\s+)?[A-Za-z_]\w*\s*=\s*).*$", re.MULTILINE)


def describe_path(path: Path, budget: int) -> Described:
    """Describe what is at `path` within `budget` tokens, also if it is missing or unreadable."""
    try:
        kind = path.stat().st_mode
    except (OSError, ValueError) as error:
        reason = "does not exist" if isinstance(error, FileNotFoundError) else f"cannot be read ({_reason(error)})"
        return Described(f"{path} ({reason})")
    try:
        if stat.S_ISDIR(kind):
            return _folder(path, budget)
        if stat.S_ISREG(kind):
            return _file(path, budget)
    except OSError as error:
        return Described(f"{path} (cannot be read: {_reason(error)})")
    return Described(f"{path} (neither a file nor a folder)")  # reading a pipe or a device may block forever


def attach_file(path: Path, budget: int) -> Described:
    """Like describe_path, but raises PromptError for anything but a readable text file, folder or picture."""
    found = describe_path(path, budget)
    if not found.block and not found.images:
        raise PromptError(f"Cannot attach {found.text}", hint="Text files, folders and pictures can be attached.")
    return found


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


def _file(path: Path, budget: int) -> Described:
    size = path.stat().st_size
    with path.open("rb") as file:
        data = file.read(max(4096, budget * 32))
    if image_type(data[:16]):
        if size > _LARGEST_PICTURE:
            return Described(f"{path} (a picture of {size:,} bytes, too large)")
        return picture_file(path)
    text = _decode(data)
    if text is None:
        return Described(f"{path} (a binary file of {size:,} bytes)")
    if path.name == ".env" or path.name.startswith(".env."):
        text = _SECRET_LINE.sub(r"\1***", text)
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`{3,}", text)), default=0))
    title = f"File {path.name}, {size:,} bytes"
    shown = head(text, max(0, budget - estimate(title) - 48))
    if len(shown) < len(text) or len(data) < size:
        left_out = size - len(shown.encode("utf-8", "replace"))
        note = f"the first {len(shown):,} characters, {max(0, left_out):,} bytes left out"
        return Described(f"{title}; {note}:\n{fence}\n{shown}\n{fence}", note=note, block=True)
    ending = "" if shown.endswith("\n") or not shown else "\n"
    return Described(f"{title}:\n{fence}\n{shown}{ending}{fence}", block=True)


def _decode(data: bytes) -> str | None:
    """The text of a file's first bytes, None for a binary file. A truncated character at the end is dropped."""
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), "utf-8")
    if encoding == "utf-8" and b"\0" in data:
        return None
    try:
        text = codecs.getincrementaldecoder(encoding)().decode(data)
    except UnicodeDecodeError:
        # Legacy single-byte text, unless there are many control characters, as in a binary file.
        text = data.decode("cp1252", "replace")
        if sum(character < " " and character not in "\t\r\n\f" for character in text) > len(text) / 100:
            return None
        if text.count("\ufffd") > len(text) / 100:
            return None
    return text.replace("\r\n", "\n")


def _folder(path: Path, budget: int) -> Described:
    with os.scandir(path) as entries:
        listed = list(itertools.islice(entries, _LARGEST_LISTING + 1))
    more = len(listed) > _LARGEST_LISTING
    listed = sorted(listed[:_LARGEST_LISTING], key=lambda entry: entry.name)
    count = f"more than {_LARGEST_LISTING:,}" if more else f"{len(listed):,}"
    title = f"Folder {path.name or path}, {count} entries:"
    shown = head("".join(_lines(listed[:1000])), max(0, budget - 40)).rstrip("\n")
    left_out = len(listed) - (shown.count("\n") + 1 if shown else 0)
    if left_out or more:
        note = f"{left_out:,}{' or more' if more else ''} of {count} entries left out"
        return Described(f"{title}\n{shown}\n... {note}", note=note, block=True)
    return Described(f"{title}\n{shown}", block=True)


def _lines(entries: list[os.DirEntry[str]]) -> Iterator[str]:
    for entry in entries:
        name = entry.name.encode("utf-8", "replace").decode()  # a name may have undecodable bytes
        try:
            if entry.is_dir():
                yield f"{name}/\n"
            else:
                yield f"{name}  {entry.stat(follow_symlinks=False).st_size:,} bytes\n"
        except OSError:
            yield f"{name}\n"
