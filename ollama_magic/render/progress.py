"""Progress of a download: an output updated in place in a notebook, rich's bars in a terminal, a few lines elsewhere.

Only the views do output; `progress_html` and `progress_line` are pure, and format one state of a download.
"""

from __future__ import annotations

import sys
import time
from html import escape
from typing import TYPE_CHECKING, Any, Final, Protocol, TextIO

from ollama_magic.render.look import PHASE, div, wrap
from ollama_magic.render.text import one_line
from ollama_magic.units import bytes_text, left_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rich.console import Console
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

    from ollama_magic.render.live import Sink
    from ollama_magic.wire.pulling import PullLayer, PullProgress

__all__ = [
    "PlainPull",
    "PullView",
    "TerminalPull",
    "NotebookPull",
    "progress_html",
    "progress_line",
    "pull_view_for",
]

_INTERVAL = 0.25
"""The least seconds between two repaints."""
_LAYERS: Final = 8
"""The most layers shown, each in its own row."""
_PLAIN_S: Final = 15.0
_BAR = "width:min(22em,45%);vertical-align:middle;margin-right:.6em"


class PullView(Protocol):
    """Shows one download."""

    def show(self, progress: PullProgress) -> None:
        """Show this progress; may be called arbitrarily often."""

    def tick(self) -> None:
        """Show progress that was held back, if it is time to; to be called while none arrives."""

    def finish(self, text: str) -> None:
        """Replace the bars by `text`. Call it once, also after an interrupt or an error."""


def pull_view_for(place: str, name: str) -> PullView:
    """The view for a download of model `name`; `place` is "jupyter", "terminal" or "plain"."""
    if place == "jupyter":
        from ollama_magic.render.jupyter import JupyterSink

        return NotebookPull(name, JupyterSink())
    return TerminalPull(name) if place == "terminal" else PlainPull(name)


# ---- formatting ------------------------------------------------------------------------------------------------


def progress_line(part: PullProgress | PullLayer) -> str:
    """ "23% · 1.2 of 5.2 GB · 34 MB/s · 2 min left", as much as is known; "" if nothing is."""
    if part.total is None or part.done is None:
        return bytes_text(part.done)
    share = f"{_share(part)}%"
    total = bytes_text(part.total)
    done = bytes_text(part.done)
    if done.rpartition(" ")[2] == total.rpartition(" ")[2]:
        done = done.rpartition(" ")[0]
    rate = f"{bytes_text(part.rate)}/s" if part.rate else "waiting" if part.rate == 0 else ""
    return " · ".join(filter(None, (share, f"{done} of {total}", rate, left_text(part.left_s))))


def progress_html(name: str, progress: PullProgress) -> str:
    """The state of a download: its status, an overall bar, and a bar for each layer if there are several."""
    name, status = one_line(name), one_line(progress.status) or "connecting"
    head = f"<div><strong>{escape(name)}</strong> <span>{escape(status)}</span></div>"
    whole = _bar(progress, f"{name}, as a whole")
    shown = _layers_shown(progress.layers)
    rows = "".join(
        f'<div style="{PHASE};margin-left:1em">{_bar(layer, f"layer {layer.name}")} '
        f'<code style="margin-left:.6em">{escape(one_line(layer.name))}</code></div>'
        for layer in shown
    )
    more = len(progress.layers) - len(shown)
    rest = div(PHASE + ";margin-left:1em", f"and {more} more layers") if more else ""
    return head + f"<div>{whole}</div>" + (rows + rest if len(progress.layers) > 1 else "")


def _bar(part: PullProgress | PullLayer, label: str) -> str:
    value = f' value="{_share(part)}"' if part.total else ""  # without a value the bar is indeterminate
    line = progress_line(part)
    return (
        f'<progress style="{_BAR}" max="100"{value} aria-label="{escape(label)}">{escape(line)}</progress>'
        f"<span>{escape(line)}</span>"
    )


def _share(part: PullProgress | PullLayer) -> int:
    # Rounded down: 100% only when it is complete.
    return int(100 * part.done / part.total) if part.total and part.done is not None else 0


def _layers_shown(layers: Sequence[PullLayer]) -> list[PullLayer]:
    """The layers to show, in the server's order: unfinished ones take precedence, then larger ones."""
    ranked = sorted(layers, key=lambda layer: (layer.whole, -(layer.total or 0)))[:_LAYERS]
    return [layer for layer in layers if layer in ranked]


# ---- repainted views -------------------------------------------------------------------------------------------


class _Repainted:
    """A view that repaints at most four times a second, and holds back updates in between."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._next = 0.0
        self._latest: PullProgress | None = None

    def show(self, progress: PullProgress) -> None:
        """Repaint, if it is time."""
        self._latest = progress
        self.tick()

    def tick(self) -> None:
        """Repaint with the update that was held back, if it is time."""
        progress, now = self._latest, self._clock()
        if progress is None or now < self._next:
            return
        self._latest, self._next = None, now + _INTERVAL
        self._paint(progress)

    def _paint(self, progress: PullProgress) -> None:
        raise NotImplementedError


# ---- in a notebook ---------------------------------------------------------------------------------------------


class NotebookPull(_Repainted):
    """One output, repainted, and replaced by one line at the end."""

    def __init__(self, name: str, sink: Sink, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(clock)
        self._name, self._sink = name, sink
        self._begun = False

    def _paint(self, progress: PullProgress) -> None:
        line = f"{one_line(self._name)}: {one_line(progress.status)} {progress_line(progress)}".rstrip()
        self._put({"text/html": wrap(progress_html(self._name, progress)), "text/plain": line})

    def finish(self, text: str) -> None:
        """Leave one line."""
        line = one_line(text, 400)
        self._put({"text/html": wrap(div("", line)), "text/plain": line})

    def _put(self, data: dict[str, Any]) -> None:
        begun, self._begun = self._begun, True  # set first: an interrupt here must not lead to a second output
        if begun:
            self._sink.update((data, {}))
        else:
            self._sink.add((data, {}))


# ---- in a terminal ---------------------------------------------------------------------------------------------


class TerminalPull(_Repainted):
    """Rich's bars, one for the total and one for each layer."""

    def __init__(self, name: str, console: Console | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        from rich.progress import BarColumn, Progress, TextColumn

        from ollama_magic.render.terminal import console_for

        super().__init__(clock)
        self._name = one_line(name)
        self._tasks: dict[str, TaskID] = {}
        # Rich's clock and thread are not used: all figures are in `progress`, and no thread can outlive an interrupt.
        self._bars: RichProgress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.fields[line]}", markup=False),
            console=console if console is not None else console_for(),
            auto_refresh=False,
            transient=True,
        )

    def _paint(self, progress: PullProgress) -> None:
        if not self._tasks:
            self._bars.start()
        try:
            self._set("", self._name if progress.layers else f"{self._name}: {one_line(progress.status)}", progress)
            for layer in _layers_shown(progress.layers) if len(progress.layers) > 1 else ():
                self._set(layer.digest, f"  {one_line(layer.name)}", layer)
            self._bars.refresh()
        except BaseException:
            self._bars.stop()  # otherwise an interrupt would leave the cursor hidden
            raise

    def finish(self, text: str) -> None:
        """Remove the bars and print one line."""
        self._bars.stop()
        self._bars.console.print(one_line(text, 400), markup=False)

    def _set(self, key: str, name: str, part: PullProgress | PullLayer) -> None:
        if key not in self._tasks:
            self._tasks[key] = self._bars.add_task(name, line="")
        self._bars.update(
            self._tasks[key], description=name, total=part.total, completed=part.done or 0, line=progress_line(part)
        )


# ---- elsewhere -------------------------------------------------------------------------------------------------


class PlainPull:
    """A line for each new status; during transfers one for each tenth of the total, or every 15 seconds."""

    def __init__(self, name: str, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._name, self._stream, self._clock = one_line(name), stream, clock
        self._status = ""
        self._tenth = -1
        self._last = 0.0

    def show(self, progress: PullProgress) -> None:
        """Write a line, if there is news."""
        now = self._clock()
        tenth = _share(progress) // 10
        transfers = progress.status.startswith("pulling ") and bool(progress.layers)
        news = not transfers and progress.status != self._status
        if news or (transfers and (tenth > self._tenth or now - self._last >= _PLAIN_S)):
            said = progress_line(progress) if transfers else one_line(progress.status)
            self._write(f"{self._name}: {said}")
            self._last, self._tenth = now, max(self._tenth, tenth) if transfers else self._tenth
        self._status = "" if transfers else progress.status

    def tick(self) -> None:
        """Nothing is held back."""

    def finish(self, text: str) -> None:
        """Write the last line."""
        self._write(one_line(text, 400))

    def _write(self, line: str) -> None:
        from ollama_magic.render.plain import write_text

        write_text(self._stream if self._stream is not None else sys.stdout, line + "\n")
