"""An Ollama server that does as it is told, on a real socket.

    with FakeOllama() as fake:
        fake.says("I ", "don't").drops_after(1)
        ...                                     # a client asks fake.url
        assert fake.recorded[-1].json["model"] == "llama3.2"

Strategy: plain asyncio streams on a thread of its own, HTTP written by hand, so that every fault is exact. Nothing
sleeps: a test opens a gate (`waits_for`) when it wants the next piece, and `disconnected` tells when a client hung up.
The words are in fake_script.py, the bytes of each version of Ollama in fake_shapes.py, HTTP in fake_http.py, models in
fake_models.py, downloads in fake_pulls.py. By hand:

    python -m tests.fake_ollama --port 11434 --pace 30
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import json
import sys
import threading
import time
from typing import TYPE_CHECKING

from tests.fake_http import Body, Recorded, Wire
from tests.fake_models import Models, model_entry
from tests.fake_pulls import Pulls
from tests.fake_script import Broken, Gate, Raw, Reply
from tests.fake_shapes import Encoder, Piece, Shape, encoder_for

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterable
    from types import TracebackType

__all__ = ["FakeOllama", "Recorded", "model_entry"]

_QUESTIONS = ("/api/chat", "/api/generate", "/v1/chat/completions")
_DEMO = (
    "# The fake server\n\nThis answer is **scripted**: it comes from `tests/fake_ollama.py`, one word at a time.\n\n"
    "```python\ndef greet(name: str) -> str:\n    return f'Hello, {name}!'\n```\n\n"
    "| what | is it true? |\n| --- | --- |\n| a table | yes |\n| some maths | $e^{i\\pi} + 1 = 0$ |\n\n"
    "- one\n- two\n- three\n\nThat is all.\n"
)


class FakeOllama(Pulls, Models):
    """The server; a context manager. See Script and Pulls for the words."""

    def __init__(
        self, *, host: str = "127.0.0.1", port: int = 0, shape: Shape = "new", tls: ssl.SSLContext | None = None
    ) -> None:
        Pulls.__init__(self)
        Models.__init__(self)
        self.shape: Shape = shape
        self.any_model = False
        """Whether names that are not in `models` are answered too."""
        self.recorded: list[Recorded] = []
        self.connections = 0
        self.open_connections = 0
        self.open_streams = 0
        self.disconnected = threading.Event()
        """Set when a client hung up before its answer was whole; `disconnected_at` is time.monotonic() then."""
        self.disconnected_at = 0.0
        self.asked = threading.Event()
        """Set when a request has been read; clear it to wait for the next."""
        self.drops_reused = False
        """Whether a second request on a connection finds it closed, as after a long idle time."""
        self._host, self.port, self._tls = host, port, tls
        self._key = ""
        self._pause_s = 0.0
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._run, name="fake ollama", daemon=True)

    # ---- settings ----------------------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"{'https' if self._tls else 'http'}://{self._host}:{self.port}"

    def requires_key(self, key: str) -> FakeOllama:
        """401 for whoever does not send it."""
        self._key = key
        return self

    def pace(self, tokens_per_second: float) -> FakeOllama:
        """So many pieces a second instead of all at once; for demonstrations."""
        self._pause_s = 1 / tokens_per_second if tokens_per_second else 0.0
        return self

    # ---- life --------------------------------------------------------------------------------------------------

    def __enter__(self) -> FakeOllama:
        self._thread.start()
        self._ready.wait(10)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Hang up on everybody and stop."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(10)

    def _run(self) -> None:
        with contextlib.closing(self._loop):
            self._loop.run_until_complete(self._main())

    async def _main(self) -> None:
        self._stop = asyncio.Event()
        server = await asyncio.start_server(self._accept, self._host, self.port, ssl=self._tls)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        for listening in server.sockets:
            self._loop.remove_reader(listening.fileno())
        for _ in range(10):  # a connection that is accepted just now gets as far as a task, which closes it
            await asyncio.sleep(0)
        server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await server.wait_closed()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        self.open_connections += 1
        wire = Wire(reader, writer, self.connections)
        try:
            while await self._exchange(wire):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self.open_connections -= 1
            writer.close()
            with contextlib.suppress(ConnectionError, asyncio.CancelledError):
                await writer.wait_closed()
            self._tasks.discard(task)  # only now: the end of the server waits for it

    # ---- one request -------------------------------------------------------------------------------------------

    async def _exchange(self, wire: Wire) -> bool:
        request = await wire.read_request()
        if request is None or (self.drops_reused and wire.requests > 1):
            return False
        self.recorded.append(request)
        self.asked.set()
        hung_up = asyncio.ensure_future(wire.reader.read(1))
        answer = asyncio.ensure_future(self._answer(request, wire))
        self.open_streams += 1
        try:
            await asyncio.wait({hung_up, answer}, return_when=asyncio.FIRST_COMPLETED)
            if answer.done():
                return answer.result()
            self._note_hang_up()
            return False
        except ConnectionError:
            self._note_hang_up()
            raise
        finally:
            self.open_streams -= 1
            for task in (hung_up, answer):
                task.cancel()
            await asyncio.gather(hung_up, answer, return_exceptions=True)

    def _note_hang_up(self) -> None:
        self.disconnected_at = time.monotonic()
        self.disconnected.set()

    async def _answer(self, request: Recorded, wire: Wire) -> bool:
        """Answer; whether the connection can be used again."""
        question = request.path in _QUESTIONS and request.method == "POST"
        pull = request.path == "/api/pull" and request.method == "POST"
        asked = str(request.json.get("model", "")) if question else ""
        reply = self.next_reply("" if question else request.path, asked)
        if reply is not None and reply.steps and not question and not pull:
            await self._pass(reply.steps)
        if self._key and request.path != "/" and request.headers.get("authorization") != f"Bearer {self._key}":
            return await wire.send_whole(401, b'{"error":"unauthorized"}')
        if reply is not None and reply.body is not None:
            return await wire.send_whole(reply.status, reply.body, reply.headers, head=request.method == "HEAD")
        if question:
            return await self._answer_question(request, reply or self._default_reply(), wire)
        if pull:
            return await self.answer_pull(request, reply, wire)
        status, body, kind = self.lookup(request)
        return await wire.send_whole(status, body, {"Content-Type": kind}, head=request.method == "HEAD")

    def _default_reply(self) -> Reply:
        words = _DEMO.replace(" ", " \0").split("\0")
        return Reply(steps=[Piece(content=word) for word in words])

    async def _answer_question(self, request: Recorded, reply: Reply, wire: Wire) -> bool:
        asked = request.json
        name = str(asked.get("model", ""))
        if not self.any_model and self.entry(name) is None:
            text: object = f"model '{name}' not found"
            if request.path.startswith("/v1/"):
                text = {"message": text, "type": "not_found_error", "param": None, "code": None}
            return await wire.send_whole(404, json.dumps({"error": text}).encode())
        if reply.close_first:
            return False
        await self._pass(itertools.takewhile(lambda step: not isinstance(step, (Piece, Raw, Broken)), reply.steps))
        if reply.stall_first:
            await asyncio.Event().wait()
        if name not in self.loaded:
            self.loaded.append(name)
        streams = asked.get("stream", not request.path.startswith("/v1/"))
        encoder = encoder_for(request.path, asked, self.shape, reply.sse)
        if not streams:
            pieces = [step for step in reply.steps if isinstance(step, Piece)]
            return await wire.send_whole(200, json.dumps(encoder.whole(pieces, reply.reason)).encode())
        body = Body(wire, reply)
        await body.begin(encoder.content_type)
        return await self._play(reply, encoder, body)

    async def _play(self, reply: Reply, encoder: Encoder, body: Body) -> bool:
        sent = 0
        unsaid = any(isinstance(s, Raw) for s in reply.steps) and not any(isinstance(s, Piece) for s in reply.steps)
        for step in [*reply.steps, None]:
            if sent == reply.stall_after:
                await body.flush()
                await asyncio.Event().wait()
            if sent == reply.drop_after:
                await body.drop(reset=reply.reset, clean=reply.clean)
                return reply.clean and reply.length
            if isinstance(step, Piece):
                await body.write(encoder.piece(step))
                sent += 1
                if self._pause_s:
                    await asyncio.sleep(self._pause_s)
            elif isinstance(step, Raw):
                await body.write(step.data)
            elif isinstance(step, Broken):
                await body.write(encoder.error(step.text))
                unsaid = True
                break
            elif step is not None:
                await body.flush()
                await self._pass([step])
        if not unsaid:
            await body.write(encoder.end(reply.reason))
        await body.end()
        return reply.length

    async def _pass(self, steps: Iterable[object]) -> None:
        """Wait at each gate among the steps."""
        for gate in steps:
            while isinstance(gate, Gate) and not gate.is_set():
                await asyncio.sleep(0.001)


def main(argv: list[str] | None = None) -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(prog="python -m tests.fake_ollama", description="A scripted Ollama server.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=11434, help="0 for a free one")
    parser.add_argument("--pace", type=float, default=0, metavar="N", help="tokens a second; all at once if not given")
    parser.add_argument("--shape", choices=["2024", "0.32.5", "new"], default="new")
    parser.add_argument("--key", default="", help="answer only who sends this one")
    parser.add_argument("--tokens", type=int, default=0, metavar="N", help="answer with so many words")
    parser.add_argument("--thinks", default="", metavar="TEXT", help="think this before answering")
    given = parser.parse_args(argv)
    fake = FakeOllama(host=given.host, port=given.port, shape=given.shape).pace(given.pace).requires_key(given.key)
    fake.any_model = True
    if given.tokens or given.thinks:
        fake.thinks(*given.thinks.replace(" ", " \0").split("\0") if given.thinks else ())
        words = _DEMO.replace(" ", " \0").split("\0")
        fake.says(*(words[n % len(words)] for n in range(given.tokens or len(words))))
    with fake:
        sys.stdout.write(f"{fake.url}\n")
        sys.stdout.flush()
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()


if __name__ == "__main__":
    main()
