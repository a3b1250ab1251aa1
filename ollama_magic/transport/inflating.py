"""Decompresses a body that was compressed although the request did not allow it: some proxies do that."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from .failure import BodyBroken

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator

__all__ = ["inflated"]

_WINDOW = zlib.MAX_WBITS | 32  # detects gzip or zlib by the header
_LUMP = 1 << 20  # most bytes decompressed at a time: one byte can expand to a thousand


async def inflated(raw: AsyncIterable[bytes], coding: str) -> AsyncIterator[bytes]:
    """The bytes of `raw` decompressed as they arrive. Raises BodyBroken if they are not compressed in that way."""
    if coding not in ("gzip", "x-gzip", "deflate"):
        raise BodyBroken(f"the body is compressed ({coding}), though it was asked for as it is")
    decoder = zlib.decompressobj(_WINDOW)
    try:
        async for data in raw:
            while data:
                if decoder.eof:  # a body compressed chunk by chunk continues with another gzip member
                    decoder = zlib.decompressobj(_WINDOW)
                found = decoder.decompress(data, _LUMP)
                data = decoder.unused_data or decoder.unconsumed_tail
                if found:
                    yield found
    except zlib.error:
        raise BodyBroken(f"the body is not the {coding} that it says to be") from None
    if found := decoder.flush():
        yield found
