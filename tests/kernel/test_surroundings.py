"""Kernels that are set up otherwise: another event loop, no top-level await, a proxy, loaded at the start."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.kernel.harness import Kernel

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.kernel, pytest.mark.slow]

DEAD_PROXY = "http://127.0.0.1:1"
UVLOOP = "import asyncio, uvloop\nasyncio.set_event_loop_policy(uvloop.EventLoopPolicy())\n"
AUTOLOAD = """
c.InteractiveShellApp.extensions = ["ollama_magic"]
c.InteractiveShellApp.exec_lines = ["there = sorted(get_ipython().magics_manager.magics['cell'].keys() & {'ollama'})"]
"""


def configured(folder: Path, lines: str, name: str = "ipython_config.py") -> dict[str, str]:
    """An IPython whose default profile has `lines`."""
    profile = folder / "profile_default"
    profile.mkdir(parents=True)
    (profile / name).write_text(lines, encoding="utf-8")
    return {"IPYTHONDIR": str(folder)}


def kernel(folder: Path, host: str, **more: str) -> Kernel:
    return Kernel(str(folder), {"OLLAMA_HOST": host, "OLLAMA_MODEL": "llama3.2", **more})


def test_a_kernel_on_uvloop(fake, gate, tmp_path):
    pytest.importorskip("uvloop")
    env = configured(tmp_path / "ipython", UVLOOP, "ipython_kernel_config.py")
    with kernel(tmp_path, fake.url, **env) as on_uvloop:
        loop = on_uvloop.run("import asyncio; type(asyncio.get_running_loop()).__module__")
        assert loop.shown("text/plain").startswith("'uvloop")
        fake.says("streamed ").waits_for(gate).says("to the end")
        cell = on_uvloop.start("%%ollama\nhello")
        on_uvloop.wait_for_text(cell, "streamed")
        gate.set()
        assert "to the end" in on_uvloop.finish(cell).shown()
        fake.forget()
        fake.calls_tool("wait").then().says("the tool was asked")
        on_uvloop.run("async def wait() -> str:\n    await asyncio.sleep(0)\n    return 'waited'")
        assert "the tool was asked" in on_uvloop.run("%%ollama --tools wait\ngo").shown()
        assert fake.recorded[-1].json["messages"][-1]["content"] == "waited"
        fake.forget()
        fake.says("in Python")
        assert "in Python" in on_uvloop.run("import ollama_magic; print(ollama_magic.ask('hello').text)").shown()


def test_a_cell_on_uvloop_is_interrupted_as_any_other(fake, gate, tmp_path):
    pytest.importorskip("uvloop")
    env = configured(tmp_path / "ipython", UVLOOP, "ipython_kernel_config.py")
    with kernel(tmp_path, fake.url, **env) as on_uvloop:
        fake.says("half of it ").waits_for(gate)
        cell = on_uvloop.start("%%ollama\nhello")
        on_uvloop.wait_for_text(cell, "half of it")
        on_uvloop.interrupt()
        assert on_uvloop.finish(cell).reply["ename"] == "Stopped"
        assert fake.disconnected.wait(10)
        assert "3" in on_uvloop.run("1 + 2").shown("text/plain")


def test_autoawait_off(fake, tmp_path):
    with kernel(tmp_path, fake.url) as synchronous:
        synchronous.run("%autoawait off")
        fake.says("a cell").then().says("a call").then().calls_tool("wait").then().says("a tool")
        assert "a cell" in synchronous.run("%%ollama\nhello").shown()
        assert "a call" in synchronous.run("import ollama_magic; print(ollama_magic.ask('hello').text)").shown()
        synchronous.run("import asyncio\nasync def wait() -> str:\n    await asyncio.sleep(0)\n    return 'waited'")
        assert "a tool" in synchronous.run("%%ollama --tools wait\ngo").shown()
        assert fake.recorded[-1].json["messages"][-1]["content"] == "waited"
        assert "<table" in synchronous.run("%ollama list").shown()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_dead_proxy_is_not_in_the_way_of_this_machine(fake, tmp_path, host):
    proxies = dict.fromkeys(("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"), DEAD_PROXY)
    fake.says("no detour")
    with kernel(tmp_path, fake.url.replace("127.0.0.1", host), **proxies) as proxied:
        assert "no detour" in proxied.run("%%ollama\nhello").shown()


def test_a_host_elsewhere_is_asked_through_the_proxy(fake, tmp_path):
    with kernel(tmp_path, "http://gpu-box.test:11434", http_proxy=fake.url) as proxied:
        proxied.run("%%ollama\nhello")  # which the fake server, being no proxy, does not pass on
    assert fake.recorded[-1].path.startswith("http://gpu-box.test:11434/")


def test_a_dead_proxy_before_a_host_elsewhere_is_named(tmp_path):
    with kernel(tmp_path, "http://gpu-box.test:11434", http_proxy=DEAD_PROXY) as proxied:
        cell = proxied.run("%%ollama\nhello")
        assert cell.reply["ename"] == "Unreachable"
        assert "proxy on the way to http://gpu-box.test:11434 failed (127.0.0.1:1: connection refused)" in cell.shown()
        assert "HTTP_PROXY" in cell.shown()


def test_no_proxy_names_the_hosts_that_need_none(fake, tmp_path):
    # A name that resolves nowhere: only the proxy could have answered for it.
    fake.says("not this way")
    env = {"http_proxy": fake.url, "NO_PROXY": "gpu-box.test", "no_proxy": "gpu-box.test"}
    with kernel(tmp_path, "http://gpu-box.test:11434", **env) as direct:
        assert direct.run("%%ollama\nhello").reply["ename"] == "Unreachable"
    assert fake.recorded == []


def test_the_line_in_ipythons_configuration_loads_it_at_the_start(fake, tmp_path):
    fake.says("from the start")
    with kernel(tmp_path, fake.url, **configured(tmp_path / "ipython", AUTOLOAD)) as autoloaded:
        assert "['ollama']" in autoloaded.run("there").shown("text/plain")
        assert "from the start" in autoloaded.run("%%ollama\nhello").shown()
