"""Writes the generated tables of README.md: the options and the settings, from their definitions in the code.

python scripts/readme_tables.py            write them
python scripts/readme_tables.py --check    only check them: exit code 1 if they are out of date
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from ollama_magic.options import markdown_table
from ollama_magic.settings import FIELDS, Settings

README = Path(__file__).parent.parent / "README.md"


def settings_table() -> str:
    """Every setting: its name, environment variables, default and meaning."""
    defaults = {row.name: row.value for row in Settings().rows()}
    lines = ["| setting | environment or `.env` | default | meaning |", "| --- | --- | --- | --- |"]
    for field in FIELDS:
        variables = ", ".join(f"`{name}`" for name in field.env)
        lines.append(f"| `{field.name}` | {variables} | {defaults[field.name]} | {field.help} |")
    return "\n".join(lines)


def with_tables(text: str) -> str:
    """The README's text with each table between its two markers regenerated."""
    for name, table in (("options", markdown_table()), ("settings", settings_table())):
        start, end = f"<!-- {name}: written by `make readme` -->", f"<!-- /{name} -->"
        pattern = re.escape(start) + ".*?" + re.escape(end)
        whole = f"{start}\n{table}\n{end}".replace("\\", r"\\")
        text, count = re.subn(pattern, whole, text, flags=re.DOTALL)
        if count != 1:
            raise SystemExit(f"README.md must have {start} ... {end} once; it is there {count} times")
    return text


def main() -> int:
    """Write the tables, or check them with --check."""
    text = README.read_text(encoding="utf-8")
    wanted = with_tables(text)
    if "--check" in sys.argv[1:]:
        if text != wanted:
            print("README.md: a generated table is out of date. Run: make readme")
        return int(text != wanted)
    README.write_text(wanted, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
