"""The panel in JupyterLab and Notebook 7, used as a person would, answered by the fake server."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from tests.fake_ollama import model_entry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.browser.panel import Panel
    from tests.fake_ollama import FakeOllama

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(120)]

BAD_KEY, GOOD_KEY = "bad-0123456789abcdef", "good-fedcba9876543210"
CODE = "Here it is:\n\n```python\nprint('from the answer')\n```\n"
RED_PICTURE = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108020000009077"
    "53de0000000c49444154789c63f8cfc0000003010100c9fe92ef0000000049454e44ae426082"
)


def question(asked: FakeOllama) -> dict[str, Any]:
    """The body of the last request for an answer."""
    body: dict[str, Any] = next(each.json for each in reversed(asked.recorded) if "/chat" in each.path)
    return body


@pytest.fixture(autouse=True)
def quiet_console(panel: Panel) -> Iterator[None]:
    """Nothing that a test does makes the console complain."""
    yield
    assert panel.errors == []


def test_the_form_tests_the_connection_and_says_where_values_come_from(panel: Panel, asked: FakeOllama) -> None:
    panel.sees("environment: OLLAMA_HOST")
    panel.test("It works", "3 models")

    panel.set_host("http://127.0.0.1:9")
    panel.test("127.0.0.1:9", "no server")

    panel.set_host("http://what is this")
    panel.sees("cannot be used as a host", "Write a host as", within=panel.around("Host"))
    assert panel.host.get_attribute("aria-invalid") == "true"
    assert panel.host.input_value() == "http://what is this"

    asked.requires_key(GOOD_KEY)
    panel.choose_mode("cloud")
    panel.set_host(asked.url)
    for key, verdict in ((BAD_KEY, "key"), (GOOD_KEY, "The key works")):
        panel.key.fill(key)
        panel.key.press("Enter")
        assert panel.key.input_value() == ""
        panel.test(verdict)
    assert asked.recorded[-1].headers["authorization"] == f"Bearer {GOOD_KEY}"
    panel.button("Forget the key").click()
    panel.sees("No key is set")

    asked.requires_key("")
    panel.set_host("")
    panel.choose_mode("")
    panel.test("It works")


def test_a_model_is_found_with_the_keyboard_and_answers(panel: Panel, asked: FakeOllama) -> None:
    gates = threading.Event(), threading.Event()
    asked.says("The first", " words").waits_for(gates[0]).says(" and more").waits_for(gates[1]).says(" $x^2$ end.")
    panel.model.fill("smol")
    models = panel.root.get_by_role("listbox", name="Models").get_by_role("option")
    assert models.locator(".om-model-name").all_inner_texts() == ["smollm2:135m"]
    panel.model.press("ArrowDown")
    panel.model.press("Enter")
    panel.page.wait_for_selector(".om-model[data-name='smollm2:135m'][aria-selected='true']")
    assert models.count() == 3

    panel.send("Say something")
    panel.sees("Say something", "The first words", within=panel.last)
    assert panel.last.get_attribute("aria-busy") == "true"
    gates[0].set()
    panel.sees("The first words and more", within=panel.last)
    gates[1].set()
    panel.done()
    panel.last.locator("mjx-container").wait_for()
    panel.sees("smollm2:135m", "complete", within=panel.last)
    assert question(asked)["model"] == "smollm2:135m"
    assert panel.prompt.evaluate("(field) => field === document.activeElement")


def test_the_conversation_keeps_its_place(panel: Panel, asked: FakeOllama) -> None:
    from_end = "(log) => log.scrollHeight - log.scrollTop - log.clientHeight"
    at_end = f"() => ({from_end})(document.querySelector('.om-log')) < 5"
    gate = threading.Event()
    asked.says(*[f"Line {n}.\n\n" for n in range(60)]).waits_for(gate).says("The end.")
    panel.send("Many lines")
    panel.sees("Line 59.", within=panel.last)
    panel.page.wait_for_function(at_end)
    panel.page.set_viewport_size({"width": 1100, "height": 1000})
    panel.page.wait_for_function(at_end)
    panel.page.set_viewport_size({"width": 1280, "height": 1600})
    panel.page.wait_for_function(at_end)
    panel.log.hover()
    panel.page.mouse.wheel(0, -300)
    panel.page.wait_for_function(f"() => ({from_end})(document.querySelector('.om-log')) > 200")
    place = panel.log.evaluate("(log) => log.scrollTop")
    gate.set()
    panel.done()
    assert panel.last.get_by_text("The end.").count() == 1
    assert panel.log.evaluate("(log) => log.scrollTop") == place
    panel.page.mouse.wheel(0, 100_000)
    panel.page.wait_for_function(at_end)


@pytest.mark.parametrize("way", ["button", "escape"])
def test_stop_closes_the_stream(panel: Panel, asked: FakeOllama, way: str) -> None:
    asked.says("Only ", "this").stalls_after(2)
    panel.send("Go on for ever")
    panel.sees("Only this", within=panel.last)
    assert not asked.disconnected.is_set()
    if way == "button":
        panel.button("Stop").click()
    else:
        panel.prompt.press("Escape")
    assert asked.disconnected.wait(10)
    panel.done()
    panel.sees("Only this", "stopped", within=panel.last)
    assert panel.button("Stop").count() == 0


def test_an_answer_becomes_cells_below_the_panel_and_runs_nowhere(panel: Panel, asked: FakeOllama) -> None:
    asked.says(CODE, "\n<img src=x onerror='window.pwned = 1'> <script>window.pwned = 1</script>")
    panel.send("Write a program")
    panel.done()
    before = panel.sources()
    panel.last.get_by_role("button", name="Insert as cell").click()
    panel.sees("nothing was run")
    after = panel.sources()
    at = before.index("%ollama panel") + 1
    assert "print('from the answer')" in after[at]
    assert after[:at] + after[at + 1 :] == before
    assert panel.page.evaluate("window.pwned") is None
    assert panel.last.locator("img, script").count() == 0


def test_the_last_turn_can_be_asked_again_and_edited(panel: Panel, asked: FakeOllama) -> None:
    asked.says("answer one").then().says("answer two").then().says("answer three")
    panel.send("A question with a mistale")
    panel.done()
    count = panel.root.locator(".om-turn").count()
    panel.last.get_by_role("button", name="Retry").click()
    panel.sees("answer two", within=panel.last)
    panel.done()
    panel.prompt.fill("a draft")
    panel.last.get_by_role("button", name="Edit").click()
    assert panel.prompt.input_value() == "A question with a mistale"
    panel.prompt.fill("A question without a mistake")
    panel.prompt.press("Enter")
    panel.sees("A question without a mistake", "answer three", within=panel.last)
    panel.done()
    assert panel.root.locator(".om-turn").count() == count
    assert panel.prompt.input_value() == "a draft"
    assert [m["content"] for m in question(asked)["messages"]][-1] == "A question without a mistake"
    panel.prompt.fill("")


def test_variables_and_pictures_go_along(panel: Panel, asked: FakeOllama) -> None:
    asked.models.append(model_entry("llava:7b", capabilities=("completion", "vision")))
    panel.button("Refresh the list of models").click()
    panel.sees("vision")
    panel.choose("llava:7b")
    panel.begin("pictures")  # in a thread of its own: other models could not go on with it
    attach = panel.root.get_by_label("Attach a variable or a file")
    attach.focus()
    panel.page.wait_for_selector(".om-panel datalist option[value='df']", state="attached")
    attach.fill("df")
    attach.press("Enter")
    panel.root.locator("input[type=file]").set_input_files(
        {"name": "red.png", "mimeType": "image/png", "buffer": RED_PICTURE}
    )
    panel.sees("df", "red.png", within=panel.root.get_by_role("list", name="Attached"))
    asked.says("Seen.")
    panel.send("What is this?")
    panel.sees("Seen.", within=panel.last)
    panel.done()
    sent = str(question(asked)["messages"][-1])
    assert "colour" in sent
    assert "image" in sent
    panel.choose("smollm2:135m")
    panel.sees("df", "1 picture", within=panel.last)
    assert panel.root.get_by_role("list", name="Attached").count() == 0
    panel.root.get_by_label("Thread", exact=True).select_option("main")
    panel.page.wait_for_selector(".om-turn")


def test_parameters_are_sent_and_unset_again(panel: Panel, asked: FakeOllama) -> None:
    panel.unfold("Parameters")
    temperature = panel.root.get_by_label("Temperature", exact=True)
    temperature.fill("warm")
    temperature.press("Enter")
    panel.around("Temperature").locator(".om-problem:not(:empty)").wait_for()
    assert temperature.input_value() == "warm"
    temperature.fill("0.25")
    asked.says("Yes.")
    panel.send("Without leaving the field first")
    panel.done()
    assert question(asked)["temperature"] == 0.25
    assert panel.page.evaluate("document.querySelectorAll('.om-problem:not(:empty)').length") == 0
    panel.button("Unset: Temperature").click()
    panel.page.wait_for_selector("button[aria-label='Unset: Temperature']", state="hidden")
    assert temperature.get_attribute("placeholder") == "the model's default"


def test_threads_and_the_magic_are_one(panel: Panel, asked: FakeOllama) -> None:
    asked.says("Four.").then().says("It was four.")
    panel.begin("sums")
    panel.run("get_ipython().run_cell_magic('ollama', '--thread sums', 'Two and two?')")
    panel.sees("Two and two?", "Four.", within=panel.last)
    panel.send("What was it?")
    panel.sees("It was four.", within=panel.last)
    panel.done()
    assert len(question(asked)["messages"]) == 3
    panel.button("Clear").click()
    panel.root.get_by_role("group", name="Clear").get_by_role("button", name="Clear").click()
    panel.sees("Nothing has been asked")
    with panel.page.expect_download() as download:
        panel.root.get_by_label("Thread", exact=True).select_option("main")
        panel.page.wait_for_selector(".om-turn")
        panel.button("Export").click()
        panel.button("Markdown").click()
    assert "answer three" in download.value.path().read_text(encoding="utf-8")


def test_keys_pressed_in_the_panel_do_nothing_to_the_notebook(panel: Panel, asked: FakeOllama) -> None:
    before = panel.sources()
    for place in (panel.button("Export"), panel.root.locator("input[type=radio]:checked"), panel.log, panel.prompt):
        panel.command("notebook:enter-command-mode")
        place.focus()
        panel.page.keyboard.type("abxddm")
    assert panel.sources() == before
    assert panel.prompt.input_value() == "abxddm"
    panel.prompt.fill("")


def test_a_panel_answers_while_a_cell_computes_and_beside_another_panel(panel: Panel, asked: FakeOllama) -> None:
    gate, of_cell = threading.Event(), threading.Event()
    asked.says("In the panel, ").waits_for(gate).says("whole.")
    asked.then().says("In the cell, ").waits_for(of_cell).says("whole.")
    panel.send("Begin")
    panel.sees("In the panel,", within=panel.last)
    # A magic that streams and computes at the same time, and a second panel that is opened and closed again.
    panel.start("get_ipython().run_cell_magic('ollama', '', 'Beside it'); open('magic done', 'w').close()")
    gate.set()
    panel.sees("In the panel, whole.", within=panel.last)
    panel.done()
    assert not (panel.lab.folder / "magic done").exists()
    of_cell.set()
    panel.run("import ollama_magic; other = ollama_magic.panel(); other.close()")
    assert (panel.lab.folder / "magic done").exists()
    (panel.lab.folder / "magic done").unlink()
    panel.test("It works")
