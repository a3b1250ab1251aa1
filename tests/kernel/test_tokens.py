"""`--tokens` in a real ipykernel: what is sent on both surfaces, what streams, what stays, and what is refused."""

from __future__ import annotations

import pytest

from tests.kernel.harness import Kernel

pytestmark = [pytest.mark.kernel, pytest.mark.slow]


@pytest.fixture(scope="module")
def started(server, tmp_path_factory):
    with Kernel(str(tmp_path_factory.mktemp("notebook")), {"OLLAMA_HOST": server.url}) as kernel:
        yield kernel


@pytest.fixture
def kernel(started, fake):
    fake.shape = "new"
    fake.version = "0.33.0"
    return started


@pytest.mark.parametrize(("api", "path"), [("openai", "/v1/chat/completions"), ("native", "/api/chat")])
def test_colours_stream_and_one_output_stays(kernel, fake, gate, api, path):
    fake.says("Because", " it is").waits_for(gate).says(" so")
    cell = kernel.start(f"%%ollama llama3.2 --tokens 3 --api {api} --out why\nwhy")
    kernel.wait_for_text(cell, " it is")
    assert not cell.idle
    gate.set()
    kernel.finish(cell)
    asked = fake.recorded[-1]
    assert asked.path == path
    assert (asked.json["logprobs"], asked.json["top_logprobs"]) == (True, 3)
    [output] = cell.outputs
    assert output["data"]["text/html"].count('class="ollama-token"') == 3
    assert "perplexity 1.11" in output["data"]["text/plain"]
    assert output["data"]["text/markdown"].strip() == "Because it is so"
    after = kernel.run("print(round(why.perplexity, 3), [len(token.alternatives) for token in why.probabilities])")
    assert "1.105 [3, 3, 3]" in after.shown()
    assert 'class="ollama-token"' in kernel.run("why").shown()  # as the last line of a cell too


def test_what_is_said_where_a_server_is_too_old(kernel, fake):
    fake.shape, fake.version = "2024", "0.9.6"
    fake.says("plain **text**")
    cell = kernel.run("%%ollama llama3.2 --tokens\nwhy")
    assert "Ollama tells them since 0.12.11, and this server is 0.9.6" in cell.shown()
    assert "<strong>text</strong>" in cell.shown()
    assert "ollama-token" not in cell.shown()


def test_a_value_tools_and_code_have_tokens_too(kernel, fake):
    fake.says('{"n": ', "42}")
    cell = kernel.run('%%ollama llama3.2 --tokens --schema "n: int" --out found\nhow many')
    assert cell.shown().count('class="ollama-token"') == 2
    assert "{'n': 42}" in kernel.run("print(found)").shown()

    kernel.run("def add(a: int, b: int) -> int:\n    'Add.'\n    return a + b")
    fake.says("Let me see").calls_tool("add", a=40, b=2).then().says("It is ", "42")
    cell = kernel.run("%%ollama llama3.2 --tokens --tools add\nhow many")
    assert cell.shown().count('class="ollama-token"') == 3
    assert "Let me see" in cell.shown("text/plain")

    fake.says("```python\n", "x = 1\n", "```")
    cell = kernel.run("%%ollama llama3.2 --tokens -f code\ncode")
    assert cell.shown().count('class="ollama-token"') == 3
    assert cell.reply["payload"][0]["text"].strip() == "x = 1"


def test_the_cache_has_them(kernel, fake):
    fake.says("Because", " so")
    first = kernel.run("%%ollama llama3.2 --tokens --cache\nis it kept")
    asked = len(fake.recorded)
    again = kernel.run("%%ollama llama3.2 --tokens --cache\nis it kept")
    assert not [request for request in fake.recorded[asked:] if request.method == "POST"]
    for cell in (first, again):
        assert cell.shown().count('class="ollama-token"') == 2


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("--tokens 21", "tokens come with 0 to 20 alternatives, not 21"),
        ("--tokens=five", "--tokens 'five' is not a whole number"),
        ("--tokens -f html", "--tokens shows the text token by token, and -f html shows what it makes"),
        ("--tokens -f math", "Leave one of them out"),
    ],
)
def test_what_is_refused(kernel, fake, options, said):
    cell = kernel.run(f"%%ollama llama3.2 {options}\nwhy")
    assert said in cell.shown()
    assert not fake.recorded


def test_answers_side_by_side_have_tokens_too(kernel, fake):
    fake.says("Because", " so")
    cell = kernel.run("%%ollama llama3.2 --tokens 2 --sweep temperature=0,1 --out runs\nwhy")
    [output] = cell.outputs
    assert output["data"]["text/html"].count('class="ollama-token"') == 4
    assert output["data"]["text/plain"].count("perplexity 1.11") == 2
    assert (
        "[2, 2] [1.105, 1.105]"
        in kernel.run(
            "print([len(run.probabilities) for run in runs.answers], runs.df.perplexity.round(3).tolist())"
        ).shown()
    )


def test_in_the_background(kernel, fake, gate):
    fake.says("Because").waits_for(gate).says(" so")
    cell = kernel.run("%%ollama llama3.2 --tokens --bg\nwhy")
    gate.set()
    kernel.until(lambda: cell.shown().count('class="ollama-token"') == 2)


def test_a_preview_shows_what_would_be_sent(kernel, fake):
    shown = kernel.run("%%ollama llama3.2 --tokens 7 --dry-run\nwhy").shown("text/plain")
    assert '"top_logprobs": 7' in shown
