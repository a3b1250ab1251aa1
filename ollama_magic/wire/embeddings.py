"""Embeddings on both surfaces: encodes requests and decodes responses. Pure.

/api/embed has fields for truncation of long texts, keep-alive and model options; /v1/embeddings does not, but other
servers support it too. /v1 sends numbers as base64, a third of the size.

Source: ollama api/types.go (EmbedRequest), openai/openai.go (EmbeddingRequest)
"""

from __future__ import annotations

import base64
import math
import sys
from array import array
from typing import TYPE_CHECKING, Any

from ..errors import ServerError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..endpoint import Surface

__all__ = ["Vector", "decode_embed", "encode_embed"]

Vector = array  # of type "f": 32-bit floats


def encode_embed(
    surface: Surface,
    model: str,
    texts: Sequence[str],
    *,
    dimensions: int | None = None,
    truncate: bool = False,
    keep_alive: str | float | None = None,
    options: Mapping[str, Any] | None = None,
) -> tuple[str, dict[str, Any]]:
    """The path and the JSON body that request the vectors of `texts`; the last three parameters apply to /api only."""
    body: dict[str, Any] = {"model": model, "input": list(texts)}
    if dimensions is not None:
        body["dimensions"] = dimensions
    if surface == "openai":
        return "/v1/embeddings", {**body, "encoding_format": "base64"}
    body["truncate"] = truncate
    if keep_alive is not None:
        body["keep_alive"] = keep_alive
    if options:
        body["options"] = dict(options)
    return "/api/embed", body


def decode_embed(value: object, count: int) -> list[Vector[float]]:
    """The `count` vectors in a response of either surface, in the order of the texts.

    Raises ServerError if they are not `count` nonempty vectors of equal length and finite numbers.
    """
    found: object = None
    if isinstance(value, dict):
        found = value["embeddings"] if "embeddings" in value else value.get("data")
    listed = found if isinstance(found, list) else []
    if listed and all(isinstance(each, dict) for each in listed):
        listed = [each.get("embedding") for each in sorted(listed, key=_index)]
    try:
        vectors = [_vector(each) for each in listed]
    except (TypeError, ValueError, OverflowError):
        raise _odd("something that is no vector of numbers") from None
    if len(vectors) != count:
        raise _odd(f"{len(vectors)} vectors for {count} texts")
    if len({len(each) for each in vectors}) > 1 or not all(vectors):
        raise _odd("vectors of different lengths, or empty ones")
    if not all(math.isfinite(sum(each)) for each in vectors):
        raise _odd("numbers that are not finite")
    return vectors


def _index(found: dict[str, Any]) -> int:
    index = found.get("index")
    return index if isinstance(index, int) else 0


def _vector(found: object) -> Vector[float]:
    if isinstance(found, str):
        vector = array("f")
        vector.frombytes(base64.b64decode(found, validate=True))
        if sys.byteorder == "big":
            vector.byteswap()
        return vector
    if not isinstance(found, list):
        raise TypeError
    return array("f", found)


def _odd(what: str) -> ServerError:
    return ServerError(
        f"the server answered with {what}", hint="Try another model; this one may be no embedding model."
    )
