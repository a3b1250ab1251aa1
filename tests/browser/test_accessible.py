"""What axe-core says of all that is shown, in JupyterLab's light and dark theme: labels, roles, contrast."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from tests.browser.axe import objections
from tests.browser.panel import Panel

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Page

    from tests.browser.lab import Lab
    from tests.fake_ollama import FakeOllama

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.long, pytest.mark.timeout(240)]

MB = 1_000_000
# Every kind of block, and every colour that code can have.
ANSWER = """\
## Distances

A **kilometre** is *1,000* metres, `km` for short; ~~a league~~ see [the article](https://en.wikipedia.org/wiki/Metre).

```python
@cache
def metres(km: float) -> float:  # exactly
    '''In metres.'''
    if km is None or not isinstance(km, float):
        raise ValueError("a number")
    return 1_000 * km

class Road: pass
```

```diff
- an old line
+ a new line
```

```html
<section class="road">text</section>
```

```pycon
>>> metres(2.0)
```

| river | km |
| :--- | ---: |
| Danube | `2850` |

With $d = v t$ there is

$$d = \\int v \\, dt$$

1. one
2. two
   - three

> quoted

---

The end.
"""
# A cell that fails would keep the others from being run.
FAILURES = """\
for line in ("broken:1b", "nosuch:1b", "--temperatur 1", "llama3.2 --mode elsewhere"):
    try:
        get_ipython().run_cell_magic("ollama", line, "What is a kilometre?")
    except Exception:
        get_ipython().showtraceback()
"""
CELLS = (
    "import ollama_magic, pandas as pd\nrivers = pd.DataFrame({'river': ['Danube', 'Rhine'], 'km': [2850, 1233]})",
    "%%ollama llama3.2 -i roads\nWhat is a kilometre? Here are {rivers}",
    FAILURES,
    "%%ollama long:1b\nOne that is cut off",
    *(f"%%ollama llama3.2 -f {form}\nThe same" for form in ("json", "math", "text")),
    "%%ollama page:1b -f html\nA page",
    "%%ollama llama3.2 --tokens 3\nIts tokens",
    "def area(km: float) -> float:\n    'The area of a square.'\n    return km * km",
    "%%ollama tools:1b --tools area\nHow large is it?",
    "%%ollama llama3.2 --dry-run -a rivers -s 'You are a geographer.'\nWhich river?",
    "%%ollama --compare llama3.2,smollm2:135m,broken:1b\nWhat is a kilometre?",
    "%ollama pick A",
    "%ollama diff A B",
    "%ollama votes",
    "%%ollama llama3.2 --bg --out later\nIn the background",
    "%ollama jobs wait all",
    *(f"%ollama {command}" for command in ("", "jobs", "jobs show 1", "list", "ps", "show llama3.2", "config", "help")),
    *(f"%ollama {command}" for command in ("threads", "history roads", "cache status")),
    "ollama_magic.evaluate(['One?', 'Two?'], models=['llama3.2', 'smollm2:135m'], checks=['kilometre'], cache='off')",
)
# What JupyterLab makes in an output: formulas, and links of what looks like an address; charts and widgets beside.
THEIRS = ("mjx-container", ".jp-RenderedText a")
OUTPUTS = ".jp-OutputArea-output:not(.jp-RenderedVegaCommon5):not(.jupyter-widgets)"
PANEL = ".om-panel"
# Nothing scrolls: axe looks at no colour that is out of view.
UNROLLED = """
.om-panel .om-columns, .om-panel .om-log { height: auto !important; }
.om-panel .om-models { max-height: none !important; }
"""


@pytest.fixture
def scripted(asked: FakeOllama) -> Iterator[FakeOllama]:
    """Any model answers with all kinds of blocks; some cut off, with tools, or a page."""
    asked.any_model = True
    asked.thinks("A word ", "on it.").says(ANSWER)
    asked.voice("broken:1b").says("Half ", "of it").drops_after(2)
    asked.voice("long:1b").says("Half ", "of it").ends_with("length")
    asked.voice("page:1b").says("<h1>A page</h1><p>with text</p>")
    asked.voice("tools:1b").calls_tool("area", km=3.0).then().says("It is 9.")
    yield asked
    asked.any_model = False


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    made = threading.Event()
    yield made
    made.set()


def unroll(page: Page) -> None:
    """Open what is folded, and make the window so high that the whole notebook is in view."""
    page.evaluate(
        "(all) => document.querySelectorAll(all).forEach((each) => { each.open = true; })", f"{OUTPUTS} details"
    )
    needed = "() => 200 + document.querySelector('.jp-WindowedPanel-outer').scrollHeight"
    page.set_viewport_size({"width": 1280, "height": page.evaluate(needed)})


def is_fine(panel: Panel, part: str) -> None:
    """Nobody objects to `part`, in either theme."""
    for theme in ("Dark", "Light"):
        panel.theme(theme)
        panel.page.wait_for_selector("#jupyterlab-splash", state="detached")
        found = objections(panel.page, part, without=THEIRS)
        assert not found, f"{theme}, {len(found)} of them:\n{''.join(found)}"


def test_what_cannot_be_read_or_named_is_seen(page: Page) -> None:
    page.goto("about:blank")
    unsure = "color:#bbb; background: #fff linear-gradient(#fff, #fff)"  # where axe leaves it open
    page.set_content(f"<main><p>well</p><p style='color:#aaa'>pale</p><p style='{unsure}'>pale too</p><input></main>")
    found = [each.partition(":")[0] for each in objections(page, "main")]
    assert found == ["color-contrast", "label", "contrast"]
    assert objections(page, "main", without=("p + p", "input")) == []


def test_answers_tables_and_errors(fake_lab: Lab, page: Page, scripted: FakeOllama) -> None:
    panel = Panel(fake_lab, page, "lab", "accessible.ipynb")
    page.set_default_timeout(90_000)
    panel.open(*CELLS)
    unroll(page)
    is_fine(panel, OUTPUTS)


@pytest.mark.parametrize(
    ("line", "seen"),
    [
        ("%%ollama llama3.2\nOne that goes on", "button.ollama-magic-stop"),
        ("%%ollama thinks:1b\nOne that is thought about", "summary:has-text('Thinking')"),
        ("%%ollama --compare llama3.2,smollm2:135m\nTwo", ".ollama-magic:has-text('first token')"),
        ("%ollama pull tiny:1b", ".ollama-magic progress[value]"),
    ],
)
def test_what_is_still_being_written(
    fake_lab: Lab, page: Page, scripted: FakeOllama, gate: threading.Event, line: str, seen: str
) -> None:
    scripted.forget().says(ANSWER, "and on").waits_for(gate).says(" and on")
    scripted.voice("thinks:1b").thinks("A word ", "on it").waits_for(gate).says("So it is.")
    scripted.offers("tiny:1b", 4 * MB, 2 * MB, MB).pull_waits_for(gate, at=2 * MB)
    panel = Panel(fake_lab, page, "lab", "written.ipynb")
    fake_lab.write(panel.notebook, "%load_ext ollama_magic", line)
    page.set_viewport_size({"width": 1280, "height": 2400})
    fake_lab.open(page, panel.notebook)
    page.evaluate("void window.jupyterapp.commands.execute('notebook:run-all-cells')")
    page.wait_for_selector(f".jp-OutputArea {seen}")
    is_fine(panel, ".jp-OutputArea-output")
    gate.set()
    page.wait_for_function("() => !document.body.textContent.includes('[*]:')")


@pytest.fixture(scope="module")
def form(fake_lab: Lab, page: Page) -> Panel:
    """An open panel in which nothing scrolls."""
    panel = Panel(fake_lab, page, "lab", "accessible-panel.ipynb")
    page.set_viewport_size({"width": 1280, "height": 3000})
    panel.open("import pandas as pd; df = pd.DataFrame({'colour': ['red', 'green'], 'count': [1, 2]})")
    page.add_style_tag(content=UNROLLED)
    panel.unfold("Parameters")
    return panel


def test_the_panel_with_answers_pulls_and_complaints(form: Panel, scripted: FakeOllama, gate: threading.Event) -> None:
    form.choose("llama3.2:latest")
    form.send("What is a kilometre? Use {df}.")
    form.done()
    scripted.forget().says("The", " beginning of an answer").drops_after(2)
    form.send("And one that breaks")
    form.done()
    scripted.offers("qwen3:8b", 4 * MB, 2 * MB).pull_waits_for(gate, at=2 * MB)
    for name in ("nosuch:1b", "qwen3:8b"):
        form.model.fill(name)
        form.button("Pull the model named in the field").click()
        form.root.get_by_role("group", name=f"Pull of {name}").wait_for()
    temperature = form.root.get_by_label("Temperature", exact=True)
    temperature.fill("warm")
    temperature.press("Enter")
    form.sees("cannot be", within=form.around("Temperature"))
    form.page.evaluate("() => document.querySelectorAll('.om-panel details').forEach((each) => { each.open = true; })")
    is_fine(form, PANEL)
    form.set_host("127.0.0.1:9")
    form.test("no server")
    form.set_host("")
    form.test("It works")
    is_fine(form, PANEL)
    form.button("Cancel the pull of qwen3:8b").click()
    temperature.fill("")
    temperature.press("Enter")


@pytest.mark.parametrize("opened", ["New thread", "Export", "Clear"])
def test_the_panel_with_a_question_open(form: Panel, opened: str) -> None:
    form.button(opened).click()
    is_fine(form, PANEL)
    form.button("Cancel").first.click()


def test_the_panel_while_it_answers_and_edits(form: Panel, scripted: FakeOllama, gate: threading.Event) -> None:
    scripted.forget().thinks("A word").says("An answer", " that goes on").waits_for(gate).says(" to its end.")
    form.root.get_by_label("Attach a variable or a file").fill("df")
    form.root.get_by_label("Attach a variable or a file").press("Enter")
    form.send("Go on")
    form.sees("that goes on", within=form.last)
    is_fine(form, PANEL)
    gate.set()
    form.done()
    form.last.get_by_role("button", name="Edit").click()
    form.sees("Editing the last turn")
    is_fine(form, PANEL)
    form.button("Cancel editing").click()


def test_the_panel_of_a_kernel_that_is_gone(form: Panel) -> None:
    form.restart()
    form.sees("The kernel was restarted")
    is_fine(form, PANEL)
