"""A hostile server in JupyterLab, Notebook 7 and exported pages: nothing runs, nothing is loaded, nothing is live."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from ollama_magic.render.forms import page_html
from tests.browser.hostile import (
    CODE_CELLS,
    EVERYTHING,
    MODEL,
    ORDINARY,
    OTHER_MODEL,
    SHORT,
    as_ordinary,
    told,
)
from tests.browser.lab import FRONT_ENDS, running_lab
from tests.browser.panel import Panel
from tests.browser.watch import Watch
from tests.fake_models import model_entry
from tests.fake_rules import RuledOllama
from tests.fake_script import Script
from tests.render.payloads import PAYLOADS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Page

    from tests.browser.lab import Lab

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]

# The same once more in the second one, which is made of the same parts.
EACH = [pytest.param(each, marks=() if each == "lab" else pytest.mark.long) for each in FRONT_ENDS]

BAD = "<img src=x onerror=window.pwned(1)> [x](javascript:window.pwned(1)) $\\href{javascript:window.pwned(1)}{x}$"
ERROR_PAGE = f"<html><base href=http://evil.invalid/><body onload=window.pwned(1)><script>window.pwned(1)</script>{BAD}"
MATHS = "\n\n".join(text for text in SHORT if "$" in text or "\\[" in text or "\\begin" in text)
PROSE = "\n\n".join([*(text for text in SHORT if "`" not in text and "~~~" not in text), "", "At last $a<b$."])
ERRORS: tuple[Callable[[], Script], ...] = (
    lambda: Script().fails(500, ERROR_PAGE),
    lambda: Script().fails(404, json.dumps({"error": BAD})),
    lambda: Script().fails(400, json.dumps({"error": {"message": BAD, "type": BAD, "code": BAD}})),
    lambda: Script().says(BAD).fails_midstream(BAD),
    lambda: Script().thinks(BAD).says("half ", BAD).drops_after(2),
    lambda: Script().sends_raw(ERROR_PAGE.encode()),
    lambda: Script().fails(200, ERROR_PAGE),
)


def rule() -> Callable[[str], str | Script]:
    """What the server says to each prompt."""
    fails, compared, mapped = itertools.cycle(ERRORS), itertools.count(), itertools.count()

    def say(prompt: str) -> str | Script:
        if prompt.startswith("fail"):
            return next(fails)()
        if prompt.startswith("compare") and next(compared) % 3 == 1:
            return Script().fails(500, ERROR_PAGE)
        if prompt.startswith("Say ") and next(mapped) % 3 == 1:
            return Script().fails(400, json.dumps({"error": BAD}))
        if prompt.startswith("call it"):
            return Script().calls_tool(MODEL, **{"<b onclick=window.pwned(1)>": BAD})
        if "called" in prompt and "echo" in prompt:  # what it hears of a tool that is not there
            return Script().calls_tool("echo", text="\n".join(SHORT[:40]))
        if prompt.startswith("its tokens"):
            return Script().says(*SHORT[:80])
        if prompt.startswith("an object"):
            return json.dumps({text: list(SHORT[:20]) for text in SHORT[:20]})
        if prompt.startswith("a formula"):
            return Script().says(*told(MATHS))
        if prompt.startswith("prose"):  # it has no code, so it becomes a Markdown cell
            return Script().says(*told(PROSE, 200))
        if prompt.startswith("ordinary"):
            return Script().says(*told(ORDINARY, 3))
        return Script().thinks(*told(EVERYTHING)).says(*told(EVERYTHING))

    return say


@pytest.fixture(scope="module")
def server() -> Iterator[RuledOllama]:
    """All that it says, of its models too, is hostile."""
    fake = RuledOllama()
    with fake:
        fake.rule, fake.version = rule(), BAD
        fake.pace(4000)  # so that answers are painted while they come
        facts = dict.fromkeys(("parameter_size", "quantization_level", "family", "format", "parent_model"), BAD)
        fake.models += [{**model_entry(name, capabilities=(BAD,)), "details": facts} for name in (MODEL, OTHER_MODEL)]
        fake.loaded += [MODEL, OTHER_MODEL]
        shown = dict.fromkeys(("license", "parameters", "template", "system", "modelfile"), EVERYTHING)
        info = {"general.architecture": BAD, "llama.context_length": 8192, BAD: BAD}
        body = {**shown, "details": facts, "model_info": info, "capabilities": ["completion", "tools", "thinking", BAD]}
        fake.fails(200, json.dumps(body), path="/api/show")
        layer = {"digest": BAD, "total": 10, "completed": 5}
        fake.pull_says({"status": BAD}, {"status": f"pulling {BAD}", **layer}, {"status": BAD, **layer}, BAD)
        yield fake


@pytest.fixture(scope="module")
def hostile_lab(browser_path: str, tmp_path_factory: pytest.TempPathFactory, server: RuledOllama) -> Iterator[Lab]:
    """Kernels that ask `server`, and can import these tests."""
    with running_lab(tmp_path_factory.mktemp("hostile"), {"OLLAMA_HOST": server.url}) as running:
        yield running


@pytest.fixture
def watch(page: Page, hostile_lab: Lab) -> Iterator[Watch]:
    watch = Watch(page, hostile_lab.url)
    yield watch
    watch.close()


@pytest.mark.parametrize("front_end", EACH)
def test_nothing_of_a_model_or_server_is_live_in_a_notebook(
    hostile_lab: Lab, page: Page, watch: Watch, front_end: str
) -> None:
    panel = Panel(hostile_lab, page, front_end, f"hostile-{front_end}.ipynb")
    page.set_default_timeout(90_000)
    panel.open(*CODE_CELLS, "%%ollama -m llama3.2\nordinary")
    cells = page.locator(".jp-CodeCell").filter(has_text="ordinary")
    as_ordinary(cells.last.locator(".jp-OutputArea-output").first)
    watch.nothing()
    panel.save()


@pytest.mark.parametrize("front_end", EACH)
def test_nothing_of_a_model_or_server_is_live_in_the_panel(
    hostile_lab: Lab, page: Page, watch: Watch, server: RuledOllama, front_end: str
) -> None:
    panel = Panel(hostile_lab, page, front_end, f"panel-{front_end}.ipynb")
    panel.page.set_default_timeout(60_000)
    panel.open()
    server.fails(500, ERROR_PAGE, path="/api/tags")
    panel.test("a web page came")
    server.fails(400, json.dumps({"error": BAD}), path="/api/tags")
    panel.test(BAD[:30])
    watch.nothing()
    server.fails(200, json.dumps({"models": server.models}), path="/api/tags")
    panel.test("It works")
    panel.unfold("Model")
    panel.choose(MODEL)
    panel.model.fill("tiny:1b")
    panel.button("Pull the model named in the field").click()
    panel.sees(BAD[:30], within=panel.root.get_by_role("group", name="Pull of tiny:1b"))
    panel.choose(MODEL)
    panel.send(f"All of it. {BAD}")
    panel.done()
    panel.sees(BAD[:30], "@import", within=panel.last)
    panel.last.locator("details summary").first.click()
    panel.send("prose")
    panel.done()
    panel.last.get_by_role("button", name="Insert as cell").click()
    panel.sees("nothing was run")
    page.locator(".jp-MarkdownCell .jp-MarkdownOutput").get_by_text("At last").wait_for()
    page.locator(".jp-MarkdownCell .jp-MarkdownOutput mjx-container").last.wait_for(state="attached")
    for number, _ in enumerate(ERRORS):
        panel.send(f"fail {number}")
        panel.done()
    panel.send("ordinary")
    panel.done()
    as_ordinary(panel.last.locator(".om-answer"))
    watch.nothing()
    panel.kept("std::vector")
    panel.save()


def saved(lab: Lab, name: str) -> dict[str, Any]:
    """A notebook that a test before this one has filled and saved."""
    file = lab.folder / name
    if not file.exists():
        pytest.skip("runs after the tests that fill the notebooks")
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    assert sum(len(cell.get("outputs", ())) for cell in found["cells"]) > 1
    return found


@pytest.mark.parametrize(
    ("front_end", "kind", "trusted"),
    [
        ("lab", "hostile", True),
        ("lab", "hostile", False),
        ("lab", "panel", True),
        ("lab", "panel", False),
        pytest.param("notebook", "hostile", False, marks=pytest.mark.long),
    ],
)
def test_nothing_is_live_when_the_notebook_is_opened_again(
    hostile_lab: Lab, page: Page, watch: Watch, front_end: str, kind: str, trusted: bool
) -> None:
    name = f"{kind}-{front_end}.ipynb"
    notebook = saved(hostile_lab, name)
    if not trusted:
        name = f"of-somebody-{name}"
        for cell in notebook["cells"]:
            cell["metadata"].pop("trusted", None)
            for output in cell.get("outputs", ()):
                if "text/html" in output.get("data", {}):
                    output["data"]["text/html"] = [*output["data"]["text/html"], " "]  # no longer what was signed
        (hostile_lab.folder / name).write_text(json.dumps(notebook), encoding="utf-8")
    page.evaluate("window.jupyterapp.serviceManager.sessions.shutdownAll()")
    hostile_lab.open(page, name, front_end)
    page.wait_for_function("() => document.querySelectorAll('.jp-OutputArea-output').length > 1")
    cells = "window.jupyterapp.shell.currentWidget.context.model.cells"
    trust = (
        f"() => [...{cells}].filter((cell) => cell.type === 'code' && cell.outputs.length).map((cell) => cell.trusted)"
    )
    assert set(page.evaluate(trust)) == {trusted}
    last = page.locator(".jp-OutputArea-output").filter(has_text="std::vector")
    last.last.locator("mjx-container").first.wait_for(state="attached")
    watch.nothing()


@pytest.mark.parametrize("kind", ["hostile", "panel"])
def test_nothing_is_live_in_what_nbconvert_exports(
    hostile_lab: Lab, page: Page, kind: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    saved(hostile_lab, f"{kind}-lab.ipynb")
    folder = tmp_path_factory.mktemp("exported")
    empty = hostile_lab.write("empty.ipynb", "1")
    command = [sys.executable, "-m", "nbconvert", "--to", "html", f"--output-dir={folder}", "--log-level=ERROR"]
    subprocess.run([*command, empty, f"{kind}-lab.ipynb"], cwd=hostile_lab.folder, check=True, timeout=120)
    page.goto("about:blank")
    page.route(lambda url: not url.startswith(("file:", "data:")), lambda route: route.abort())
    asked: list[set[str]] = []
    for name in ("empty", f"{kind}-lab"):
        watch = Watch(page, "file://")
        page.goto((folder / f"{name}.html").as_uri(), wait_until="load")
        asked.append({each.removeprefix("a request: ") for each in watch.seen})
        if name != "empty":
            assert watch.requests > 0
            watch.seen = [each for each in watch.seen if each.removeprefix("a request: ") not in asked[0]]
            page.get_by_text("A heading").last.wait_for()
            watch.nothing()
        watch.close()


def test_a_page_that_a_model_wrote_runs_and_loads_nothing_in_its_frame(page: Page) -> None:
    page.goto("about:blank")
    watch = Watch(page, "")
    pages = "".join(page_html(text) for text in PAYLOADS if "<" in text).encode("utf-8", "replace").decode()
    page.set_content("<body class=plain>" + pages.replace('loading="lazy"', ""), wait_until="load")
    page.wait_for_function("() => frames.length === document.querySelectorAll('iframe').length")
    assert len(page.frames) > 150
    watch.nothing()
    watch.close()


def test_what_does_run_and_load_is_seen(page: Page) -> None:
    page.goto("about:blank")
    watch = Watch(page, "")
    page.set_content("<p>a new document, with the canary</p>")
    page.goto(
        "data:text/html,<body class=plain>"
        + "<p>x</p>" * 20
        + f"<script>alert(1)</script>{EVERYTHING}".replace("%", "%25").replace("#", "%23")
    )
    live = " ".join(watch.live())
    assert all(each in live for each in ("script", "object", "form", "base", "img onerror=", "img src=x"))
    assert any(each.startswith("ran: canary:") for each in watch.seen)
    assert any("a request: http://pwned.invalid" in each for each in watch.seen), watch.seen
    assert any(each.startswith("a dialog") for each in watch.seen), watch.seen
    watch.close()
