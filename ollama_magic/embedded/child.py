"""The child process: llama.cpp's server on the loopback interface, for as long as the parent lives.

`engine` runs it as a script in Python's isolated mode (-I): it imports only the standard library and xllamacpp, so
neither the notebook's folder nor the way ollama_magic was installed matters.

    stdin     one JSON line {"gguf", "name", "key", "site", "built_in"}; when it closes, the parent is gone
    stdout    one JSON line {"port"} or {"error"}; then it is closed
    stderr    llama.cpp's log, and its stdout too

The key is passed through the pipe because others can read a process's arguments and environment.
"""

from __future__ import annotations

import json
import math
import os
import select
import signal
import sys
import threading
from pathlib import Path
from typing import Any

__all__ = ["main"]

SLOTS = 2
"""Concurrent answers; further requests are queued."""
SLOT_TOKENS = 4096
"""Context length of each slot, fixed so that a long answer never takes space from another. 8,192 costs 180 MB more."""
BATCH_TOKENS = 256
"""Prompt tokens per batch: an abandoned request is cancelled only at the end of a batch (about 1 s)."""


def main() -> None:
    """Serve until stdin closes. Never returns."""
    out = os.dup(1)
    os.dup2(2, 1)
    # A Ctrl-C in the notebook's terminal is meant for the cell, which closes its connection.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    config = json.loads(_first_line())
    watch = threading.Thread(target=_leave_with_parent, args=(os.getppid(),), name="watch")
    watch.start()
    try:
        server, answer = _serve(config)
    except Exception as error:  # of any kind: the parent shows it
        server, answer = None, {"error": f"{type(error).__name__}: {error}"}
    os.write(out, json.dumps(answer).encode() + b"\n")
    os.close(out)
    if server is None:
        os._exit(1)
    watch.join()  # keeps a reference to `server`


def _first_line() -> bytes:
    """Read one line of stdin, byte by byte: nothing may remain in a buffer that `select` does not see."""
    line = b""
    while not line.endswith(b"\n"):
        piece = os.read(0, 1)
        if not piece:
            os._exit(0)
        line += piece
    return line


def _leave_with_parent(parent: int) -> None:
    """Exit as soon as stdin closes, which the operating system does however the parent ended.

    A process forked from the parent by native code may hold the pipe open, so the parent's process id is checked as
    well. (PR_SET_PDEATHSIG would watch the parent's thread, not its process.)
    """
    while True:
        if sys.platform == "win32" or select.select([0], [], [], 1.0)[0]:
            if not os.read(0, 4096):
                os._exit(0)
        elif os.getppid() != parent:
            os._exit(0)


def _serve(config: dict[str, Any]) -> tuple[object, dict[str, object]]:
    """Load the model and listen; returns the server, which has to be kept alive, and the answer with its port."""
    # GNU OpenMP's threads spin while they wait for each other. If anything else uses a core, they spin for threads that
    # are not running: with another busy process, 2 threads on 2 cores fell from 130 to 4 tokens/s.
    os.putenv("OMP_WAIT_POLICY", "passive")
    os.putenv("GGML_NO_BACKTRACE", "1")  # a crash would start a debugger
    os.unsetenv("AIP_MODE")  # set in some hosted notebooks; it changes llama.cpp's port and paths
    sys.path.append(config["site"])
    import xllamacpp

    cores = _cores()
    params = xllamacpp.CommonParams()
    params.model.path = config["gguf"]
    params.model_alias = {config["name"]}
    params.api_keys = [config["key"]]
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.n_parallel = SLOTS
    params.n_ctx = SLOTS * SLOT_TOKENS
    params.n_batch = params.n_ubatch = BATCH_TOKENS
    # Generation leaves a core to the notebook; on two cores its one thread never waits. Prompts gain more from threads.
    params.cpuparams.n_threads = max(1, min(cores - 1, 8))
    params.cpuparams_batch.n_threads = max(1, min(cores, 16))
    params.cache_ram_mib = 0  # otherwise finished prompts are cached, up to 8 GB
    params.fit_params = not config["built_in"]  # fits a large model to the GPU, but loads it twice
    # Chat still works, at the same speed. Other weights specify their own pooling.
    params.embedding = True
    if config["built_in"]:
        params.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
    params.ui = False
    params.endpoint_slots = False
    params.verbosity = 1  # errors
    server = xllamacpp.Server(params)
    return server, {"port": int(server.listening_address.rpartition(":")[2])}


def _cores() -> int:
    """The cores this process may use: a container often sees more than its quota allows."""
    seen = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    allowed = math.inf
    root = Path("/sys/fs/cgroup")
    try:
        quota, period = (root / "cpu.max").read_text().split()
        if quota != "max":
            allowed = int(quota) / int(period)
    except (OSError, ValueError):
        try:
            limit = int((root / "cpu/cpu.cfs_quota_us").read_text())
            if limit > 0:
                allowed = limit / int((root / "cpu/cpu.cfs_period_us").read_text())
        except (OSError, ValueError, ZeroDivisionError):
            pass  # no container, or no quota
    return max(1, min(seen, math.ceil(allowed) if allowed < seen else seen))


if __name__ == "__main__":
    main()
