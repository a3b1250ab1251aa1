"""`make oldest`: constraints that make pip install the oldest version of each dependency that pyproject.toml allows.

Only for direct dependencies and those of the `lab` extra: transitive and test dependencies are the newest compatible
ones. uv can do this with `--resolution lowest-direct`; this needs only the existing pip and its configuration.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

PYPROJECT = Path(__file__).parent.parent / "pyproject.toml"


def pins() -> list[str]:
    """`name==version` for each lower bound; raises ValueError for a dependency without one, which would go untested."""
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
