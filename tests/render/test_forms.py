"""Pages and formulas that a model wrote."""

from __future__ import annotations

import re
from html import unescape

from ollama_magic.render.forms import formula, page_html, unfenced
from tests.tables import folded


def page_of(html: str) -> str:
    """What the frame shows, after the policy."""
    match = re.search(r'srcdoc="([^"]*)"', html)
    assert match
    return unescape(match[1]).partition('data:">')[2]


def test_a_page_is_in_a_frame_without_any_permission_and_its_source_stands_below() -> None:
    html = page_html("```html\n<h1>Hi</h1>\n```")
    assert 'sandbox=""' in html
    assert "default-src 'none'" in unescape(html)
    assert page_of(html) == "<h1>Hi</h1>"
    assert "<details>" in html


@folded(
    "evil",
    [
        "<script>alert(1)</script>",
        "<SCRIPT>alert(1)</SCRIPT>",
        "<script>alert(1)",
        "<iframe src='https://e.example'></iframe>",
        "<link rel=preconnect href=https://e.example>",
        "<meta http-equiv=refresh content='0;url=https://e.example'>",
        "<base href=https://e.example>",
        "<object data=https://e.example></object>",
        "<img src=https://e.example/x.png>",
        "<img srcset='https://e.example/x.png 2x'>",
        "<img src=x onerror=alert(1)>",
        "<a href=https://e.example ping=https://e.example>x</a>",
        "<a href=' javascript:alert(1)'>x</a>",
        "<form action=https://e.example><input name=a></form>",
        "<svg><image xlink:href=https://e.example/x.png /></svg>",
        "<video poster=https://e.example/x.png></video>",
        "<body background=https://e.example/x.png>",
    ],
)
def test_nothing_in_a_page_loads_or_runs(evil: str) -> None:
    page = page_of(page_html(f"<p>before</p>{evil}<p>after</p>"))
    assert "e.example" not in page
    assert "alert" not in page or "<p>after</p>" not in page
    assert "<p>before</p>" in page
    assert not re.search(r"<(script|iframe|link|meta|base|object|form|input|video)|\\son\\w+=", page, re.IGNORECASE)


def test_ordinary_pages_stay() -> None:
    page = '<table style="color:red"><tr><td>1 &lt; 2 &#36;</td></tr></table><img src="data:image/png;base64,AA">'
    assert page_of(page_html(page)) == page


@folded(
    ("text", "shown"),
    [
        ("x^2", "$$\nx^2\n$$"),
        ("```latex\nx^2\n```", "$$\nx^2\n$$"),
        ("$x$ is", "$x$ is"),
        ("\\[x\\]", "\\[x\\]"),
        ("", ""),
    ],
)
def test_formulas_get_delimiters_where_they_have_none(text: str, shown: str) -> None:
    assert formula(text) == shown


def test_a_fence_around_all_of_it_is_taken_off() -> None:
    assert unfenced("```python\nx\n```") == "x"
    assert unfenced("a ```x``` b") == "a ```x``` b"
