"""One target in a process of its own, given to Atheris, which never gives it back: `python -m tests.fuzz` starts it."""

from __future__ import annotations

import sys

import atheris

if __name__ == "__main__":
    with atheris.instrument_imports(include=["ollama_magic.wire", "json.scanner", "json.decoder"]):
        from tests.fuzz.targets import TARGETS
    atheris.Setup([sys.argv[0], *sys.argv[2:]], TARGETS[sys.argv[1]])
    atheris.Fuzz()
