"""Downloads of the fake server: a registry of its own, parts that stay when a client hangs up, and scripted ones.

fake.offers("tiny:1b", 4_000_000, 500)        # layers, in bytes; pulled in tenths, and then among fake.models
fake.pull_waits_for(gate, at=2_000_000)       # once so many bytes of the first layer are there
fake.pull_breaks("no space left on device", at=2_000_000)
fake.pull_says({"status": "pulling manifest"}, gate, {"status": "success"})      # word for word
"""

from __future__ import annotations

import asyncio
import json
import threading
import zlib
from typing import TYPE_CHECKING, Any

from tests.fake_http import Body
from tests.fake_models import model_entry
from tests.fake_script import Broken, Gate, Raw, Reply, Script

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Self

    from tests.fake_http import Recorded, Wire

__all__ = ["Pulls", "digest_of"]

Step = Raw | Broken | Gate


def digest_of(name: str, layer: int) -> str:
    """The digest of a layer of a model on offer."""
    return "sha256:" + f"{zlib.crc32(f'{name} {layer}'.encode()):08x}" * 8


class Pulls(Script):
    """What /api/pull says. The words can be joined like those of Script."""

    def __init__(self) -> None:
        super().__init__()
        self.registry: dict[str, tuple[int, ...]] = {}
        self.parts: dict[str, int] = {}
        """Bytes by digest that are on the server's disk; they stay when a pull breaks off."""
        self.models: list[dict[str, Any]] = []
        self._pull_stops: list[tuple[int, Gate | Broken]] = []

    def forget(self) -> Self:
        self.registry.clear()
        self.parts.clear()
        self._pull_stops.clear()
        return super().forget()

    def offers(self, name: str, *layers: int) -> Self:
        """The registry has this model; its layers have so many bytes."""
        self.registry[name] = layers or (1_000_000,)
        return self

    def pull_waits_for(self, gate: Gate, *, at: int) -> Self:
        """Once `at` bytes of the first layer are there, go on when the gate is set."""
        self._pull_stops.append((at, gate))
        return self

    def pull_breaks(self, text: str, *, at: int) -> Self:
        """Once `at` bytes of the first layer are there, an error line, and its part is lost; only the next time."""
        self._pull_stops.append((at, Broken(text)))
        return self

    def pull_says(self, *steps: dict[str, Any] | Gate | str, cut: bool = False, silent: bool = False) -> Self:
        """A pull word for word: objects, gates, a text for an error line; then its end, or it is `cut`, or `silent`."""
        reply = self._open("/api/pull")
        for step in steps:
            if isinstance(step, dict):
                reply.steps.append(Raw(json.dumps(step).encode() + b"\n"))
            else:
                reply.steps.append(Broken(step) if isinstance(step, str) else step)
        reply.drop_after = len(reply.steps) if cut else None
        reply.stall_after = len(reply.steps) if silent else None
        return self

    async def answer_pull(self, request: Recorded, reply: Reply | None, wire: Wire) -> bool:
        """Stream a pull; whether the connection can be used again."""
        asked = request.json
        body = Body(wire, reply or Reply())
        await body.begin("application/x-ndjson")
        for step in reply.steps if reply is not None else self._steps(str(asked.get("model", ""))):
            if isinstance(step, Raw):
                await body.write(step.data)
            elif isinstance(step, Broken):
                await body.write(json.dumps({"error": step.text}).encode() + b"\n")
                break
            else:
                await body.flush()
                while isinstance(step, threading.Event) and not step.is_set():
                    await asyncio.sleep(0.001)
        if reply is not None and reply.stall_after is not None:
            await asyncio.Event().wait()
        if reply is not None and reply.drop_after is not None:
            await body.drop(reset=False, clean=False)
            return False
        await body.end()
        return True

    def _steps(self, name: str) -> Iterator[Step]:
        yield _line(status="pulling manifest")
        if name not in self.registry:
            yield Broken("pull model manifest: file does not exist")
            return
        for number, total in enumerate(self.registry[name]):
            digest = digest_of(name, number)
            about = {"status": f"pulling {digest[7:19]}", "digest": digest, "total": total}
            while True:
                have = self.parts.get(digest, 0)
                yield _line(**about, **({"completed": have} if have else {}))  # Go leaves zeros out
                if number == 0:
                    yield from self._stops(have, digest)
                if have >= total:
                    break
                self.parts[digest] = min(total, have + max(1, total // 10))
        for status in ("verifying sha256 digest", "writing manifest", "success"):
            full = name if ":" in name else f"{name}:latest"
            if status == "success" and not any(entry["name"] == full for entry in self.models):
                self.models.append(model_entry(full))
            yield _line(status=status)

    def _stops(self, have: int, digest: str) -> Iterator[Step]:
        for at, stop in list(self._pull_stops):
            if have >= at:
                if isinstance(stop, Broken):
                    self._pull_stops.remove((at, stop))
                    self.parts[digest] = 0  # the server takes back a part that it could not write
                yield stop


def _line(**value: Any) -> Raw:
    return Raw(json.dumps(value).encode() + b"\n")
