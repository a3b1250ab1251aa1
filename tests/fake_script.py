"""The script of the fake server: what it will answer, said in a test's words. Pure; fake_ollama.py plays it."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Self

from tests.fake_shapes import Piece

__all__ = ["Broken", "Gate", "Raw", "Reply", "Script"]


@runtime_checkable
class Gate(Protocol):
    """Anything that can be asked whether it is open: a threading.Event."""

    def is_set(self) -> bool:
        """Whether to go on."""
        ...


@dataclass(frozen=True)
class Raw:
    """Bytes sent as they are."""

    data: bytes


@dataclass(frozen=True)
class Broken:
    """A failure in the middle of a stream."""

    text: str


@dataclass
class Reply:
    """One answer: steps in order, and what goes wrong with it."""

    steps: list[Piece | Raw | Broken | Gate] = field(default_factory=list)
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None
    """A plain reply instead of an answer."""
    reason: str = "stop"
    drop_after: int | None = None
    reset: bool = False
    clean: bool = False
    stall_after: int | None = None
    stall_first: bool = False
    close_first: bool = False
    sizes: tuple[int, ...] = ()
    sse: bool | None = None
    coding: str = ""
    length: bool = True
    """False: neither Content-Length nor chunks; the end of the connection is the end of the body."""
    sealed: bool = False
    """Nothing can be added any more; the next word begins another reply."""
    used: bool = False


class Script:
    """Replies in the order they are given; the last one is given again and again.

    Words add to the reply being written. `then()` begins another one, and so does any word after a reply was used.
    """

    def __init__(self) -> None:
        self._replies: defaultdict[str, list[Reply]] = defaultdict(list)
        self._voices: dict[str, Script] = {}

    # ---- what it says ------------------------------------------------------------------------------------------

    def says(self, *pieces: str) -> Self:
        """Text, a chunk for each piece."""
        self._open().steps.extend(Piece(content=piece) for piece in pieces)
        return self

    def thinks(self, *pieces: str) -> Self:
        """Thinking, a chunk for each piece."""
        self._open().steps.extend(Piece(thinking=piece) for piece in pieces)
        return self

    def calls_tool(self, name: str, **arguments: Any) -> Self:
        """A whole tool call in one chunk."""
        self._open().steps.append(Piece(calls=((name, arguments),)))
        return self

    def waits_for(self, gate: Gate) -> Self:
        """Goes on when the gate is set; before the first piece even the headers wait."""
        self._open().steps.append(gate)
        return self

    def ends_with(self, reason: str) -> Self:
        """The server's word for why it stopped: "stop" if nothing is said."""
        self._open().reason = reason
        return self

    def voice(self, model: str) -> Script:
        """A script for that model alone; models without one say what stands here."""
        return self._voices.setdefault(model, Script())

    def then(self) -> Self:
        """The next words are another reply."""
        self._open().sealed = True
        return self

    # ---- how it says it ----------------------------------------------------------------------------------------

    def as_sse(self) -> Self:
        """`data:` lines, on /api as well."""
        self._open().sse = True
        return self

    def as_ndjson(self) -> Self:
        """A line an object, on /v1 as well."""
        self._open().sse = False
        return self

    def chunked_at(self, sizes: Iterable[int]) -> Self:
        """The body cut into HTTP chunks of these sizes, over and over, whatever the objects."""
        self._open().sizes = tuple(sizes)
        return self

    def compresses(self, coding: str = "gzip") -> Self:
        """Compressed, whatever the client accepts: "gzip" or "deflate"."""
        self._open().coding = coding
        return self

    def without_length(self) -> Self:
        """Neither chunks nor a length: the body ends with the connection."""
        self._open().length = False
        return self

    # ---- what goes wrong ---------------------------------------------------------------------------------------

    def drops_after(self, pieces: int, *, reset: bool = False, clean: bool = False) -> Self:
        """The connection breaks after so many pieces; `reset`: by RST; `clean`: as if the body were whole."""
        reply = self._open()
        reply.drop_after, reply.reset, reply.clean = pieces, reset, clean
        return self

    def stalls_after(self, pieces: int) -> Self:
        """Silent for ever after so many pieces."""
        self._open().stall_after = pieces
        return self

    def stalls_before_headers(self) -> Self:
        """Silent from the start."""
        self._open().stall_first = True
        return self

    def closes_before_headers(self) -> Self:
        """The connection ends with no answer at all."""
        self._open().close_first = True
        return self

    def fails_midstream(self, text: str) -> Self:
        """Native: an error line. /v1: the chunk with an empty model that the server makes of it. Then the end."""
        self._open().steps.append(Broken(text))
        return self

    def sends_raw(self, data: bytes) -> Self:
        """These bytes of the body as they are; with no other word, nothing else."""
        self._open().steps.append(Raw(data))
        return self

    def fails(
        self,
        status: int,
        body: str | bytes = b"",
        headers: Mapping[str, str] | None = None,
        *,
        times: int = 1,
        path: str = "",
    ) -> Self:
        """A whole reply with this status; `path`: for that one, else for the questions. Words after it are another."""
        data = body.encode() if isinstance(body, str) else body
        kind = "application/json" if data.lstrip()[:1] in (b"{", b"[") else "text/html; charset=utf-8"
        reply = Reply(status=status, headers={"Content-Type": kind, **(headers or {})}, body=data, sealed=True)
        self._written(path).extend(replace(reply) for _ in range(times))
        return self

    def redirects(self, url: str, status: int = 307, *, times: int = 1, path: str = "") -> Self:
        """A redirect to `url`."""
        return self.fails(status, b"", {"Location": url}, times=times, path=path)

    def holds(self, path: str, gate: Gate) -> Self:
        """Requests for that path are answered when the gate is set."""
        self._open(path).steps.append(gate)
        return self

    # ---- the server's side -------------------------------------------------------------------------------------

    def forget(self) -> Self:
        """Nothing is scripted any more."""
        self._replies.clear()
        self._voices.clear()
        return self

    def next_reply(self, path: str = "", model: str = "") -> Reply | None:
        """The reply to a request, None where nothing was scripted."""
        if model in self._voices:
            return self._voices[model].next_reply(path)
        replies = self._replies[path]
        if not replies:
            return None
        reply = replies.pop(0) if len(replies) > 1 else replies[0]
        reply.used = True
        return reply

    def _written(self, path: str) -> list[Reply]:
        """The replies still to come, the last one sealed; one that was given again and again makes room."""
        replies = self._replies[path]
        replies[:] = [reply for reply in replies if not reply.used]
        if replies:
            replies[-1].sealed = True
        return replies

    def _open(self, path: str = "") -> Reply:
        replies = self._replies[path]
        if not replies or replies[-1].sealed or replies[-1].used:
            self._written(path).append(Reply())
        return replies[-1]
