"""What Tab offers, for every place in a line."""

from __future__ import annotations

import pytest

from ollama_magic.completion import complete

MODELS = ["llama3.2:latest", "llama3.2:1b", "qwen3:8b", "deepseek-v3.1:671b"]


class Notebook:
    def models(self, mode):
        return ["gpt-oss:120b"] if mode == "cloud" else MODELS

    def threads(self):
        return ["talk", "tales"]

    def variables(self, functions):
        return ["search"] if functions else ["df", "search"]


names = Notebook()


def offered(line, first_line=True):
    found = complete(line, first_line, names)
    return None if found is None else found[1]


@pytest.mark.parametrize("line", ["", "ollama ", "%ollama", "%%ollama", "%%ollamas ", "x = 1", "%time ollama "])
def test_other_lines_are_left_alone(line):
    assert offered(line) is None


def test_the_body_of_a_cell_is_left_alone():
    assert offered("%%ollama ll", first_line=False) is None
    assert offered("%ollama li", first_line=False) == ["list"]


@pytest.mark.parametrize(
    ("line", "fragment", "words"),
    [
        ("%%ollama lla", "lla", ["llama3.2:1b", "llama3.2:latest"]),
        ("%%ollama --b", "--b", ["--bg", "--blind"]),
        ("%ollama job", "job", ["jobs"]),
        ("%ollama jobs s", "s", ["show", "stop"]),
        ("%%ollama llama3.2:l", "llama3.2:l", ["llama3.2:latest"]),
        ("%%ollama -m deepseek-", "deepseek-", ["deepseek-v3.1:671b"]),
        ("%%ollama --model=qw", "qw", ["qwen3:8b"]),
        ("%%ollama --te", "--te", ["--temperature"]),
        ("%%ollama llama3.2:1b --se", "--se", ["--seed"]),
        ("%%ollama --mode ", "", ["cloud", "embedded", "local"]),
        ("%%ollama --api na", "na", ["native"]),
        ("%%ollama -f j", "j", ["json"]),
        ("%%ollama --mode cloud g", "g", ["gpt-oss:120b"]),
        ("%%ollama --mode=cloud g", "g", ["gpt-oss:120b"]),
        ("%%ollama --think hi", "hi", ["high"]),
        ("%%ollama -i ta", "ta", ["tales", "talk"]),
        ("%%ollama -a d", "d", ["df"]),
        ("%%ollama --tools ", "", ["search"]),
        ("%%ollama --tools other,se", "se", ["search"]),
        ("%%ollama --compare llama3.2:1b,qw", "qw", ["qwen3:8b"]),
        ("%%ollama --compare qwen3:8b,cloud/g", "cloud/g", ["cloud/gpt-oss:120b"]),
        ("%%ollama --compare em", "em", ["embedded", "embedded/"]),
        ("%%ollama --sweep temp", "temp", ["temperature="]),
        ("%ollama history tal", "tal", ["tales", "talk"]),
        ("%ollama lo", "lo", ["login", "logout"]),
        ("%ollama mode c", "c", ["cloud"]),
        ("%ollama use qw", "qw", ["qwen3:8b"]),
        ("%ollama config temp", "temp", ["temperature"]),
    ],
)
def test_words(line, fragment, words):
    assert complete(line, True, names) == (fragment, words)


def test_a_used_option_is_not_offered_again_but_a_repeatable_one_is():
    again = offered("%%ollama --seed 1 -o top_k=1 -")
    assert again is not None
    assert "--seed" not in again
    assert "-o" in again


def test_the_key_is_never_offered():
    assert "key" not in (offered("%ollama config ") or [])
