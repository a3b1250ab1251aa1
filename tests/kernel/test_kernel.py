"""`%%ollama` in a real ipykernel against the scripted server: what streams, what stays, what an interrupt does."""

from __future__ import annotations

import pytest

from tests.kernel.harness import Kernel

pytestmark = [pytest.mark.kernel, pytest.mark.slow]

KEY = "sk-planted-7f3a9c"


@pytest.fixture(scope="module")
def started(server, tmp_path_factory):
    env = {"OLLAMA_HOST": server.url, "OLLAMA_API_KEY": KEY}
    with Kernel(str(tmp_path_factory.mktemp("notebook")), env) as kernel:
        yield kernel


@pytest.fixture
def kernel(started, fake):
    return started


def test_text_is_shown_while_the_answer_is_still_being_written(kernel, fake, gate):
    fake.says("first words ").waits_for(gate).says("and the rest")
    cell = kernel.start("%%ollama llama3.2 --seed 3\ntell me")
    kernel.wait_for_text(cell, "first words")
    assert "and the rest" not in cell.shown()
    assert not cell.idle
    gate.set()
    kernel.finish(cell)
    assert cell.reply["status"] == "ok"
    assert "first words and the rest" in cell.shown()
    asked = fake.recorded[-1]
    assert asked.path == "/v1/chat/completions"
    assert asked.json["model"] == "llama3.2"
    assert asked.json["messages"] == [{"role": "user", "content": "tell me"}]
    assert asked.json["seed"] == 3


def test_a_long_answer_leaves_one_clean_output(kernel, fake):
    words = [f"word{n} " + ("\n\n" if n % 40 == 39 else "") for n in range(2000)]
    fake.says(*words)
    cell = kernel.run("%%ollama llama3.2\nlong")
    [output] = cell.outputs
    assert output["data"]["text/markdown"].strip() == "".join(words).strip()
    assert "word0" in output["data"]["text/html"]
    assert "word1999" in output["data"]["text/html"]
    assert output["data"]["text/plain"].startswith("word0")
    assert "/v1" in output["data"]["text/plain"].splitlines()[-1]


def test_several_answers_in_one_cell_all_stay(kernel, fake):
    fake.says("one fish").then().says("two fish")
    cell = kernel.run(
        "print('before')\nfor p in 'ab':\n    get_ipython().run_cell_magic('ollama', 'llama3.2', p)\nprint('after')"
    )
    assert [o["output_type"] for o in cell.outputs] == ["stream", "display_data", "display_data", "stream"]
    assert "one fish" in cell.outputs[1]["data"]["text/html"]
    assert "two fish" in cell.outputs[2]["data"]["text/html"]


def test_an_interrupt_closes_the_socket_and_keeps_the_text(kernel, fake, gate):
    fake.says("half an ans").waits_for(gate).says("wer")
    cell = kernel.start("%%ollama llama3.2 --out half\ntell me")
    kernel.wait_for_text(cell, "half an ans")
    kernel.interrupt()
    kernel.finish(cell)
    assert fake.disconnected.wait(5)
    assert cell.reply["status"] == "error"
    assert cell.reply["ename"] == "Stopped"
    assert "half an ans" in cell.shown()
    assert "stopped" in cell.shown().lower()
    assert "Traceback" not in cell.shown()
    after = kernel.run("print(half.reason, half.complete, repr(half.text))")
    assert "stopped False 'half an ans'" in after.shown()


def test_an_interrupt_while_nothing_has_come_yet(kernel, fake, gate):
    fake.waits_for(gate).says("late")
    fake.asked.clear()
    cell = kernel.start("%%ollama llama3.2\ntell me")
    kernel.until(fake.asked.is_set)
    kernel.until(lambda: any(r.path.startswith("/v1/") for r in fake.recorded))
    kernel.interrupt()
    kernel.finish(cell)
    assert fake.disconnected.wait(5)
    assert "2" in kernel.run("1 + 1").shown("text/plain")


def test_cells_queued_behind_a_streaming_one_run_after_it_in_order(kernel, fake, gate):
    fake.says("slow").waits_for(gate)
    first = kernel.start("%%ollama llama3.2\na")
    behind = [kernel.start(f"print('cell {n}')") for n in range(5)]
    kernel.wait_for_text(first, "slow")
    assert not any(cell.messages for cell in behind)
    gate.set()
    for n, cell in enumerate([first, *behind]):
        kernel.finish(cell)
        assert cell.reply["status"] == "ok"
        assert n == 0 or f"cell {n - 1}" in cell.shown()


def test_cells_queued_behind_an_interrupted_one_are_answered_and_the_next_one_runs(kernel, fake, gate):
    fake.says("slow").waits_for(gate)
    first = kernel.start("%%ollama llama3.2\na")
    behind = [kernel.start(f"print('cell {n}')") for n in range(3)]
    kernel.wait_for_text(first, "slow")
    kernel.interrupt()
    for cell in [first, *behind]:
        kernel.finish(cell)
    # As with any interrupted cell, Jupyter drops the rest of a Run All, and tells so.
    assert {cell.reply["status"] for cell in behind} <= {"aborted", "error"}
    assert "still here" in kernel.run("print('still here')").shown()


def test_thinking_is_folded_and_kept_apart(kernel, fake):
    fake.thinks("let me ", "see").says("42")
    cell = kernel.run("%%ollama llama3.2 --out a\nq")
    [output] = cell.outputs
    assert "<details" in output["data"]["text/html"]
    assert "let me see" in output["data"]["text/html"]
    assert "let me see" not in output["data"]["text/markdown"]
    assert "let me see|42" in kernel.run("print(a.thinking + '|' + a.text)").shown()


def test_html_in_an_answer_is_text(kernel, fake):
    fake.says("<img src=x onerror=alert(1)>", "<script>alert(2)</script> and `a < b`")
    html = kernel.run("%%ollama llama3.2\nq").outputs[0]["data"]["text/html"]
    assert "<img" not in html
    assert "<script" not in html
    assert "&lt;img" in html


@pytest.mark.parametrize(
    ("script", "name", "words"),
    [
        (lambda f: f.says("some ", "text").drops_after(1), "Incomplete", "some"),
        (lambda f: f.says("some ").fails_midstream("the runner died"), "", "some"),
        (lambda f: f.fails(503, '{"error":"server busy, please try again"}', times=9), "Busy", ""),
        (lambda f: f.fails(502, "<html><title>Bad gateway</title></html>", times=9), "ServerError", ""),
    ],
    ids=["cut", "error in mid-stream", "busy", "a proxy's page"],
)
def test_failures_are_short_and_lose_nothing(kernel, fake, script, name, words):
    script(fake)
    cell = kernel.run("%%ollama llama3.2\nq")
    assert cell.reply["status"] == "error"
    assert name in cell.reply["ename"]
    assert "Traceback" not in cell.shown()
    error = cell.outputs[-1]
    assert error["output_type"] == "error"
    assert len(error["traceback"]) <= 4
    assert words in cell.shown()


def test_an_unknown_model_gets_the_nearest_and_the_pull_command(kernel, fake):
    cell = kernel.run("%%ollama lama3.2\nq")
    assert cell.reply["ename"] == "ModelNotFound"
    assert "llama3.2" in cell.shown()
    assert "pull lama3.2" in cell.shown()


def test_rendering_once_shows_one_output_and_no_updates(kernel, fake):
    fake.says(*(f"word{n} " for n in range(500)))
    kernel.run("%ollama config render once")
    cell = kernel.run("%%ollama llama3.2\nq")
    kernel.run("%ollama config render default")
    kinds = [m["msg_type"] for m in cell.messages]
    assert kinds.count("display_data") == 1
    assert "update_display_data" not in kinds
    assert "clear_output" not in kinds


def test_async_for_with_top_level_await(kernel, fake):
    fake.says("a", "b", "c")
    cell = kernel.run(
        "import ollama_magic\n"
        "async with ollama_magic.Client() as client:\n"
        "    async for event in client.chat('hi', model='llama3.2'):\n"
        "        if type(event).__name__ == 'Text':\n"
        "            print(event.text, end='|')"
    )
    assert "a|b|c|" in cell.shown()


def test_an_answer_as_the_last_line_is_shown_safely(kernel, fake):
    fake.says("**bold** <script>x</script>")
    kernel.run("%%ollama llama3.2 --out a\nq")
    cell = kernel.run("a")
    html = cell.outputs[0]["data"]["text/html"]
    assert "<strong>bold</strong>" in html
    assert "<script" not in html


@pytest.mark.parametrize("command", ["", "list", "config", "help", "use", "mode", "status"])
def test_commands_show_something(kernel, fake, command):
    cell = kernel.run(f"%ollama {command}")
    assert cell.reply["status"] == "ok", cell.shown()
    assert "<table" in cell.shown() or cell.shown()


def test_an_unknown_command_gets_the_nearest(kernel):
    assert "did you mean 'list'" in kernel.run("%ollama lsit").shown()


def test_login_where_nobody_can_type_says_what_to_do(kernel):
    cell = kernel.run("%ollama login")
    assert cell.reply["status"] == "error"
    assert "OLLAMA_API_KEY" in cell.shown()


def test_the_key_is_nowhere(kernel, fake):
    fake.says("fine")
    cells = [
        kernel.run(code)
        for code in (
            "%%ollama llama3.2 --out a\nq",
            "%ollama config",
            "%ollama",
            "import ollama_magic; c = ollama_magic.Client(); print(repr(c), vars(c)); c",
            "print(a, repr(a), repr(a.request)); %who",
            "from ollama_magic.session import current; print(vars(current()), current().settings())",
            "%%ollama llama3.2 --mode cloud\nq",
            "%%ollama nosuch\nq",
            "import logging; logging.basicConfig(level=0, force=True)",
            "%%ollama llama3.2\nq",
            "logging.basicConfig(level=30, force=True)",
        )
    ]
    assert "set (environment" in cells[2].shown() or "set" in cells[2].shown()
    for cell in cells:
        assert KEY not in cell.raw()
    assert fake.recorded
    for request in fake.recorded:
        assert "authorization" not in request.headers


def test_the_extension_can_be_reloaded_and_unloaded(kernel, fake):
    fake.says("again")
    assert kernel.run("%reload_ext ollama_magic").reply["status"] == "ok"
    assert "again" in kernel.run("%%ollama llama3.2\nq").shown()
    kernel.run("%unload_ext ollama_magic")
    assert "not found" in kernel.run("%%ollama llama3.2\nq").shown()
    kernel.run("%load_ext ollama_magic")
    assert "again" in kernel.run("%%ollama llama3.2\nq").shown()


@pytest.mark.parametrize(
    ("line", "end"),
    [("llama3.2", Kernel.kill), ("llama3.2 --bg", Kernel.shut_down)],
    ids=["killed in a cell", "shut down beside a job"],
)
def test_ending_the_kernel_closes_the_socket(fake, tmp_path, gate, line, end):
    fake.says("going").waits_for(gate)
    with Kernel(str(tmp_path), {"OLLAMA_HOST": fake.url}) as kernel:
        cell = kernel.start(f"%%ollama {line}\nq")
        kernel.wait_for_text(cell, "going")
        end(kernel)
        assert fake.disconnected.wait(10)


def test_another_holder_of_the_name_is_told_of(kernel, fake):
    kernel.run("%unload_ext ollama_magic")
    kernel.run(
        "from IPython.core.magic import register_cell_magic\n@register_cell_magic\ndef ollama(line, cell):\n    pass"
    )
    assert "was registered by" in kernel.run("%load_ext ollama_magic").shown()
    fake.says("ours")
    assert "ours" in kernel.run("%%ollama llama3.2\nq").shown()


def test_a_key_given_in_python_is_in_no_repr(kernel, fake):
    typed = "sk-typed-9b2e41"
    kernel.run(f"import ollama_magic; made = ollama_magic.connect(key='{typed}')")
    cell = kernel.run(
        "from ollama_magic.session import current\n"
        "print(vars(current()), current().settings(), repr(made), vars(made))\nmade"
    )
    shown = cell.raw()
    kernel.run("ollama_magic.connect(key=None)")
    assert typed not in shown
    assert cell.reply["status"] == "ok"
