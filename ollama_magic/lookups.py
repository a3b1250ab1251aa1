"""What is looked up to better an error: the names that a server has and that look like an unknown one."""

from __future__ import annotations

import asyncio
import difflib
from typing import TYPE_CHECKING, Final

from .errors import OllamaMagicError
from .wire.catalog import full_name

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence

    from .wire.catalog import Model

__all__ = ["names_near"]

_QUICK_S: Final = 2.0
"""For questions that only help another one."""


async def names_near(name: str, asked: Awaitable[Sequence[Model]]) -> list[str]:
    """At most three names of the models in `asked` that look like `name`; none where they cannot be had quickly."""
    try:
        async with asyncio.timeout(_QUICK_S):
            names = [model.name for model in await asked]
    except (OllamaMagicError, TimeoutError):
        return []
    found = difflib.get_close_matches(_compared(name), [_compared(each) for each in names], n=3, cutoff=0.5)
    base = name.lower().partition(":")[0]
    return [each for each in names if _compared(each) in found or each.lower().partition(":")[0] == base][:3]


def _compared(name: str) -> str:
    """The tag that everything has makes nothing alike."""
    return full_name(name).removesuffix(":latest")
