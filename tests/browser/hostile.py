"""Cells that show hostile answers, models and errors in every place where a notebook shows some."""

from __future__ import annotations

from typing import Any, Final

from ollama_magic.render.markdown import parser
from tests.render.payloads import PAYLOADS

__all__ = ["CODE_CELLS", "EVERYTHING", "MODEL", "ORDINARY", "OTHER_MODEL", "SHORT", "as_ordinary", "told"]

MODEL: Final = "<img/src=x/onerror=window.pwned(1)>:1b"
OTHER_MODEL: Final = "</td><script>window.pwned(1)</script>:1b"


def together(payloads: tuple[str, ...]) -> str:
    """Many payloads as one answer: a fence that one leaves open is closed, so that the next is no code."""
    parts = []
    for text in payloads:
        tokens = parser().parse(text)
        last = text.rstrip().rpartition("\n")[2].strip("> -")
        is_open = bool(tokens) and tokens[-1].type == "fence" and last != tokens[-1].markup
        parts.append(f"{text}\n{tokens[-1].markup}" if is_open else text)
    return "\n\n".join(parts)


EVERYTHING: Final = together(PAYLOADS).encode("utf-8", "replace").decode()
SHORT: Final = tuple(text.encode("utf-8", "replace").decode() for text in PAYLOADS if len(text) < 200)

ORDINARY: Final = """\
# A heading

Here a < b and c > d, **bold**, `x<T>` and Vec<T>, R&D.

```cpp
std::vector<T> v; // a < b && c > d
```

Maths: $x<y$ costs $5 and $10.

| a | b |
|---|---|
| 1 < 2 | `<T>` |

$$\\sum_{i<n} i$$
"""


def as_ordinary(place: Any) -> None:
    """Ordinary Markdown, code and maths look as they should within `place`."""
    place.locator("mjx-container").nth(1).wait_for(state="attached")
    text = place.inner_text()
    for part in (
        "A heading",
        "a < b and c > d",
        "bold",
        "x<T>",
        "Vec<T>",
        "R&D",
        "std::vector<T> v; // a < b && c > d",
    ):
        assert part in text, f"{part!r} is not in {text!r}"
    assert "costs $5 and $10." in text
    assert place.locator("h1").inner_text() == "A heading"
    assert place.locator("td").all_inner_texts() == ["1 < 2", "<T>"]
    assert place.locator("td code").inner_text() == "<T>"
    letters = "node => [...node.querySelectorAll('mjx-c')].map(c => c.className.match(/mjx-c([0-9A-F]+)/)[1])"
    inline, block = place.locator("mjx-container").all()
    assert inline.evaluate(letters) == ["1D465", "3C", "1D466"], "x < y in italics"
    assert "2211" in block.evaluate(letters)
    assert block.get_attribute("display") == "true"


def told(text: str, size: int = 37) -> list[str]:
    """`text` as the tokens of a stream; whatever there is is cut in two somewhere."""
    return [text[start : start + size] for start in range(0, len(text), size)]


_NAMES = "from tests.browser.hostile import *\nimport ollama_magic, ollama_magic.events as ev\n"

# Every payload by itself, as answers are kept: in one output, since a front end shows but fifty of a cell.
_ALONE = """\
from IPython.display import display
from ollama_magic.render.bundle import answer_bundle
from tests.render.payloads import PAYLOADS
call = lambda p: ev.ToolResult(ev.ToolCall(p, {p: p}), p)
kept = lambda p: answer_bundle(ev.Answer(p, p, model=p, mode=p, surface=p, reason="incomplete", error=p, notices=(p,),
    included=((p, 3),), tool_results=(call(p),)))[0]["text/html"]
display({"text/html": "".join(kept(p) for p in PAYLOADS), "text/plain": ""}, raw=True)
"""
# And what would stop or crash the page: it is there afterwards.
_BURDENS = """\
from tests.render.tricks import BOMBS
shown = "".join(answer_bundle(ev.Answer(text))[0]["text/html"] for text in BOMBS)
display({"text/html": shown, "text/plain": ""}, raw=True)
"""
_EVALUATED = """\
from ollama_magic.evaluating.checks import Verdict
from ollama_magic.evaluating import Evaluation
from ollama_magic.evaluating.trials import Trial
texts, models, checks = SHORT[:12], SHORT[12:18], SHORT[18:20]
run = Evaluation(texts, models, checks, tuple(
    Trial(n, text, model, 1, text, tuple(Verdict(check, bool(n % 2), error=text) for check in checks),
          model if n == 4 else "", 0.5 + n, 0.1, 40.0)
    for n, text in enumerate(texts) for model in models), 1)
run
"""
_LIKE = """\
import numpy
ollama_magic.similarity(numpy.random.default_rng(1).normal(size=(8, 4)), labels=list(SHORT[30:38]))
"""
_ERRORS = """\
for line in ("", "", "", "", "", "", "", "--mode <script>", "-m <img/src=x/onerror=pwned(1)>:none", "--host http://<b>"):
    try:
        get_ipython().run_cell_magic("ollama", f"-m llama3.2 {line}", "fail")
    except Exception:
        get_ipython().showtraceback()
"""

CODE_CELLS: Final = (
    _NAMES,
    _ALONE,
    _BURDENS,
    "%%ollama -m llama3.2\nall of it, thought and said",
    "%%ollama -m llama3.2 -f html\na page",
    "%%ollama -m llama3.2 -f math\na formula",
    "%%ollama -m llama3.2 -f json\nan object",
    "%%ollama -m llama3.2 -f text\na text",
    "%%ollama -m llama3.2 --tokens 3\nits tokens",
    "def echo(text: str) -> str:\n    'Say it again.'\n    return text",
    "%%ollama -m llama3.2 --tools echo\ncall it",
    f"%%ollama -m '{MODEL}' -i who\nwho are you <img src=x onerror=window.pwned(1)>?",
    "%ollama threads",
    "%ollama history",
    f"%%ollama -m llama3.2 --dry-run -s '{MODEL}'\n<script>window.pwned(1)</script>",
    "%ollama list",
    "%ollama ps",
    "%ollama status",
    f"%ollama show '{MODEL}'",
    "%ollama show llama3.2 template",
    "try:\n    %ollama pull tiny:1b\nexcept Exception:\n    get_ipython().showtraceback()",
    _ERRORS,
    _EVALUATED,
    "run.latency()",
    _LIKE,
    f"%%ollama --compare '{MODEL},{OTHER_MODEL},llama3.2'\ncompare",
    "%ollama diff A C",
    "ollama_magic.map(list(SHORT[:6]), 'Say {item}', model='llama3.2', cache='off')",
    "%%ollama -m llama3.2 --bg --out later\nin the background",
    "%ollama jobs wait all",
    "%ollama jobs",
    "%ollama jobs show 1",
)
