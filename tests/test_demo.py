"""`make demo` prints an answer once, as it grows, whatever form it has on the way."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow  # importing nbclient takes its time


@pytest.fixture(scope="module")
def demo() -> Any:
    path = Path(__file__).parent.parent / "scripts" / "demo.py"
    spec = importlib.util.spec_from_file_location("demo", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["demo"] = module
    spec.loader.exec_module(module)
    return module


def test_an_answer_is_printed_once_as_it_grows(demo: Any, capsys: pytest.CaptureFixture[str]) -> None:
    phase = f'<div style="{demo.PHASE}">12 tok/s</div>'
    printer = demo.Printer()
    pieces = []
    for html in (
        phase,
        f"<p>One <b>wo</b></p>{phase}",
        f"<p>One <b>word</b>.</p><ol><li>first</li></ol>{phase}",
        "<p>One <b>word</b>.</p><ol><li>first</li><li>second</li></ol>",
    ):
        printer.show("live", demo.text_of({"text/html": html, "text/plain": " "}))
        pieces.append(capsys.readouterr().out)
    assert pieces == ["", "One wo", "rd.\n\n1. first", "\n2. second"]

    printer.clear()
    printer.show("final", demo.text_of({"text/plain": "One **word**.\n\n1. first\n2. second\n\nllama3.2 · 12 tok/s"}))
    printer.finish()
    assert capsys.readouterr().out == "\n\nllama3.2 · 12 tok/s\n"


def test_streams_add_up_and_cells_are_apart(demo: Any, capsys: pytest.CaptureFixture[str]) -> None:
    printer = demo.Printer()
    for cell in ("a", "b"):
        printer.show("stdout", f"{cell}1\n", add=True)
        printer.show("stdout", f"{cell}2\n", add=True)
        printer.finish()
    assert capsys.readouterr().out == "a1\na2\nb1\nb2\n"


def test_a_changed_beginning_is_not_printed_again(demo: Any, capsys: pytest.CaptureFixture[str]) -> None:
    printer = demo.Printer()
    printer.show("live", "A notice. The answer begins")
    printer.show("live", "Another notice. The answer begins and goes on")
    printer.finish()
    assert capsys.readouterr().out == "A notice. The answer begins and goes on\n"
