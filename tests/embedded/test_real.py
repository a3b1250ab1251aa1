"""The real thing: llama.cpp with the built-in model, in a child of this process and of others."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import signal
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ollama_magic.embedded import engine
from ollama_magic.errors import EmbeddedError
from ollama_magic.layers import Layer, environment_layer, resolve

from .processes import gone, kernel, wait_until
from .real import REAL

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

    from ollama_magic.endpoint import Endpoint

pytestmark = REAL


@pytest.fixture(autouse=True)
def ended() -> Iterator[None]:
    yield
    engine.stop()


def start() -> Endpoint:
    return asyncio.run(engine.start(resolve(environment_layer()), lambda progress: None))


def child_pid() -> int:
    assert engine._state.engine is not None
    return engine._state.engine.child.pid


def post(endpoint: Endpoint, key: str | None = None, **body: Any) -> tuple[int, list[str]]:
    """The status and the lines of an answer to `body`."""
    assert endpoint.authorization is not None
    assert endpoint.models is not None
    connection = http.client.HTTPConnection(endpoint.host.hostname, endpoint.host.port, timeout=60)
    headers = {"Content-Type": "application/json", "Authorization": key or endpoint.authorization.reveal()}
    try:
        connection.request("POST", "/v1/chat/completions", json.dumps({"model": endpoint.models[0], **body}), headers)
        response = connection.getresponse()
        return response.status, response.read().decode().splitlines()
    finally:
        connection.close()


def user(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


def test_it_streams_and_wants_its_key() -> None:
    endpoint = start()
    assert endpoint.models == ("smollm2:135m",) or os.environ.get("OLLAMA_MAGIC_GGUF")
    status, lines = post(endpoint, messages=user("Say hello."), stream=True, max_tokens=8, temperature=0)
    assert status == 200
    chunks = [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: {")]
    text = "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks if chunk["choices"])
    assert text.strip()
    assert "data: [DONE]" in lines
    assert chunks[0]["model"] == "smollm2:135m" or os.environ.get("OLLAMA_MAGIC_GGUF")

    for wrong in ("Bearer wrong", "Bearer ", "Basic x"):
        assert post(endpoint, key=wrong, messages=user("Hi"))[0] == 401


def test_each_of_two_answers_has_room_for_4096_tokens() -> None:
    endpoint = start()
    status, lines = post(endpoint, messages=user("word " * 5000))
    error = json.loads("".join(lines))["error"]
    assert (status, error["type"], error["n_ctx"]) == (400, "exceed_context_size_error", 4096)

    found: list[int] = []
    threads = [
        threading.Thread(target=lambda: found.append(post(endpoint, messages=user("Hi"), max_tokens=20)[0]))
        for _ in range(5)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [200] * 5


def test_a_crash_takes_the_engine_alone() -> None:
    first = start()
    pid = child_pid()
    os.kill(pid, signal.SIGSEGV)
    death = asyncio.run(engine.died())
    assert death is not None
    assert "SIGSEGV" in death.message
    second = start()
    assert second != first
    assert post(second, messages=user("Hi"), max_tokens=2)[0] == 200


def test_stop_ends_it() -> None:
    start()
    pid = child_pid()
    engine.stop()
    assert gone(pid)


def test_weights_that_llama_cpp_does_not_take(tmp_path: Path) -> None:
    path = tmp_path / "broken.gguf"
    path.write_bytes(b"GGUF" + bytes(100))
    with pytest.raises(EmbeddedError) as caught:
        asyncio.run(engine.start(resolve(Layer("test", {"gguf": path})), lambda progress: None))
    assert "gguf" in caught.value.message
    assert "Failed to init server" in caught.value.message
    assert len(caught.value.message.splitlines()) > 2  # and what llama.cpp said


def test_the_notebooks_folder_cannot_shadow_modules() -> None:
    for name in ("xllamacpp", "json", "select"):
        Path(f"{name}.py").write_text("raise RuntimeError('shadowed')")
    assert post(start(), messages=user("Hi"), max_tokens=2)[0] == 200
    assert sorted(each.name for each in Path().iterdir()) == ["json.py", "select.py", "xllamacpp.py"]


# ---- however the kernel ends -----------------------------------------------------------------------------------


def pid_from(parent: subprocess.Popen[str]) -> int:
    assert parent.stdout is not None
    return int(parent.stdout.readline())


def end(parent: subprocess.Popen[str]) -> None:
    parent.kill()
    parent.communicate()


@pytest.mark.parametrize(
    "then",
    [
        "time.sleep(60)",
        # What multiprocessing does: the forked process must not hold the pipe.
        "os.fork() or (time.sleep(60), os._exit(0)); say('forked'); time.sleep(60)",
        # What a C library may do: it holds the pipe, so the parent's id has to tell.
        "ctypes.CDLL(None).fork() or (time.sleep(60), os._exit(0)); say('forked'); time.sleep(60)",
    ],
    ids=["alone", "with a forked process", "with one that C forked"],
)
def test_gone_when_the_kernel_is_killed(then: str) -> None:
    parent = kernel(then)
    try:
        pid = pid_from(parent)
        if "forked" in then:
            assert parent.stdout is not None
            assert parent.stdout.readline() == "forked\n"
        assert not gone(pid)
        parent.kill()
        wait_until(lambda: gone(pid), 5.0)
    finally:
        os.killpg(parent.pid, signal.SIGKILL)
        end(parent)


def test_gone_when_the_kernel_exits_by_itself() -> None:
    parent = kernel("")
    try:
        pid = pid_from(parent)
        assert parent.wait(10) == 0
        assert gone(pid)
    finally:
        end(parent)


def test_gone_when_the_kernel_is_killed_while_it_starts() -> None:
    parent = kernel(
        "from ollama_magic.embedded.process import Child\n"
        "send = Child.say\n"
        "def send_and_say(child, line):\n    send(child, line)\n    say(child.pid)\n"
        "Child.say = send_and_say\nengine.stop()\nstart()\ntime.sleep(60)"
    )
    try:
        pid_from(parent)
        pid = pid_from(parent)  # of one that has yet to load its weights
        parent.kill()
        wait_until(lambda: gone(pid), 5.0)
    finally:
        end(parent)


def test_an_interrupt_of_the_kernels_group_leaves_it() -> None:
    parent = kernel(
        "try:\n    say('ready')\n    time.sleep(60)\nexcept KeyboardInterrupt:\n    say('interrupted', start())\n"
        "    sys.stdin.readline()"
    )
    try:
        pid = pid_from(parent)
        assert parent.stdout is not None
        assert parent.stdout.readline() == "ready\n"
        time.sleep(0.05)  # it is in sleep() by now
        os.killpg(parent.pid, signal.SIGINT)
        assert parent.stdout.readline() == f"interrupted {pid}\n"
        assert not gone(pid)
    finally:
        end(parent)
    wait_until(lambda: gone(pid), 5.0)
