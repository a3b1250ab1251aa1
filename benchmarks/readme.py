"""The tables of the README's "How it compares", then those of docs/measurements.md, all from one run:
`python -m benchmarks --readme` prints them."""

from __future__ import annotations

import os
import platform
import sys
import textwrap
import time
from typing import TYPE_CHECKING

from benchmarks import client_cpu, compare, mapping, notebook, objects, panel, screen
from benchmarks.peers import PEERS, version_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.report import Table

__all__ = ["section"]

_NOTES = """\
Jupyter AI's magics do not stream: an answer that takes one second appears after one second, all at once, so little is
sent or computed before. `ollama` and `openai` are used as one would by hand, in a loop that prints each piece as plain
text. chatlas renders Markdown, and sends the whole text again for each token; here each frame, about ten a second, has
only what changed. Loading is `%load_ext` or the import; whatever else `%%ollama` needs is imported by its first cell,
so the second column counts both, until the first text. litellm, which Jupyter AI 3 imports, is kept from asking the
network for a list of prices."""


def section(quick: bool) -> Iterator[str]:
    """The Markdown, part by part, as it is measured. Takes about twenty minutes."""
    begun = time.monotonic()
    yield _surroundings()
    for table in notebook.run(quick):
        yield table.brief()
    yield _NOTES
    for table in _details(quick):
        yield table.brief()
        print(f"{time.monotonic() - begun:.0f} s: {table.title}", file=sys.stderr)


def _surroundings() -> str:
    found = ((peer.distribution, version_of(peer)) for peer in PEERS[1:])
    versions = ", ".join(f"{name} {version}" if version else f"{name} not installed" for name, version in found)
    text = (
        "`make bench ARGS=--readme` measures and prints the following in one run, against a server on the same machine "
        "that does nothing but stream. The figures are medians of rounds taken in turn; in brackets is how many times "
        f"ours they are. Machine: {os.cpu_count()} cores of {platform.machine()}, {platform.system()}, Python "
        f"{platform.python_version()}. Look at the ratios rather than the numbers. Compared with {versions}."
    )
    return textwrap.fill(text, 120, break_long_words=False, break_on_hyphens=False)


def _details(quick: bool) -> Iterator[Table]:
    """The tables on our own extension alone, or on clients without a notebook."""
    columns = ("many tokens in a read, µs", "one in a read, 2,000 a second, µs")
    yield from (table.of(*columns) for table in client_cpu.run(quick))
    lengths = ((1000, (250,)),) if quick else ((5000, (250,)), (20000, (250, 2000)))
    yield from screen.run(quick, lengths)
    yield from compare.run(quick)
    yield from panel.run(quick)
    yield from mapping.run(quick)
    yield from (table.of("tokens", "ms", rows=_pandas) for table in objects.run(quick))


def _pandas(row: tuple[str, ...]) -> bool:
    return row[1] == "pandas"
