"""Paths: text files, folders, things that are not to be read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ollama_magic.context import PromptError, attach, describe, estimate


def test_a_text_file(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("one\ntwo {x}\n", encoding="utf-8")
    assert describe(path).text == "File notes.txt, 12 bytes:\n```\none\ntwo {x}\n```"
    assert attach("notes.txt", {"notes": 1}, folder=tmp_path).text == describe(path).text
    path.write_text("a ``` fence", encoding="utf-8")
    assert describe(path).text.endswith("\n````\na ``` fence\n````")


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("größe\r\nzwei".encode(), "größe\nzwei"),
        ("größe".encode("utf-8-sig"), "größe"),
        ("größe".encode("utf-16"), "größe"),
        ("größe".encode("cp1252"), "größe"),
        (b"", ""),
    ],
)
def test_encodings(tmp_path: Path, data: bytes, expected: str) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(data)
    assert describe(path).text.partition("```\n")[2].removesuffix("```").removesuffix("\n") == expected


def test_a_large_file_is_read_in_part(tmp_path: Path) -> None:
    path = tmp_path / "large.log"
    path.write_text("a line of a log file\n" * 500_000, encoding="utf-8")
    found = describe(path, budget=100)
    assert found.text.startswith("File large.log, 10,500,000 bytes; the first ")
    assert "bytes left out" in found.note
    assert estimate(found.text) <= 400


@pytest.mark.parametrize("data", [b"\x00\x01\x02", bytes(range(256)) * 10, b"\x7fELF" + os.urandom(0) + b"\x00" * 50])
def test_a_binary_file(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "model.bin"
    path.write_bytes(data)
    assert describe(path).text.endswith(f"model.bin (a binary file of {len(data):,} bytes)")
    with pytest.raises(PromptError, match="a binary file of"):
        attach(str(path), {})


def test_a_broken_picture_file(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\nnothing more")
    with pytest.raises(PromptError, match=r"The file a\.png is"):
        attach("a.png", {}, folder=tmp_path)


def test_what_is_not_there_or_no_file(tmp_path: Path) -> None:
    assert describe(Path("nowhere/at/all")).text == f"{Path('nowhere/at/all')} (does not exist)"
    assert "cannot be read" in describe(Path("a\0b")).text
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        assert describe(tmp_path / "pipe").text.endswith("(neither a file nor a folder)")
        with pytest.raises(PromptError, match="neither a file nor a folder"):
            attach("pipe", {}, folder=tmp_path)


def test_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "b.csv").write_text("x" * 1234, encoding="utf-8")
    (folder / "a").mkdir()
    assert describe(folder).text == "Folder data, 2 entries:\na/\nb.csv  1,234 bytes"
    for number in range(150):
        (folder / f"file{number:03}").touch()
    found = describe(folder, budget=100, text_budget=200)
    assert estimate(found.text) <= 200
    assert "of 152 entries left out" in found.note


def test_an_env_file_keeps_its_values(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("# keys\nOLLAMA_API_KEY=sk-very-secret\nexport OTHER='abc'\n", encoding="utf-8")
    text = describe(path).text
    assert "OLLAMA_API_KEY=***" in text
    assert "secret" not in text
    assert "abc" not in text


def test_a_variable_of_the_same_name_comes_first_but_a_file_is_found(tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    assert attach("data", {"data": 5}, folder=tmp_path).text == "data:\n5"
    assert attach("data.csv", {"data": 5}, folder=tmp_path).text.startswith("File data.csv, 8 bytes:")
    with pytest.raises(PromptError, match="AttributeError"):
        attach("data.tsv", {"data": 5}, folder=tmp_path)
