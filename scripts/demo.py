"""`make demo`: executes the quickstart notebook and prints its cells and answers as they stream.

The backend is chosen as in any notebook: the cloud if USE_DIRECT_CLOUD is set, else a running Ollama, else the
embedded engine. The executed copy is kept in build/.
"""

from __future__ import annotations

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from ollama_magic import OllamaMagicError, bridge
from ollama_magic.render.look import PHASE
from ollama_magic.session import current

if TYPE_CHECKING:
    from ollama_magic.settings import Settings

ROOT = Path(__file__).parent.parent
NOTEBOOK = ROOT / "notebooks" / "quickstart.ipynb"
EXECUTED = ROOT / "build" / "quickstart-executed.ipynb"

_LINES = {"div", "li", "tr", "br", "summary", "details"}
_BLOCKS = {"p", "pre", "ol", "ul", "table", "blockquote", "h1", "h2", "h3", "h4", "h5", "h6"}


class _Text(HTMLParser):
    """The text of HTML, without progress messages."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []
        self._skipped = 0
        self._numbers: list[int | None] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self._skipped or (tag == "div" and dict(attrs).get("style") == PHASE):
            self._skipped += tag == "div"
            return
        self._break(tag)
        if tag in ("ol", "ul"):
            start = dict(attrs).get("start") or "1"
            self._numbers.append(int(start) if tag == "ol" and start.isdecimal() else None)
        elif tag == "li":
            self._item()

    def handle_endtag(self, tag: str) -> None:
        if self._skipped:
            self._skipped -= tag == "div"
            return
        self._break(tag)
        if tag in ("ol", "ul"):
            del self._numbers[-1:]

    def handle_data(self, data: str) -> None:
        if not self._skipped:
            self.parts.append(data)

    def _break(self, tag: str) -> None:
        if (tag in _LINES or tag in _BLOCKS) and self.parts and not self.parts[-1].endswith("\n"):
            self.parts.append("\n")
        if tag in _BLOCKS and not self._numbers:
            self.parts.append("\n")

    def _item(self) -> None:
        number = self._numbers[-1] if self._numbers else None
        self.parts.append("- " if number is None else f"{number}. ")
        if number is not None:
            self._numbers[-1] = number + 1


def text_of(data: dict[str, Any]) -> str:
    """The readable text of a display message: its plain text if it has any, else that of its HTML."""
    plain = str(data.get("text/plain", ""))
    if "text/html" in data and (not plain.strip() or plain.startswith("<IPython")):
        parser = _Text()
        parser.feed(data["text/html"])
        return re.sub(r"\n{3,}", "\n\n", "".join(parser.parts)).strip("\n")
    return plain


class Printer:
    """Prints outputs as they grow. An output that is replaced by another with the same words is printed once.

    Only letters and digits are compared: the same answer is HTML while it streams and plain text at its end.
    """

    def __init__(self) -> None:
        self._outputs: dict[str, str] = {}
        self._printed = self._rest = ""
        self._clear = False

    def show(self, name: str, text: str, *, add: bool = False) -> None:
        """Set output `name` to `text`, or append it."""
        if self._clear:
            self._outputs.clear()
            self._clear = False
        self._outputs[name] = self._outputs.get(name, "") + text if add else text
        self._print("\n".join(text for text in self._outputs.values() if text.strip()))

    def clear(self) -> None:
        """Let the next output replace all present ones."""
        self._clear = True

    def finish(self) -> None:
        """End the line and reset; what follows belongs to another cell."""
        if self._printed:
            print(self._rest.rstrip(), flush=True)
        self._outputs.clear()
        self._printed, self._rest, self._clear = "", "", False

    def _print(self, text: str) -> None:
        places = [place for place, letter in enumerate(text) if letter.isalnum()]
        words = "".join(text[place] for place in places)
        known = len(self._printed)
        if not words.startswith(self._printed):
            # Something earlier has changed, such as a notice: continue after the words printed last, if they are found.
            recent = next((end for size in (40, 16) if (end := self._printed[-size:]) in words), self._printed)
            found = words.rfind(recent)
            if found < 0:
                return
            known = found + len(recent)
        self._rest = text[places[-1] + 1 :] if places else ""  # trailing punctuation, printed at the end
        if known < len(places):
            first = places[known - 1] + 1 if known else 0
            sys.stdout.write(text[first : places[-1] + 1].lstrip("\n" if not known else ""))
            sys.stdout.flush()
            self._printed = words


class StreamingClient(NotebookClient):
    """Executes a notebook and prints its cells and outputs as they arrive."""

    def __init__(self, notebook: nbformat.NotebookNode, **settings: Any) -> None:
        super().__init__(notebook, **settings)
        self._printer = Printer()
        self.on_cell_execute = self._begin
        self.on_cell_executed = self._end

    def _begin(self, cell: nbformat.NotebookNode, cell_index: int) -> None:
        if cell.cell_type == "code":
            bar = "\x1b[2m>\x1b[0m" if sys.stdout.isatty() else ">"
            print("\n" + "\n".join(f"{bar} {line}" for line in cell.source.splitlines()), flush=True)

    def _end(self, cell: nbformat.NotebookNode, cell_index: int, execute_reply: dict[str, Any]) -> None:
        self._printer.finish()

    def process_message(self, msg: dict[str, Any], cell: nbformat.NotebookNode, cell_index: int) -> Any:
        """Print what the kernel sends, then let nbclient process it."""
        kind, content = msg["msg_type"], msg["content"]
        if kind in ("display_data", "update_display_data", "execute_result"):
            name = content.get("transient", {}).get("display_id") or msg["header"]["msg_id"]
            self._printer.show(name, text_of(content["data"]))
        elif kind == "stream":
            self._printer.show(content["name"], content["text"], add=True)
        elif kind == "clear_output":
            self._printer.clear()
        return super().process_message(msg, cell, cell_index)


def backend() -> Settings:
    """The settings of a cell without options, after checking which server answers."""
    session = current()
    settings, _ = bridge.shared().run(session.reachable(session.settings()))
    return settings


def main() -> int:
    """Determine the backend and run the notebook; returns 1 if it could not be run to its end."""
    try:
        settings = backend()
    except OllamaMagicError as error:
        print(error)
        return 1
    if settings.mode == "embedded":
        print("Answers come from the built-in model.", flush=True)
        fetch = [sys.executable, "-m", "ollama_magic.embedded"]
        if subprocess.run(fetch, check=False).returncode:
            return 1
    else:
        host = next(row.value for row in settings.rows() if row.name == "host")
        print(f"Answers come from {host}, mode {settings.mode}.", flush=True)
    return execute()


def execute() -> int:
    """Run the notebook, printing it, and keep the executed copy."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)  # type: ignore[no-untyped-call]
    client = StreamingClient(
        notebook,
        timeout=None,
        record_timing=False,
        kernel_name="python3",
        extra_arguments=["--IPKernelApp.log_level=ERROR"],  # its warnings would appear between the answers
        resources={"metadata": {"path": str(NOTEBOOK.parent)}},
    )
    failed = False
    try:
        client.execute()
    except CellExecutionError as error:
        failed = True
        print(f"\n{error.traceback}")
    EXECUTED.parent.mkdir(exist_ok=True)
    nbformat.write(notebook, EXECUTED)  # type: ignore[no-untyped-call]
    print(f"\nThe executed notebook is {EXECUTED.relative_to(ROOT)}. Open it in JupyterLab with: make lab")
    return int(failed)


if __name__ == "__main__":
    raise SystemExit(main())
