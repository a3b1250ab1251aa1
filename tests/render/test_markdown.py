"""Ordinary Markdown looks as it should; odd Markdown loses nothing and costs no more than its length."""

from __future__ import annotations

import time

import pytest

from ollama_magic.render.inert import inert_markdown
from ollama_magic.render.markdown import MAX_MARKDOWN, markdown_html, safe_url
from ollama_magic.render.maths import is_safe_maths
from tests.tables import folded

from .payloads import problems, text_of

M = '<span class="tex2jax_process mathjax_process">'


@folded(
    ("markdown", "html"),
    [
        ("plain", "<p>plain</p>"),
        ("a < b and b > c & d", "<p>a &lt; b and b &gt; c &amp; d</p>"),
        ("List<T> or vector<int>", "<p>List&lt;T&gt; or vector&lt;int&gt;</p>"),
        ("**bold** *em* ~~gone~~", "<p><strong>bold</strong> <em>em</em> <s>gone</s></p>"),
        ("`a<b>`", "<p><code>a&lt;b&gt;</code></p>"),
        ("# One\n\n### Three", "<h1>One</h1>\n<h3>Three</h3>"),
        ("> quoted", "<blockquote>\n<p>quoted</p>\n</blockquote>"),
        ("a\\\nb  \nc\nd", "<p>a<br>\nb<br>\nc\nd</p>"),
        ("---", "<hr>"),
        ("3. c\n4. d", '<ol start="3">\n<li>\nc\n</li>\n<li>\nd\n</li>\n</ol>'),
        ("$x<y$", f"<p>{M}$x&lt;y$</span></p>"),
        (r"\(x\) and \[y\]", f"<p>{M}$x$</span> and {M}$$y$$</span></p>"),
        ("$$\na\n= b\n$$", f"<p>{M}$$a\n= b$$</span></p>"),
        ("\\[\na\n- b\n\\]", f"<p>{M}$$a\n- b$$</span></p>"),
        ("Text:\n\\begin{align}\na &= b\n\\end{align}", "Text:"),
        ("$5 and $10, $5/$6, US$5, 2$", "<p>$5 and $10, $5/$6, US$5, 2$</p>"),
        ("`$x$` costs \\$5", "<p><code>$x$</code> costs $5</p>"),
        ("$\\text{if } x$", f"<p>{M}$\\text{{if }} x$</span></p>"),
        ("$a\\label{eq:1}$", f"<p>{M}$a$</span></p>"),
        (
            "[t](https://a.org/?x=1&y=2)",
            (
                '<a href="https://a.org/?x=1&amp;y=2" target="_blank" rel="noopener noreferrer nofollow" '
                'style="text-decoration:underline">t</a>'
            ),
        ),
        ("<me@a.org>", '<a href="mailto:me@a.org"'),
        ("[r]\n\n[r]: https://a.org", '<a href="https://a.org"'),
        ("![cat](https://a.org/c.png)", ">🖼 cat (a.org)</a>"),
        ("[![cat](https://a.org/c.png)](https://b.org)", "🖼 cat (a.org)</a>"),
        ("| a | b |\n|:-:|--:|\n| 1 | 2 |", '<td style="text-align:center">1</td><td style="text-align:right">2</td>'),
        ("```python\nif x < 1: pass\n```", ">if </span>x &lt; <span"),
        ("```\na < b\n```", ">a &lt; b\n</code></pre>"),
        ("```nosuchlanguage\n<b>\n```", ">&lt;b&gt;\n</code></pre>"),
        ("```python\nnever closed", "never closed"),
    ],
)
def test_ordinary_markdown(markdown: str, html: str) -> None:
    rendered = markdown_html(markdown)
    assert html in rendered
    assert problems(rendered) == []


def test_nested_lists_nest() -> None:
    html = markdown_html("1. one\n   - inner\n\n     ```python\n     x = 1\n     ```\n2. two\n")
    assert html.index("<ol>") < html.index("<ul>") < html.index("<pre") < html.index("</ul>") < html.index("</ol>")


@folded(
    "tex",
    ["x^2", r"\frac{a}{b}", r"\color{red}{x}", r"\textcolor{#ff0000}{x}", r"\text{a \$5}", r"\ce{H2O}", "f'(x) \\, dx"],
)
def test_ordinary_maths_is_typeset(tex: str) -> None:
    assert is_safe_maths(tex)


@folded("tex", [r"\href{a}{b}", r"\Def\x{1}", "{", "}", "a$b", r"\htmlId{a}{b}", "x" * 5_000])
def test_other_maths_is_shown_as_code(tex: str) -> None:
    assert not is_safe_maths(tex)


@folded(
    ("url", "good"),
    [
        ("https://a.org", True),
        ("HTTP://a.org/b?c=d#e", True),
        ("mailto:a@b.org", True),
        ("javascript:alert(1)", False),
        ("https:a", False),
        ("https://", False),
        ("//a.org", False),
        ("/a", False),
        ("https://a.org/\u200b", False),
        ("http://[::1", False),
        ("", False),
    ],
)
def test_links(url: str, good: bool) -> None:
    assert safe_url(url) == (url if good else "")


@folded(
    "text",
    [
        "a < b, b > c, 1 <2, x <= y",
        "`vector<int>` and ``<b>``",
        "```cpp\nvector<int> x; // <T>\nif (a < b) {}\n```\n\nafter",
        "before\n\n```html\n<b>bold</b>\n```",
        "| a | b |\n|---|---|\n| 1 | 2 |",
        r"$x < y$ and \(a \le b\) and $$\frac{a}{b}$$",
        "[t](https://a.org/x_(y)) is [r]\n\n[r]: https://a.org",
        '[t](https://a.org "a title") <- arrow',
        "1. one\n   - two\n     - three\n\n> quote",
        "a[0]: first, b[i](x) and \\alpha",
    ],
)
def test_ordinary_markdown_stays_as_it_is(text: str) -> None:
    if "x_(y)" in text or "b[i](x)" in text:
        # Rare, and harmless: a link with brackets in it, and an index before a call, get a space.
        assert inert_markdown(text).replace("] (", "](") == text
    else:
        assert inert_markdown(text) == text


@folded(
    ("text", "inert"),
    [
        ("<b>x</b>", "&lt;b>x&lt;/b>"),
        ("$x<y$", "$x< y$"),
        ("![cat](https://a.org/c.png)", "🖼 [cat](https://a.org/c.png)"),
        ("![](https://a.org/c.png)", "🖼 [picture](https://a.org/c.png)"),
        ("[x](javascript:y)", "[x] (javascript:y)"),
        ("```py\nunfinished <b>", "```py\nunfinished <b>\n```"),
    ],
)
def test_what_would_be_live_is_not(text: str, inert: str) -> None:
    assert inert_markdown(text) == inert


N = 16_000
AWFUL = {
    "stars": "*" * N,
    "brackets": "[" * N,
    "links": "[a](" * (N // 4),
    "pictures": "![" * (N // 2),
    "quotes": ">" * N,
    "lazy quotes": "> " * 100 + "a\n" + "b\n" * 5000,
    "deep lists": "".join(" " * (2 * i) + "- a\n" for i in range(170)),
    "backticks": "".join("`" * i + " " for i in range(1, 180)),
    "wide table": "|a" * 400 + "\n" + "|-" * 400 + "\n" + "|\n" * 4000,
    "dollars": "$a " * (N // 3),
    "escaped dollars": "$" + "\\$" * (N // 2),
    "backslashes": "$a" + "\\" * N + "$",
    "maths openings": "\\[\n" * (N // 3),
    "environments": "\\begin{align}\n" * (N // 14),
    "fences": "- ```\n" * (N // 6),
    "tabs": "\t" * N,
    "definitions": "[a]:\n" * (N // 5),
    "escapes": "\x1b]a" * (N // 3),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", AWFUL)
def test_awful_markdown_takes_seconds_at_most(name: str) -> None:
    begun = time.process_time()
    html = markdown_html(AWFUL[name])
    inert_markdown(AWFUL[name])
    assert time.process_time() - begun < 10  # milliseconds to a second here; what is not linear takes minutes
    assert problems(html) == []
    assert len(html) < 25 * len(AWFUL[name]) + 20_000


def test_deep_nesting_loses_nothing() -> None:
    text = "> " * 60 + "the end"
    assert "the end" in text_of(markdown_html(text))
    assert "a" * 5 in text_of(markdown_html(AWFUL["deep lists"])).replace("\n", "").replace(" ", "").replace("-", "")


def test_a_long_text_is_rendered_in_pieces_and_keeps_its_references() -> None:
    text = "".join(f"Paragraph {n} with **bold** and [r].\n\n" for n in range(1_000)) + "[r]: https://a.org\n"
    html = markdown_html(text)
    assert html.count("<strong>bold</strong>") == 1_000
    assert html.count('<a href="https://a.org"') == 1_000
    assert problems(html) == []


def test_a_very_long_text_is_shown_as_it_is() -> None:
    text = "**b** <i>\n" * (MAX_MARKDOWN // 10 + 1)
    html = markdown_html(text)
    assert html.startswith("<pre")
    assert problems(html) == []
    assert text_of(html).strip() == text.strip()
