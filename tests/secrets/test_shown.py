"""Objects that have a key or a password inside, and the frames that one passed through: shown, copied, pickled."""

from __future__ import annotations

import asyncio
import copy
import dataclasses
import io
import json
import pickle
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import ollama_magic
from ollama_magic import session as sessions
from ollama_magic.client import Client
from ollama_magic.endpoint import Endpoint, endpoint_for
from ollama_magic.errors import OllamaMagicError, SettingsError
from ollama_magic.hosts import parse_host, parse_trusted
from ollama_magic.layers import Layer, dotenv_layer, environment_layer, resolve
from ollama_magic.secret import Secret, Written, hidden
from ollama_magic.session import Session
from ollama_magic.settings import Settings
from tests.secrets.planted import HOST_PASSWORD, KEY, PASSWORD, everything_of, found_in, shown, with_password
from tests.tables import folded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.fake_ollama import FakeOllama

HOST = with_password("http://127.0.0.1:9")
MODEL = "smollm2:135m"


@pytest.fixture(autouse=True)
def own_session(monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    """A session of the test's own, as ask(), connect() and the others use it."""
    monkeypatch.setattr(sessions, "_session", Session())
    return sessions.current()


def settings(**more: Any) -> Settings:
    return resolve(Layer("cell", {"key": KEY, "host": HOST, "trusted_hosts": "127.0.0.1", "model": MODEL, **more}))


def told() -> Session:
    made = Session()
    made.set(key=KEY, host=HOST)
    return made


OBJECTS: dict[str, Callable[[], Any]] = {
    "a secret": lambda: Secret(KEY),
    "a host": lambda: parse_host(HOST),
    "settings": settings,
    "rows of settings": lambda: settings().rows(),
    "a layer": lambda: Layer("cell", {"key": KEY, "host": HOST}),
    "an endpoint": lambda: endpoint_for(settings(host="http://127.0.0.1:9")),
    "an endpoint with a password": lambda: endpoint_for(settings()),
    "a client": lambda: Client(settings()),
    "a client of words": lambda: Client(key=KEY, host=HOST, model=MODEL),
    "a stream": lambda: Client(settings()).chat("Hello"),
    "a session": told,
    "what a session was told": lambda: vars(told()),
    "a conversation": lambda: ollama_magic.Chat("x", key=KEY, host=HOST),
    "hidden values": lambda: hidden({"key": KEY, "host": HOST}),
}


@folded("make", OBJECTS.values(), ids=OBJECTS)
def test_nothing_that_holds_it_shows_it_or_can_be_saved_with_it(make: Callable[[], Any]) -> None:
    value = make()
    assert found_in(*everything_of(value)) == []
    if dataclasses.is_dataclass(value) and not isinstance(value, type) and not isinstance(value, Settings | Endpoint):
        assert found_in(repr(dataclasses.asdict(value))) == []
    assert found_in(repr([getattr(value, each.name) for each in _fields(value)])) == []
    assert found_in(json.dumps({"x": value}, default=repr) if not isinstance(value, str | dict) else "") == []


def _fields(value: Any) -> Any:
    return dataclasses.fields(value) if dataclasses.is_dataclass(value) else ()


@pytest.mark.slow
@folded("make", OBJECTS.values(), ids=OBJECTS)
def test_ipython_and_debuggers_show_nothing_of_it(make: Callable[[], Any]) -> None:
    from IPython.lib.pretty import pretty

    value = make()
    out = io.StringIO()
    from rich import inspect as rich_inspect
    from rich.console import Console
    from rich.pretty import pretty_repr

    console = Console(file=out, width=200)
    rich_inspect(value, console=console, all=True, private=False, help=False)
    console.print(value)
    assert found_in(pretty(value), pretty({"x": [value]}), pretty_repr(value), out.getvalue()) == []


def test_what_may_leave_this_process_has_none_of_it_left(fake: FakeOllama) -> None:
    """A request, its events and its answer, and errors travel: to Dask's workers, into caches and files."""
    fake.says("fine")
    asked = Client(settings(host=fake.url, key=KEY))
    stream = asked.chat("Hello")

    async def read() -> list[Any]:
        return [event async for event in stream]

    events = asyncio.run(read())
    for value in (stream.request, stream.answer, stream.answer.request, *events):
        for data in (pickle.dumps(value), repr(value).encode()):
            assert found_in(data) == []
        assert repr(pickle.loads(pickle.dumps(value))) == repr(value)
    assert fake.recorded[-1].headers["authorization"] == f"Bearer {KEY}"


def test_a_written_host_is_still_the_text_that_it_is() -> None:
    written = Written(HOST)
    assert written == HOST
    assert copy.deepcopy(written) is copy.copy(written) is written
    assert parse_host(written) == parse_host(HOST)
    assert repr(Written("http://gpu:11434")) == "'http://gpu:11434'"
    assert repr(written) == "'http://***@127.0.0.1:9'"
    assert repr(Written(f"ada:{HOST_PASSWORD}@gpu")) == "'***@gpu'"
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(written)
    assert type(hidden({"host": "gpu"})["host"]) is str
    assert hidden({"key": None, "host": None, "x": KEY}) == {"key": None, "host": None, "x": KEY}
    assert hidden({"key": " "}) == {"key": " "}


# ---- frames ----------------------------------------------------------------------------------------------------

BROKEN = with_password("http://127.0.0.1:9") + "/../x"

# Calls that fail with a key or a host in hand; none of these names the key as a variable here.
FAILING: dict[str, Callable[[], Any]] = {
    "connect, a bad key": lambda: ollama_magic.connect(key=f"{KEY} {KEY}"),
    "connect, a bad host": lambda: ollama_magic.connect(host=BROKEN),
    "connect, another setting": lambda: ollama_magic.connect(key=KEY, host=HOST, temperature="warm"),
    "connect, an unknown setting": lambda: ollama_magic.connect(key=KEY, host=HOST, colour="red"),
    "Client, a bad key": lambda: Client(key=f"Bearer {KEY}"),
    "Client, a bad host": lambda: Client(host=BROKEN),
    "Client, both kinds": lambda: Client(settings(), key=KEY, host=HOST),
    "Client, cloud elsewhere": lambda: Client(key=KEY, host=HOST, mode="cloud"),
    "ask, a bad host": lambda: ollama_magic.ask("x", host=BROKEN, key=KEY),
    "ask, nobody there": lambda: ollama_magic.ask("x", MODEL, host=HOST, key=KEY),
    "ask, a schema of another kind": lambda: ollama_magic.ask("x", MODEL, host=HOST, key=KEY, schema=3.5),
    "Chat, a bad host": lambda: ollama_magic.Chat(host=BROKEN, key=KEY)("x"),
    "compare, a bad host": lambda: ollama_magic.compare("x", ["a", "b"], host=BROKEN, key=KEY),
    "compare, swept": lambda: ollama_magic.compare("x", ["a", "b"], host=HOST, key=KEY, sweep={"key": [1]}),
    "sweep, a bad host": lambda: ollama_magic.sweep("x", {"seed": [1, 2]}, model=MODEL, host=BROKEN, key=KEY),
    "map, a bad host": lambda: ollama_magic.map(["x"], "{text}", host=BROKEN, key=KEY),
    "map, bad hosts": lambda: ollama_magic.map(["x"], "{text}", hosts=[HOST, BROKEN], key=KEY),
    "map, a bad key": lambda: ollama_magic.map(["x"], "{text}", key=f"{KEY}\n{KEY}"),
    "evaluate, a bad host": lambda: ollama_magic.evaluate("x", "a", "b", host=BROKEN, key=KEY),
    "embed, a bad host": lambda: ollama_magic.embed("x", "a", host=BROKEN, key=KEY),
    "trusted hosts": lambda: resolve(Layer("cell", {"key": KEY, "trusted_hosts": with_password("gw.test")})),
    "a layer of its own": lambda: resolve(Layer("cell", {"key": f"{KEY}\x00", "host": HOST})),
    "a host": lambda: parse_host(BROKEN),
    "a host with a stray sign": lambda: parse_host(HOST.replace(":9", ":9@x y")),
    "trust": lambda: parse_trusted(with_password("gw.test")),
}


@folded("call", FAILING.values(), ids=FAILING)
def test_no_frame_of_an_error_holds_it(call: Callable[[], Any]) -> None:
    """What `%xmode Verbose`, a debugger or an error reporter shows: every variable of every frame of ours."""
    with pytest.raises((OllamaMagicError, TypeError)) as caught:
        call()
    assert found_in(of_ours(caught.value)) == []


def of_ours(error: BaseException) -> str:
    """`shown`, without the frames of the test itself, which knows the key."""
    trace = error.__traceback__
    while trace is not None and Path(trace.tb_frame.f_code.co_filename).parent == Path(__file__).parent:
        trace = trace.tb_next
    assert trace is not None
    return shown(error.with_traceback(trace))


def test_no_frame_holds_a_key_of_the_environment_or_of_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    written = KEY.replace("\\", "\\\\")
    for bad in ("key", "host", "temperature"):
        monkeypatch.setenv("OLLAMA_API_KEY", KEY + (" x" if bad == "key" else ""))
        monkeypatch.setenv("OLLAMA_HOST", BROKEN if bad == "host" else HOST)
        monkeypatch.setenv("OLLAMA_MAGIC_TEMPERATURE", "warm" if bad == "temperature" else "0")
        with pytest.raises(SettingsError) as caught:
            Client()
        assert bad in caught.value.message
        assert found_in(of_ours(caught.value)) == []
        for name in ("OLLAMA_API_KEY", "OLLAMA_HOST", "OLLAMA_MAGIC_TEMPERATURE"):
            monkeypatch.delenv(name)
        lines = [f"OLLAMA_API_KEY='{written}{' x' if bad == 'key' else ''}'"]
        lines += [f"OLLAMA_HOST={BROKEN if bad == 'host' else HOST}"]
        lines += [f"OLLAMA_MAGIC_TEMPERATURE={'warm' if bad == 'temperature' else '0'}"]
        Path(".env").write_text("\n".join(lines))
        with pytest.raises(SettingsError) as caught:
            Client()
        assert found_in(of_ours(caught.value)) == []


def test_the_key_of_each_source_is_the_one_that_is_sent(fake: FakeOllama, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a test that finds no trace of it would prove nothing."""
    fake.requires_key(KEY)
    where = {"host": fake.url, "trusted_hosts": "127.0.0.1"}
    assert asyncio.run(Client(key=f' "{KEY}" ', **where).tags())
    monkeypatch.setenv("OLLAMA_API_KEY", KEY)
    assert asyncio.run(Client(**where).tags())
    monkeypatch.delenv("OLLAMA_API_KEY")
    double = KEY.replace("\\", "\\\\")
    Path(".env").write_text(f"OLLAMA_API_KEY='{double}'\n")
    assert asyncio.run(Client(**where).tags())
    layers = (environment_layer(), dotenv_layer(Path.cwd()))
    assert [secret.reveal() for layer in layers for secret in layer.secrets] == [KEY]
    assert found_in(repr(layers), repr(vars(sys.modules["ollama_magic.layers"]))) == []


def test_what_no_prompt_may_carry_is_all_that_this_kernel_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLLAMA_API_KEY", "of-the-environment")
    Path(".env").write_text(f"OLLAMA_API_KEY=of-the-file-here\nOLLAMA_HOST={HOST}\n")
    made = Session()
    made.set(key=KEY)
    known = {each.reveal() for each in made.secrets(made.settings())}
    assert known == {KEY, "of-the-environment", "of-the-file-here", f"ada:{HOST_PASSWORD}"}
    made.set(key="ollama")  # what is written where any key will do: it stands in many texts
    assert "ollama" not in {each.reveal() for each in made.secrets(made.settings())}
    assert PASSWORD not in repr(made.secrets(made.settings()))


def test_the_extensions_own_configuration_shows_no_password() -> None:
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    from ollama_magic.magics import OllamaMagics

    made = OllamaMagics(InteractiveShell(), config=Config({"OllamaMagics": {"host": HOST}}))
    assert made.configured()["host"] == HOST
    assert resolve(Layer("configuration", made.configured())).host == parse_host(HOST)
    help_text = OllamaMagics.class_get_help(made)  # what %config OllamaMagics prints
    assert "127.0.0.1" in help_text
    assert found_in(help_text, repr(made.host), repr(made.configured())) == []
