"""`make oldest`: the constraints that make pip take the oldest version that pyproject.toml allows of each dependency.

Of ours alone, and of the kernel: what those bring, and what the tests need, is the newest that goes with them. uv can
do the same with `--resolution lowest-direct`; this needs nothing but the pip that is there, configured as it is.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

PYPROJECT = Path(__file__).parent.parent / "pyproject.toml"


def pins() -> list[str]:
    """`name==version` for each lower bound; raises ValueError for one that has none, which nothing would test."""
    project = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]
    found = []
    for wanted in [*project["dependencies"], *project["optional-dependencies"]["lab"]]:
        bound = re.fullmatch(r"([\w.-]+)>=([\w.]+)", wanted)
        if bound is None:
            raise ValueError(f"{wanted}: write it as name>=version")
        found.append(f"{bound[1]}=={bound[2]}")
    return found


if __name__ == "__main__":
    print("\n".join(pins()))
