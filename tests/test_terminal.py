"""Terminal IPython on a pseudo-terminal, and scripts whose output goes to a pipe."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading

import pytest

from tests.fake_ollama import FakeOllama

pexpect = pytest.importorskip("pexpect")

pytestmark = [pytest.mark.kernel, pytest.mark.slow]

IPYTHON = ["-m", "IPython", "--no-banner", "--no-confirm-exit", "--simple-prompt", "--colors=NoColor"]
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@pytest.fixture
def fake():
    with FakeOllama() as server:
        yield server


@pytest.fixture
def gate():
    made = threading.Event()
    yield made
    made.set()


def environment(fake):
    keep = {k: v for k, v in os.environ.items() if not k.startswith(("OLLAMA", "USE_DIRECT"))}
    return {**keep, "OLLAMA_HOST": fake.url, "TERM": "xterm-256color", "COLUMNS": "80", "LINES": "24"}


@pytest.fixture
def terminal(fake, tmp_path):
    child = pexpect.spawn(
        sys.executable, IPYTHON, env={**environment(fake), "IPYTHONDIR": str(tmp_path)}, cwd=str(tmp_path),
        encoding="utf-8", timeout=20, dimensions=(24, 80),
    )  # fmt: skip
    child.expect(r"In \[1\]: ")
    child.sendline("%load_ext ollama_magic")
    child.expect(r"In \[2\]: ")
    yield child
    child.close(force=True)


@pytest.fixture
def console(fake, tmp_path):
    """`jupyter console`: a kernel of its own, and a front end that passes over updates of an output."""
    child = pexpect.spawn(
        sys.executable, ["-m", "jupyter_console", "--simple-prompt"],
        env={**environment(fake), "IPYTHONDIR": str(tmp_path), "JUPYTER_DATA_DIR": str(tmp_path)}, cwd=str(tmp_path),
        encoding="utf-8", timeout=30, dimensions=(24, 80),
    )  # fmt: skip
    child.expect(r"In \[1\]: ")
    child.sendline("%load_ext ollama_magic")
    child.expect(r"In \[2\]: ")
    yield child
    child.close(force=True)


def ask(child, prompt="tell me", line="%%ollama llama3.2"):
    child.sendline(line)
    child.expect(r"\.\.\.: ")
    for typed in (prompt, ""):  # a cell magic ends with two empty lines
        child.sendline(typed)
        child.expect(r"\.\.\.: ")
    child.sendline("")


def test_the_terminal_streams(terminal, fake, gate):
    fake.says("first **bold** words\n\n").waits_for(gate).says("and the rest")
    ask(terminal)
    terminal.expect("first")
    gate.set()
    terminal.expect("and the rest")
    terminal.expect("llama3.2")
    terminal.expect(r"In \[3\]: ")


def test_an_interrupt_keeps_the_text_and_the_terminal(terminal, fake, gate):
    fake.says("half of it ").waits_for(gate)
    ask(terminal)
    terminal.expect("half of it")
    terminal.sendintr()
    terminal.expect("[Ss]topped")
    assert fake.disconnected.wait(10)
    terminal.expect(r"In \[3\]: ")
    terminal.sendline("import ollama_magic; print('kept:', ollama_magic.last.text)")
    terminal.expect("kept: half of it")


def test_control_sequences_of_a_model_do_not_reach_the_terminal(terminal, fake):
    fake.says("a\x1b]0;title\x07b\x1b[2Jc\x1b[31mred")
    ask(terminal)
    terminal.expect(r"In \[3\]: ")
    assert "\x1b]0;" not in terminal.before
    assert "\x1b[2J" not in terminal.before
    assert "abcred" in ESCAPES.sub("", terminal.before)


HOSTILE = (
    "\x1b]0;evil\x07", "\x1b]8;;http://evil.invalid/\x1b\\", "\x1b]52;c;ZXZpbA==\x07", "\x1bPevil\x1b\\",
    "\x9devil\x9c", "\x9b2J", "\x1b[2J", "\x1b[9A", "\x1b[6n", "\x1bc", "\x07", "\x08",
)  # fmt: skip
HARMFUL = re.compile(r"\x1b\]|\x1bP|\x1b\[2J|\x1b\[9A|\x1b\[6n|\x1bc|[\x07\x08\x80-\x9f]|evil")


def test_what_a_terminal_obeys_is_stripped_whole_also_when_it_comes_in_pieces(terminal, fake):
    text = "".join(f"{sequence}." for sequence in HOSTILE)
    fake.says("whole ", text, "\n\n`", text, "` pieces ", *text, " at last")
    ask(terminal)
    terminal.expect(r"In \[3\]: ")
    shown = terminal.before.partition("whole")[2]
    assert "at last" in shown
    assert not HARMFUL.search(shown)
    fake.forget().fails(400, json.dumps({"error": f"refused {text} as such"}))
    ask(terminal)
    terminal.expect("refused")
    terminal.expect(r"In \[4\]: ")
    assert "as such" in terminal.before
    assert not HARMFUL.search(terminal.before)


def test_a_traceback_of_python_says_nothing_to_the_terminal_either(fake, tmp_path):
    text = "".join(HOSTILE)
    fake.fails(400, json.dumps({"error": f"refused {text} as such"}))
    script = "import ollama_magic; ollama_magic.ask('x', model='llama3.2')"
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment(fake), cwd=tmp_path, capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip
    assert "Traceback" in done.stderr
    assert "refused" in done.stderr
    assert not HARMFUL.search(done.stderr)


def test_an_error_is_two_lines(terminal, fake):
    ask(terminal, line="%%ollama nosuch-model")
    terminal.expect("ModelNotFound")
    terminal.expect("pull nosuch-model")
    terminal.expect(r"In \[3\]: ")
    assert "Traceback" not in terminal.before


def test_tab_completes_models(terminal, fake):
    terminal.sendline("get_ipython().Completer.use_jedi = False")
    terminal.expect(r"In \[3\]: ")
    # On a busy machine the first Tab may give up waiting before the names are there; a later one has them.
    terminal.sendline("tab = lambda: get_ipython().complete('', '%%ollama llama3.2:l', 19)[1]")
    terminal.expect(r"In \[4\]: ")
    terminal.sendline("print('found', next(names for names in iter(tab, None) if 'llama3.2:latest' in names))")
    terminal.expect(r"found \['llama3.2:latest'\]")


def test_a_script_prints_the_same_text(fake, tmp_path):
    fake.says("plain ", "**text** here")
    script = tmp_path / "script.ipy"
    script.write_text(
        "%load_ext ollama_magic\nget_ipython().run_cell_magic('ollama', 'llama3.2', 'say it')\n", encoding="utf-8"
    )
    done = subprocess.run(
        [sys.executable, "-m", "IPython", "--colors=NoColor", str(script)],
        env={**environment(fake), "IPYTHONDIR": str(tmp_path)}, cwd=tmp_path, capture_output=True, text=True,
        timeout=60, check=True,
    )  # fmt: skip
    assert "plain **text** here" in done.stdout
    assert "\x1b" not in done.stdout
    assert "llama3.2" in done.stdout.splitlines()[-1]


@pytest.fixture
def cloud_terminal(fake, tmp_path):
    fake.requires_key("sk-right-5d1e")
    env = {**environment(fake), "OLLAMA_MAGIC_TRUSTED_HOSTS": "127.0.0.1", "IPYTHONDIR": str(tmp_path)}
    child = pexpect.spawn(sys.executable, IPYTHON, env=env, cwd=str(tmp_path), encoding="utf-8", timeout=20)
    child.expect(r"In \[1\]: ")
    child.sendline("%load_ext ollama_magic")
    child.expect(r"In \[2\]: ")
    yield child
    child.close(force=True)


def test_login_asks_without_echo_tests_the_key_and_keeps_it_in_memory(cloud_terminal, fake, tmp_path):
    cloud_terminal.sendline("%ollama login")
    cloud_terminal.expect("hidden, kept in memory only")
    cloud_terminal.waitnoecho()
    cloud_terminal.sendline("sk-wrong-77aa")
    cloud_terminal.expect("Unauthorized")
    cloud_terminal.expect(r"In \[3\]: ")
    assert "sk-wrong" not in cloud_terminal.before
    cloud_terminal.sendline("%ollama login")
    cloud_terminal.expect("hidden, kept in memory only")
    cloud_terminal.waitnoecho()
    cloud_terminal.sendline("sk-right-5d1e")
    cloud_terminal.expect("The key works")
    cloud_terminal.expect(r"In \[4\]: ")
    assert "sk-right" not in cloud_terminal.before
    fake.says("from the cloud")
    ask(cloud_terminal, line="%%ollama llama3.2 --mode cloud")
    cloud_terminal.expect("from the cloud")
    cloud_terminal.expect(r"In \[5\]: ")
    assert fake.recorded[-1].path == "/api/chat"
    cloud_terminal.sendline("%ollama logout")
    cloud_terminal.expect("forgotten the key")
    cloud_terminal.sendline("exit")
    cloud_terminal.expect(pexpect.EOF)
    for file in tmp_path.rglob("*"):
        assert not file.is_file() or b"sk-right" not in file.read_bytes()


def test_a_pull_leaves_one_line_and_an_interrupt_gives_the_terminal_back(terminal, fake, gate):
    fake.offers("tiny:1b", 4_000_000, 500).pull_waits_for(gate, at=2_000_000)
    terminal.sendline("%ollama pull tiny:1b")
    terminal.expect("50%")
    terminal.sendintr()
    terminal.expect("tiny:1b: stopped after 2.0 MB of 4.0 MB")
    assert fake.disconnected.wait(10)
    terminal.expect(r"In \[3\]: ")
    gate.set()
    terminal.sendline("%ollama pull tiny:1b")
    terminal.expect("tiny:1b is here: 4.0 MB")
    terminal.expect(r"In \[4\]: ")
    terminal.sendline("%ollama rm tiny:1b")
    terminal.expect(r"Remove tiny:1b \(1.3 GB\) from the disk\?")
    terminal.sendline("y")
    terminal.expect("tiny:1b is removed")


def test_a_background_cell_says_when_it_has_ended(terminal, fake, gate):
    fake.says("slowly ").waits_for(gate).says("said")
    ask(terminal, line="%%ollama llama3.2 --bg --out a")
    terminal.expect("a is bound when it ends")
    terminal.expect(r"In \[3\]: ")
    terminal.sendline("6 * 7")  # the terminal is free meanwhile
    terminal.expect("42")
    gate.set()
    terminal.expect("Job 1 has its answer. See it: %ollama jobs show 1")
    terminal.sendline("%ollama jobs show 1")
    terminal.expect("slowly said")


def test_the_console_streams(console, fake, gate):
    fake.says("first **bold** words\n\n").waits_for(gate).says("and the rest")
    # Its simple prompt takes one line; the real one needs a terminal with a cursor.
    console.sendline("get_ipython().run_cell_magic('ollama', 'llama3.2', 'tell me')")
    console.expect("first")
    gate.set()
    console.expect("and the rest")
    console.expect("complete")
    console.expect(r"In \[3\]: ")
    console.sendline("%ollama list")
    console.expect("llama3.2")
    console.expect(r"In \[4\]: ")
    assert "<" not in console.before  # no page, no repr
