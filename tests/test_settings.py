"""Which value is in force, where it came from, and what is said of one that cannot be used."""

from __future__ import annotations

import copy
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ollama_magic import envfile
from ollama_magic.errors import SettingsError
from ollama_magic.hosts import CLOUD, LOCAL, Trusted, parse_host
from ollama_magic.layers import Layer, dotenv_layer, environment_layer, resolve
from ollama_magic.secret import Secret
from ollama_magic.settings import FIELDS, MODES, Settings, by_setting, parse_option_value
from tests.tables import folded

KEY = "sk-secret-0123456789"


def cell(**values: object) -> Settings:
    return resolve(Layer("cell", values))


# ---- layers ----------------------------------------------------------------------------------------------------

LAYERS = ["cell", "%ollama", "environment", ".env", "configuration"]


@folded("strongest", range(len(LAYERS)))
def test_the_strongest_layer_that_says_something_counts(strongest):
    layers = [Layer(name, {"model": name} if i >= strongest else {"seed": i}) for i, name in enumerate(LAYERS)]
    settings = resolve(*layers)
    assert settings.model == settings.origin("model") == LAYERS[strongest]


@folded("unset", [None, "", "  "])
def test_an_empty_value_is_unset(unset):
    settings = resolve(
        Layer("cell", {"model": unset, "host": unset, "key": unset}), Layer("environment", {"model": "m"})
    )
    assert (settings.model, settings.origin("model")) == ("m", "environment")
    assert (settings.host, settings.key) == (None, None)
    assert settings.is_default("host")
    assert settings.is_default("key")


def test_an_empty_system_prompt_takes_a_weaker_one_away():
    assert resolve(Layer("cell", {"system": ""}), Layer("environment", {"system": "x"})).system == ""


def test_nothing_set_gives_the_defaults():
    settings = resolve()
    assert settings == Settings()
    for spec in FIELDS:
        assert getattr(settings, spec.name) == spec.default
        assert settings.is_default(spec.name)
        assert settings.origin(spec.name) == "default"
    assert (settings.mode, settings.api, settings.format, settings.render) == ("local", "auto", "markdown", "live")
    assert (settings.connect_timeout, settings.first_byte_timeout, settings.stall_timeout) == (10, 1800, 120)


def test_a_default_that_somebody_set_is_no_default():
    settings = cell(mode="local")
    assert not settings.is_default("mode")
    assert settings.origin("mode") == "cell"


def test_a_value_that_is_not_in_force_may_be_wrong():
    assert resolve(Layer("cell", {"temperature": 0}), Layer("environment", {"temperature": "hot"})).temperature == 0


def test_model_names_stay_as_typed():
    for name in ("deepseek-v3.1:671b", "gpt-oss-120b-cloud", "hf.co/a/B:Q4_K_M", "x:cloud", "Ünïcode"):
        assert cell(model=name).model == name


# ---- the environment -------------------------------------------------------------------------------------------

ENVIRONMENT = [
    ({"OLLAMA_HOST": " 'gpu:1' "}, "host", parse_host("gpu:1"), "OLLAMA_HOST"),
    ({"OLLAMA_HOST": "a", "OLLAMA_MAGIC_HOST": "b"}, "host", parse_host("b"), "OLLAMA_MAGIC_HOST"),
    ({"OLLAMA_HOST": "a", "OLLAMA_MAGIC_HOST": ""}, "host", parse_host("a"), "OLLAMA_HOST"),
    ({"OLLAMA_API_KEY": f' "{KEY}"\n'}, "key", Secret(KEY), "OLLAMA_API_KEY"),
    ({"OLLAMA_MODEL": '"m:1"'}, "model", "m:1", "OLLAMA_MODEL"),
    ({"OLLAMA_MAGIC_MODEL": "n", "OLLAMA_MODEL": "m"}, "model", "n", "OLLAMA_MAGIC_MODEL"),
    ({"USE_DIRECT_CLOUD": "1"}, "mode", "cloud", "USE_DIRECT_CLOUD"),
    ({"USE_DIRECT_CLOUD": "TRUE"}, "mode", "cloud", "USE_DIRECT_CLOUD"),
    ({"USE_DIRECT_CLOUD": "1", "OLLAMA_MAGIC_MODE": "local"}, "mode", "local", "OLLAMA_MAGIC_MODE"),
    ({"OLLAMA_MAGIC_MODE": "Embedded"}, "mode", "embedded", "OLLAMA_MAGIC_MODE"),
    ({"OLLAMA_HOST": "https://ollama.com/v1"}, "mode", "cloud", "OLLAMA_HOST"),
    ({"OLLAMA_MAGIC_SYSTEM": ' "Say "hi" \' '}, "system", '"Say "hi" \'', "OLLAMA_MAGIC_SYSTEM"),
    ({"OLLAMA_MAGIC_SYSTEM": "'Be brief.'"}, "system", "Be brief.", "OLLAMA_MAGIC_SYSTEM"),
    ({"OLLAMA_MAGIC_OPTIONS": '{"stop": ["\\""]}'}, "options", {"stop": ['"']}, "OLLAMA_MAGIC_OPTIONS"),
    ({"OLLAMA_MAGIC_OPTIONS": 'stop="x"'}, "options", {"stop": "x"}, "OLLAMA_MAGIC_OPTIONS"),
    ({"OLLAMA_MAGIC_QUIET": "yes"}, "quiet", True, "OLLAMA_MAGIC_QUIET"),
    ({"OLLAMA_MAGIC_TRUSTED_HOSTS": "a"}, "trusted_hosts", (Trusted("a"),), "OLLAMA_MAGIC_TRUSTED_HOSTS"),
    ({"OLLAMA_MAGIC_STALL_TIMEOUT": "off"}, "stall_timeout", None, "OLLAMA_MAGIC_STALL_TIMEOUT"),
    ({"OLLAMA_MAGIC_GGUF": "'/a b/c.gguf'"}, "gguf", Path("/a b/c.gguf"), "OLLAMA_MAGIC_GGUF"),
    ({"OLLAMA_MAGIC_CACHE_DIR": "~/c"}, "cache_dir", Path("~/c").expanduser, "OLLAMA_MAGIC_CACHE_DIR"),
]  # fmt: skip


@folded(("environ", "name", "value", "variable"), ENVIRONMENT)
def test_the_environment(environ, name, value, variable):
    settings = resolve(environment_layer(environ))
    assert getattr(settings, name) == (value() if callable(value) else value)
    assert settings.origin(name) == f"environment: {variable}"


def test_every_setting_but_the_key_has_its_own_variable():
    for spec in FIELDS:
        assert (f"OLLAMA_MAGIC_{spec.name.upper()}" in spec.env) is (spec.name != "key")
        assert spec.help
    assert environment_layer({"OLLAMA_MAGIC_KEY": KEY, "OLLAMA_MAGIC_NONSENSE": "1", "PATH": "x"}).values == {}


def test_the_process_environment_is_read_when_asked(monkeypatch):
    monkeypatch.setenv("OLLAMA_MODEL", "m")
    assert resolve(environment_layer()).model == "m"
    monkeypatch.delenv("OLLAMA_MODEL")
    assert resolve(environment_layer()).model is None


@folded(
    ("strong", "weak", "mode"),
    [
        ({"direct_cloud": "0"}, {"direct_cloud": "1"}, "local"),
        ({"direct_cloud": "0"}, {"mode": "cloud"}, "cloud"),
        ({"direct_cloud": "1"}, {"mode": "embedded"}, "cloud"),
        ({"mode": "embedded"}, {"direct_cloud": "1"}, "embedded"),
        ({}, {"direct_cloud": "1"}, "cloud"),
    ],
)
def test_use_direct_cloud_off_undoes_a_weaker_on_and_nothing_else(strong, weak, mode):
    assert resolve(Layer("environment", strong), Layer(".env", weak)).mode == mode


# ---- values ----------------------------------------------------------------------------------------------------

GOOD = [
    ("temperature", "0.7", 0.7),
    ("temperature", 0, 0.0),
    ("temperature", " 1e-1 ", 0.1),
    ("seed", "-3", -3),
    ("seed", 42.0, 42),
    ("max_tokens", "100", 100),
    ("max_tokens", -1, -1),
    ("num_ctx", "8192", 8192),
    ("keep_alive", "300", 300),
    ("keep_alive", 1.5, 1.5),
    ("keep_alive", "-1", -1),
    ("keep_alive", 0, 0),
    ("keep_alive", "1h30m", "1h30m"),
    ("keep_alive", "-1m", "-1m"),
    ("keep_alive", "1.5h", "1.5h"),
    ("think", "true", True),
    ("think", "Off", False),
    ("think", "none", False),
    ("think", False, False),
    ("think", "high", "high"),
    ("think", "x-High_2", "x-High_2"),
    ("format", "JSON", "json"),
    ("render", "once", "once"),
    ("cache", True, "use"),
    ("cache", False, "off"),
    ("cache", "1", "use"),
    ("cache", "no", "off"),
    ("cache", "Off", "off"),
    ("cache", "refresh", "refresh"),
    ("quiet", "no", False),
    ("quiet", True, True),
    ("connect_timeout", "2.5", 2.5),
    ("connect_timeout", "1m30s", 90.0),
    ("first_byte_timeout", "off", None),
    ("first_byte_timeout", "Never", None),
    ("first_byte_timeout", "none", None),
    ("stall_timeout", 0, None),
    ("stall_timeout", "0", None),
    ("options", "top_k=20,min_p=0.1", {"top_k": 20, "min_p": 0.1}),
    ("options", 'stop=["a,b","c"], top_k=3', {"stop": ["a,b", "c"], "top_k": 3}),
    ("options", "stop=a [b],x=[1", {"stop": "a [b]", "x": "[1"}),
    ("options", "s=", {"s": ""}),
    ("options", {"use_mmap": False}, {"use_mmap": False}),
    ("trusted_hosts", ["a", "b:2,c"], (Trusted("a"), Trusted("b", 2), Trusted("c"))),
    ("host", CLOUD, CLOUD),
    ("gguf", Path("x.gguf"), Path("x.gguf")),
]


@folded(("name", "given", "expected"), GOOD)
def test_values_are_typed(name, given, expected):
    value = getattr(cell(**{name: given}), name)
    assert value == expected
    assert type(value) is type(expected) or name == "options"


BAD = [
    ("mode", "clouds", "Did you mean cloud?"),
    ("mode", 3, "local, cloud, embedded"),
    ("api", "nativ", "Did you mean native?"),
    ("format", "htm", "markdown, text, json"),
    ("render", "on", "live, once"),
    ("temperature", "hot", "a number from 0 up"),
    ("temperature", "-1", "a number from 0 up"),
    ("temperature", "nan", "a number from 0 up"),
    ("temperature", "1_0", "a number from 0 up"),
    ("temperature", "1e999", "a number from 0 up"),
    ("temperature", True, "a number from 0 up"),
    ("temperature", 10**400, "a number from 0 up"),
    ("seed", "1.5", "a whole number"),
    ("seed", float("inf"), "a whole number"),
    ("seed", float("nan"), "a whole number"),
    ("seed", 2**63, "a whole number"),
    ("seed", "9" * 5000, "a whole number"),
    ("max_tokens", "0", "from 1, or -1"),
    ("num_ctx", -1, "from 1"),
    ("keep_alive", "5 minutes", "5m"),
    ("keep_alive", "1d", "5m"),
    ("keep_alive", "inf", "5m"),
    ("keep_alive", "9999999h", "5m"),
    ("think", "very hard", "low, medium, high"),
    ("think", 2.5, "low, medium, high"),
    ("cache", "refersh", "Did you mean refresh?"),
    ("cache", 2, "off, use, refresh"),
    ("quiet", "ture", "Did you mean true?"),
    ("connect_timeout", "-1", '"off"'),
    ("connect_timeout", float("nan"), '"off"'),
    ("stall_timeout", "soon", '"off"'),
    ("model", "a\nb", "model's name"),
    ("model", 7, "model's name"),
    ("system", 7, "a text"),
    ("options", "top_k", "JSON object"),
    ("options", "{'a': 1}", "JSON object"),
    ("options", '{"a": NaN}', "JSON object"),
    ("options", "[1]", "JSON object"),
    ("options", {"a": object()}, "the value of a"),
    ("options", {"a": float("inf")}, "the value of a"),
    ("options", {"top_logprobs": 5}, "top_logprobs is not one: write --tokens, or ask(..., top_logprobs=5)"),
    ("options", {1: 2}, "'1' is not an option's name"),
    ("options", "top k=1", "'top k' is not an option's name"),
    ("options", {"temperature": "hot"}, "a number from 0 up"),
    ("trusted_hosts", 5, "names between commas"),
    ("trusted_hosts", [5], "names between commas"),
    ("trusted_hosts", "*.x", "localhost"),
    ("gguf", "a\0b", "a path"),
    ("direct_cloud", "maybe", "true or false"),
]


@folded(("name", "given", "hint"), BAD, ids=lambda value: ascii(value).partition(" at 0x")[0][:40])
def test_a_value_that_cannot_be_used_is_named_with_its_origin(name, given, hint):
    with pytest.raises(SettingsError) as caught:
        resolve(Layer("environment", {name: given}, {name: "SOME_VARIABLE"}))
    assert "environment: SOME_VARIABLE" in caught.value.message
    assert hint in caught.value.hint
    assert len(caught.value.message) < 250
    if name == "options" and given != {"temperature": "hot"}:
        assert "options" in caught.value.message


def test_an_unknown_setting_gets_the_nearest_one():
    with pytest.raises(SettingsError, match="'temprature'") as caught:
        cell(temprature=1)
    assert caught.value.hint.startswith("Did you mean temperature?")


@folded(
    ("text", "value"),
    [
        ("20", 20),
        ("0.5", 0.5),
        (".5", 0.5),
        ("-.5", -0.5),
        ("1.", 1.0),
        (".", "."),
        ("true", True),
        ("True", True),
        ("False", False),
        ("null", None),
        ('["a", "b"]', ["a", "b"]),
        ('{"a": 1}', {"a": 1}),
        ('"20"', "20"),
        ("plain words", "plain words"),
        ("", ""),
        ("NaN", "NaN"),
        ("1e999", "1e999"),
        ("[" * 100_000, "[" * 100_000),
    ],
    ids=lambda value: ascii(value)[:30],
)
def test_an_option_is_json_or_the_text_itself(text, value):
    assert parse_option_value(text) == value


# ---- options ---------------------------------------------------------------------------------------------------


def test_options_of_all_layers_are_merged():
    settings = resolve(
        Layer("cell", {"options": {"top_k": 1, "min_p": None}}),
        Layer(
            "environment", {"options": '{"top_k": 2, "top_p": 0.5, "min_p": 0.1}'}, {"options": "OLLAMA_MAGIC_OPTIONS"}
        ),
        Layer("configuration", {"options": {"repeat_penalty": 1.1}}),
    )
    assert dict(settings.options) == {"top_k": 1, "top_p": 0.5, "repeat_penalty": 1.1}
    assert settings.origin("options") == "cell + environment: OLLAMA_MAGIC_OPTIONS + configuration"


@folded(
    ("strong", "weak", "expected"),
    [
        ({}, {}, {}),
        ({"seed": 1, "max_tokens": 9, "num_ctx": 64}, {}, {"seed": 1, "num_predict": 9, "num_ctx": 64}),
        ({"temperature": 0}, {"options": "temperature=1"}, {"temperature": 0.0}),
        ({"options": {"temperature": 1}}, {"temperature": 0}, {"temperature": 1.0}),
        ({"options": {"num_predict": 5}}, {"max_tokens": 7}, {"num_predict": 5}),
        ({"options": {"seed": 1}, "seed": 2}, {}, {"seed": 2}),
        ({"options": {"seed": None}}, {"seed": 2}, {}),
        ({"options": {"top_k": 5}, "seed": 0}, {"options": "min_p=0"}, {"top_k": 5, "min_p": 0, "seed": 0}),
    ],
)  # fmt: skip
def test_request_options_have_ollamas_names_and_the_stronger_layer_counts(strong, weak, expected):
    settings = resolve(Layer("cell", strong), Layer("environment", weak))
    assert settings.request_options() == expected


# ---- what is shown ---------------------------------------------------------------------------------------------


def test_rows_show_values_and_origins_and_no_secret():
    settings = resolve(
        Layer(
            "cell", {"host": "http://me:hunter22@h/p", "quiet": True, "stall_timeout": "off", "options": {"top_k": 1}}
        ),
        environment_layer({"OLLAMA_API_KEY": KEY, "OLLAMA_MAGIC_TRUSTED_HOSTS": "a,b:1"}),
    )
    rows = {row.name: (row.value, row.origin) for row in settings.rows()}
    assert list(rows) == [spec.name for spec in FIELDS]
    assert rows["key"] == ("set", "environment: OLLAMA_API_KEY")
    assert rows["host"] == ("http://***@h/p", "cell")
    assert rows["quiet"] == ("true", "cell")
    assert rows["stall_timeout"] == ("never", "cell")
    assert rows["options"] == ("top_k=1", "cell")
    assert rows["trusted_hosts"][0] == "a, b:1"
    assert rows["seed"] == ("not set", "default")
    assert rows["connect_timeout"] == ("10", "default")
    for shown in (repr(settings), str(settings), str(rows), f"{settings}"):
        assert "secret" not in shown
        assert "hunter" not in shown


@folded(("mode", "host"), list(zip(MODES, [LOCAL.display, CLOUD.display, "started when needed"], strict=True)))
def test_the_host_shown_is_the_one_that_the_mode_uses(mode, host):
    assert next(row.value for row in cell(mode=mode).rows() if row.name == "host") == host


def test_a_layer_shows_no_values():
    assert KEY not in repr(Layer("%ollama", {"key": KEY}))
    assert "hunter" not in repr(environment_layer({"OLLAMA_HOST": "me:hunter22@h"}))


@folded("text", [f"{KEY} x", f"{KEY}\nx", f"Bearer {KEY}", f"{KEY}é", 7])
def test_a_bad_key_is_not_shown(text):
    with pytest.raises(SettingsError) as caught:
        cell(key=text)
    assert "secret" not in str(caught.value)
    assert "cell" in caught.value.message


def test_a_bad_host_names_its_origin_and_shows_no_password():
    with pytest.raises(SettingsError, match=r"host from environment: OLLAMA_HOST") as caught:
        resolve(environment_layer({"OLLAMA_HOST": "http://me:hunter 22@h"}))
    assert "hunter" not in str(caught.value)


def test_settings_cannot_be_changed():
    settings = cell(options={"a": 1})
    with pytest.raises(AttributeError):
        settings.model = "x"  # type: ignore[misc]
    with pytest.raises(TypeError):
        settings.options["a"] = 2  # type: ignore[index]
    assert copy.deepcopy(settings) is copy.copy(settings) is settings
    assert hash(settings) == hash(cell(options={"a": 1}))


# ---- .env ------------------------------------------------------------------------------------------------------


def write(folder: Path, text: str | bytes) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / ".env"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def test_the_nearest_env_file_counts(tmp_path):
    write(tmp_path, "OLLAMA_MODEL=far\nOLLAMA_HOST=far\n")
    inner = tmp_path / "a" / "b"
    file = write(tmp_path / "a", "OLLAMA_MODEL=near\n")
    inner.mkdir()
    layer = dotenv_layer(inner)
    assert layer.file == file
    assert resolve(layer).model == "near"
    assert resolve(layer).host is None
    assert resolve(layer).origin("model") == ".env: OLLAMA_MODEL"
    assert resolve(layer).came_with_folder("model")


def test_a_folder_called_env_is_passed_over(tmp_path):
    write(tmp_path, "OLLAMA_MODEL=m\n")
    (tmp_path / "a" / ".env").mkdir(parents=True)
    assert resolve(dotenv_layer(tmp_path / "a")).model == "m"
    assert resolve(dotenv_layer(tmp_path / "a" / "gone" / "for" / "good")).model == "m"


def test_it_is_weaker_than_the_environment_and_does_not_enter_it(tmp_path):
    write(tmp_path, f"OLLAMA_MODEL=file\nOLLAMA_API_KEY={KEY}\nSOMETHING_ELSE=1\n")
    before = dict(os.environ)
    settings = resolve(environment_layer({"OLLAMA_MODEL": "env"}), dotenv_layer(tmp_path))
    assert (settings.model, settings.key) == ("env", Secret(KEY))
    assert dict(os.environ) == before


@pytest.mark.parametrize(
    ("text", "model"),
    [
        ("", None),
        ("OLLAMA_MODEL=\n", None),
        ("OLLAMA_MODEL\n", None),
        ("export OLLAMA_MODEL='m:1' # why\n", "m:1"),
        ("\ufeffOLLAMA_MODEL=m\r\n", "m"),
        ('this is = = no file [\n"\nOLLAMA_MODEL=m\n', "m"),
        ("OLLAMA_MODEL=m\nOLLAMA_HOST='unterminated\n", "m"),
        ("NAME=m\nOLLAMA_MODEL=${NAME}:1\n", "m:1"),
        ("OLLAMA_MODEL=${NOT_THERE:-m}\n", "m"),
        (b"OLLAMA_MODEL=m\nOTHER=\xff\xfe\x00\n", "m"),
        (b"\x00\xff\x89PNG\r\n\x1a\n" * 50, None),
    ],
    ids=ascii,
)
def test_what_an_env_file_may_look_like(tmp_path, text, model, caplog):
    write(tmp_path, text)
    assert resolve(dotenv_layer(tmp_path)).model == model
    assert not caplog.records


def test_it_cannot_take_a_secret_out_of_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("OLLAMA_API_KEY", KEY)
    monkeypatch.setenv("OTHER_SECRET", "hush")
    write(tmp_path, "OLLAMA_HOST=https://evil.example/${OLLAMA_API_KEY}/${OTHER_SECRET}\n")
    host = resolve(environment_layer(), dotenv_layer(tmp_path)).host
    assert host is None or host.url == "https://evil.example"


def test_it_is_read_again_only_when_it_has_changed(tmp_path, monkeypatch):
    reads = []
    real = envfile._values
    monkeypatch.setattr(envfile, "_values", lambda file: reads.append(file) or real(file))
    file = write(tmp_path, "OLLAMA_MODEL=one\n")
    for _ in range(3):
        assert resolve(dotenv_layer(tmp_path)).model == "one"
    assert len(reads) == 1
    write(tmp_path, "OLLAMA_MODEL=other\n")
    assert resolve(dotenv_layer(tmp_path)).model == "other"
    file.unlink()
    assert dotenv_layer(tmp_path).file != file


def test_an_unreadable_file_counts_as_empty(tmp_path, monkeypatch):
    write(tmp_path, "OLLAMA_MODEL=m\n")

    def refuse(*args: object, **kwargs: object) -> str:
        raise PermissionError("no")

    monkeypatch.setattr(Path, "read_text", refuse)
    assert resolve(dotenv_layer(tmp_path)).model is None


# ---- keyword arguments -----------------------------------------------------------------------------------------


def test_what_is_no_setting_is_an_option_of_the_model():
    given = {"model": None, "seed": 3, "options": {"top_k": 1, "min_p": 0}, "top_k": 2, "logprobs": True}
    assert by_setting(given, "ask()", ("top_logprobs",)) == {
        "model": None,
        "seed": 3,
        "options": {"top_k": 2, "min_p": 0, "logprobs": True},
    }
    assert by_setting({"options": "top_k=20"}, "ask()") == {"options": "top_k=20"}
    assert by_setting({"num_predict": 3}, "ask()") == {"options": {"num_predict": 3}}
    with pytest.raises(SettingsError, match="options is of type str, and 'top_k' stands beside it"):
        by_setting({"options": "top_p=1", "top_k": 2}, "ask()")
    numpy = pytest.importorskip("numpy")
    found = by_setting({"seed": numpy.int64(3), "top_p": numpy.float32(0.5)}, "ask()")
    assert found == {"seed": 3, "options": {"top_p": 0.5}}
    assert [type(found["seed"]), type(found["options"]["top_p"])] == [int, float]


def test_a_slip_of_the_pen_is_refused():
    for name, meant in (("temprature", "temperature"), ("repeat", "repeats"), ("hosts", "host")):
        with pytest.raises(SettingsError, match=rf"evaluate\(\) has no '{name}'") as caught:
            by_setting({name: 3}, "evaluate()", ("repeats",))
        assert caught.value.hint.startswith(f"Did you mean {meant}?")
    with pytest.raises(SettingsError, match=r"has no 'models'") as caught:  # sweep() is compare() with one model
        by_setting({"models": "m"}, "compare()", ("models",))
    assert caught.value.hint.startswith("Did you mean model?")
    with pytest.raises(SettingsError, match=r"'repeats' is not for a model, but for evaluate\(\) itself"):
        by_setting({"repeats": 3}, "evaluate()", ("repeats",))
    with pytest.raises(SettingsError, match=r"has no 'keys'") as caught:
        by_setting({"keys": "x"}, "ask()")
    assert caught.value.hint == "Did you mean key?"  # and no word of how to send it all the same
    assert by_setting({"options": {"temprature": 3}}, "ask()") == {"options": {"temprature": 3}}


# ---- weight ----------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_importing_it_brings_nothing_heavy():
    code = (
        "import sys, ollama_magic.layers, ollama_magic.endpoint; "
        "print([m for m in ('dotenv','httpx','rich','idna','asyncio','markdown_it','difflib') if m in sys.modules])"
    )
    environ = {**os.environ, "PYTHONPATH": str(Path(envfile.__file__).parent.parent)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environ)
    assert done.stdout.strip() == "[]"


def test_the_cloud_is_asked_at_a_gateway_that_may_have_the_key_and_else_at_ollama_com():
    gateway = cell(host="https://gate.example", trusted_hosts="gate.example", api="native").at_cloud("--web")
    assert (gateway.mode, gateway.host.url, gateway.origin("mode")) == ("cloud", "https://gate.example", "--web")
    for host in ("https://gate.example", "http://localhost:11434", None):
        elsewhere = cell(host=host).at_cloud("--web")
        assert (elsewhere.mode, elsewhere.host, elsewhere.origin("host")) == ("cloud", CLOUD, "--web")
