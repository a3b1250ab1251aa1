"""Download progress of a model: aggregates the status objects of /api/pull, of any version.

    {"status": "pulling manifest"}
    {"status": "pulling dde5aa3fc5ff", "digest": "sha256:dde5...", "total": 2019377376, "completed": 241970}
    {"status": "verifying sha256 digest"}
    {"status": "success"}

`completed` is absent while it is 0, may decrease when a part is fetched again, and is complete from the start for a
layer that the server already has. A layer is named when its download starts, so totals cover the known layers only.

Source: ollama api/types.go (ProgressResponse), server/download.go
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ..errors import ModelNotFound, ResponseError

if TYPE_CHECKING:
    from ..errors import OllamaMagicError

__all__ = ["Pulling", "PullLayer", "PullProgress", "advise"]

_WINDOW_S: Final = 6.0
"""The window of a rate: long enough to be steady, short enough to follow a connection that slows down."""
_SAMPLE_S: Final = 0.1
_RATE_AFTER_S: Final = 0.5
"""Seconds of download before its rate is meaningful."""
_MOST_LAYERS: Final = 200
_MOST_BYTES: Final = 2**63


@dataclass(frozen=True, slots=True)
class PullLayer:
    """One layer of a model: bytes `done` of `total`, None if the server has not said."""

    digest: str
    done: int | None = None
    total: int | None = None
    rate: float | None = None
    """Bytes per second over the last seconds; None before it can be measured, and when complete."""

    @property
    def name(self) -> str:
        """The first 12 digits of the digest, as the server abbreviates it."""
        return self.digest.rpartition(":")[2][:12]

    @property
    def whole(self) -> bool:
        """Whether it is complete."""
        return self.total is not None and self.done == self.total

    @property
    def left_s(self) -> float | None:
        """Seconds left at this rate; 0 when complete, None while unknown."""
        return _left_s(self.done, self.total, self.rate)


@dataclass(frozen=True, slots=True)
class PullProgress:
    """The progress of a download. `status` is the server's text, `done` and `total` bytes of the layers known so far.

    `done` and `total` are None while the server only reports a status. `rate` is bytes per second over the last seconds
    (not counting what the server already had), `left_s` the seconds left at this rate; both None while unknown.
    `success` is true only for the last value.
    """

    status: str
    done: int | None = None
    total: int | None = None
    rate: float | None = None
    left_s: float | None = None
    layers: tuple[PullLayer, ...] = ()
    success: bool = False

    @property
    def fraction(self) -> float | None:
        """The completed fraction, 0 to 1; None if the server has not said the total."""
        return self.done / self.total if self.total and self.done is not None else None


class Pulling:
    """Aggregates the status objects of one download."""

    def __init__(self) -> None:
        self._layers: dict[str, _Layer] = {}
        self._rate = _Rate()

    def feed(self, obj: object, now: float) -> PullProgress | None:
        """The progress after one more object, received at `now` seconds; None for one without status and digest.

        Never raises: a field of the wrong type counts as absent.
        """
        value = obj if isinstance(obj, Mapping) else {}
        status, digest = _text(value, "status"), _text(value, "digest")
        if not status and not digest:
            return None
        success = status == "success"
        if digest and (digest in self._layers or len(self._layers) < _MOST_LAYERS):
            self._layers.setdefault(digest, _Layer()).feed(_bytes(value, "completed"), _bytes(value, "total"), now)
        if success:
            for layer in self._layers.values():
                layer.done = layer.total if layer.total is not None else layer.done
        layers = tuple(layer.shown(digest) for digest, layer in self._layers.items())
        counted = [(layer.done or 0, layer.total) for layer in layers if layer.total is not None]
        done = sum(done for done, _ in counted) if counted else None
        total = sum(total for _, total in counted) if counted else None
        self._rate.add(sum(layer.gained for layer in self._layers.values()), now)
        rate = None if done == total else self._rate.value
        left_s = _left_s(done, total, rate)
        return PullProgress(status or f"pulling {digest}", done, total, rate, left_s, layers, success)


class _Layer:
    """One layer during its download."""

    def __init__(self) -> None:
        self.done: int | None = None
        self.total: int | None = None
        self.gained = 0  # since the first report: what the server had before was not downloaded now
        self._rate = _Rate()

    def feed(self, done: int | None, total: int | None, now: float) -> None:
        if total:
            self.total = total
        if done is None and total:
            done = 0  # the server omits zeros
        if done is not None:
            if self.total is not None:
                done = min(done, self.total)
            self.gained += 0 if self.done is None else done - self.done
            self.done = done
        self._rate.add(self.gained, now)

    def shown(self, digest: str) -> PullLayer:
        whole = self.total is not None and self.done == self.total
        return PullLayer(digest, self.done, self.total, None if whole else self._rate.value)


class _Rate:
    """Bytes per second over the last seconds."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, int]] = deque()

    def add(self, count: int, now: float) -> None:
        samples = self._samples
        if len(samples) > 1 and now - samples[-2][0] < _SAMPLE_S:
            samples.pop()
        samples.append((now, count))
        while len(samples) > 2 and samples[1][0] <= now - _WINDOW_S:
            samples.popleft()

    @property
    def value(self) -> float | None:
        if not self._samples:
            return None
        (then, before), (now, count) = self._samples[0], self._samples[-1]
        return max(0.0, (count - before) / (now - then)) if now - then >= _RATE_AFTER_S else None


# ---- hints for failures --------------------------------------------------------------------------------------------

_RESUMES: Final = "Pulling again goes on from what the server has kept."
_ADVICE: Final[tuple[tuple[re.Pattern[str], str], ...]] = tuple(
    (re.compile(pattern, re.IGNORECASE), advice)
    for pattern, advice in (
        (
            r"no space left|disk (is )?full|not enough (disk )?space|disk quota|not enough space on the disk",
            (
                "The disk of the server is full. Make room: %ollama list shows sizes, %ollama rm NAME removes a "
                f"model. {_RESUMES}"
            ),
        ),
        (
            r"newer version of ollama|\b412\b",
            "This model needs a newer Ollama: https://ollama.com/download, then pull again.",
        ),
        (
            r"no such host|dial tcp|i/o timeout|connection re(fused|set)|tls handshake|max retries|\beof\b",
            f"The server could not reach the registry: look at the network of its machine. {_RESUMES}",
        ),
        (r"digest mismatch", "What came was damaged and is thrown away: pull again."),
        (r"permission denied|read-only file", "The server may not write to its folder of models (OLLAMA_MODELS)."),
    )
)


def advise(error: OllamaMagicError) -> OllamaMagicError:
    """`error`, raised while pulling a model, with a hint that fits."""
    if isinstance(error, ModelNotFound):
        error.hint = "The registry has no model of this name and tag: https://ollama.com/search shows what there is."
    elif isinstance(error, ResponseError):  # its message is the server's text
        error.hint = next((advice for pattern, advice in _ADVICE if pattern.search(error.message)), error.hint)
    return error


# ---- fields of any type --------------------------------------------------------------------------------------------


def _left_s(done: int | None, total: int | None, rate: float | None) -> float | None:
    if done is None or total is None:
        return None
    if done >= total:
        return 0.0
    return (total - done) / rate if rate else None


def _text(value: Mapping[str, Any], name: str) -> str:
    text = value.get(name)
    return text if isinstance(text, str) else ""


def _bytes(value: Mapping[str, Any], name: str) -> int | None:
    number = value.get(name)
    if isinstance(number, bool) or not isinstance(number, (int, float)) or not 0 <= number < _MOST_BYTES:
        return None
    return int(number)
