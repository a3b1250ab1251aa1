"""When the Stop button is tried, and when not; what a page does with it is in tests/kernel and tests/browser."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from ollama_magic.events import Text, Thinking
from ollama_magic.render.freed import free
from ollama_magic.render.stopping import StopButton, with_stop_button

from .fakes import Clock, answer_of, start

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ollama_magic.events import Answer, Event

CAPABLE = SimpleNamespace(kernel=SimpleNamespace(_supports_kernel_subshells=True))


class Plain:
    """A view that remembers."""

    def __init__(self) -> None:
        self.seen: list[Event] = []
        self.finished: list[Answer] = []

    def show(self, events: Sequence[Event]) -> None:
        self.seen += events

    def finish(self, answer: Answer, error: Exception | None = None) -> None:
        self.finished.append(answer)


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    before = StopButton.unheard
    StopButton.unheard = 0
    yield
    StopButton.unheard = before


def button() -> tuple[Any, Plain, Clock]:
    clock, view = Clock(), Plain()
    return StopButton(view, lambda: None, clock), view, clock


def opened(made: Any) -> bool:
    """Whether a widget was opened, after what is needed for it was loaded."""
    if made._loading is not None:
        assert made._loading.wait(30)
        made.show([])
    return made._widget is not None


def test_there_is_none_where_no_click_is_heard_while_a_cell_runs() -> None:
    view = Plain()
    for shell in (None, SimpleNamespace(), SimpleNamespace(kernel=SimpleNamespace(_supports_kernel_subshells=False))):
        assert with_stop_button(view, shell, lambda: None) is view
    assert isinstance(with_stop_button(view, CAPABLE, lambda: None), StopButton)


@pytest.mark.parametrize(
    ("events", "seconds", "wanted"),
    [
        ([start()], 1.9, False),  # no text yet: a model that is being loaded
        ([start()], 2.1, True),
        ([start(), Text("a")], 0.4, False),
        ([start(), Text("a")], 0.6, True),
        ([start(), Thinking("a")], 0.6, True),
    ],
)
def test_it_is_tried_when_an_answer_is_long_enough(events: list[Event], seconds: float, wanted: bool) -> None:
    pytest.importorskip("anywidget")
    made, view, clock = button()
    made.show(events)
    assert not opened(made)
    clock.now += seconds
    made.show([])
    assert opened(made) is wanted
    assert view.seen == events
    made.finish(answer_of(Text("a")))
    assert [answer.text for answer in view.finished] == ["a"]


def test_it_is_given_up_where_nobody_answers() -> None:
    pytest.importorskip("anywidget")
    for seconds, tries in ((5.0, 1), (1.0, 1), (5.0, 2), (5.0, 3)):  # a short answer says nothing
        made, view, clock = button()
        made.show([start(), Text("a")])
        clock.now += 1
        made.show([])
        assert opened(made)
        clock.now += seconds
        made.finish(answer_of(Text("a")))
        assert StopButton.unheard == tries
    assert with_stop_button(view, CAPABLE, lambda: None) is view


def test_what_is_heard_in_the_cells_own_thread_does_not_count() -> None:
    stopped: list[bool] = []
    made = StopButton(Plain(), lambda: stopped.append(True))
    made._hear(None, {"here": True}, [])
    made._hear(None, {"stop": True}, [])
    made._hear(None, "nonsense", [])
    assert not made._heard
    assert not stopped


def test_freeing_a_widget_is_careful() -> None:
    capable = CAPABLE.kernel
    assert not free(SimpleNamespace())
    assert not free(SimpleNamespace(comm=None))
    assert not free(SimpleNamespace(comm=SimpleNamespace(kernel=None)))
    older = SimpleNamespace(kernel=capable)
    assert free(SimpleNamespace(comm=older))
    assert not hasattr(older, "_reply_subshell_for")  # nothing is put where nothing was
    newer = SimpleNamespace(kernel=capable, _reply_subshell_for=lambda data, default: "main")
    assert free(SimpleNamespace(comm=newer))
    assert newer._reply_subshell_for({}, "asked for") == "asked for"
