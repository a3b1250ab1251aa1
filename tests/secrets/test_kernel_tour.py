"""A real kernel that has a key and a password, led through all that there is: neither is in a message or a file."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.fake_ollama import FakeOllama
from tests.kernel.harness import Cell, Kernel
from tests.secrets.planted import KEY, PASSWORD, files_below, found_in, with_password
from tests.secrets.tour import LOUD, REPORT, TYPED, Tour, environment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.secrets.internet import Internet

pytestmark = [pytest.mark.kernel, pytest.mark.slow, pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def started(world: Internet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tour]:
    home = tmp_path_factory.mktemp("home")
    (home / "work").mkdir()
    world.forget()  # what another file of tests has reached
    world.server("https://ollama.com")
    with FakeOllama() as local, FakeOllama() as gateway:
        local.any_model = gateway.any_model = True
        with Kernel(str(home / "work"), environment(home, local, gateway, world), 60) as kernel:
            tour = Tour(kernel, home, local, gateway, world)
            tour.run(LOUD)
            tour.run("%logstart -o -r -t everything.log")
            yield tour


@pytest.fixture
def tour(started: Tour) -> Iterator[Tour]:
    for server in (started.local, started.gateway):
        server.forget()
        server.says("An ", "answer.")
    yield started
    started.nothing_leaked()


def test_cells_of_every_kind(tour: Tour) -> None:
    tour.run("%%ollama --out a\nWhat is {6 * 7}?", cell_id="c1")
    tour.run(f"%%ollama {tour.cloud} --cache -i talk --out b\nWhat is it?", cell_id="c2")
    tour.run(f"%%ollama {tour.cloud} --dry-run -i talk\n{{a}} and {{b.host}}", cell_id="c3")
    tour.run("def look():\n    'All that is set.'\n    return dict(os.environ)")
    tour.run(f"%%ollama {tour.cloud} --dry-run -a os.environ\n{{os.environ}}", cell_id="c4")
    tour.local.forget().calls_tool("look").then().says("I saw it.")
    tour.run("%%ollama --tools look --out seen\nLook.", cell_id="c5")
    tour.run("print(seen.tool_results, seen.request)")
    tour.local.forget().says("More.")
    tour.run("%%ollama --compare a,local/b -n 2 --blind\nq", cell_id="c6")
    tour.run("%ollama pick A")
    tour.run("%%ollama --sweep temperature=0,1\nq", cell_id="c7")
    tour.run(f"%%ollama --bg {tour.cloud} --out later\nq", cell_id="c8")
    tour.run("%ollama jobs wait\n")
    tour.run("%ollama jobs")
    tour.run("rows = ['x', 'y']")
    tour.run("%%ollama --map rows --out mapped\nWhat is {text}?", cell_id="c9")
    tour.run("%%ollama -f json --no-cache --tokens\nq", cell_id="c10")
    assert tour.gateway.recorded
    assert tour.local.recorded


def test_commands_that_show_and_that_write(tour: Tour) -> None:
    tour.run(f"%%ollama {tour.cloud} --cache -i talk\nWhat is it?", cell_id="d1")
    for command in (
        "",
        "status",
        *("config", "config key", "config host", "config trusted_hosts", "config model llama3.2"),
        *("list", "ps", "show llama3.2", "threads", "history talk", "votes", "jobs", "help", "help login", "use"),
        *("mode", "cache status"),
        *("export talk talk.md", "export talk talk.json", "export talk talk.ipynb", "import talk.json again"),
        *("cache export kept.json --all", "cache export own.json", "votes export votes.csv", "votes export votes.json"),
    ):
        tour.run(f"%ollama {command}")
    written = {path.name for path in (tour.home / "work").iterdir()}
    assert {"talk.md", "talk.json", "talk.ipynb", "kept.json", "own.json", "votes.csv"} <= written
    assert "set (environment" in tour.run("%ollama status").shown()
    assert "***@127.0.0.1" in tour.run("%ollama config host").shown()


def test_python_functions_and_what_they_save(tour: Tour) -> None:
    cloud = f"mode='cloud', host='{tour.gateway.url}'"
    tour.run(f"answer = ollama_magic.ask('q', {cloud}); print(answer, vars(type(answer)), answer.request)\nanswer")
    tour.run(
        "chat = ollama_magic.Chat('py', host=os.environ['OLLAMA_HOST'], key=os.environ['OLLAMA_API_KEY'])\nchat('q')"
    )
    tour.run("print(chat, vars(chat), chat.turns)\nchat")
    tour.run("runs = ollama_magic.compare('q', ['a', 'b'], key=os.environ['OLLAMA_API_KEY']); print(runs.rows)\nruns")
    tour.run("made = ollama_magic.map(['x', 'y'], 'Is it {text}?', hosts=[os.environ['OLLAMA_HOST']]); print(made)")
    tour.run(
        "checked = ollama_magic.evaluate(['q'], [{'model': 'a', 'host': os.environ['OLLAMA_HOST'], 'label': 'it'},"
        f" 'cloud/b'], 'answer', {cloud.partition(',')[2]}, key=os.environ['OLLAMA_API_KEY'], progress=False)\n"
        "checked.save('run.json'); print(checked.settings, checked.trials)\nchecked"
    )
    tour.run(
        "made = ollama_magic.connect(host=os.environ['OLLAMA_HOST']); print(made, vars(made), made.endpoint)\nmade"
    )
    tour.run("print(vars(current()), current().settings(), current().inherited(), [current().own('host')])")
    tour.run("settings = current().settings(); settings, settings.key, settings.host, settings.rows()")
    tour.run(
        "for each in (settings, settings.host, made, chat, current(), runs, answer, checked):\n"
        "    try:\n        pickle.dump(each, open('objects.pickle', 'ab'))\n"
        "    except Exception as error: print(error)\n"
        "    try:\n        import cloudpickle; cloudpickle.dump(each, open('objects.pickle', 'ab'))\n"
        "    except Exception as error: print(error)"
    )
    assert (tour.home / "work" / "objects.pickle").stat().st_size > 1000
    assert (tour.home / "work" / "run.json").exists()
    tour.run("ollama_magic.connect(host=None)")


def test_what_ipython_keeps_and_shows(tour: Tour) -> None:
    tour.run("made = ollama_magic.Client(); secret = made.settings.key; host = made.settings.host")
    for code in (
        "made, secret, host, made.endpoint",
        *("%who", "%whos", "%who_ls", "%history -n", "%history -o", "%pdef made.ask", "%pinfo made", "%pinfo2 secret"),
        "print(In, Out, _ih, _oh, _dh)",
        "print(globals())",
        *("%config OllamaMagics", "%save -f session.py 1-20", "%notebook session.ipynb"),
        "%load_ext storemagic",
        "import ipywidgets; print(json.dumps(ipywidgets.Widget.get_manager_state(), default=str))",
        "del made, secret, host",
    ):
        tour.run(code)
    tour.run("%reload_ext ollama_magic")


def test_failures_in_all_their_variables(tour: Tour) -> None:
    """Of each the output in Verbose mode, raised from by the user's own error too, and every frame of ours.

    By `getenv`, because Verbose mode may show what the user's own line names: all of `os.environ`.
    """
    gateway = f"mode='cloud', host='{tour.gateway.url}'"
    chain = "try:\n    {}\nexcept Exception as error:\n    raise RuntimeError('mine') from error"
    known = "key=os.getenv('OLLAMA_API_KEY'), host=os.getenv('OLLAMA_HOST')"
    for code in (
        f"ollama_magic.Client(current().settings(), {known})",
        "ollama_magic.connect(host=os.getenv('OLLAMA_HOST') + '/../')",
        "ollama_magic.connect(key=os.getenv('OLLAMA_API_KEY') + ' x')",
        f"ollama_magic.ask('x', {known}, mode='cloud')",
        f"ollama_magic.compare('x', ['a', 'a'], {known})",
        f"ollama_magic.map(['x'], 'What is {{text}}?', {known}, hosts=[])",
        f"ollama_magic.evaluate('x', ['a', 'a'], 'y', {known})",
        f"ollama_magic.embed(['x', 3], {known})",
    ):
        tour.run(chain.format(code), fails=True)
        tour.run(REPORT)
    lines = (f"ollama_magic.ask('q', {gateway})", "ollama_magic.ask('q')", "await ollama_magic.Client().ask('q')")
    for status, line in zip((200, 401, 500), lines, strict=True):
        for server, sent in ((tour.local, f"ada:{PASSWORD}"), (tour.gateway, f"Bearer {KEY}")):
            echo = json.dumps({"error": f"no access for {sent}"})
            server.forget().fails(status, echo, {"Location": f"/{sent}", "X-Echo": sent}, times=9)
        tour.run(chain.format(line), fails=True)
        tour.run(REPORT)
        tour.run(f"%%ollama {tour.cloud}\nq", fails=True)
    tour.local.forget().says("so far ").fails_midstream(f"no access for {PASSWORD}")
    tour.run("%%ollama\nq", fails=True)
    tour.run("print(ollama_magic.last, current().failures.errors)")
    tour.local.forget().redirects(f"https://evil.test/{PASSWORD}", 302)
    tour.run("%%ollama\nq", fails=True)
    for line in ("%%ollama --host 'http://ada:x@gpu\nq", "%ollama use --host http://[", "%%ollama --mode nowhere\nq"):
        tour.run(line, fails=True)
    tour.run("1 / 0", fails=True)
    tour.local.forget().says("It is zero.")
    tour.run("%ollama fix")


def test_an_interrupt_in_verbose_mode(tour: Tour) -> None:
    for line in (f"%%ollama {tour.cloud}\nq", f"ollama_magic.ask('q', mode='cloud', host='{tour.gateway.url}')"):
        tour.gateway.forget().says("half").stalls_after(1)
        tour.gateway.asked.clear()
        tour.gateway.disconnected.clear()
        cell = tour.kernel.start(line)
        assert tour.gateway.asked.wait(20)
        tour.kernel.interrupt()
        tour.kernel.finish(cell)
        assert cell.reply["status"] == "error"
        assert tour.gateway.disconnected.wait(10)
        assert found_in(cell.raw()) == []
        tour.run(REPORT)
    tour.run(
        "import faulthandler; faulthandler.dump_traceback(open('threads.txt', 'w'), all_threads=True); gc.collect()"
    )


def test_a_key_typed_at_the_hidden_prompt(tour: Tour) -> None:
    """As JupyterLab asks: a password request on its own channel, whose reply goes into no history."""
    tour.internet.forget()
    client = tour.kernel._client
    content = {"code": "%ollama login", "silent": False, "store_history": True, "allow_stdin": True}
    message = client.session.msg("execute_request", {**content, "user_expressions": {}, "stop_on_error": True})
    cell = tour.kernel._cells[message["header"]["msg_id"]] = Cell(message["header"]["msg_id"])
    client.shell_channel.send(message)
    request = client.get_stdin_msg(timeout=30)
    assert request["content"]["password"] is True
    assert found_in(json.dumps(request, default=str)) == []
    client.input(TYPED)
    tour.kernel.finish(cell)
    assert "The key works" in cell.shown()
    assert found_in(cell.raw()) == []
    assert tour.internet.reached == {"ollama.com:443": [f"Bearer {TYPED}"]}
    tour.run(f"%%ollama {tour.cloud}\nq")
    assert tour.gateway.recorded[-1].headers["authorization"] == f"Bearer {TYPED}"
    for code in ("%ollama", "%ollama config key", "%history -n", "print(In[-3:], vars(current()))", "%ollama logout"):
        tour.run(code)
    assert "environment: OLLAMA_API_KEY" in tour.run("%ollama config key").shown()


def test_a_key_and_a_host_typed_into_the_panel(tour: Tour) -> None:
    from tests.kernel.test_panel import opened

    _, page = opened(tour.kernel, cell_id="p1")
    assert page.say("key", key=f"{TYPED} {TYPED}") is not None
    assert page.say("key", key=TYPED) is None
    assert page.say("connect", host=with_password("https://gpu.test:1")) is None
    assert page.say("connect", host=with_password("https://gpu.test:1") + "/../") is not None
    assert page.say("connect", host=with_password(tour.local.url)) is None
    assert page.say("set", name="key", value=TYPED) is not None
    page.say("send", prompt="Is it {os.environ['OLLAMA_API_KEY']}?", attach=["os.environ"])
    page.wait_for_end()
    page.say("export", form="json")
    page.say("export", form="ipynb")
    page.say("hello")
    state = tour.run(
        "import ipywidgets; print(json.dumps(ipywidgets.Widget.get_manager_state(), default=str), In[-1], Out)"
    )
    assert page.comm in state.raw()
    tour.run("%ollama status")
    for word, content in (("forget_key", {}), ("connect", {"host": ""})):
        assert page.say(word, **content) is None


def test_a_notebook_run_by_a_program_and_saved(
    started: Tour, world: Internet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As nbclient, papermill and nbconvert do it: outputs, widget state and all, with everything logged into them."""
    nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    for server in (started.local, started.gateway):
        server.forget()
        server.says("An ", "answer.")
    for name, value in environment(tmp_path, started.local, started.gateway, world).items():
        monkeypatch.setenv(name, value)
    sources = [
        *("%load_ext ollama_magic", LOUD, "%ollama panel", "%ollama", "%ollama config", "%%ollama --out a\nq"),
        *(f"%%ollama {started.cloud} --cache\nq", "a, ollama_magic.Client(), current().settings()"),
        *("ollama_magic.connect(host=os.environ['OLLAMA_HOST'] + '/../')", "1 / 0"),
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(each) for each in sources])
    runner = nbclient.NotebookClient(notebook, allow_errors=True, resources={"metadata": {"path": str(tmp_path)}})
    runner.execute()
    nbformat.write(notebook, tmp_path / "saved.ipynb")
    assert notebook.metadata.widgets, "no widget state was saved: a test of less than it says"
    assert len((tmp_path / "saved.ipynb").read_text()) > 10_000
    assert files_below(tmp_path) == {}
    started.nothing_leaked()


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="reads what Linux tells of processes")
def test_no_process_shows_it_in_its_arguments(tour: Tour) -> None:
    """The kernel has the environment that it was given; its arguments are for everybody to read."""
    tour.run("print(os.getpid(), sys.argv, open(f'/proc/{os.getpid()}/cmdline').read())")
    assert sys.platform == "linux"
