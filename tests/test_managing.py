"""`%ollama list | ps | show | pull | rm | cp | status`, as a script runs them: what is said, what the server sees."""

from __future__ import annotations

import builtins
import json
from typing import TYPE_CHECKING, Any

import pytest

from ollama_magic.commands import COMMANDS, SYNONYMS, run_command
from ollama_magic.completion import complete
from ollama_magic.errors import ModelNotFound, ServerError, SettingsError, Unreachable, Unsupported
from ollama_magic.session import Session
from tests.questions import KEY

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.fake_ollama import FakeOllama


@pytest.fixture
def session(fake: FakeOllama) -> Session:
    made = Session()
    made.set(host=fake.url)
    return made


@pytest.fixture
def run(session: Session, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs a command and gives what it printed."""

    def command(line: str, **settings: Any) -> str:
        session.set(**settings)
        run_command(session, line, None)
        return capsys.readouterr().out

    return command


def types(monkeypatch: pytest.MonkeyPatch, reply: str | BaseException) -> list[str]:
    """What is typed when something is asked; the questions that were asked."""
    asked: list[str] = []

    def typed(text: str = "") -> str:
        asked.append(text)
        if isinstance(reply, BaseException):
            raise reply
        return reply

    monkeypatch.setattr(builtins, "input", typed)
    return asked


def names(fake: FakeOllama) -> list[str]:
    return [entry["name"] for entry in fake.models]


# ---- list ------------------------------------------------------------------------------------------------------


def test_list_has_a_row_for_each_model(run: Callable[..., str], fake: FakeOllama) -> None:
    fake.models[0]["modified_at"] = "2020-01-01T00:00:00Z"
    fake.models[1]["remote_host"] = "https://ollama.com"
    fake.models[2]["name"] = "evil\x1b[2J<b>\nname"
    fake.models[2]["details"]["context_length"] = 8192
    head, first, second, third = run("list").splitlines()[1:5]
    assert head.split() == [
        "name", "size", "parameters", "quantization", "capabilities", "context", "modified", "where",
    ]  # fmt: skip
    assert first.split()[:7] == ["llama3.2:latest", "1.3", "GB", "1.2B", "Q8_0", "completion,", "tools"]
    assert " years ago" in first
    assert second.endswith("cloud, by this daemon")
    assert third.startswith("evil<b> name ")
    assert "8,192" in third


def test_list_of_a_server_without_models_says_how_to_get_one(run: Callable[..., str], fake: FakeOllama) -> None:
    fake.models.clear()
    assert "%ollama pull llama3.2" in run("list")


CLOUD = {"key": KEY, "trusted_hosts": "127.0.0.1"}
"""With these the fake server is a cloud: check_key asks it too."""


def test_with_a_key_the_models_of_the_cloud_are_listed_too(run: Callable[..., str], fake: FakeOllama) -> None:
    fake.requires_key(KEY)
    said = run("list", **CLOUD)
    places = [line.split()[-1] for line in said.splitlines() if line.startswith("smollm2:135m")]
    assert places == ["local", "cloud"]
    assert KEY not in said


def test_where_the_cloud_cannot_be_had_names_are_suggested_and_marked(
    run: Callable[..., str], fake: FakeOllama
) -> None:
    fake.requires_key("another")
    said = run("list", mode="cloud", **CLOUD)
    assert [line.split()[0] for line in said.splitlines() if line.endswith("cloud (suggestion)")] == [
        "qwen3-coder:480b", "deepseek-v3.1:671b", "kimi-k2:1t",
    ]  # fmt: skip
    assert "cannot be had" in said
    assert "unauthorized" in said
    assert "suggestion" in run("list", mode="cloud", key=None)


def test_list_of_a_server_that_is_down_raises(run: Callable[..., str]) -> None:
    with pytest.raises(Unreachable) as caught:
        run("list", host="http://127.0.0.1:9")
    assert "%ollama start" in caught.value.hint


# ---- ps, show --------------------------------------------------------------------------------------------------


def test_ps_tells_memory_share_of_the_gpu_and_time_left(
    run: Callable[..., str], fake: FakeOllama, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "No model is in memory" in run("ps")
    fake.loaded = ["llama3.2:latest", "smollm2:135m", "nomic-embed-text:latest", "other:1b"]
    about = {
        "llama3.2:latest": {"size_vram": 0},
        "smollm2:135m": {"size_vram": 660_549_164, "expires_at": "2318-01-01T00:00:00Z"},
        "nomic-embed-text:latest": {"size_vram": "?", "expires_at": None, "context_length": None},
    }
    known = fake._running
    monkeypatch.setattr(fake, "_running", lambda name: {**known(name), **about.get(name, {})})
    rows = [line.split("  ") for line in run("ps").splitlines()[2:]]
    cells = [[cell.strip() for cell in row if cell.strip()] for row in rows]
    assert cells == [
        ["llama3.2:latest", "1.3 GB", "none of it", "4,096", "any moment"],
        ["smollm2:135m", "1.3 GB", "50%", "4,096", "for ever"],
        ["nomic-embed-text:latest", "1.3 GB"],
        ["other:1b", "1.3 GB", "all", "4,096", "any moment"],
    ]
    assert "does not tell" in run("ps", mode="cloud")
    assert "built-in" in run("ps", mode="embedded")


def test_show_tells_what_is_known_and_gives_a_text_whole(run: Callable[..., str], fake: FakeOllama) -> None:
    licence = "\n".join(f"Clause {n}" for n in range(1, 101))
    about = {
        "license": licence,
        "template": "{{ .Prompt }}<script>",
        "parameters": "stop x",
        "capabilities": ["tools"],
        "details": {"parameter_size": "1B", "quantization_level": "Q4", "family": "f"},
        "modified_at": "2020-02-01T12:00:00Z",
        "model_info": {"general.architecture": "a", "a.context_length": 32768},
        "thinking": {"values": [False, "low", "high"]},
    }
    fake.fails(200, json.dumps(about), path="/api/show")
    said = run("show llama3.2")
    for words in ("tools", "32,768 tokens", "1B", "Q4", "off, low, high", "2020-02-01 (", "stop x", "{{ .Prompt }}"):
        assert words in said
    assert "licence (100 lines)" in said
    assert "Clause 6\n" in said
    assert "Clause 7\n" not in said
    assert "94 more" in said
    assert run("show llama3.2 licence") == licence + "\n"
    assert run("show llama3.2 --license") == licence + "\n"
    assert "no system" in run("show llama3.2 system")
    with pytest.raises(SettingsError, match="did you mean 'template'"):
        run("show llama3.2 templat")
    with pytest.raises(SettingsError, match="one model"):
        run("show")
    assert "tools" in run("show", model="llama3.2")


def test_show_of_an_unknown_model_gets_the_nearest(run: Callable[..., str]) -> None:
    with pytest.raises(ModelNotFound) as caught:
        run("show lama3.2")
    assert "Did you mean llama3.2:latest?" in caught.value.hint


# ---- pull ------------------------------------------------------------------------------------------------------


def test_pull_says_how_far_it_is_without_a_flood(run: Callable[..., str], fake: FakeOllama, session: Session) -> None:
    fake.offers("tiny:1b", *[10_000_000] * 20)
    lines = run("pull tiny:1b").splitlines()
    assert lines[0] == "tiny:1b: pulling manifest"
    assert lines[1] == "tiny:1b: 0% · 0 B of 10 MB"
    assert len(lines) < 20  # of 227 that the server sent
    assert lines[-1].startswith("tiny:1b is here: 200 MB, in ")
    assert "tiny:1b" in session.model_names(session.settings(), wait_s=0)  # for Tab, at once
    assert run("pull tiny:1b").splitlines()[-1] == "tiny:1b is here and up to date: 200 MB."


def test_a_pull_that_fails_says_how_far_it_came(
    run: Callable[..., str], fake: FakeOllama, capsys: pytest.CaptureFixture[str]
) -> None:
    fake.offers("tiny:1b", 1000).pull_breaks("no space left on device", at=500)
    with pytest.raises(ServerError, match="no space left"):
        run("pull tiny:1b")
    assert capsys.readouterr().out.endswith("tiny:1b: not pulled after 500 B of 1.0 kB.\n")
    with pytest.raises(ModelNotFound, match="file does not exist"):
        run("pull nosuch")


# ---- rm, cp ----------------------------------------------------------------------------------------------------


def test_rm_asks_first_and_minus_y_does_not(
    run: Callable[..., str], fake: FakeOllama, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = types(monkeypatch, "n")
    assert run("rm smollm2:135m") == "smollm2:135m was kept.\n"
    assert asked == ["Remove smollm2:135m (1.3 GB) from the disk? [y]es, [N]o: "]
    for reply in ("", "no", "yup", "a"):
        types(monkeypatch, reply)
        run("rm smollm2:135m")
    assert "smollm2:135m" in names(fake)
    types(monkeypatch, " Yes ")
    assert run("rm smollm2:135m") == "smollm2:135m is removed (1.3 GB).\n"
    assert "smollm2:135m" not in names(fake)
    asked = types(monkeypatch, "n")
    said = run("delete llama3.2 nomic-embed-text -y")
    assert said.count("is removed") == 2
    assert asked == names(fake) == []


def test_rm_where_nothing_can_be_typed_names_minus_y(
    run: Callable[..., str], fake: FakeOllama, monkeypatch: pytest.MonkeyPatch
) -> None:
    for problem in (EOFError(), NotImplementedError("raw_input was called"), OSError("reading from stdin")):
        types(monkeypatch, problem)
        with pytest.raises(Unsupported) as caught:
            run("rm smollm2:135m")
        assert "rm -y" in caught.value.hint
    assert "smollm2:135m" in names(fake)


def test_rm_of_an_unknown_model_asks_nothing(run: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    asked = types(monkeypatch, "y")
    with pytest.raises(ModelNotFound) as caught:
        run("rm smolm2")
    assert "Did you mean smollm2:135m?" in caught.value.hint
    assert asked == []


def test_cp_gives_another_name_and_replaces_nothing(run: Callable[..., str], fake: FakeOllama) -> None:
    assert "mine is now another name for smollm2:135m" in run("cp smollm2:135m mine")
    assert fake.recorded[-2].json == {"source": "smollm2:135m", "destination": "mine"}
    for taken in ("llama3.2", "LLAMA3.2:latest", "mine"):
        with pytest.raises(SettingsError, match="would be replaced"):
            run(f"cp smollm2:135m {taken}")
    with pytest.raises(SettingsError, match="two names"):
        run("cp smollm2:135m")


def test_odd_names_are_refused_in_words_before_anything_is_sent(run: Callable[..., str], fake: FakeOllama) -> None:
    cases = {
        "pull": "name one model",
        "pull a b": "name one model",
        "pull ''": "empty",
        "pull 'a b'": "space",
        "pull 'a\x07b'": "unprintable",
        "pull -x": "dash",
        "pull https://ollama.com/library/qwen3": "address",
        f"pull {'a' * 500}": "longer",
        "rm": "name the models",
        "rm -y": "name the models",
        "cp a 'b c'": "space",
        "start now": "takes nothing",
        "list all": "takes nothing",
        "ps all": "takes nothing",
    }
    for line, words in cases.items():
        with pytest.raises(SettingsError, match=words):
            run(line)
    assert fake.recorded == []


@pytest.mark.parametrize("mode", ["cloud", "embedded"])
def test_changes_are_refused_where_there_is_no_daemon(run: Callable[..., str], fake: FakeOllama, mode: str) -> None:
    for line in ("pull x", "rm -y x", "cp x y", "start"):
        with pytest.raises(Unsupported) as caught:
            run(line, mode=mode)
        assert "%ollama mode local" in caught.value.hint
    assert fake.recorded == []


# ---- status ----------------------------------------------------------------------------------------------------


def test_status_of_a_server_in_order(run: Callable[..., str], fake: FakeOllama) -> None:
    fake.loaded = ["llama3.2:latest"]
    said = run("status", model="llama3.2")
    assert f"{fake.url} (%ollama), Ollama 0.33.0" in said
    assert "3, 1 in memory" in said
    assert "llama3.2 (%ollama)\n" in said
    assert "not set, and not needed" in said


def test_status_says_for_each_problem_what_to_do(run: Callable[..., str], fake: FakeOllama) -> None:
    cases: list[tuple[dict[str, Any], tuple[str, ...]]] = [
        ({"model": "gone"}, ("which this server does not have", "%ollama pull gone")),
        ({"model": "gone-cloud"}, ("gone-cloud (%ollama)\n",)),
        ({"mode": "cloud", "host": None}, ("not set", "https://ollama.com/settings/keys")),
        ({"host": "http://127.0.0.1:9"}, ("connection refused",)),
        ({"host": "http://nosuch.invalid"}, ("cannot be found", "Look at the host's name")),
    ]
    for settings, words in cases:
        said = run("status", **settings)
        for each in words:
            assert each in said, (settings, said)
        run("status", **{**dict.fromkeys(settings), "host": fake.url})
    fake.models.clear()
    assert "get one with %ollama pull llama3.2" in run("status")


def test_status_tells_whether_the_key_works(run: Callable[..., str], fake: FakeOllama) -> None:
    fake.requires_key(KEY)
    for mode in ("local", "cloud", "embedded"):
        said = run("status", mode=mode, **CLOUD)
        assert f"works: 3 {'' if mode == 'local' else 'cloud '}models" in said, said
        assert ("your key is sent there too" in said) is (mode == "local")  # it is trusted, and no other than this
        assert ("not sent otherwise" in said) is (mode == "embedded")
    fake.requires_key("another")
    for mode in ("local", "cloud", "embedded"):
        said = run("status", mode=mode, **CLOUD)
        assert "but refused" in said, said
        assert "%ollama login" in said
        assert KEY not in said


# ---- Tab -------------------------------------------------------------------------------------------------------


class Known:
    def models(self, mode: str) -> list[str]:
        return ["llama3.2:latest", "smollm2:135m"]

    def threads(self) -> list[str]:
        return []

    def variables(self, functions: bool) -> list[str]:
        return []


def test_models_complete_behind_each_command_that_takes_one() -> None:
    for command in ("show", "pull", "rm", "cp", "delete", "remove", "copy", "rm -y"):
        assert complete(f"%ollama {command} sm", True, Known()) == ("sm", ["smollm2:135m"]), command
    assert complete("%ollama list sm", True, Known()) == ("sm", [])
    assert complete("%ollama rm -", True, Known()) == ("-", ["-y"])
    assert set(SYNONYMS.values()) <= set(COMMANDS)
