"""The wheel in an environment of its own: it works there with what it brings, and nothing else."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.packaging.environments import Environment

if TYPE_CHECKING:
    from tests.fake_ollama import FakeOllama

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.skipif(sys.platform == "win32", reason="an environment's programs lie elsewhere there"),
]

ASK = "get_ipython().run_cell_magic('ollama', 'llama3.2', 'hello')"

EVERY_MODULE = """
import importlib, json, pkgutil, ollama_magic
names = [found.name for found in pkgutil.walk_packages(ollama_magic.__path__, "ollama_magic.")]
for name in names:
    if not name.endswith("__main__"):
        importlib.import_module(name)
for name in ollama_magic.__all__:
    getattr(ollama_magic, name)
print(json.dumps([ollama_magic.__file__, len(names)]))
"""

PANEL = """
import json
from ollama_magic.panels import widget
from importlib.metadata import files
static = [f for f in files("ollama_magic") if "panels/static/" in f.as_posix()]
print(json.dumps([len(static), all(f.read_text() in widget._Widget._esm + widget._Widget._css for f in static)]))
"""


def ipython(environment: Environment, folder: Path, host: str, *arguments: str) -> str:
    """What IPython prints there, with its configuration in `folder`."""
    more = {"OLLAMA_HOST": host, "IPYTHONDIR": str(folder), "HOME": str(folder)}
    return environment.run("ipython", "--colors=NoColor", *arguments, cwd=folder, **more)


def test_it_brings_what_it_needs_and_no_server_or_data_frame(alone: Environment, tmp_path: Path) -> None:
    alone.run("python", "-m", "pip", "check", cwd=tmp_path)
    listed = json.loads(alone.run("python", "-m", "pip", "list", "--format=json", cwd=tmp_path))
    names = {each["name"].lower() for each in listed}
    assert {"ollama_magic", "ollama-magic"} & names
    assert not {"jupyterlab", "notebook", "jupyter_server", "pandas", "numpy", "pydantic", "xllamacpp"} & names


def test_every_module_and_every_public_name_can_be_imported(alone: Environment, tmp_path: Path) -> None:
    where, count = json.loads(alone.run("python", "-c", EVERY_MODULE, cwd=tmp_path))
    assert Path(where).is_relative_to(alone.folder)
    assert count > 100


def test_the_panels_page_is_there(alone: Environment, tmp_path: Path) -> None:
    count, whole = json.loads(alone.run("python", "-c", PANEL, cwd=tmp_path))
    assert count > 10
    assert whole


def test_load_ext_and_a_question(alone: Environment, fake: FakeOllama, tmp_path: Path) -> None:
    fake.says("installed ", "and working")
    said = ipython(alone, tmp_path, fake.url, "-c", f"%load_ext ollama_magic\n{ASK}")
    assert "installed and working" in said
    assert "llama3.2" in said.splitlines()[-1]


def test_ipython_ext(alone: Environment, fake: FakeOllama, tmp_path: Path) -> None:
    fake.says("from the start")
    assert "from the start" in ipython(alone, tmp_path, fake.url, "--ext", "ollama_magic", "-c", ASK)


def test_the_line_in_ipythons_configuration(alone: Environment, fake: FakeOllama, tmp_path: Path) -> None:
    fake.says("without a word")
    profile = tmp_path / "profile_default"
    profile.mkdir()
    (profile / "ipython_config.py").write_text('c.InteractiveShellApp.extensions = ["ollama_magic"]\n')
    assert "without a word" in ipython(alone, tmp_path, fake.url, "-c", ASK)


def test_a_script_asks(alone: Environment, fake: FakeOllama, tmp_path: Path) -> None:
    fake.says("an answer")
    code = "import ollama_magic; print(ollama_magic.ask('hello', model='llama3.2').text)"
    assert alone.run("python", "-c", code, cwd=tmp_path, OLLAMA_HOST=fake.url).strip() == "an answer"


def test_without_the_extra_the_embedded_engine_says_how_to_get_it(alone: Environment, tmp_path: Path) -> None:
    code = (
        "import ollama_magic\ntry:\n    ollama_magic.ask('hi', mode='embedded')\nexcept Exception as e:\n    print(e)"
    )
    assert "ollama_magic[embedded]" in alone.run("python", "-c", code, cwd=tmp_path)


@pytest.mark.long  # an install of a hundred megabytes
@pytest.mark.embedded
def test_with_the_extra_the_first_cell_answers(wheel: Path, tmp_path: Path) -> None:
    environment = Environment.make(tmp_path / "venv")
    environment.install(f"{wheel}[embedded]")
    # A port where nobody listens is this test's, whatever runs on the machine: it is not asked in this mode.
    more = {"OLLAMA_MAGIC_MODE": "embedded", "OLLAMA_HOST": "http://127.0.0.1:9", "IPYTHONDIR": str(tmp_path)}
    code = (
        "get_ipython().run_cell_magic('ollama', '--max-tokens 12 --seed 1', 'Say hello.')\n"
        "import ollama_magic; print('kept', repr(ollama_magic.last.text), ollama_magic.last.model)"
    )
    said = environment.run("ipython", "--colors=NoColor", "--ext", "ollama_magic", "-c", code, cwd=tmp_path, **more)
    kept = said.splitlines()[-1]
    assert kept.startswith("kept '")
    assert kept.endswith("smollm2:135m")
    assert "kept ''" not in kept
