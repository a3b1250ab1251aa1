"""The marks of a test that the built-in model answers; `here` in conftest.py is the session it answers in."""

from __future__ import annotations

import sys
from importlib.util import find_spec

import pytest

__all__ = ["REAL"]

REAL = [
    pytest.mark.embedded,
    pytest.mark.slow,
    pytest.mark.timeout(300),  # the first one may have to fetch the weights
    pytest.mark.skipif(find_spec("xllamacpp") is None, reason="the extra `embedded` is not installed"),
    pytest.mark.skipif(sys.platform != "linux", reason="the real engine is tried on Linux, where /proc tells of it"),
]
