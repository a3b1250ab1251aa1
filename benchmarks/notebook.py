"""A prompt in a real kernel, asked with each package in turn: how long it loads, how soon there is text, and what a
long answer costs on its way to the screen.

Each package has a kernel to itself, all ask the same server, rounds are taken in turn, and figures are medians; an
answer that is not the server's whole text fails the run.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from benchmarks.peers import installed
from benchmarks.report import Table, ratio
from benchmarks.server import expected, serving
from tests.kernel.harness import Cell, Kernel

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Sequence

    from benchmarks.peers import Peer

__all__ = ["OFFLINE", "run"]

_CPU = "print(__import__('time').process_time())"
_SHORT, _SHORT_S = "10@10", 1
_SHOWN = ("stream", "display_data", "update_display_data", "execute_result")
# Else litellm asks the network for a list of prices when it is imported.
OFFLINE = {"LITELLM_LOCAL_MODEL_COST_MAP": "True"}


@dataclass
class _Figures:
    """What was measured of one package, a value for each round."""

    load_ms: list[float] = field(default_factory=list)
    fresh_ms: list[float] = field(default_factory=list)
    """Loading, and from the first cell to its first text."""
    first_ms: list[float] = field(default_factory=list)
    cpu_us: list[float] = field(default_factory=list)
    traffic_kb: list[float] = field(default_factory=list)
    messages: list[float] = field(default_factory=list)
    lag_s: list[float] = field(default_factory=list)


def run(quick: bool) -> list[Table]:
    """Two tables; the figures of the others with how many times ours they are."""
    tokens, rate = (500, 500) if quick else (2_000, 250)
    models = (_SHORT, f"{tokens}@{rate}")
    peers = installed()
    figures = {peer.name: _Figures() for peer in peers}
    with serving(*models) as (url, server):
        for _ in range(2 if quick else 5):
            for peer in peers:
                _fresh(peer, url, figures[peer.name])
        _drain(server, 2 * len(peers) * (2 if quick else 5))
        with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
            kernels = {
                peer.name: stack.enter_context(_kernel(peer, folder, url, peer.cell(peer.load, url, "")))
                for peer in peers
            }
            for _ in range(3 if quick else 10):
                for peer in peers:
                    _first(peer, kernels[peer.name], url, server, figures[peer.name])
            for _ in range(1 if quick else 3):
                for peer in peers:
                    _long(peer, kernels[peer.name], url, server, (tokens, rate), figures[peer.name])
    return [_soon(peers, figures), _costs(peers, figures, tokens, rate)]


def _kernel(peer: Peer, folder: str, url: str, begins_with: str) -> Kernel:
    return Kernel(folder, {"OLLAMA_HOST": url, **OFFLINE}, 300, begins_with, peer.python)


# ---- one round ---------------------------------------------------------------------------------------------------


def _fresh(peer: Peer, url: str, figures: _Figures) -> None:
    """A new kernel: how long the first cell loads, and how long the second takes to show something."""
    with tempfile.TemporaryDirectory() as folder, _kernel(peer, folder, url, "pass") as kernel:
        loaded = _ran(kernel, peer.cell(peer.load, url, ""))
        prepared = _ran(kernel, peer.cell(peer.prepare, url, _SHORT))
        asked = _ran(kernel, peer.cell(peer.ask, url, _SHORT))
        _check(peer, asked, _SHORT)
    figures.load_ms.append(_taken_ms(loaded))
    figures.fresh_ms.append(_taken_ms(loaded) + _taken_ms(prepared) + _until_text_ms(asked))


def _first(peer: Peer, kernel: Kernel, url: str, server: subprocess.Popen[str], figures: _Figures) -> None:
    """From the server's first token to its text in a front end's message queue, on one machine's clock."""
    _ran(kernel, peer.cell(peer.prepare, url, _SHORT))
    cell = kernel.start(peer.cell(peer.ask, url, _SHORT))
    kernel.until(lambda: any(_has_text(message) for message in cell.messages))
    seen = time.monotonic()
    figures.first_ms.append((seen - _told(server, "first")) * 1000)
    _check(peer, kernel.finish(cell), _SHORT)
    _told(server, "sent")


def _long(
    peer: Peer, kernel: Kernel, url: str, server: subprocess.Popen[str], asked: tuple[int, int], figures: _Figures
) -> None:
    """A long answer: CPU of the kernel for a token, and what it sends to the front end."""
    tokens, rate = asked
    model = f"{tokens}@{rate}"
    _ran(kernel, peer.cell(peer.prepare, url, model))
    before = float(kernel.run(_CPU).shown())
    cell = _ran(kernel, peer.cell(peer.ask, url, model))
    ended = time.monotonic()
    cpu = float(kernel.run(_CPU).shown()) - before
    _check(peer, cell, model)
    shown = [message for message in cell.messages if message["msg_type"] != "status"]
    figures.cpu_us.append(cpu / tokens * 1e6)
    figures.traffic_kb.append(sum(len(json.dumps(message["content"])) for message in shown) / 1e3)
    figures.messages.append(len(shown))
    figures.lag_s.append(ended - _told(server, "sent"))


def _ran(kernel: Kernel, code: str) -> Cell:
    cell = kernel.run(code)
    assert cell.reply["status"] == "ok", f"{code}\n{cell.shown()}"
    return cell


def _check(peer: Peer, cell: Cell, model: str) -> None:
    """The whole answer is there, whichever way it is shown."""
    wanted = expected(int(model.partition("@")[0])).strip()
    shown = "".join(output.get("data", {}).get(peer.shows, "") + output.get("text", "") for output in cell.outputs)
    assert wanted in shown, f"{peer.name} did not show the answer, but: {shown[-2000:]}"


def _taken_ms(cell: Cell) -> float:
    """On the kernel's own clock, from busy to idle."""
    dates = [message["header"]["date"] for message in cell.messages if message["msg_type"] == "status"]
    return float((dates[-1] - dates[0]).total_seconds() * 1000)


def _until_text_ms(cell: Cell) -> float:
    text = next(message["header"]["date"] for message in cell.messages if _has_text(message))
    return float((text - cell.messages[0]["header"]["date"]).total_seconds() * 1000)


def _has_text(message: dict[str, Any]) -> bool:
    """Whether the answer's first word is in what a message shows."""
    content = message["content"]
    shown = [*content.get("data", {}).values(), content.get("text", "")]
    return message["msg_type"] in _SHOWN and any("The" in text for text in shown if isinstance(text, str))


def _told(server: subprocess.Popen[str], what: str) -> float:
    """The time of the server's next word of that kind."""
    assert server.stdout is not None
    while not (line := server.stdout.readline()).startswith(what):
        pass
    return float(line.split()[1])


def _drain(server: subprocess.Popen[str], words: int) -> None:
    assert server.stdout is not None
    for _ in range(words):
        server.stdout.readline()


# ---- tables ------------------------------------------------------------------------------------------------------


def _soon(peers: Sequence[Peer], figures: dict[str, _Figures]) -> Table:
    table = Table(
        f"How soon there is text of an answer of {_SHORT_S} second, in a kernel",
        ("asked with", "loading, ms", "loading and the first cell, ms", "a later cell: token to front end, ms"),
    )
    ours = figures[peers[0].name]
    for peer in peers:
        each = figures[peer.name]
        first = statistics.median(each.first_ms)
        told = ratio(each.first_ms, ours.first_ms)
        if first > _SHORT_S * 1000:
            told = f"{first:,.0f}: does not stream"
        table.add(peer.name, ratio(each.load_ms, ours.load_ms), ratio(each.fresh_ms, ours.fresh_ms), told)
    return table


def _costs(peers: Sequence[Peer], figures: dict[str, _Figures], tokens: int, rate: int) -> Table:
    kilobytes = len(expected(tokens).encode()) / 1e3
    table = Table(
        f"An answer of {tokens:,} tokens ({kilobytes:.0f} kB) at {rate} a second, in a kernel",
        ("asked with", "kernel CPU a token, µs", "display traffic, kB", "messages", "lag at the end, s"),
    )
    ours = figures[peers[0].name]
    for peer in peers:
        each = figures[peer.name]
        table.add(
            peer.name,
            ratio(each.cpu_us, ours.cpu_us),
            ratio(each.traffic_kb, ours.traffic_kb),
            f"{statistics.median(each.messages):,.0f}",
            f"{statistics.median(each.lag_s):.2f}",
        )
    return table
