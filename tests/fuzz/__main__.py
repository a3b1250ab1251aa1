"""`python -m tests.fuzz [TARGET ...] [--seconds N] [--keep]`: fuzz with Atheris, guided by what each input reaches.

Starts from the seeds beside this file and the bodies of tests/wire. What it finds on the way lies in build/fuzz; with
`--keep` the smallest inputs that reach all of it become the seeds, so that the unit tests go there too. An input that
breaks a promise is shown, and becomes a seed at once: it stays a test for ever.
"""

from __future__ import annotations

import argparse
import hashlib
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.fuzz.seeds import NAMES, read_seeds, write_seeds

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

Step = tuple[str, int, int]

ROOT = Path(__file__).parent.parent.parent
FOUND = ROOT / "build" / "fuzz"
WORDS = Path(__file__).parent / "tokens.dict"
LONGEST = 2000
KEPT = 150
"""Bytes of the longest input that becomes a seed."""


def main() -> int:
    """Fuzz the targets one after the other; 1 where a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description="Fuzz the framing and the decoders.")
    parser.add_argument("targets", nargs="*", choices=[*NAMES, []], help="which ones; all if none is named")
    parser.add_argument("--seconds", type=int, default=60, help="how long for each target")
    parser.add_argument("--keep", action="store_true", help="make seeds of what reaches something new")
    given = parser.parse_args()
    broken = [name for name in given.targets or NAMES if not hunt(name, given.seconds, keep=given.keep)]
    print(f"broken: {', '.join(broken)}" if broken else "no promise was broken")  # noqa: T201
    return bool(broken)


def hunt(name: str, seconds: int, *, keep: bool) -> bool:
    """Fuzz one target for so long; whether it held."""
    found = FOUND / name
    for seed in [*read_seeds(name), *bodies(name)]:
        put(found, seed)
    broke = FOUND / f"{name}-broke"
    broke.mkdir(parents=True, exist_ok=True)
    limits = [f"-max_total_time={seconds}", f"-max_len={LONGEST}", "-timeout=20", "-rss_limit_mb=1024"]
    code = run(name, f"-dict={WORDS}", *limits, f"-artifact_prefix={broke}/", "-print_final_stats=1", str(found))
    bad = [file.read_bytes() for file in broke.iterdir()]
    if keep:
        small = [file.read_bytes() for file in found.iterdir() if file.stat().st_size <= KEPT]
        write_seeds(name, [*bad, *covering(name, small)])
    elif bad:
        write_seeds(name, [*bad, *read_seeds(name)])
    return code == 0


def run(name: str, *arguments: str) -> int:
    """A process that fuzzes; its code."""
    command = [sys.executable, "-m", "tests.fuzz.worker", name, *arguments]
    return subprocess.run(command, cwd=ROOT, check=False).returncode


def covering(name: str, inputs: list[bytes]) -> list[bytes]:
    """Inputs that together take every step from line to line that all of them take, the shortest preferred."""
    from tests.fuzz.targets import TARGETS

    kept: list[bytes] = []
    seen: set[Step] = set()
    for data in sorted(inputs, key=len):
        steps = taken(TARGETS[name], data)
        if not steps <= seen:
            seen |= steps
            kept.append(data)
    return kept


def taken(target: Callable[[bytes], None], data: bytes) -> set[Step]:
    """The steps from line to line inside of the wire."""
    steps: set[Step] = set()
    last: dict[FrameType, int] = {}

    def look(frame: FrameType, event: str, value: object) -> Callable[..., Any] | None:
        if "/wire/" not in frame.f_code.co_filename:
            return None
        if event == "line":
            steps.add((frame.f_code.co_filename, last.get(frame, 0), frame.f_lineno))
            last[frame] = frame.f_lineno
        return look

    sys.settrace(look)
    try:
        target(data)
    finally:
        sys.settrace(None)
    return steps


def bodies(name: str) -> list[bytes]:
    """Inputs to start from: what servers really sent."""
    from tests.wire.cases import CASES

    if name == "failures":
        return [b"\x1d7\n" + b'{"error": "model not found"}', b"\x00Thu, 01 Jan 2026 00:00:00 GMT\n<title>no</title>"]
    return [b"\x06\x00" + case.body for case in CASES if len(case.body) < LONGEST]


def put(folder: Path, data: bytes) -> None:
    """A file of `data`, named as libFuzzer names it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / hashlib.sha1(data).hexdigest()).write_bytes(data)


if __name__ == "__main__":
    sys.exit(main())
