"""Look-ups that add detail to an error: the names on a server that are similar to an unknown one."""

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
"""The timeout of a request that only improves an error message."""


async def names_near(name: str, asked: Awaitable[Sequence[Model]]) -> list[str]:
    """At most three names of the models in `asked` that are similar to `name`; none if they do not arrive quickly."""
    try:
        async with asyncio.timeout(_QUICK_S):
            names = [model.name for model in await asked]
    except (OllamaMagicError, TimeoutError):
        return []
    found = difflib.get_close_matches(_compared(name), [_compared(each) for each in names], n=3, cutoff=0.5)
    base = name.lower().partition(":")[0]
    return [each for each in names if _compared(each) in found or each.lower().partition(":")[0] == base][:3]


def _compared(name: str) -> str:
    """`name` as compared, without the default tag, which would make all names look similar."""
    return full_name(name).removesuffix(":latest")
