"""The syntax of a cell's first line: one table of options, from which the parser, the help, the completion and the
README's table are generated.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = [
    "ALTERNATIVES",
    "OPTIONS",
    "THINK_LEVELS",
    "Option",
    "markdown_table",
    "nearest",
    "option_rows",
    "usage",
]


@dataclass(frozen=True, slots=True)
class Option:
    """One option: its spellings, its help, the setting or field of How that it sets, and its value."""

    flags: tuple[str, ...]
    help: str
    dest: str
    metavar: str = ""
    choices: tuple[str, ...] = ()
    repeat: bool = False
    value: Any = None
    """What an option without a value sets."""
    optional: tuple[str, ...] = ()
    """The values of an option whose value may be omitted."""

    @property
    def takes_value(self) -> bool:
        """Whether a value must follow."""
        return bool(self.metavar) and not self.optional


ALTERNATIVES = 5
"""How many alternatives `--tokens` requests by default."""

THINK_LEVELS = ("low", "medium", "high", "max", "minimal", "xhigh", "none", "true", "false")

OPTIONS: tuple[Option, ...] = (
    Option(("MODEL", "-m", "--model"), "the model, sent exactly as typed", "model", "NAME"),
    Option(("-s", "--system"), "system prompt", "system", "TEXT"),
    Option(("-t", "--temperature"), "sampling temperature; 0 is the most repeatable", "temperature", "NUMBER"),
    Option(("--seed",), "sampling seed, for repeatable answers", "seed", "INT"),
    Option(("--max-tokens",), "longest answer, in tokens", "max_tokens", "INT"),
    Option(("--num-ctx",), "context length, in tokens (native surface)", "num_ctx", "INT"),
    Option(
        ("--keep-alive",), "how long the model stays loaded: seconds, or 5m, 1h (native surface)", "keep_alive", "TIME"
    ),
    Option(("-o", "--option"), "any other Ollama option, such as top_k=20; repeatable", "options", "K=V", repeat=True),
    Option(
        ("--think",),
        "let the model reason first; with a level, if the model has levels",
        "think",
        "LEVEL",
        optional=THINK_LEVELS,
    ),
    Option(("--no-think",), "answer without reasoning", "think", value=False),
    Option(("-c", "--continue"), "continue the conversation used last", "go_on", value=True),
    Option(("-i", "--thread"), "continue the conversation of this name, or begin it", "thread", "NAME"),
    Option(("--new",), "start the conversation over", "new", value=True),
    Option(("-a", "--attach"), "include a variable, an expression, a picture or a file", "attach", "EXPR", repeat=True),
    Option(("--raw",), "send braces as they are, without replacing them", "raw", value=True),
    Option(
        ("--schema",), 'answer with a value of this type, or of a form such as "name: str, year: int"', "schema", "EXPR"
    ),
    Option(("--tools",), "functions of this notebook that the model may call", "tools", "F,G"),
    Option(("--web",), "let the model search the web, with a cloud key", "web", value=True),
    Option(("--confirm",), "ask before each tool call", "confirm", value=True),
    Option(
        ("-f", "--format"),
        "the form of the answer; code goes into the next cell, and is never run",
        "format",
        "FORMAT",
        choices=("markdown", "text", "json", "code", "html", "math"),
    ),
    Option(("--out",), "assign the Answer, or the value that --schema asks for, to this variable", "out", "NAME"),
    Option(
        ("--tokens",),
        "colour each token by its probability, with N alternatives (5)",
        "tokens",
        "N",
        optional=tuple(map(str, range(21))),
    ),
    Option(
        ("--compare",),
        "ask several models at once, side by side; local/, cloud/ or embedded/ before a name is its mode",
        "compare",
        "A,B,C",
    ),
    Option(("--sweep",), "ask with each of these values of an option; repeatable", "sweep", "K=V1,V2", repeat=True),
    Option(("-n",), "ask N times, side by side", "repeats", "N"),
    Option(("--blind",), "compare without names until one is picked: %ollama pick B", "blind", value=True),
    Option(("--map",), "ask for each row of a data frame or list; {column} is replaced by its value", "map", "EXPR"),
    Option(
        ("--into",), "with --map: the column for the answers; with --schema a prefix of each column", "into", "NAME"
    ),
    Option(("--concurrency",), "with --map: requests at once; adapts if not given", "concurrency", "N"),
    Option(("--bg",), "return at once; the answer goes on streaming into this cell", "bg", value=True),
    Option(("--cache",), "replay the answer if it was kept, otherwise ask and keep it", "cache", value="use"),
    Option(("--refresh",), "ask again and keep the new answer", "cache", value="refresh"),
    Option(("--no-cache",), "neither replay nor keep", "cache", value="off"),
    Option(("--dry-run",), "show what would be sent and what each part costs, and send nothing", "dry_run", value=True),
    Option(("--mode",), "where to send this cell", "mode", "MODE", choices=("local", "cloud", "embedded")),
    Option(("--host",), "the server for this cell", "host", "URL"),
    Option(("--api",), "which surface to use", "api", "API", choices=("auto", "openai", "native")),
    Option(("-q", "--quiet"), "no footer under the answer", "quiet", value=True),
)


def nearest(word: str, known: Iterable[str]) -> str:
    """`", did you mean 'x'?"` with the known word most similar to `word`; "" if none is."""
    found = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f", did you mean {found[0]!r}?" if found else ""


def usage() -> str:
    """The one-line usage."""
    parts = []
    for option in OPTIONS[1:]:
        value = f" {option.metavar}" if option.takes_value else (f" [{option.metavar}]" if option.metavar else "")
        parts.append(f"[{option.flags[0]}{value}]")
    return f"Usage: %%ollama [MODEL] {' '.join(parts)}"


def option_rows(options: Sequence[Option] = OPTIONS) -> list[tuple[str, str]]:
    """Each option as (how to write it, what it means)."""
    rows = []
    for option in options:
        value = f" [{option.metavar}]" if option.optional else (f" {option.metavar}" if option.metavar else "")
        shown = "/".join(flag for flag in option.flags if flag.startswith("-")) + value
        choices = f": {', '.join(option.choices)}" if option.choices else ""
        rows.append((f"MODEL, {shown}" if option.flags[0] == "MODEL" else shown, option.help + choices))
    return rows


def markdown_table() -> str:
    """The options as a Markdown table, for the README."""
    rows = [f"| `{written}` | {meaning} |" for written, meaning in option_rows()]
    return "\n".join(["| option | meaning |", "| --- | --- |", *rows])
