"""A real ipykernel, driven the way a front end drives one."""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import dataclass, field
from queue import Empty
from typing import Any

from jupyter_client.manager import KernelManager

__all__ = ["Cell", "Kernel"]


@dataclass
class Cell:
    """One run cell: every message it caused, and the outputs a front end would have kept."""

    msg_id: str
    messages: list[dict[str, Any]] = field(default_factory=list)
    reply: dict[str, Any] = field(default_factory=dict)
    outputs: list[dict[str, Any]] = field(default_factory=list)
    idle: bool = False
    _clear: bool = False

    def take(self, message: dict[str, Any]) -> None:
        """What a front end does with a message from the kernel."""
        self.messages.append(message)
        kind, content = message["msg_type"], message["content"]
        if kind == "status":
            self.idle = self.idle or content["execution_state"] == "idle"
        elif kind == "clear_output":
            if content["wait"]:
                self._clear = True
            else:
                self.outputs.clear()
        elif kind in ("display_data", "execute_result", "stream", "error"):
            if self._clear:
                self.outputs.clear()
                self._clear = False
            self.outputs.append({"output_type": kind, **content})
        elif kind == "update_display_data":
            wanted = content["transient"]["display_id"]
            for output in self.outputs:
                if output.get("transient", {}).get("display_id") == wanted:
                    output.update(data=content["data"], metadata=content["metadata"])

    def shown(self, kind: str = "text/html") -> str:
        """All that is shown of one media type, joined; stream text and error lines too."""
        parts = []
        for output in self.outputs:
            parts.append(output.get("data", {}).get(kind, ""))
            parts.append(output.get("text", ""))
            parts += output.get("traceback", [])
        return "\n".join(part for part in parts if part)

    def raw(self) -> str:
        """Every message as text, to search for what must not be there."""
        return json.dumps([self.messages, self.reply], default=str)


class Kernel:
    """A kernel with the extension loaded; a context manager."""

    def __init__(self, cwd: str, env: dict[str, str], patience_s: float = 30.0) -> None:
        self._patience_s = patience_s
        self._manager = KernelManager(kernel_name="python3")
        self._cwd, self._env = cwd, env
        self._cells: dict[str, Cell] = {}

    def __enter__(self) -> Kernel:
        env = {k: v for k, v in os.environ.items() if not k.startswith("OLLAMA") and k != "USE_DIRECT_CLOUD"}
        self._manager.start_kernel(cwd=self._cwd, env={**env, **self._env}, stdout=sys.stderr, stderr=sys.stderr)
        self._client = self._manager.client()
        self._client.start_channels()
        self._client.wait_for_ready(timeout=self._patience_s)
        self.run("%load_ext ollama_magic")
        return self

    def __exit__(self, *_: object) -> None:
        self._client.stop_channels()
        self._manager.shutdown_kernel(now=True)
        self._manager.cleanup_resources()

    def start(self, code: str, cell_id: str = "") -> Cell:
        """Send a cell and return at once; `cell_id` as JupyterLab sends it along."""
        content = {
            "code": code,
            "silent": False,
            "store_history": True,
            "user_expressions": {},
            "allow_stdin": False,
            "stop_on_error": True,
        }
        message = self._client.session.msg("execute_request", content)
        if cell_id:
            message["metadata"] = {"cellId": cell_id}
        self._client.shell_channel.send(message)
        msg_id = message["header"]["msg_id"]
        self._cells[msg_id] = Cell(msg_id)
        return self._cells[msg_id]

    def run(self, code: str) -> Cell:
        """Run a cell to its end."""
        return self.finish(self.start(code))

    def finish(self, cell: Cell) -> Cell:
        """Wait until a cell has ended, with its reply."""
        self.until(lambda: cell.idle and bool(cell.reply))
        return cell

    def wait_for_text(self, cell: Cell, text: str) -> None:
        """Wait until a front end would show `text`."""
        self.until(lambda: text in cell.shown())

    def interrupt(self) -> float:
        """What the Stop button does; the time it was done, on time.monotonic()'s clock."""
        now = time.monotonic()
        self._manager.interrupt_kernel()
        return now

    def kill(self) -> None:
        """What a restart does to a kernel that does not listen."""
        self._manager.shutdown_kernel(now=True)

    def until(self, holds: Any) -> None:
        """Take messages until `holds()`; AssertionError with what was seen after a while."""
        deadline = time.monotonic() + self._patience_s
        while not holds():
            if time.monotonic() > deadline:
                seen = {cell.msg_id[-4:]: cell.shown()[-500:] for cell in self._cells.values()}
                raise AssertionError(f"not seen within {self._patience_s:g} s; shown so far: {seen}")
            self._take_iopub()
            self._take_shell()

    def _take_iopub(self) -> None:
        try:
            message = self._client.get_iopub_msg(timeout=0.02)
        except Empty:
            return
        cell = self._cells.get(message["parent_header"].get("msg_id", ""))
        if cell is not None:
            cell.take(message)

    def _take_shell(self) -> None:
        try:
            message = self._client.get_shell_msg(timeout=0)
        except Empty:
            return
        cell = self._cells.get(message["parent_header"].get("msg_id", ""))
        if cell is not None:
            cell.reply = message["content"]
