"""Turns bytes, split anywhere, into JSON values: NDJSON, server-sent events, bare JSON, text, and mixtures of them.

Strategy: the format is detected from the bytes, never from the content type. A server or proxy may send

    {"a": 1}\\n{"a": 2}\\n          one object per line (NDJSON)
    data: {"a": 1}\\n\\n            server-sent events, with or without the space, ended by `data: [DONE]`
    {"a": 1}{"a": 2}              concatenated objects, with or without newlines
    {\\n  "a": 1\\n}               one object on many lines, also as several `data:` lines of one event
    [{"a": 1}, {"a": 2}]          an array of objects: one frame, a list
    502 Bad Gateway               text

Only b"\\n" ends a line (a preceding b"\\r" is dropped): U+0085, U+2028 and U+2029 are legal inside a JSON string. UTF-8
is decoded once an object is complete, so no character is ever split; bytes that are not UTF-8 become U+FFFD.

Almost every line is one complete object, and goes straight to the C parser. Only if that fails does a scanner search
for the object's end; it keeps its position, so that every byte is examined a bounded number of times.

Server-sent events: https://html.spec.whatwg.org/multipage/server-sent-events.html, with three deviations. A `data:`
line that is a complete JSON value is a frame immediately, without waiting for the blank line (some servers send none).
A line that is not a field continues a value that an earlier `data:` line left open. The only event name with a meaning
is `error`.
"""

from __future__ import annotations

import re

from ..errors import OllamaMagicError, ServerError
from .scanner import END, NOT_JSON, EndMark, Frame, RawText, Scanner, as_error, decode, salvage, scan_once, whole

__all__ = ["END", "EndMark", "Frame", "Framer", "RawText"]


_BOM = b"\xef\xbb\xbf"
_BLANKS = b" \t\r"
_LINE_ENDS = frozenset(("\n", "\n\n", "\r\n", "\r\n\n", "\n\r\n"))
_LEADING_BLANKS = re.compile(rb"[ \t\r]*")
_LEADING_SPACE = re.compile(rb"[ \t\r\n]*")


class Framer:
    """Turns the bytes of one response body into frames.

    `feed` and `close` never raise, and the frames do not depend on where the bytes were split. An object, line or event
    longer than `limit` bytes sets `failure`; the frames before it are returned, none after it.
    """

    def __init__(self, limit: int = 64 << 20) -> None:
        self.failure: OllamaMagicError | None = None
        self._limit = limit
        self._head: bytes | None = b""  # the first bytes, while they may still be a byte order mark
        self._buffer = bytearray()  # not parsed yet: starts at the start of a line or just after a value on it
        self._searched = 0  # where to resume the search for the end of the first line
        self._mid_line = False  # the buffer starts inside a line that is partly consumed
        self._as_text = False  # the buffer starts with balanced brackets that are not JSON
        self._tried = False  # the complete first line of the buffer was tried, and is not JSON
        self._scanner: Scanner | None = None  # inside the value at the start of the buffer
        self._value = bytearray()  # a value left open by a `data:` line
        self._value_scanner: Scanner | None = None
        self._error_event = False  # `event: error` was seen, its data is being collected
        self._error_lines: list[bytes] = []
        self._error_size = 0
        self._plain = True  # none of the above: complete lines can take the fast path

    # ---- the fast path ---------------------------------------------------------------------------------------

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that `data` completes."""
        if self._head is not None:
            data = self._without_mark(data)
        frames: list[Frame] = []
        if self.failure is not None:
            return frames
        size = len(data)
        short = size <= self._limit
        if self._plain and short and data.find(b"\n") >= size - 3 >= 0:  # one line, the usual case
            start = 6 if data.startswith(b"data: {") else 0
            try:
                text = data.decode()
                value, end = scan_once(text, start)
            except NOT_JSON:
                pass
            else:
                if type(value) is dict and text[end:] in _LINE_ENDS:
                    frames.append(value)
                    return frames
        lines = data.split(b"\n")
        tail = lines.pop()
        for line in lines:
            if self._plain and short:
                if not line or line == b"\r":
                    continue
                start = 6 if line.startswith(b"data: {") else 0 if line.startswith(b"{") else -1
                if start >= 0:
                    try:
                        text = line.decode()
                        value, end = scan_once(text, start)
                    except NOT_JSON:
                        pass
                    else:
                        if end == len(text) or not text[end:].strip(" \t\r"):
                            frames.append(value)
                            continue
            self._buffer += line
            self._buffer += b"\n"
            self._advance(frames)
            if self.failure is not None:
                return frames
        if tail:
            self._buffer += tail
            self._advance(frames)
        return frames

    def close(self) -> list[Frame]:
        """The frames that were incomplete when the stream ended. A truncated value becomes RawText."""
        frames: list[Frame] = []
        if self._head:
            self._buffer += self._head
        self._head = None
        if self.failure is not None:
            return frames
        if self._buffer:
            self._buffer += b"\n"
            self._advance(frames)
        if self.failure is not None:
            return frames
        if self._scanner is not None:
            frames += salvage(self._buffer)
            self._use(len(self._buffer))
        self._end_event(frames)
        return frames

    def _without_mark(self, data: bytes) -> bytes:
        head = (self._head or b"") + data
        if len(head) < len(_BOM) and _BOM.startswith(head):
            self._head = head
            return b""
        self._head = None
        return head.removeprefix(_BOM)

    # ---- the slow path ---------------------------------------------------------------------------------------

    def _advance(self, frames: list[Frame]) -> None:
        """Consume as much of the buffer as can be parsed without the bytes that follow."""
        while self._buffer and self.failure is None and self._step(frames):
            pass
        self._plain = not (self._buffer or self._mid_line or self._value_scanner or self._error_event)

    def _step(self, frames: list[Frame]) -> bool:
        """Consume one value or line, or the blanks, at the start of the buffer; False if that needs more bytes."""
        buffer = self._buffer
        if self._scanner is None and not self._as_text:
            blanks = _end(_LEADING_BLANKS, buffer)
            if blanks:
                self._use(blanks)
                return True
        newline = buffer.find(b"\n", self._searched)
        self._searched = len(buffer) if newline < 0 else newline
        if buffer[0] in b"{[" and self._value_scanner is None and not self._as_text:
            return self._step_value(frames, newline)
        if newline < 0 or newline > self._limit:
            if len(buffer) > self._limit:
                self._fail("line")
            return False
        line = bytes(buffer[:newline]).rstrip(_BLANKS)
        blank = not line and not self._mid_line
        as_text = self._as_text
        self._use(newline + 1)
        if as_text:
            frames.append(RawText(decode(line)))
        elif blank:
            self._end_event(frames)
        elif line:
            self._line(frames, line)
        return True

    def _step_value(self, frames: list[Frame], newline: int) -> bool:
        buffer = self._buffer
        if 0 <= newline <= self._limit and not self._tried:
            self._tried = True
            value = whole(decode(buffer[:newline]))
            if value is not None:
                frames.append(value)
                self._use(newline + 1)
                return True
        scanner = self._scanner = self._scanner or Scanner()
        if newline < 0 and len(buffer) <= self._limit and buffer[-1] not in b"}]":
            return False  # no value can end here: defer the scan until one may
        end = scanner.scan(buffer)
        if abs(end) > self._limit or (end == 0 and len(buffer) > self._limit):
            self._fail("JSON value")
        elif end > 0:
            value = whole(decode(buffer[:end]))
            if value is None:
                self._scanner, self._as_text, self._searched = None, True, end
                return True
            frames.append(value)
            self._use(end)
            self._mid_line = self._tried = True
            return True
        elif end < 0:
            frames += salvage(buffer[:-end])
            self._use(1 - end)
            return True
        return False

    def _use(self, count: int) -> None:
        """Drop the first `count` bytes of the buffer: blanks, a value, or a line including its end."""
        if count and self._buffer[count - 1] == 0x0A:
            self._mid_line = self._as_text = self._tried = False
        del self._buffer[:count]
        self._searched = max(0, self._searched - count)
        self._scanner = None

    # ---- lines of server-sent events, and text ---------------------------------------------------------------

    def _line(self, frames: list[Frame], line: bytes) -> None:
        if line.startswith(b"data:"):
            self._data(frames, line[5:].removeprefix(b" "))
        elif line.startswith(b"event:"):
            self._end_event(frames)
            self._error_event = line[6:].strip() == b"error"
        elif line.startswith((b":", b"id:", b"retry:")):
            pass
        elif line.startswith(b"error:"):
            frames.append(as_error(line[6:]))
        elif self._value_scanner is not None:
            self._extend_value(frames, line)
        else:
            frames.append(RawText(decode(line)))

    def _data(self, frames: list[Frame], payload: bytes) -> None:
        if self._error_event:
            self._error_lines.append(payload)
            self._error_size += len(payload) + 1
            if self._error_size > self._limit:
                self._fail("event")
            return
        if self._value_scanner is not None:
            self._extend_value(frames, payload)
            return
        text = payload.strip(_BLANKS)
        if text[:1] in (b"{", b"["):
            value = whole(decode(text))
            if value is not None:
                frames.append(value)
                return
            self._value_scanner = Scanner()
            self._extend_value(frames, text)
        elif text:
            frames.append(RawText(decode(text)))

    def _extend_value(self, frames: list[Frame], payload: bytes) -> None:
        """Append a line to the value that a `data:` line left open, and emit what is complete."""
        value = self._value
        value += payload
        value += b"\n"
        scanner = self._value_scanner
        while scanner is not None:
            end = scanner.scan(value)
            if end == 0:
                break
            frame = whole(decode(value[:end])) if end > 0 else None
            if frame is None:
                frames.append(RawText(decode(value)))
                value.clear()
            else:
                frames.append(frame)
                del value[:end]
                del value[: _end(_LEADING_SPACE, value)]
            scanner = self._value_scanner = Scanner() if value.startswith((b"{", b"[")) else None
            if scanner is None and value:
                frames.append(RawText(decode(value)))
                value.clear()
        if len(value) > self._limit:
            self._fail("event")

    def _end_event(self, frames: list[Frame]) -> None:
        if self._error_event:
            if self._error_lines:
                frames.append(as_error(b"\n".join(self._error_lines)))
            self._error_event, self._error_lines, self._error_size = False, [], 0
        if self._value_scanner is not None:
            frames += salvage(self._value)
            self._value_scanner = None
            self._value.clear()

    def _fail(self, what: str) -> None:
        self.failure = ServerError(
            f"the server sent a single {what} of more than {self._limit >> 20} MB",
            hint="This is not an answer of Ollama's. Check what the host setting points to.",
        )
        self._buffer.clear()
        self._value.clear()


def _end(pattern: re.Pattern[bytes], data: bytearray) -> int:
    """How many bytes at the start of `data` match `pattern`; it may match none."""
    found = pattern.match(data)
    return found.end() if found else 0
