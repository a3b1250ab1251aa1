"""Hostile answers, and a check that HTML holds nothing but what a reader may see."""

from __future__ import annotations

import re
from html.parser import HTMLParser

from ollama_magic.render.markdown import ELEMENTS

from .tricks import TRICKS

PWN = "window.__pwned=1"

PAYLOADS: tuple[str, ...] = (
    # HTML that runs by itself
    f"<script>{PWN}</script>",
    f"<ScRiPt >{PWN}</sCrIpT >",
    f"<script\n>{PWN}</script\n>",
    f"<script src=data:text/javascript,{PWN}></script>",
    f"<img src=x onerror={PWN}>",
    f'<img src="x" onerror="{PWN}">',
    f"<img/src=x/onerror={PWN}>",
    f"<img src=x onerror\n=\n{PWN}\n>",
    f"<IMG SRC=x ONERROR={PWN}>",
    f"<body onload={PWN}>",
    f"<input autofocus onfocus={PWN}>",
    f"<video><source onerror={PWN}></video>",
    f"<audio src=x onerror={PWN}>",
    f"<details open ontoggle={PWN}>x</details>",
    f"<marquee onstart={PWN}>x</marquee>",
    f'<iframe srcdoc="<script>parent.{PWN}</script>"></iframe>',
    f"<iframe src=javascript:parent.{PWN}></iframe>",
    f"<object data=javascript:{PWN}></object>",
    f"<embed src=javascript:{PWN}>",
    f'<form action="javascript:{PWN}"><button>x</button></form>',
    f'<meta http-equiv="refresh" content="0;url=javascript:{PWN}">',
    "<link rel=stylesheet href=http://pwned.invalid/x.css>",
    '<style>@import "http://pwned.invalid/x.css"; body{display:none}</style>',
    "<base href=http://pwned.invalid/>",
    f"<template><script>{PWN}</script></template>",
    f'<noscript><p title="</noscript><img src=x onerror={PWN}>"></noscript>',
    f'<!--<img src="--><img src=x onerror={PWN}>">',
    f"<!DOCTYPE html [<!ENTITY x '<script>{PWN}</script>'>]>&x;",
    f"<?xml version='1.0'?><script>{PWN}</script>",
    f"<![CDATA[<script>{PWN}</script>]]>",
    f"</p><script>{PWN}</script><p>",
    f"</div></pre></code></details></span><img src=x onerror={PWN}>",
    f"</textarea></title></style><img src=x onerror={PWN}>",
    f"<a href=x onclick={PWN}>x</a>",
    f"<button data-commandlinker-command='x' onclick={PWN}>x</button>",
    f"<x onpointerenter={PWN} style=position:fixed;inset:0>x</x>",
    f"<img src=x\x00onerror={PWN}>",
    f"<\x00script>{PWN}</script>",
    f"<scr\x1b[0mipt>{PWN}</script>",
    f"<sc\u202eript>{PWN}</script>",
    f"<\uff53cript>{PWN}</\uff53cript>",
    f"\uff1cscript\uff1e{PWN}\uff1c/script\uff1e",
    # SVG and MathML
    f"<svg onload={PWN}>",
    f"<svg><script>{PWN}</script></svg>",
    f"<svg><animate onbegin={PWN} attributeName=x dur=1s></svg>",
    f"<svg><a xlink:href=javascript:{PWN}><text y=20>x</text></a></svg>",
    f'<svg><use href="data:image/svg+xml,<svg id=x><script>{PWN}</script></svg>#x"></svg>',
    f"<svg><foreignObject><iframe onload={PWN}></iframe></foreignObject></svg>",
    "<svg><image href=http://pwned.invalid/x.png></svg>",
    f"<math><maction actiontype=statusline xlink:href=javascript:{PWN}>x</maction></math>",
    f"<math href=javascript:{PWN}>x</math>",
    f"<math><mtext><table><mglyph><style><img src=x onerror={PWN}>",
    # entities
    f"&lt;script&gt;{PWN}&lt;/script&gt;",
    f"&#60;img src=x onerror={PWN}&#62;",
    f"&#x3c;img src=x onerror={PWN}&#x3e;",
    f"&lt img src=x onerror={PWN}&gt",
    # links
    f"[x](javascript:{PWN})",
    f"[x](JaVaScRiPt:{PWN})",
    f"[x]( javascript:{PWN})",
    f"[x](<javascript:{PWN}>)",
    f"[x](<java\tscript:{PWN}>)",
    f"[x](java\nscript:{PWN})",
    f"[x](java&Tab;script:{PWN})",
    f"[x](java&NewLine;script:{PWN})",
    f"[x](&#106;avascript:{PWN})",
    f"[x](&#x6A;avascript:{PWN})",
    f"[x](javascript&colon;{PWN})",
    f"[x](javascript\\:{PWN})",
    f"[x](j\\avascript:{PWN})",
    f"[x](%6aavascript:{PWN})",
    f"[x](\x01javascript:{PWN})",
    f"[x](\u200bjavascript:{PWN})",
    f"[x](\u2028javascript:{PWN})",
    f"[x](feed:javascript:{PWN})",
    f"[x](view-source:javascript:{PWN})",
    f"[x](vbscript:{PWN})",
    f"[x](data:text/html,<script>{PWN}</script>)",
    "[x](data:text/html;base64,PHNjcmlwdD4=)",
    "[x](file:///etc/passwd)",
    "[x](blob:http://x/y)",
    "[x](//pwned.invalid/x)",
    "[x](/lab/api/terminals)",
    "[x](#jp-main)",
    "[x](http:javascript)",
    "[x](https:\\\\pwned.invalid)",
    "[x](http://pwned.invalid\\@good.invalid)",
    f'[x](http://a.invalid "t\\" onmouseover={PWN}")',
    f"[x](http://a.invalid 't\"onmouseover={PWN}//')",
    f'[x](http://a.invalid/"onmouseover={PWN}//)',
    f"[x](http://a.invalid/'onmouseover={PWN}//)",
    f"[x](<http://a.invalid/><img src=x onerror={PWN}>)",
    f"[x]: javascript:{PWN}\n\n[x]",
    f"[x]:\njavascript:{PWN}\n\n[x]",
    f"[x]: <javascript:{PWN}>\n\n[y][x]",
    f"> [x]: javascript:{PWN}\n\n[x][]",
    f"- [x]: data:text/html,<script>{PWN}</script>\n\n[x]",
    f'[x]: http://a.invalid "\\" onmouseover={PWN}"\n\n[x]',
    f"<javascript:{PWN}>",
    f"<data:text/html,<script>{PWN}</script>>",
    f'<http://a.invalid/?"onmouseover={PWN}>',
    f'http://a.invalid/"onmouseover={PWN}',
    f"www.a.invalid/'onmouseover={PWN}",
    # pictures
    "![x](http://pwned.invalid/x.png)",
    '![x](http://pwned.invalid/x.png "title")',
    f'![x](x "onerror={PWN}")',
    f'!["onerror={PWN}](http://pwned.invalid/x.png)',
    f"![<img src=x onerror={PWN}>](http://pwned.invalid/x.png)",
    f"![x](javascript:{PWN})",
    f"![x](data:image/svg+xml,<svg onload={PWN}>)",
    "![x](data:image/png;base64,iVBORw0KGgo=)",
    "![x][r]\n\n[r]: http://pwned.invalid/x.png",
    "![r]\n\n[r]: http://pwned.invalid/x.png",
    "[![x](http://pwned.invalid/x.png)](http://a.invalid)",
    f"[![x](javascript:{PWN})](javascript:{PWN})",
    "[a [b](http://b.invalid) c](http://c.invalid)",
    "!\\[x](http://pwned.invalid/x.png)",
    "\\![x](http://pwned.invalid/x.png)",
    # inside other constructs
    f"| <img src=x onerror={PWN}> | `<b>` |\n|---|:-:|\n| <script>{PWN}</script> | [x](javascript:{PWN}) |",
    f"| `a | <img src=x onerror={PWN}>` | b |\n|---|---|\n| `c | <img src=x onerror={PWN}>` | d |",
    f"```html\n<img src=x onerror={PWN}>",
    f'```"onmouseover={PWN}\n<img src=x onerror={PWN}>\n```',
    f"```<img src=x onerror={PWN}>\nx\n```",
    f'```language-$"onmouseover={PWN}//$\nx\n```',
    f"~~~\n```\n~~~\n<img src=x onerror={PWN}>\n```",
    f"- ```\n```\n<img src=x onerror={PWN}>\n```",
    f"> ```\n```\n<img src=x onerror={PWN}>\n```",
    f"$$\n```\n$$\n<img src=x onerror={PWN}>\n```",
    f"    <img src=x onerror={PWN}>",
    f"`<img src=x onerror={PWN}>",
    f"``<img src=x onerror={PWN}>`",
    f"\\`<img src=x onerror={PWN}>`",
    f"[a](x`y) <img src=x onerror={PWN}>`",
    f"*a `b* <img src=x onerror={PWN}>` c",
    f"`a\n\n<img src=x onerror={PWN}>`",
    f"# <img src=x onerror={PWN}>",
    f"<img src=x onerror={PWN}>\n===",
    f"> <img src=x onerror={PWN}>",
    f"1. <img src=x onerror={PWN}>",
    f"**<img src=x onerror={PWN}>**",
    f"~~<img src=x onerror={PWN}>~~",
    f"[<img src=x onerror={PWN}>](http://a.invalid)",
    f'```mermaid\ngraph TD; A-->B; click A href "javascript:{PWN}"\n```',
    # maths
    f"$<img src=x onerror={PWN}>$",
    f"$$<script>{PWN}</script>$$",
    f"$\\href{{javascript:{PWN}}}{{x}}$",
    f"$$\\url{{javascript:{PWN}}}$$",
    "$\\class{x}{y}\\cssId{jp-main}{y}\\style{background:url(http://pwned.invalid)}{y}$",
    "$\\bbox[background:url(http://pwned.invalid)]{x}$",
    "$\\require{html}\\data{a=b}{x}$",
    f"$\\def\\x{{\\hr}}\\let\\y\\href \\y{{javascript:{PWN}}}{{x}}$",
    "$\\unicode[font:url(http://pwned.invalid)]{x41}$",
    f'$\\mmlToken{{mtext}}[href="javascript:{PWN}"]{{x}}$',
    "$\\htmlClass{x}{y} \\htmlData{a=b}{c} \\includegraphics{http://pwned.invalid/x.png}$",
    "$\\color{red;background:url(http://pwned.invalid)}{x}$",
    f"\\(\\href{{javascript:{PWN}}}{{x}}\\)",
    f"\\[\n\\href{{javascript:{PWN}}}{{x}}\n\\]",
    f"\\begin{{align}}\n\\href{{javascript:{PWN}}}{{x}}\n\\end{{align}}",
    f"$a$<img src=x onerror={PWN}>$b$",
    f"$ \\href{{javascript:{PWN}}}{{x}} $",
    f'[a](http://x.invalid/$"onmouseover={PWN}//$)',
    f'http://x.invalid/$"onmouseover={PWN}//$',
    f"[a](http://x.invalid '$\"onmouseover={PWN}//$')",
    f'![$"onerror={PWN}//$](http://pwned.invalid/x.png)',
    f"@@0@@ <img src=x onerror={PWN}> $x$",
    f"`$` <img src=x onerror={PWN}> `$`",
    f"$`$ <img src=x onerror={PWN}> `",
    # other markup languages
    f"{{{{constructor.constructor('{PWN}')()}}}}",
    f"<%= {PWN} %>",
    f":::{{raw}} html\n<script>{PWN}</script>\n:::",
    f"```{{raw}} html\n<script>{PWN}</script>\n```",
    f"Text[^1]\n\n[^1]: <img src=x onerror={PWN}>",
    f'a{{onclick="{PWN}"}} {{: onclick="{PWN}"}}',
    f"+ADw-script+AD4-{PWN}+ADw-/script+AD4-",
    "\ud800<img src=x onerror=window.__pwned=1>\udc00",
    *TRICKS,
)

_VOID = frozenset({"br", "hr"})
_CLASSES = frozenset({"ollama-magic tex2jax_ignore mathjax_ignore", "tex2jax_process mathjax_process"})
_STYLE = re.compile(
    r"[\w:;.,%# -]*"
    r"(?:(?:(?:var|rgba)\([\w#.,-]+\)|color-mix\(in srgb,var\([\w#.,-]+\) 70%,currentColor\))[\w:;.,%# -]*)*",
    re.ASCII,
)


class Checker(HTMLParser):
    """Collects what must not be in an answer's HTML."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.problems: list[str] = []
        self.open: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ELEMENTS:
            self.problems.append(f"<{tag}>")
            return
        for name, value in attrs:
            if name not in ELEMENTS[tag] or not self._is_fine(name, value or ""):
                self.problems.append(f"<{tag} {name}={value!r}>")
        if tag == "a" and "a" in self.open:
            self.problems.append("a link in a link")
        if tag not in _VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.problems.append(f"unbalanced </{tag}>")

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def handle_comment(self, data: str) -> None:
        self.problems.append(f"comment {data!r}")

    def handle_decl(self, decl: str) -> None:
        self.problems.append(f"declaration {decl!r}")

    def handle_pi(self, data: str) -> None:
        self.problems.append(f"instruction {data!r}")

    def unknown_decl(self, data: str) -> None:
        self.problems.append(f"declaration {data!r}")

    @staticmethod
    def _is_fine(name: str, value: str) -> bool:
        if name == "href":
            return re.match(r"(https?://[^/\\\s]|mailto:)[^\s<>\"\\]*\Z", value, re.IGNORECASE) is not None
        if name == "class":
            return value in _CLASSES
        if name == "style":
            return _STYLE.fullmatch(value) is not None
        return re.fullmatch(r"[\w -]*", value, re.ASCII) is not None


def problems(html: str) -> list[str]:
    """What is wrong with `html`; empty if it is safe and balanced."""
    checker = Checker()
    checker.feed(html)
    checker.close()
    unclosed = [f"unclosed <{tag}>" for tag in checker.open]
    return checker.problems + unclosed


def text_of(html: str) -> str:
    """What a reader sees of `html`."""
    checker = Checker()
    checker.feed(html)
    checker.close()
    return "".join(checker.text)
