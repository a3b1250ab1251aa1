"""One streamed answer through one client: `python -m benchmarks.contenders NAME URL MODEL` prints seconds of CPU.

The client alone, nothing shown: what packages do in a notebook is in `peers`.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

__all__ = ["CONTENDERS", "WARM"]

PROMPT = [{"role": "user", "content": "hello"}]


async def _magic(url: str, model: str, api: str) -> int:
    from ollama_magic import Client
    from ollama_magic.events import Text

    length = 0
    async with Client(host=url, api=api) as client:
        async for event in client.chat("hello", model=model):
            if isinstance(event, Text):
                length += len(event.text)
    return length


async def magic_native(url: str, model: str) -> int:
    """ollama_magic on /api."""
    return await _magic(url, model, "native")


async def magic_openai(url: str, model: str) -> int:
    """ollama_magic on /v1."""
    return await _magic(url, model, "openai")


async def httpx_native(url: str, model: str) -> int:
    """What one would write by hand: aiter_lines and json."""
    import httpx

    length = 0
    async with (
        httpx.AsyncClient(timeout=None) as client,
        client.stream("POST", f"{url}/api/chat", json={"model": model, "messages": PROMPT}) as response,
    ):
        async for line in response.aiter_lines():
            length += len(json.loads(line)["message"]["content"])
    return length


async def httpx_openai(url: str, model: str) -> int:
    """The same for /v1."""
    import httpx

    length = 0
    body = {"model": model, "messages": PROMPT, "stream": True}
    async with (
        httpx.AsyncClient(timeout=None) as client,
        client.stream("POST", f"{url}/v1/chat/completions", json=body) as response,
    ):
        async for line in response.aiter_lines():
            if line.startswith("data: ") and line != "data: [DONE]":
                for choice in json.loads(line[6:])["choices"]:
                    length += len(choice["delta"].get("content", ""))
    return length


async def ollama_client(url: str, model: str) -> int:
    """The official client, on /api."""
    import ollama

    length = 0
    async for chunk in await ollama.AsyncClient(host=url).chat(model=model, messages=PROMPT, stream=True):
        length += len(chunk.message.content or "")
    return length


async def openai_client(url: str, model: str) -> int:
    """OpenAI's client, on /v1."""
    import openai

    length = 0
    async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="none") as client:
        stream = await client.chat.completions.create(
            model=model, messages=[{"role": "user", "content": "hello"}], stream=True
        )
        async for chunk in stream:
            for choice in chunk.choices:
                length += len(choice.delta.content or "")
    return length


async def chatlas_client(url: str, model: str) -> int:
    """chatlas, on /v1; it asks for the list of models first."""
    import chatlas

    length = 0
    async for piece in await chatlas.ChatOllama(model, base_url=url).stream_async("hello", echo="none"):
        length += len(piece)
    return length


CONTENDERS: dict[str, Callable[[str, str], Awaitable[int]]] = {
    "httpx /api": httpx_native,
    "ollama_magic /api": magic_native,
    "ollama /api": ollama_client,
    "httpx /v1": httpx_openai,
    "ollama_magic /v1": magic_openai,
    "openai /v1": openai_client,
    "chatlas /v1": chatlas_client,
}

WARM = "200@0"
"""The model of the answer that is not measured."""


async def _measure(name: str, url: str, model: str) -> None:
    run = CONTENDERS[name]
    await run(url, WARM)  # imports, connection code and caches are warm
    begun = time.process_time()
    length = await run(url, model)
    sys.stdout.write(f"{time.process_time() - begun} {length}\n")


if __name__ == "__main__":
    asyncio.run(_measure(*sys.argv[1:4]))
