"""What a notebook does with prompts and answers: variables, conversations, values, tools, replay; in a real kernel."""

from __future__ import annotations

import re

import pytest

from tests.kernel.harness import Kernel

pytestmark = [pytest.mark.kernel, pytest.mark.slow]


@pytest.fixture(scope="module")
def started(server, tmp_path_factory):
    folder = tmp_path_factory.mktemp("notebook")
    env = {"OLLAMA_HOST": server.url, "OLLAMA_MODEL": "llama3.2", "OLLAMA_MAGIC_CACHE_DIR": str(folder / "cache")}
    with Kernel(str(folder), env) as kernel:
        yield kernel


@pytest.fixture
def kernel(started, fake):
    started.run("from ollama_magic.session import current; current().threads.__init__(); current().thread = ''")
    return started


def asked(fake):
    """The messages of the last question."""
    return [r for r in fake.recorded if r.path.endswith(("/chat/completions", "/api/chat"))][-1].json["messages"]


def said(fake):
    return [(message["role"], message["content"]) for message in asked(fake)]


# ---- variables -------------------------------------------------------------------------------------------------


def test_variables_go_into_the_prompt_and_the_footer_names_them(kernel, fake):
    fake.says("fine")
    kernel.run("town = 'Paris {secret}'; secret = 'hush'; facts = {'a': 1}")
    cell = kernel.run('%%ollama\nAbout {town}: {facts["a"]}, {"b": 2} and \\frac{x}{y}')
    assert asked(fake)[0]["content"] == 'About Paris {secret}: 1, {"b": 2} and \\frac{x}{y}'
    assert "with town ~" in cell.shown("text/plain").splitlines()[-1]


def test_raw_sends_braces_as_they_are(kernel, fake):
    kernel.run("city = 'Paris'")
    kernel.run("%%ollama --raw\n{city}")
    assert asked(fake)[0]["content"] == "{city}"


def test_in_out_and_err(kernel, fake):
    fake.says("ok")
    number = kernel.run("6 * 7").reply["execution_count"]
    failed = kernel.run("1 / 0").reply["execution_count"]
    kernel.run(f"%%ollama\n{{In[{number}]}} {{Out[{number}]}} {{Err[{failed}]}}")
    text = asked(fake)[0]["content"]
    assert "6 * 7" in text
    assert "42" in text
    assert "ZeroDivisionError" in text


def test_an_expression_that_raises_sends_nothing(kernel, fake):
    kernel.run("d = {}")
    cell = kernel.run("%%ollama\n{d['missing']}")
    assert cell.reply["ename"] == "PromptError"
    assert "KeyError" in cell.shown()
    assert not fake.recorded


def test_an_unknown_attachment_gets_the_nearest_name(kernel, fake):
    kernel.run("prices = [1, 2]")
    cell = kernel.run("%%ollama -a price\nq")
    assert "prices" in cell.shown()
    assert not fake.recorded


def test_a_file_is_attached(kernel, fake):
    fake.says("ok")
    kernel.run("open('notes.txt', 'w').write('remember the milk')")
    kernel.run("%%ollama -a notes.txt\nwhat?")
    assert "remember the milk" in asked(fake)[0]["content"]


def test_a_dry_run_shows_all_and_sends_nothing(kernel, fake):
    kernel.run("numbers = list(range(5))")
    cell = kernel.run("%%ollama --dry-run -s 'be brief' -t 0\nSum {numbers}")
    assert not [r for r in fake.recorded if "chat" in r.path]
    for piece in ("be brief", "[0, 1, 2, 3, 4]", "/v1/chat/completions", "numbers", "temperature", "of a context of"):
        assert piece in cell.shown("text/plain"), piece


def test_a_dry_run_shows_what_the_tools_cost(kernel, fake):
    kernel.run("def weather(city: str) -> str:\n    'The weather of a city.'\n    return 'sun'")
    shown = kernel.run("%%ollama --dry-run --tools weather\nHow is it in Rome?").shown("text/plain")
    assert "tools" in shown
    assert "weather" in shown
    tokens = int(re.search(r"About (\d+) tokens", shown)[1])
    alone = kernel.run("%%ollama --dry-run\nHow is it in Rome?").shown("text/plain")
    assert tokens > int(re.search(r"About (\d+) tokens", alone)[1]) + 20


def test_a_picture_for_a_model_without_eyes_is_refused_before_it_is_sent(kernel, fake):
    kernel.run("import numpy as np; picture = np.zeros((4, 4, 3), dtype='uint8')")
    cell = kernel.run("%%ollama\n{picture:image} what is it?")
    assert cell.reply["ename"] == "Unsupported"
    assert "cannot see pictures" in cell.shown()
    assert not [r for r in fake.recorded if "chat" in r.path]


# ---- conversations ---------------------------------------------------------------------------------------------


def run_as(kernel, cell_id, code):
    """Run a cell as a front end with that cell does."""
    return kernel.finish(kernel.start(code, cell_id))


def test_without_a_thread_a_cell_stands_alone(kernel, fake):
    fake.says("one").then().says("two")
    kernel.run("%%ollama\nfirst")
    kernel.run("%%ollama\nsecond")
    assert said(fake) == [("user", "second")]


def test_a_thread_goes_on(kernel, fake):
    fake.says("one").then().says("two").then().says("three")
    run_as(kernel, "a", "%%ollama -i talk\nfirst")
    run_as(kernel, "b", "%%ollama -c\nsecond")
    run_as(kernel, "c", "%%ollama -i other\nelsewhere")
    assert said(fake) == [("user", "elsewhere")]
    run_as(kernel, "d", "%%ollama -i talk\nthird")
    assert said(fake) == [
        ("user", "first"),
        ("assistant", "one"),
        ("user", "second"),
        ("assistant", "two"),
        ("user", "third"),
    ]


def test_running_a_cell_again_replaces_its_turn_and_drops_what_followed(kernel, fake):
    fake.says("one").then().says("two").then().says("ONE").then().says("TWO")
    run_as(kernel, "a", "%%ollama -i talk\nfirst")
    run_as(kernel, "b", "%%ollama -i talk\nsecond")
    run_as(kernel, "a", "%%ollama -i talk\nfirst, edited")
    assert said(fake) == [("user", "first, edited")]
    run_as(kernel, "b", "%%ollama -i talk\nsecond")
    assert said(fake) == [("user", "first, edited"), ("assistant", "ONE"), ("user", "second")]


def test_an_interrupted_turn_is_kept_as_it_was_shown(kernel, fake, gate):
    fake.says("half an ans").waits_for(gate).says("wer").then().says("two")
    cell = kernel.start("%%ollama -i talk\nfirst", "a")
    kernel.wait_for_text(cell, "half an ans")
    kernel.interrupt()
    kernel.finish(cell)
    run_as(kernel, "b", "%%ollama -i talk\nsecond")
    assert said(fake) == [("user", "first"), ("assistant", "half an ans"), ("user", "second")]


def test_new_begins_anew(kernel, fake):
    fake.says("one").then().says("two")
    run_as(kernel, "a", "%%ollama -i talk\nfirst")
    run_as(kernel, "b", "%%ollama -i talk --new\nsecond")
    assert said(fake) == [("user", "second")]


def test_threads_are_listed_shown_exported_and_forgotten(kernel, fake):
    fake.says("one")
    run_as(kernel, "a", "%%ollama -i talk\nfirst")
    assert "talk" in kernel.run("%ollama threads").shown()
    assert "one" in kernel.run("%ollama history talk").shown()
    for kind in ("md", "json", "ipynb"):
        assert f"talk.{kind}" in kernel.run(f"%ollama export talk talk.{kind}").shown()
    assert "forgotten" in kernel.run("%ollama reset talk").shown()
    assert "There is no thread" in kernel.run("%ollama history talk").shown()
    assert "1 turn" in kernel.run("%ollama import talk.json").shown()
    assert "one" in kernel.run("%ollama history talk").shown()


def test_an_exported_conversation_loads_nothing_when_it_is_read(kernel, fake):
    fake.says("![a](http://example.com/a.png) <img src=x onerror=alert(1)> `a < b`")
    run_as(kernel, "a", "%%ollama -i talk\nfirst")
    kernel.run("%ollama export talk talk.md")
    written = kernel.run("print(open('talk.md').read())").shown()
    assert "first" in written
    assert "`a < b`" in written
    assert "![" not in written
    assert "<img" not in written


# ---- values ----------------------------------------------------------------------------------------------------


def test_a_schema_gives_a_typed_value(kernel, fake):
    fake.says('{"name": "Ada", ', '"year": 1815}')
    cell = kernel.run('%%ollama --schema "name: str, year: int" --out who\nWho?')
    assert cell.reply["status"] == "ok", cell.shown()
    assert "Ada 1815" in kernel.run("print(who['name'] if isinstance(who, dict) else who.name, who['year'])").shown()
    body = [r for r in fake.recorded if "chat" in r.path][-1].json
    assert body["response_format"]["type"] == "json_schema"


def test_an_answer_that_does_not_fit_is_asked_for_once_more(kernel, fake):
    fake.says('{"year": "soon"}').then().says('{"year": 1815}')
    cell = kernel.run('%%ollama --schema "year: int" --out when\nWhen?')
    assert cell.reply["status"] == "ok", cell.shown()
    assert "1815" in kernel.run("print(when)").shown()
    assert "soon" not in cell.shown("text/plain").split("did not fit")[-1].partition("\n")[2]
    assert len([r for r in fake.recorded if "chat" in r.path]) == 2


def test_an_answer_that_never_fits_is_an_error_that_keeps_it(kernel, fake):
    fake.says("no json at all")
    cell = kernel.run('%%ollama --schema "year: int"\nWhen?')
    assert cell.reply["ename"] == "SchemaMismatch"
    assert "no json at all" in kernel.run("import ollama_magic; print(ollama_magic.last.text)").shown()


def test_a_schema_that_is_none_sends_nothing(kernel, fake):
    cell = kernel.run("%%ollama --schema nonsense\nWhen?")
    assert cell.reply["status"] == "error"
    assert not fake.recorded


def test_code_goes_into_the_next_cell(kernel, fake):
    fake.says("Here:\n```python\nprint(1)\n```\n")
    cell = kernel.run("%%ollama -f code\nwrite it")
    [payload] = cell.reply["payload"]
    assert payload["source"] == "set_next_input"
    assert payload["text"] == "print(1)"


# ---- tools -----------------------------------------------------------------------------------------------------

ADD = 'def add(a: int, b: int) -> int:\n    """Add two numbers."""\n    return a + b'


def test_a_tool_is_called_and_its_result_goes_back(kernel, fake):
    fake.calls_tool("add", a=2, b=40).then().says("It is 42.")
    kernel.run(ADD)
    cell = kernel.run("%%ollama --tools add\n2 + 40?")
    assert "It is 42." in cell.shown()
    assert "add" in cell.shown()
    assert [role for role, _ in said(fake)] == ["user", "assistant", "tool"]
    assert asked(fake)[-1]["content"] == "42"


def test_an_async_tool_runs_on_the_kernels_own_loop(kernel, fake):
    fake.calls_tool("wait").then().says("done")
    kernel.run(
        "import asyncio\nlock = asyncio.Lock(); loop = asyncio.get_running_loop()\n"
        "async def wait() -> str:\n    async with lock:\n        await asyncio.sleep(0)\n"
        "    return f'same loop: {asyncio.get_running_loop() is loop}'\nawait lock.acquire(); lock.release()"
    )
    cell = kernel.run("%%ollama --tools wait\ngo")
    assert cell.reply["status"] == "ok", cell.shown()
    assert asked(fake)[-1]["content"] == "same loop: True"
    assert "still alive" in kernel.run("print('still alive')").shown()


def test_a_tool_that_raises_is_a_result(kernel, fake):
    fake.calls_tool("broken").then().says("I see.")
    kernel.run("def broken():\n    raise ValueError('no luck')")
    cell = kernel.run("%%ollama --tools broken\ngo")
    assert "I see." in cell.shown()
    assert "ValueError: no luck" in asked(fake)[-1]["content"]


def test_a_tool_that_never_returns_can_be_interrupted(kernel, fake, tmp_path):
    fake.calls_tool("forever").then().says("never")
    started = tmp_path / "started"
    kernel.run(f"import time\ndef forever():\n    open({str(started)!r}, 'w').close()\n    time.sleep(600)")
    cell = kernel.start("%%ollama --tools forever\ngo")
    kernel.until(started.exists)
    kernel.interrupt()
    kernel.finish(cell)
    assert cell.reply["ename"] == "Stopped"
    assert "3" in kernel.run("1 + 2").shown("text/plain")


def test_a_model_that_never_stops_asking_is_stopped(kernel, fake):
    fake.calls_tool("add", a=1, b=1)
    kernel.run(ADD)
    cell = kernel.run("%%ollama --tools add\ngo")
    assert cell.reply["ename"] == "ToolsNeverEnd"


def test_an_unknown_tool_sends_nothing(kernel, fake):
    kernel.run(ADD)
    cell = kernel.run("%%ollama --tools ad\ngo")
    assert "add" in cell.shown()
    assert not fake.recorded


def test_web_without_a_key_says_so(kernel, fake):
    cell = kernel.run("%%ollama --web\nnews?")
    assert "OLLAMA_API_KEY" in cell.shown()
    assert not fake.recorded


# ---- fix, replay, Python ---------------------------------------------------------------------------------------


def test_fix_explains_the_last_error_with_its_cell_and_values(kernel, fake):
    fake.says("You divided by zero.")
    kernel.run("count = 0\nprint(10 / count)")
    cell = kernel.run("%ollama fix")
    assert "You divided by zero." in cell.shown()
    text = asked(fake)[-1]["content"]
    for piece in ("ZeroDivisionError", "print(10 / count)", "`count` is:"):
        assert piece in text


def test_fix_puts_a_corrected_cell_next(kernel, fake):
    fake.says("```python\nprint(10)\n```")
    kernel.run("print(10 / 0)")
    cell = kernel.run("%ollama fix --code")
    assert cell.reply["payload"][0]["text"] == "print(10)"


def test_an_answer_is_replayed_without_a_server(kernel, fake):
    fake.says("kept ", "answer")
    kernel.run("%%ollama --cache\nremember this")
    fake.forget().says("another one")
    cell = kernel.run("%%ollama --cache\nremember this")
    assert "kept answer" in cell.shown()
    assert "replayed" in cell.shown("text/plain").splitlines()[-1]
    gone = kernel.run("%%ollama --cache --host http://127.0.0.1:9\nremember this")
    assert "kept answer" in gone.shown()
    assert "another one" in kernel.run("%%ollama --refresh\nremember this").shown()
    assert "another one" in kernel.run("%%ollama --cache\nremember this").shown()


def test_kept_answers_travel_in_a_file(kernel, fake):
    fake.says("for the class")
    kernel.run("%%ollama --cache\nlesson one")
    assert "in answers.json. To replay them" in kernel.run("%ollama cache export answers.json").shown()
    assert "Forgotten: " in kernel.run("%ollama cache clear").shown()
    assert "taken in" in kernel.run("%ollama cache import answers.json").shown()
    fake.forget().says("not asked")
    assert "for the class" in kernel.run("%%ollama --cache\nlesson one").shown()


def test_ask_and_chat_from_python(kernel, fake):
    fake.says("four").then().says("eight").then().says("a", "b").then().says('{"n": 3}')
    cell = kernel.run(
        "import ollama_magic\n"
        "print(ollama_magic.ask('2 + 2?', temperature=0).text)\n"
        "chat = ollama_magic.Chat('sums')\n"
        "print(chat('4 + 4?').text)\n"
        "print([e.text for e in chat.stream('and?') if type(e).__name__ == 'Text'])\n"
        "print(ollama_magic.ask('n?', schema='n: int').value)"
    )
    for piece in ("four", "eight", "['a', 'b']", "{'n': 3}"):
        assert piece in cell.shown(), cell.shown()
    assert "sums" in kernel.run("%ollama threads").shown()
