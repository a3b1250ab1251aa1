"""Keys and passwords that somebody types where they would be saved: refused or taken, and never repeated."""

from __future__ import annotations

from typing import Any

import pytest

from ollama_magic.commands import COMMANDS, run_command
from ollama_magic.errors import SettingsError
from ollama_magic.parsing import parse_cell_line, split_line
from ollama_magic.session import Session
from tests.secrets.planted import HOST_PASSWORD, found_in, with_password
from tests.tables import folded

KEY = "0123456789abcdef0123456789abcdef.Planted7Q4x9Zr2Lw8Kd"
"""As Ollama makes them."""
OTHER = "sk-Planted7Q4x9Zr2Lw8Kd"
HOST = with_password("gpu:11434")

REFUSED = [
    f"--key {OTHER}",
    f"--key={OTHER}",
    f"--KEY={OTHER} llama3.2",
    f"llama3.2 --api-key {OTHER}",
    f"llama3.2 --api_key='{OTHER}'",
    f"llama3.2 --apikey={OTHER} 'unclosed",
    f"llama3.2 --key '{OTHER}",
    f'llama3.2 --key="{OTHER}',
    f"--ollama-api-key={OTHER}",
    f"--token={OTHER}",
    f"--secret {OTHER}",
    f"--password={OTHER}",
    f"--authorization 'Bearer {OTHER}'",
    f"--bearer={OTHER}",
    f"-key {OTHER}",
    f"-key={OTHER}",
    f"-o key={OTHER}",
    f"-o api_key={OTHER}",
    f"OLLAMA_API_KEY={OTHER}",
    f"llama3.2 OLLAMA_API_KEY={OTHER}",
    f"key={OTHER}",
    KEY,
    f"llama3.2 {KEY}",
    f"-m {KEY}",
    f"--out {KEY}",
    f"-s 'my key is {KEY}'",
    f"--cle={KEY}",
    f"--host https://{KEY}@gpu",
    f"-x{KEY}",
]
WRONG = [  # not keys by their names, but what is wrong is told without what was glued or given to it
    f"-k{OTHER}",
    f"-k={OTHER}",
    f"--clef={OTHER}",
    f"--hots={HOST}",
    f"--hots {HOST}",
    f"llama3.2 {HOST}",
    f"llama3.2 -s 'unclosed --host {HOST}",
    f"--host '{HOST}",
    f"-host={HOST}",
]


@folded("line", REFUSED)
def test_a_key_on_a_cells_line_is_refused_and_not_repeated(line: str) -> None:
    with pytest.raises(SettingsError, match="would be saved in the notebook") as caught:
        parse_cell_line(line)
    assert found_in(str(caught.value), *caught.value._render_traceback_()) == []
    assert "%ollama login" in caught.value.hint


@folded("line", WRONG)
def test_what_is_wrong_with_a_line_is_told_without_what_may_be_a_secret(line: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse_cell_line(line)
    assert found_in(str(caught.value)) == []


@folded(
    "line",
    [
        "-s 'key=value pairs, please'",
        "-o top_k=20",
        "-s '--key is no option'",
        "--attach d41d8cd98f00b204e9800998ecf8427e.safetensors",
        "hf.co/org/model@d41d8cd98f00b204e9800998ecf8427e",
        "key",
        "monkey:7b",
        "-s key=short",
    ],
)
def test_what_only_resembles_a_key_is_taken_as_it_is(line: str) -> None:
    assert parse_cell_line(line)
    assert split_line(line)


COMMAND_LINES = [
    *(f"config {name} {OTHER}" for name in ("key", "api_key", "OLLAMA_API_KEY", "token")),
    *(f"config {line}" for line in (f"key={OTHER}", f"host={HOST}", f"key {KEY}", f"model {KEY}")),
    *(f"login {key}" for key in (KEY, OTHER)),
    *(f"{word} {KEY}" for word in COMMANDS),
    *(f"use {line}" for line in REFUSED),
    *(f"--key={key}" for key in (KEY, OTHER)),
    f"OLLAMA_API_KEY={OTHER}",
    f"key={OTHER}",
    f"config host {HOST}/../x",
    f"config host '{HOST}",
    f"use --host {HOST}/../x",
    f"config trusted_hosts {HOST}",
    f"nothing-of-the-kind@{HOST}",
    f"help --key={OTHER}",
    HOST,
]


@folded("line", COMMAND_LINES)
def test_no_command_repeats_a_key_or_a_password(line: str) -> None:
    session = Session()
    with pytest.raises(SettingsError) as caught:
        run_command(session, line, None)
    assert found_in(str(caught.value)) == []
    assert session.settings().key is None


@folded(
    "line", [f"config host {HOST}", f"use --host {HOST}", f"use llama3.2 --host=http://{HOST}", "config", "config host"]
)
def test_a_host_that_is_taken_is_shown_without_its_password(line: str) -> None:
    """What a terminal prints."""
    import contextlib
    import io

    session = Session()
    session.set(host=HOST)
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        run_command(session, line, None)
    assert "***@gpu:11434" in out.getvalue()
    assert found_in(out.getvalue()) == []
    host: Any = session.settings().host
    assert host.userinfo.reveal() == f"ada:{HOST_PASSWORD}"
