"""Nothing a model writes becomes live: not in the final output, not in any repaint, not in the Markdown beside it."""

from __future__ import annotations

import re
import time
from itertools import accumulate

import pytest
from markdown_it import MarkdownIt

from ollama_magic.events import Done, Notice, Progress, Text, Thinking, ToolCall, ToolRequest
from ollama_magic.render.bundle import answer_bundle
from ollama_magic.render.inert import inert_markdown
from ollama_magic.render.live import LiveView
from ollama_magic.render.markdown import markdown_html
from ollama_magic.render.maths import is_burden, is_safe_maths
from tests.tables import folded

from .fakes import Clock, FakeSettings, Screen, answer_of, start, whole
from .payloads import PAYLOADS, problems, text_of
from .tricks import BOMBS


def test_there_are_many_payloads() -> None:
    assert len(set(PAYLOADS)) >= 150


@folded("text", PAYLOADS)
def test_only_our_own_tags_come_out(text: str) -> None:
    assert problems(markdown_html(text)) == []


@pytest.mark.slow
@folded("form", ["markdown", "text", "json"])
@folded("text", PAYLOADS)
def test_saved_html_is_safe_wherever_the_payload_stands(text: str, form: str) -> None:
    answer = answer_of(
        start(text), Notice(text), Thinking(text), Text(text), ToolRequest((ToolCall(text, {}),)), error=text
    )
    data, _ = answer_bundle(answer, form)
    assert problems(data["text/html"]) == []
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", data["text/plain"])


@pytest.mark.slow  # all of them together
@pytest.mark.parametrize("whole_cell", [True, False])
@pytest.mark.parametrize("text", PAYLOADS)
def test_every_repaint_is_safe_and_balanced(text: str, whole_cell: bool) -> None:
    clock = Clock()
    screen = Screen(clock)
    view = LiveView(screen, FakeSettings(), whole_cell=whole_cell, clock=clock)
    view.show([start(text), Progress(text), Notice(text)])
    pieces = [Thinking(text), *(Text(text[n : n + 7]) for n in range(0, len(text), 7))]
    for piece in pieces:
        clock.now += 1
        view.show([piece])
    view.finish(whole(text))
    assert len(screen.sent) >= len(pieces)
    for html in screen.htmls():
        assert problems(html) == []


def test_all_payloads_together_are_safe() -> None:
    text = "\n\n".join(PAYLOADS)
    assert problems(markdown_html(text)) == []
    assert problems(markdown_html("\n".join(PAYLOADS))) == []
    assert problems(markdown_html("".join(PAYLOADS))) == []


@folded("text", ["<img src=x onerror=alert(1)>", "a </p> b", "<script>alert(1)</script>", "[x](javascript:alert(1))"])
def test_raw_html_and_bad_links_are_shown_as_the_text_they_are(text: str) -> None:
    assert text in text_of(markdown_html(text))


HARMLESS = {r"$\begin{array}{*{999999999}{c}}a\end{array}$"}  # which MathJax bounds itself


@pytest.mark.slow
@folded("text", BOMBS)
def test_what_would_burden_the_page_is_shown_as_text(text: str) -> None:
    begun = time.process_time()
    html = markdown_html(text)
    assert time.process_time() - begun < 5
    assert problems(html) == []
    assert len(html) < 20 * len(text) + 20_000
    assert deepest(html) <= 40
    if text not in HARMLESS:
        assert "mathjax_process" not in html


@pytest.mark.slow
@folded("text", BOMBS)
def test_the_markdown_beside_it_is_no_burden_either(text: str) -> None:
    inert = inert_markdown(text)
    assert "$" not in inert or not is_burden(inert)
    assert live_parts(inert[:4000]) == []


@folded(
    "tex",
    [r"\frac{1}{2}", r"\text{100 cm}", r"a \\ 100 cm", r"\hspace{1cm}", r"\\[2ex]", r"\left(\frac{a}{b}\right)", "a'"],
)
def test_what_people_write_is_no_burden(tex: str) -> None:
    assert is_safe_maths(tex)


def deepest(html: str) -> int:
    """How deep the elements lie in each other."""
    depths = accumulate(-1 if tag[1] == "/" else 1 for tag in re.findall(r"</?(?!br|hr)[a-z][^>]*>", html))
    return max(depths, default=0)


# ---- the Markdown beside it ------------------------------------------------------------------------------------

_LOOSE = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
_LOOSE.validateLink = lambda url: True  # type: ignore[method-assign]


def live_parts(markdown: str) -> list[str]:
    """What a careless front end would make live: raw HTML, pictures, odd links, anything in attributes."""
    found: list[str] = []
    for block in _LOOSE.parse(markdown):
        for token in (block, *(block.children or ())):
            if token.type in ("html_block", "html_inline", "image"):
                found.append(f"{token.type}: {token.content}")
            if token.type == "link_open" and not re.match(r"https?://|mailto:", str(token.attrs["href"]), re.I):
                found.append(f"link: {token.attrs['href']}")
            if token.type == "link_open" and re.search(
                r"[$\"<>\\]|%22|%24|@@", " ".join(map(str, token.attrs.values()))
            ):
                found.append(f"attributes: {token.attrs}")
            if token.type == "fence" and re.search(r"[^\w+#.-]|mermaid", token.info):
                found.append(f"fence: {token.info}")
    return found


def without_maths(markdown: str) -> str:
    """As JupyterLab does it before parsing, roughly: maths out, a placeholder in."""
    return re.sub(r"\$\$.*?\$\$|\$[^$]*\$", "@@0@@", markdown, flags=re.DOTALL)


@folded("text", PAYLOADS)
def test_the_markdown_is_inert(text: str) -> None:
    inert = inert_markdown(text)
    assert live_parts(inert) == []
    assert live_parts(without_maths(inert)) == []
    # JupyterLab would put maths that begins in an address back into the link's attribute, unescaped.
    prose = re.sub(r"^```.*?^```$", "", inert, flags=re.DOTALL | re.MULTILINE)
    assert not re.search(r"(?:://|www\.)\S*[$\\]", prose)
    assert not re.search(r"\\(href|url|style|class|cssId|require|def|let|bbox|unicode)\b", inert)


def test_all_markdown_together_is_inert() -> None:
    assert live_parts(inert_markdown("\n\n".join(PAYLOADS))) == []


@folded("text", PAYLOADS)
def test_a_tag_outside_code_never_survives(text: str) -> None:
    """No parser needed: no `<` before a tag's start is left, but in fences."""
    inert = inert_markdown(f"Some words, then {text}")
    prose = re.sub(r"^(```+)[\w+#.-]*\n.*?^\1$", "", inert, flags=re.DOTALL | re.MULTILINE)
    prose = re.sub(r"`[^`\n]*`", "", prose)
    assert not re.search(r"<[A-Za-z/!?]", prose)


def test_done_is_not_needed() -> None:
    data, metadata = answer_bundle(answer_of(start("<b>"), Done("<i>\x1b[31m")))
    assert problems(data["text/html"]) == []
    assert metadata["ollama_magic"]["reason"] == "<i>"
