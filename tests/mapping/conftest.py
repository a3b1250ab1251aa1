"""A server that answers by rule."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.fake_rules import RuledOllama

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def ruled() -> Iterator[RuledOllama]:
    """One that answers each prompt with its last word."""
    with RuledOllama() as fake:
        fake.rule = lambda prompt: prompt.split()[-1]
        yield fake
