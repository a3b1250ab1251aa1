"""Models managed from a notebook, in a real kernel: tables, the progress of a pull, every way to stop one, a daemon."""

from __future__ import annotations

import sys
import threading
import urllib.request

import pytest

from tests.fake_pulls import digest_of
from tests.kernel.harness import Kernel
from tests.standin import StandIn, free_port

pytestmark = [pytest.mark.kernel, pytest.mark.slow]


@pytest.fixture(scope="module")
def kernel(server, tmp_path_factory):
    with Kernel(str(tmp_path_factory.mktemp("models")), {"OLLAMA_HOST": server.url}) as started:
        yield started


def updates(cell):
    return [message for message in cell.messages if message["msg_type"] == "update_display_data"]


def test_tables_are_html(kernel, fake):
    fake.loaded = ["llama3.2:latest"]
    listed = kernel.run("%ollama list").outputs[0]["data"]
    assert "<table" in listed["text/html"]
    assert "llama3.2:latest" in listed["text/plain"]
    assert "any moment" in kernel.run("%ollama ps").shown()
    shown = kernel.run("%ollama show llama3.2").shown()
    assert "<details><summary>licence (1 line)</summary>" in shown
    assert "8,192 tokens" in shown


def test_a_pull_is_one_output_that_grows_and_is_saved_once(kernel, fake):
    gate = threading.Event()
    fake.offers("tiny:1b", 4_000_000, 500).pull_waits_for(gate, at=2_000_000)
    cell = kernel.start("%ollama pull tiny:1b")
    kernel.wait_for_text(cell, "pulling " + digest_of("tiny:1b", 0)[7:19])
    assert "<progress" in cell.shown()
    assert cell.outputs[0]["data"]["text/plain"].startswith("tiny:1b: pulling")
    gate.set()
    kernel.finish(cell)
    assert cell.reply["status"] == "ok"
    (output,) = cell.outputs
    assert output["data"]["text/plain"].startswith("tiny:1b is here: 4.0 MB, in ")
    assert "<progress" not in output["data"]["text/html"]
    assert len(updates(cell)) < 12  # of 25 that the server sent


def test_an_interrupt_closes_the_socket_and_a_later_pull_resumes(kernel, fake):
    gate = threading.Event()
    fake.offers("big:7b", 1_000_000).pull_waits_for(gate, at=300_000)
    cell = kernel.start("%ollama pull big:7b")
    kernel.wait_for_text(cell, "<progress")
    kernel.until(lambda: fake.parts.get(digest_of("big:7b", 0)) == 300_000)
    at = kernel.interrupt()
    assert fake.disconnected.wait(10)
    assert fake.disconnected_at - at < 2
    kernel.finish(cell)
    assert cell.reply["status"] == "error"
    assert cell.outputs[0]["data"]["text/plain"].startswith("big:7b: stopped")
    assert "Stopped. %ollama pull big:7b goes on from there." in cell.shown()
    assert "Traceback" not in cell.shown()
    assert fake.open_streams == 0
    gate.set()
    again = kernel.run("%ollama pull big:7b")
    assert again.outputs[0]["data"]["text/plain"].startswith("big:7b is here: 1.0 MB")
    assert [each.path for each in fake.recorded].count("/api/pull") == 2


def test_a_kernel_that_is_killed_closes_the_socket(server, fake, gate, tmp_path):
    fake.offers("big:7b", 1_000_000).pull_waits_for(gate, at=300_000)
    with Kernel(str(tmp_path), {"OLLAMA_HOST": server.url}) as kernel:
        kernel.wait_for_text(kernel.start("%ollama pull big:7b"), "<progress")
        kernel.kill()
    assert fake.disconnected.wait(10)


def test_a_full_disk_is_told_in_words(kernel, fake):
    fake.offers("tiny:1b", 1000).pull_breaks("write /x: no space left on device", at=500)
    cell = kernel.run("%ollama pull tiny:1b")
    assert cell.reply["status"] == "error"
    assert cell.outputs[0]["data"]["text/plain"] == "tiny:1b: not pulled after 500 B of 1.0 kB."
    assert "disk of the server is full" in cell.shown()
    assert "Traceback" not in cell.shown()
    assert "is here" in kernel.run("%ollama pull tiny:1b").shown()


def test_a_pull_of_an_unknown_model_leaves_no_bar(kernel, fake):
    cell = kernel.run("%ollama pull nosuch")
    assert "file does not exist" in cell.shown()
    assert "https://ollama.com/search" in cell.shown()
    assert "<progress" not in cell.shown()
    assert "did" in kernel.run("1 + 1; print('did')").shown()


def test_rm_where_nobody_can_type_names_minus_y(kernel, fake):
    cell = kernel.run("%ollama rm smollm2:135m")
    assert cell.reply["status"] == "error"
    assert "%ollama rm -y" in cell.shown()
    kernel.run("%ollama cp smollm2:135m mine:1")
    assert "mine:1 is removed" in kernel.run("%ollama rm -y mine:1").shown()


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in is a script with a first line of Unix")
def test_a_daemon_that_a_kernel_started_outlives_it(tmp_path):
    program, url = StandIn(tmp_path), f"http://127.0.0.1:{free_port()}"
    try:
        with Kernel(str(tmp_path), {"OLLAMA_HOST": url, "PATH": str(program.folder)}) as kernel:
            cell = kernel.run("%ollama start")
            assert f"answers at {url}" in cell.shown(), cell.shown()
            endless = kernel.start("import time\nprint('begun', flush=True)\nwhile True: time.sleep(0.1)")
            kernel.until(lambda: "begun" in endless.shown())  # before that an interrupt is the kernel's own
            kernel.interrupt()
            kernel.finish(endless)
            kernel.kill()
        with urllib.request.urlopen(f"{url}/api/version", timeout=10) as answer:
            assert b"version" in answer.read()
        assert not (tmp_path / "ollama-serve.log").exists()
    finally:
        program.stop()
