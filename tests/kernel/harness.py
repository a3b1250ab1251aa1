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
            last = self.outputs[-1] if self.outputs else {}
            if kind == "stream" and last.get("name") == content["name"]:
                last["text"] += content["text"]  # what is printed may come in two messages
            else:
                self.outputs.append({"output_type": kind, **content})
        elif kind == "update_display_data":
            self.update(content)

    def update(self, content: dict[str, Any]) -> None:
        """Repaint what has that display id; it may be another cell's message."""
        for output in self.outputs:
            if output.get("transient", {}).get("display_id") == content["transient"]["display_id"]:
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
    """A kernel with the extension loaded, or that has run the cell `begins_with`; a context manager."""

    def __init__(
        self,
        cwd: str,
        env: dict[str, str],
        patience_s: float = 30.0,
        begins_with: str = "%load_ext ollama_magic",
        python: str = sys.executable,
    ) -> None:
        self._patience_s = patience_s
        self._manager = KernelManager(kernel_name="python3")
        self._manager.kernel_spec.argv[0] = python
        self._cwd, self._env, self._begins_with = cwd, env, begins_with
        self._cells: dict[str, Cell] = {}
        self.comms: dict[str, list[dict[str, Any]]] = {}
        """The comms that are open, each with the kernel's messages on it, the opening one first."""
        self.heard: list[dict[str, Any]] = []
        """Every message that the kernel sent to everybody."""

    def __enter__(self) -> Kernel:
        env = {k: v for k, v in os.environ.items() if not k.startswith("OLLAMA") and k != "USE_DIRECT_CLOUD"}
        self._manager.start_kernel(cwd=self._cwd, env={**env, **self._env}, stdout=sys.stderr, stderr=sys.stderr)
        self._client = self._manager.client()
        self._client.start_channels()
        self._client.wait_for_ready(timeout=self._patience_s)
        self.run(self._begins_with)
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

    def run(self, code: str, cell_id: str = "") -> Cell:
        """Run a cell to its end."""
        return self.finish(self.start(code, cell_id))

    def subshell(self) -> str:
        """A new subshell, as JupyterLab asks for one for widgets' messages; its id."""
        message = self._client.session.msg("create_subshell_request", {})
        self._client.control_channel.send(message)
        reply = self._client.get_control_msg(timeout=self._patience_s)
        return str(reply["content"]["subshell_id"])

    def send(self, comm: str, content: dict[str, Any], subshell: str = "") -> None:
        """A widget's custom message from the page."""
        data = {"method": "custom", "content": content}
        message = self._client.session.msg("comm_msg", {"comm_id": comm, "data": data})
        if subshell:
            message["header"]["subshell_id"] = subshell
        self._client.shell_channel.send(message)

    def supports_subshells(self) -> bool:
        """Whether the kernel says so, as front ends ask."""
        self._client.kernel_info()
        while True:
            reply = self._client.get_shell_msg(timeout=self._patience_s)
            if reply["msg_type"] == "kernel_info_reply":
                return "kernel subshells" in reply["content"].get("supported_features", [])

    def finish(self, cell: Cell, patience_s: float | None = None) -> Cell:
        """Wait until a cell has ended, with its reply."""
        self.until(lambda: cell.idle and bool(cell.reply), patience_s)
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

    def shut_down(self) -> None:
        """Ask the kernel to end, as a restart does first."""
        self._manager.shutdown_kernel(now=False)

    def listen(self, seconds: float) -> None:
        """Take messages for so long."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self._take_iopub()
            self._take_shell()

    def forget(self) -> None:
        """Keep nothing of the cells that have ended."""
        self._cells = {key: cell for key, cell in self._cells.items() if not (cell.idle and cell.reply)}
        self.heard.clear()

    def until(self, holds: Any, patience_s: float | None = None) -> None:
        """Take messages until `holds()`; AssertionError with what was seen after a while."""
        patience_s = patience_s or self._patience_s
        deadline = time.monotonic() + patience_s
        while not holds():
            if time.monotonic() > deadline:
                seen = {cell.msg_id[-4:]: cell.shown()[-500:] for cell in self._cells.values()}
                raise AssertionError(f"not seen within {patience_s:g} s; shown so far: {seen}")
            self._take_iopub()
            self._take_shell()

    def _take_iopub(self) -> None:
        try:
            message = self._client.get_iopub_msg(timeout=0.02)
        except Empty:
            return
        self.heard.append(message)
        cell = self._cells.get(message["parent_header"].get("msg_id", ""))
        if cell is not None:
            cell.take(message)
        if message["msg_type"] == "update_display_data":
            for other in self._cells.values():
                if other is not cell:
                    other.update(message["content"])
        self._take_comm(message)

    def _take_comm(self, message: dict[str, Any]) -> None:
        comm = message["content"].get("comm_id", "")
        if message["msg_type"] == "comm_open":
            self.comms[comm] = [message]
        elif message["msg_type"] == "comm_msg" and comm in self.comms:
            self.comms[comm].append(message)
        elif message["msg_type"] == "comm_close":
            self.comms.pop(comm, None)

    def _take_shell(self) -> None:
        try:
            message = self._client.get_shell_msg(timeout=0)
        except Empty:
            return
        cell = self._cells.get(message["parent_header"].get("msg_id", ""))
        if cell is not None:
            cell.reply = message["content"]
