"""The quick part of the fuzzing: every seed, and each of them changed a little in ways that are the same every time."""

from __future__ import annotations

import random

from tests.fuzz.seeds import NAMES, read_seeds
from tests.fuzz.targets import TARGETS
from tests.tables import folded

CHANGES = 4
WORDS = [
    b'{"',
    b'"}',
    b"\n",
    b"\r\n",
    b"data: ",
    b"[",
    b"]",
    b'"error":',
    b"\\ud83c",
    b"\xff",
    b"\0",
    b"1e999",
    b"null",
]


def test_each_target_has_seeds() -> None:
    assert tuple(TARGETS) == NAMES
    assert all(len(read_seeds(name)) > 5 for name in NAMES)


@folded("name, seed", [(name, seed) for name in NAMES for seed in read_seeds(name)])
def test_the_promises_hold(name: str, seed: bytes) -> None:
    TARGETS[name](seed)


@folded("name, seed", [(name, seed) for name in NAMES for seed in read_seeds(name)])
def test_the_promises_hold_near_by(name: str, seed: bytes) -> None:
    chance = random.Random(seed)
    others = read_seeds(name)
    for _ in range(CHANGES):
        data = bytearray(seed)
        at, end = sorted((chance.randint(0, len(data)), chance.randint(0, len(data))))
        data[at:end] = chance.choice([b"", chance.choice(WORDS), chance.choice(others)[2:]])
        TARGETS[name](bytes(data))
