"""The common part of both surfaces' decoders: the life cycle of an answer, and values that servers write differently.

A decoder turns frames into events. It never raises: it keeps what arrived before, and sets `failure` to the error.
`close` marks the end of the bytes, whatever its cause: if the server had already ended the answer, it gives a Done;
otherwise `failure` is Incomplete, or an error that shows what the server sent instead of an answer.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..errors import Incomplete, OllamaMagicError, ServerError
from ..events import Done, Event, Stats, Text, Thinking, TokenProbability
from .bodies import as_json, excerpt
from .failures import error_from_stream, error_from_text
from .scanner import END, Frame, RawText, Scanner

if TYPE_CHECKING:
    from .failures import Target

__all__ = ["Decoder", "count", "probabilities_of", "seconds"]

_ENOUGH = 4_000  # characters kept of what is not an answer: a page's title comes early
_SURROGATE = re.compile("[\ud800-\udfff]")


class Joiner:
    """Rejoins characters that a server split between the two halves of a surrogate pair.

    Half a pair, such as `\\ud83d` in JSON, is a str that cannot be encoded, so displaying it would fail. A lone half
    becomes U+FFFD.
    """

    __slots__ = ("half",)

    def __init__(self) -> None:
        self.half = ""

    def join(self, text: str) -> str:
        """`text` with complete characters only; half a pair at its end is kept for the next call."""
        text = self.half + text
        self.half = ""
        if "\ud800" <= text[-1:] <= "\udbff":
            text, self.half = text[:-1], text[-1]
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")

    def rest(self) -> str:
        """What to append at the end of the text: U+FFFD if half a pair is left over, else ""."""
        rest, self.half = "\ufffd" if self.half else "", ""
        return rest


class Decoder:
    """Base class of both decoders. A subclass decodes one object in `_object`."""

    def __init__(self, target: Target) -> None:
        self.failure: OllamaMagicError | None = None
        self.finished = False
        """Whether the server has said that the answer is complete; only counts can follow."""
        self._target = target
        self._over = False  # Done was emitted, or `failure` was set
        self._reason = ""
        self._stats = Stats()
        self._text: list[str] = []
        self._chunks = 0  # objects that were part of an answer
        self._strange = ""  # the first objects and lines that were not
        self._foreign = False  # some of them were objects
        self._text_joiner = Joiner()
        self._thinking_joiner = Joiner()

    # ---- for the client ----------------------------------------------------------------------------------------

    def feed(self, frames: list[Frame]) -> list[Event]:
        """The events of `frames`; none after an error or a Done."""
        events: list[Event] = []
        for frame in frames:
            if self._over:
                break
            if type(frame) is dict:
                self._object(frame, events)
            elif type(frame) is list:
                events += self.feed([item for item in frame if isinstance(item, dict)])
            elif frame is END:
                self._end_mark(events)
            elif isinstance(frame, RawText):
                self._note(frame.text)
        return events

    def close(self) -> list[Event]:
        """The last events, at the end of the bytes. Sets `failure` unless the server had ended the answer."""
        events: list[Event] = []
        if self._over:
            return events
        if self.finished:
            self._before_end(events)
            self._finish(events)
        else:
            self._flush(events)
            self.failure = self._unfinished()
            self._over = True
        return events

    @property
    def text(self) -> str:
        """The text so far."""
        return "".join(self._text)

    # ---- for the subclasses ------------------------------------------------------------------------------------

    def _object(self, value: dict[str, Any], events: list[Event]) -> None:
        raise NotImplementedError

    def _end_mark(self, events: list[Event]) -> None:
        """`[DONE]`: ends an answer even without a finish reason, but is not an answer by itself."""
        if self._chunks:
            self.finished = True
            self._before_end(events)
            self._finish(events)

    def _before_end(self, events: list[Event]) -> None:
        """Emit what was being collected."""

    def _unfinished(self) -> OllamaMagicError:
        """The error of a stream without an end: the connection broke, or it never was an answer."""
        target, partial = self._target, self.text
        cut = not self._foreign and _is_cut(self._strange)
        if not self._chunks and self._strange and not cut and not self._strange.startswith(("{", "[")):
            return error_from_text(self._strange, target)
        if not self._chunks and self._strange and not cut:
            return ServerError(
                f"the answer is not Ollama's but {excerpt(self._strange)} ({target.method} {target.url})",
                hint="Something else answers there. Check the host: `%ollama config`.",
                status=200,
            )
        so_far = f"after {len(partial)} characters" if partial else "before its first word"
        also = f", after “{excerpt(self._strange)}”" if self._strange and self._chunks else ""
        return Incomplete(
            f"the answer of {target.url} broke off {so_far}{also}: the server did not say that it was done",
            hint="Run it again to get a whole answer. The server's log may say why it stopped.",
            partial=partial,
        )

    def _fail(self, payload: dict[str, Any], events: list[Event]) -> None:
        self._flush(events)
        self.failure = error_from_stream(payload, self._target)
        self.failure.partial = self.text
        self._over = True

    def _is_error(self, value: dict[str, Any]) -> bool:
        return value.get("error") not in (None, "", False)

    def _unknown(self, value: dict[str, Any]) -> None:
        self._foreign = True
        self._note(as_json(value))

    def _note(self, text: str) -> None:
        if len(self._strange) < _ENOUGH:
            self._strange = f"{self._strange}\n{text[:_ENOUGH]}".lstrip()

    def _write(self, text: str, logprobs: object, events: list[Event], *, thought: bool = False) -> None:
        """Emit text with the probabilities of its tokens; there may be probabilities without text.

        `thought`: the same chunk has thinking, whose tokens are listed first.
        """
        if self._text_joiner.half or not text.isascii():
            text = self._whole_characters(text, self._text_joiner)
        probabilities = probabilities_of(logprobs) if logprobs else ()
        if thought and probabilities:
            probabilities = _last(probabilities, text)
        if text:
            self._text.append(text)
        if text or probabilities:
            events.append(Text(text, probabilities))

    def _think(self, text: str, events: list[Event]) -> None:
        if self._thinking_joiner.half or not text.isascii():
            text = self._whole_characters(text, self._thinking_joiner)
        if text:
            events.append(Thinking(text))

    @staticmethod
    def _whole_characters(text: str, joiner: Joiner) -> str:
        return joiner.join(text) if joiner.half or _SURROGATE.search(text) else text

    def _flush(self, events: list[Event]) -> None:
        self._think(self._thinking_joiner.rest(), events)
        self._write(self._text_joiner.rest(), None, events)

    def _finish(self, events: list[Event]) -> None:
        self._flush(events)
        self._over = True
        events.append(Done(self._reason or "stop", self._stats))

    def _count(self, **counts: Any) -> None:
        """Record the counts and times that are not None."""
        self._stats = replace(self._stats, **{name: value for name, value in counts.items() if value is not None})


def _is_cut(text: str) -> bool:
    """Whether `text` is an unfinished JSON value, or the beginning of the `data:` before one."""
    if text.startswith(("{", "[")):
        return Scanner().scan(bytearray(text.encode("utf-8", "replace"))) == 0
    return "data:".startswith(text)


# ---- values --------------------------------------------------------------------------------------------------------


def count(value: object) -> int | None:
    """A number of tokens; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1e15:
        return None
    return int(value)


def seconds(value: object, unit: float) -> float | None:
    """A duration of `value` times `unit` seconds; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1e18:
        return None
    return value * unit


def probabilities_of(entries: object) -> tuple[TokenProbability, ...]:
    """`[{"token", "logprob", "top_logprobs"?: [...]}]` as values; entries of any other form are skipped.

    /v1 wraps the list in `{"content": [...]}`.
    """
    found = []
    if isinstance(entries, dict):
        entries = entries.get("content")
    for entry in entries if isinstance(entries, list) else ():
        pair = _token(entry)
        if pair is not None:
            top = entry.get("top_logprobs")
            others = filter(None, map(_token, top)) if isinstance(top, list) else ()
            alternatives = tuple((text, logprob) for text, logprob, _ in others)
            found.append(TokenProbability(pair[0], pair[1], alternatives, pair[2]))
    return tuple(found)


def _last(probabilities: tuple[TokenProbability, ...], text: str) -> tuple[TokenProbability, ...]:
    """The last tokens, as many as cover the length of `text`."""
    missing, first = len(text.encode("utf-8", "replace")), len(probabilities)
    while first and missing > 0:
        first -= 1
        missing -= len(probabilities[first].raw or probabilities[first].token.encode())
    return probabilities[first:]


def _token(entry: object) -> tuple[str, float, bytes] | None:
    """Text, log probability, and the bytes of a token that is a partial character."""
    if not isinstance(entry, dict):
        return None
    token, logprob = entry.get("token"), entry.get("logprob")
    if not isinstance(token, str) or isinstance(logprob, bool) or not isinstance(logprob, (int, float)):
        return None
    if not -1e300 < logprob < 1e300:
        return None
    if not token or "\ufffd" in token:
        # A partial character has no text: it is sent as U+FFFD or "". The bytes, if sent, identify it.
        data = _bytes(entry.get("bytes"))
        try:
            token, data = data.decode() or token, b""
        except UnicodeDecodeError:
            token = "".join(f"<0x{byte:02X}>" for byte in data)
    else:
        data = b""
    return _SURROGATE.sub("\ufffd", token), float(logprob), data


def _bytes(value: object) -> bytes:
    try:
        return bytes(value) if isinstance(value, list) else b""
    except (TypeError, ValueError):
        return b""
