"""Vectors of the fake server: the same for the same text, near for texts that share words. Pure."""

from __future__ import annotations

import base64
import math
import struct
import zlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.fake_http import Recorded

__all__ = ["CONTEXT", "PATHS", "WIDTH", "answer_embed", "vector_of"]

PATHS = ("/api/embed", "/v1/embeddings")
WIDTH = 16
CONTEXT = 50
"""Words that the model takes."""


def vector_of(text: str, width: int = WIDTH) -> list[float]:
    """A vector of length 1: each word is added at a place of its own."""
    found = [0.0] * WIDTH
    for word in text.lower().split():
        found[zlib.crc32(word.encode()) % WIDTH] += 1.0
    found = found[:width]
    length = math.sqrt(sum(each * each for each in found)) or 1.0
    return [each / length for each in found]


def answer_embed(request: Recorded, known: bool) -> tuple[int, dict[str, Any]]:
    """Status and body for a request of PATHS; `known`: whether the model is there."""
    asked = request.json
    native = request.path == "/api/embed"
    given = asked.get("input", [])
    texts = [given] if isinstance(given, str) else given
    if not known:
        return _error(native, 404, f'model "{asked.get("model")}" not found, try pulling it first')
    if not all(isinstance(text, str) for text in texts):
        return _error(native, 400, "invalid input type")
    # Each surface's default is to cut.
    if asked.get("truncate") is False and any(len(text.split()) > CONTEXT for text in texts):
        return _error(native, 400, "the input length exceeds the context length")
    cut = [" ".join(text.split()[:CONTEXT]) for text in texts]
    vectors = [vector_of(text, asked.get("dimensions") or WIDTH) for text in cut]
    if native:
        body = {"model": asked["model"], "embeddings": vectors, "total_duration": 1, "prompt_eval_count": len(texts)}
        return 200, body
    packed: list[Any] = list(vectors)
    if asked.get("encoding_format") == "base64":
        packed = [base64.b64encode(struct.pack(f"<{len(each)}f", *each)).decode() for each in vectors]
    data = [{"object": "embedding", "index": n, "embedding": each} for n, each in enumerate(packed)]
    # The order is not promised; the index is.
    return 200, {"object": "list", "model": asked["model"], "data": data[::-1], "usage": {"prompt_tokens": 1}}


def _error(native: bool, status: int, text: str) -> tuple[int, dict[str, Any]]:
    return status, {"error": text if native else {"message": text, "type": "api_error"}}
