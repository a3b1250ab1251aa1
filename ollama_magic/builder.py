"""Events collected into an Answer."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from .events import (
    Answer,
    Done,
    Event,
    Included,
    Message,
    Notice,
    Restart,
    Start,
    Stats,
    Text,
    Thinking,
    ToolCall,
    ToolRequest,
    ToolResult,
)
from .placing import Placer

if TYPE_CHECKING:
    from .events import TokenProbability
    from .placing import Piece

__all__ = ["AnswerBuilder", "parse_json_answer"]


class AnswerBuilder:
    """Collects events into an Answer; the partial Answer is available at any time."""

    def __init__(self) -> None:
        self._text: list[str] = []
        self._thinking: list[str] = []
        self._tokens: list[tuple[TokenProbability, ...]] = []  # of each chunk of the text
        self._calls: list[ToolCall] = []
        self._results: list[ToolResult] = []
        self._replies: list[Message] = []
        self._notices: list[str] = []
        self._included: tuple[tuple[str, int], ...] = ()
        self._start: Start | None = None
        self._done: Done | None = None
        self._breaks: set[int] = set()
        # Where the current turn begins in `_text` and `_thinking`.
        self._turn = (0, 0)

    def feed(self, event: Event) -> None:
        """Take one event."""
        match event:
            case Text():
                self._text.append(event.text)
                self._tokens.append(event.probabilities)
            case Thinking():
                self._thinking.append(event.text)
            case ToolRequest():
                self._calls.extend(event.calls)
                self._end_turn(event.calls)
            case ToolResult():
                self._results.append(event)
                self._replies.append(event.message)
            case Restart():
                del self._text[:], self._tokens[:]
                self._breaks.clear()
                self._turn = (0, len(self._thinking))
                self._notices.append(event.reason)
            case Notice():
                self._notices.append(event.text)
            case Included():
                self._included = event.items
            case Start():
                self._start = event
            case Done():
                self._done = event

    def _open_turn(self, calls: tuple[ToolCall, ...] = ()) -> Message:
        """The current turn, so far."""
        text, thinking = self._turn
        return Message("assistant", "".join(self._text[text:]), "".join(self._thinking[thinking:]), tool_calls=calls)

    def _end_turn(self, calls: tuple[ToolCall, ...]) -> None:
        message = self._open_turn(calls)
        self._turn = (len(self._text), len(self._thinking))
        self._breaks.add(len(self._text))
        last = self._replies[-1] if self._replies else None
        if last is not None and last.role == "assistant" and not message.content:
            # Calls may arrive one by one: they belong to one turn of the model.
            self._replies[-1] = replace(last, tool_calls=last.tool_calls + calls)
        else:
            self._replies.append(message)

    def _probabilities(self) -> tuple[TokenProbability, ...]:
        """The tokens that make up the text."""
        if not any(self._tokens):
            return ()
        placer = Placer()
        pieces: list[Piece] = []
        for place, (text, tokens) in enumerate(zip(self._text, self._tokens, strict=True)):
            if place in self._breaks:
                pieces += placer.close()
            pieces += placer.feed(text, tokens)
        pieces += placer.close()
        return tuple(token for piece in pieces for token in piece.tokens)

    @property
    def text(self) -> str:
        """The text so far; the texts before and after a tool call are separate paragraphs."""
        starts = sorted({0, *self._breaks})
        turns = ("".join(self._text[start:end]) for start, end in zip(starts, [*starts[1:], None], strict=True))
        return "\n\n".join(turn for turn in turns if turn)

    def answer(self, *, error: str = "", stopped: bool = False) -> Answer:
        """The Answer so far. Its reason without a Done: "stopped" if `stopped`, else "incomplete", as with an error."""
        start, done = self._start, self._done
        reason = "incomplete" if error else done.reason if done else "stopped" if stopped else "incomplete"
        unfinished = self._open_turn()
        replies = (*self._replies, unfinished) if unfinished.content or unfinished.thinking else tuple(self._replies)
        request = start.request if start else None
        value = parse_json_answer(self.text) if request is not None and request.format is not None and done else None
        return Answer(
            text=self.text,
            thinking="".join(self._thinking),
            value=value,
            tool_calls=tuple(self._calls),
            tool_results=tuple(self._results),
            stats=done.stats if done else Stats(),
            reason=reason,
            error=error,
            model=start.model if start else "",
            mode=start.mode if start else "",
            surface=start.surface if start else "",
            host=start.host if start else "",
            notices=tuple(self._notices),
            included=self._included,
            replies=replies,
            probabilities=self._probabilities(),
            request=request,
        )


def parse_json_answer(text: str) -> Any:
    """The JSON value of an answer, even if the model wrapped it in a code fence; None if there is none."""
    body = text.strip()
    if body.startswith("```"):
        body = body.partition("\n")[2].rpartition("```")[0]
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None
