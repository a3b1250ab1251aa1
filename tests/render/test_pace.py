"""When what streams is drawn again."""

from __future__ import annotations

import pytest

from ollama_magic.render.pace import drawn_next


@pytest.mark.parametrize(
    ("spent", "messages", "wait"),
    [
        (0.0, 1, 0.1),
        (0.02, 1, 0.1),
        (0.5, 1, 2.0),  # a quarter of the time
        (0.02, 2, 0.2),
        (3600.0, 1, 5.0),  # the clock jumped: nobody waits an hour
        (-3600.0, 1, 0.1),
    ],
)
def test_the_time_between_two_drawings(spent: float, messages: int, wait: float) -> None:
    assert drawn_next(100.0, spent, messages=messages) == pytest.approx(100.0 + wait)
