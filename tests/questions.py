"""What the client's tests share: asking the fake server and reading what comes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from ollama_magic.client import Client
from ollama_magic.errors import OllamaMagicError
from ollama_magic.events import Progress, Text
from ollama_magic.retry import Retry

if TYPE_CHECKING:
    from ollama_magic.chatstream import ChatStream
    from ollama_magic.events import Event
    from tests.fake_ollama import FakeOllama

MODEL = "smollm2:135m"
KEY = "TopSecretKeyOfATest-25"  # looks like no key, so only knowing it can hide it


class Waits:
    """A retry policy that does not wait but remembers how long it would have."""

    def __init__(self, **how: Any) -> None:
        self.seconds: list[float] = []
        self.policy = Retry(sleep=self._sleep, chance=lambda: 0.0, **how)

    async def _sleep(self, seconds: float) -> None:
        self.seconds.append(seconds)


def client(fake: FakeOllama, **settings: Any) -> Client:
    return Client(host=fake.url, model=MODEL, **settings)


async def read(stream: ChatStream) -> list[Event]:
    return [event async for event in stream]


def ask(asked: Client, prompt: Any = "Hello", **how: Any) -> list[Event]:
    return asyncio.run(read(asked.chat(prompt, **how)))


def failure(asked: Client, prompt: Any = "Hello", **how: Any) -> tuple[OllamaMagicError, ChatStream]:
    async def main() -> ChatStream:
        stream = asked.chat(prompt, **how)
        with pytest.raises(OllamaMagicError) as caught:
            await read(stream)
        errors.append(caught.value)
        return stream

    errors: list[OllamaMagicError] = []
    stream = asyncio.run(main())
    return errors[0], stream


def text(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, Text))


def phases(events: list[Event]) -> list[str]:
    return [event.phase for event in events if isinstance(event, Progress)]


SURFACES = pytest.mark.parametrize(("api", "path"), [("openai", "/v1/chat/completions"), ("native", "/api/chat")])
