"""Whatever goes wrong in a cell: it says so, the next cell works, and the kernel has nothing more than before.

What it has is counted: tasks on the event loop, threads, and file handles.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.kernel.counting import COUNT, asked, counted
from tests.kernel.harness import Kernel

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from tests.fake_ollama import FakeOllama

pytestmark = [pytest.mark.kernel, pytest.mark.slow]

TIMES = 5
"""How often each fault strikes: one handle left behind each time is more than the connections that are kept."""
ASK = "%%ollama llama3.2\ntell me"
BUSY = '{"error": "server busy, please try again"}'
LONG_AGO = "Sun, 06 Nov 1994 08:49:37 GMT"


@dataclass(frozen=True)
class Fault:
    """What the server does, and what the cell then shows; `before` is run in front of it."""

    name: str
    script: Callable[[FakeOllama, threading.Event], object]
    shows: tuple[str, ...]
    cell: str = ASK
    before: str = ""
    after: str = ""

    def __str__(self) -> str:
        return self.name


SLOW = "os.environ['OLLAMA_MAGIC_STALL_TIMEOUT'] = os.environ['OLLAMA_MAGIC_FIRST_BYTE_TIMEOUT'] = '0.3'"
FAST = "del os.environ['OLLAMA_MAGIC_STALL_TIMEOUT'], os.environ['OLLAMA_MAGIC_FIRST_BYTE_TIMEOUT']"
FAULTS = [
    Fault("cut", lambda f, g: f.says("I ", "don't").drops_after(1), ("Incomplete", "I ")),
    Fault("reset", lambda f, g: f.says("I ", "don't").drops_after(1, reset=True), ("Incomplete",)),
    Fault("cut as if whole", lambda f, g: f.says("I ", "don't").drops_after(1, clean=True), ("Incomplete", "I ")),
    Fault("silent at first", lambda f, g: f.stalls_before_headers(), ("Stalled",), ASK, SLOW, FAST),
    Fault("silent in between", lambda f, g: f.says("I ", "a").stalls_after(1), ("Stalled", "I "), ASK, SLOW, FAST),
    Fault("no answer", lambda f, g: f.closes_before_headers(), ("Unreachable",)),
    Fault("fails in between", lambda f, g: f.says("I ").fails_midstream("it died"), ("ServerError", "I ")),
    Fault("garbage", lambda f, g: f.sends_raw(bytes(range(256))), ("ServerError", "not Ollama's")),
    Fault("a page", lambda f, g: f.fails(200, "<title>Log in</title>"), ("ServerError", "Log in")),
    Fault("refused", lambda f, g: f.fails(401, '{"error": "unauthorized"}'), ("Unauthorized",)),
    Fault("busy for now", lambda f, g: f.fails(429, BUSY, {"Retry-After": "0"}).says("I do"), ("I do",)),
    Fault("busy until then", lambda f, g: f.fails(429, BUSY, {"Retry-After": LONG_AGO}).says("I do"), ("I do",)),
    Fault("busy for an hour", lambda f, g: f.fails(429, BUSY, {"Retry-After": "3600"}), ("Busy", "in 3600 s")),
    Fault("no such model", lambda f, g: f, ("ModelNotFound", "lama3.2"), "%%ollama lama3.2\nq"),
    Fault("nobody there", lambda f, g: f, ("Unreachable",), "%%ollama llama3.2 --host localhost:1\nq"),
    Fault("compressed", lambda f, g: f.says("I ", "do").compresses(), ("I do",)),
    Fault("too long ago", lambda f, g: f.says("I do"), ("I do",), ASK, "os.makedirs('gone'); os.chdir('gone'); "
          "os.rmdir('../gone')", "os.chdir(home)"),
    Fault("a full disk", lambda f, g: f.says("I do"), ("I do", "cannot be kept"), "%%ollama llama3.2 --cache\nfull",
          "size = resource.RLIMIT_FSIZE; limits = resource.getrlimit(size); resource.setrlimit(size, (0, limits[1]))",
          "resource.setrlimit(size, limits)"),
    Fault("a tool that fails", lambda f, g: f.calls_tool("broken").then().says("I do"), ("I do",),
          "%%ollama llama3.2 --tools broken\nq", "def broken():\n    'Break.'\n    raise OSError('no')"),
    Fault("a fork", lambda f, g: f.says("I do"), ("child 0",), "child = os.fork()\nif child == 0:\n"
          "    os._exit(0 if ollama_magic.ask('q', 'llama3.2').text == 'I do' else 1)\n"
          "print('child', os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))"),
    Fault("a comparison", lambda f, g: f.says("I ", "don't").drops_after(1), ("incomplete", "I "),
          "%%ollama --compare llama3.2,smollm2:135m\nq"),
]  # fmt: skip


@pytest.fixture(scope="module")
def started(server, tmp_path_factory):
    home = tmp_path_factory.mktemp("notebook")
    env = {"OLLAMA_HOST": server.url, "OLLAMA_MAGIC_CACHE_DIR": str(home / "cache")}
    with Kernel(str(home), env) as kernel:
        kernel.run(f"{COUNT}\nimport ollama_magic; home = os.getcwd()")
        yield kernel


@pytest.fixture
def kernel(started, fake):
    return started


def test_every_fault_leaves_a_kernel_as_it_was(kernel, fake, gate):
    asked(kernel, fake)
    for fault in FAULTS:
        for turn in range(TIMES + 1):
            fake.forget()
            fault.script(fake, gate)
            assert kernel.run(fault.before or "0").reply["status"] == "ok", fault
            cell = kernel.run(fault.cell)
            assert kernel.run(fault.after or "0").reply["status"] == "ok", fault
            shown = cell.shown() + cell.shown("text/plain")
            missing = [word for word in fault.shows if word not in shown]
            assert not missing, f"{fault}: {missing} not in {shown[-1500:]}"
            asked(kernel, fake)
            if turn == 0:  # what is imported and kept once
                before = counted(kernel)
        after = counted(kernel)
        assert after.is_like(before, TIMES), f"{fault}: {after} after {before}"
        assert fake.open_streams == 0, fault


def test_sixty_four_background_jobs_leave_nothing(kernel, fake, gate):
    asked(kernel, fake)
    before = counted(kernel)
    fake.forget()
    fake.says("one ").waits_for(gate).says("of many")
    kernel.run("for n in range(64):\n    get_ipython().run_cell_magic('ollama', 'llama3.2 --bg', f'question {n}')")
    kernel.until(lambda: fake.open_streams == 64)
    kernel.run("%ollama jobs stop all")
    kernel.until(lambda: fake.open_streams == 0)
    asked(kernel, fake)
    assert counted(kernel).is_like(before)


def test_an_interrupt_leaves_nothing(kernel, fake, gate):
    asked(kernel, fake)
    before = counted(kernel)
    for shown in ("", "I "):
        fake.forget()
        fake.disconnected.clear()
        fake.asked.clear()
        (fake.says(shown) if shown else fake).waits_for(gate).says("don't")
        cell = kernel.start(ASK)
        assert fake.asked.wait(10)
        if shown:
            kernel.wait_for_text(cell, shown.strip())
        kernel.interrupt()
        kernel.finish(cell)
        assert cell.reply["ename"] == "Stopped"
        assert fake.disconnected.wait(5)
        asked(kernel, fake)
        assert counted(kernel).is_like(before)


def test_an_interrupt_that_python_drops_stops_the_cell_all_the_same(kernel, fake, gate):
    kernel.run(
        "import signal\nclass Finalised:\n    def __del__(self):\n        signal.raise_signal(signal.SIGINT)\n"
        "def look() -> str:\n    'Look.'\n    Finalised()\n    return 'it was not raised here'"
    )
    asked(kernel, fake)
    before = counted(kernel)
    fake.forget()
    fake.calls_tool("look").then().says("I ").waits_for(gate).says("go on")
    cell = kernel.run("%%ollama llama3.2 --tools look\nq")
    assert cell.reply["ename"] == "Stopped"
    assert "ignored" not in cell.shown()
    kernel.until(lambda: fake.open_streams == 0)
    asked(kernel, fake)
    assert counted(kernel).is_like(before)


def test_two_kernels_share_one_cache(server, fake, tmp_path):
    env = {"OLLAMA_HOST": server.url, "OLLAMA_MAGIC_CACHE_DIR": str(tmp_path / "cache"), "OLLAMA_MODEL": "llama3.2"}
    fake.says("Kept.")
    loop = "for n in range({}):\n    get_ipython().run_cell_magic('ollama', '--cache', f'question {{n % 20}}')"
    with Kernel(str(tmp_path), env) as one, Kernel(str(tmp_path), env) as two:
        cells = [kernel.start(loop.format(40)) for kernel in (one, two)]
        for kernel, cell in zip((one, two), cells, strict=True):
            kernel.finish(cell)
            assert cell.reply["status"] == "ok", cell.shown()[-500:]
            assert "cannot be kept" not in cell.shown()
            assert cell.shown("text/plain").count("Kept.") >= 40
        questions = [each for each in fake.recorded if each.path.startswith("/v1/")]
        assert 20 <= len(questions) <= 40, "each is asked by each kernel at most once"
        assert "20" in one.run("%ollama cache").shown("text/plain")


def test_a_kernel_that_is_killed_hangs_up_and_the_next_one_works(server, fake, gate, tmp_path):
    env = {"OLLAMA_HOST": server.url, "OLLAMA_MAGIC_CACHE_DIR": str(tmp_path / "cache")}
    fake.says("I ").waits_for(gate).says("don't")
    with Kernel(str(tmp_path), env) as kernel:
        cell = kernel.start("%%ollama llama3.2 --cache\ntell me")
        kernel.wait_for_text(cell, "I")
        kernel.kill()
        assert fake.disconnected.wait(10)
    with Kernel(str(tmp_path), env) as kernel:
        asked(kernel, fake)
