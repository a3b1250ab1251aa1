"""Tokens coloured by their probability, with the alternatives that the model considered.

One hue over the page's own background, stronger for less probable tokens, with the text in its own colour above it: so
it is readable in light and dark themes (contrast at least 4.5:1) and without colour vision; the least probable are
underlined too. The colours are inline styles, which survive where style sheets are removed. The box on hover and focus
does not: there the `title` of each token still works, and the table below the text works everywhere.
"""

from __future__ import annotations

import math
import unicodedata
from html import escape
from typing import TYPE_CHECKING, Final

from ollama_magic.placing import placed
from ollama_magic.render.look import PHASE
from ollama_magic.render.text import one_line

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Sequence

    from ollama_magic.events import Answer
    from ollama_magic.placing import Piece

__all__ = [
    "LEGEND",
    "NAMES",
    "STEPS",
    "TOKENS_SHEET",
    "TOKENS_STYLE",
    "percent",
    "pieces_html",
    "shown",
    "step",
    "surety",
    "tokens_view",
    "visible",
]

STEPS: Final = (0.95, 0.8, 0.6, 0.4, 0.2)
"""Probabilities below which a token gets the next colour."""
NAMES: Final = (f"{STEPS[0]:.0%} or more", *(f"below {limit:.0%}" for limit in STEPS))
"""What each colour means."""
LEGEND: Final = "How sure the model was of each token:"
HUE: Final = (217, 112, 10)
ALPHAS: Final = (0.0, 0.1, 0.2, 0.3, 0.42, 0.55)

_TAB_STOPS = 25
"""Tokens that the Tab key stops at: the least probable. Stopping at each would block the way to the next cell."""
_TITLES = 3_000
"""The most pieces with a title; in a longer text the least probable ones have it."""
_ROWS = 200
_LEAST = 3
_JOINERS: Final = "\u200d\ufe0f"  # which join two emoji into one, or turn a symbol into an emoji
_LEFT_TO_RIGHT: Final = "\u200e"
_WRITTEN: Final = {"\n": "⏎", "\t": "⇥", " ": "·", "\xa0": "⍽", "\r": "␍"}
TOKENS_STYLE: Final = "white-space:pre-wrap;overflow-wrap:anywhere;line-height:1.7;margin:.2em 0"
_MARKER: Final = "opacity:.75;font-size:85%;user-select:none"
_CELL: Final = "text-align:left"

# `o-t` is an element without meaning. Its empty title suppresses the browser's own tooltip, which would appear late and
# over ours; a front end that removes the style sheet removes `o-t` too, and the tooltip is back.
# The box has a fixed position, so that the output's edge does not clip it. It is placed below its token, shifted
# sideways where it would leave the notebook, and above near the bottom. Without anchor positioning, it is at its static
# position, moved by `transform`.
TOKENS_SHEET: Final = (
    "<style>.ollama-token{border-radius:2px;cursor:default;"
    "box-shadow:inset -1px 0 rgba(127,127,127,.4)}"
    ".ollama-token:hover,.ollama-token:focus{outline:2px solid var(--jp-brand-color1,#1976d2);outline-offset:0}"
    ".ollama-token:hover::after,.ollama-token:focus::after{content:attr(title);position:fixed;z-index:10;"
    "transform:translate(-60%,1.9em);width:max-content;max-width:22em;white-space:pre-wrap;padding:.35em .6em;"
    "border-radius:4px;"
    "font:12px/1.45 var(--jp-code-font-family,monospace);text-decoration:none;color:var(--jp-content-font-color1,#111);"
    "background:var(--jp-layout-color1,#fff);border:1px solid var(--jp-border-color1,#888);"
    "box-shadow:0 2px 8px rgba(0,0,0,.3);pointer-events:none}"
    ".ollama-token:focus::after{z-index:11}"
    "@supports (position-area:bottom){"
    ".ollama-token:focus{anchor-name:--ollama-focus}.ollama-token:focus::after{position-anchor:--ollama-focus}"
    ".ollama-token:hover{anchor-name:--ollama-hover}.ollama-token:hover::after{position-anchor:--ollama-hover}"
    ".ollama-token:hover::after,.ollama-token:focus::after{transform:none;position-area:bottom;margin:2px 0;"
    "position-try-fallbacks:flip-block}}</style>"
)


# ---- words ---------------------------------------------------------------------------------------------------------


def step(probability: float) -> int:
    """The colour's index: 0 for the most probable tokens, up to `len(STEPS)` for the least probable."""
    return sum(probability < limit for limit in STEPS)


def percent(logprob: float) -> str:
    """A log probability as a percentage: "93%", "4.1%", "<0.1%"."""
    share = 100 * math.exp(min(logprob, 0.0))
    if share >= 10:
        return f"{share:.0f}%" if share < 99.5 or share >= 99.95 else ">99%"
    return f"{share:.1f}%" if share >= 0.1 else "<0.1%"


def shown(token: str) -> str:
    """A token by itself, in one line: whitespace and invisible characters as symbols."""
    if not token:
        return "(the end, or another mark without text)"
    if not token.strip(_JOINERS):
        return "".join(f"⟨U+{ord(character):04X}⟩" for character in token)
    edge = len(token) - len(token.lstrip(" "))
    inner = "".join(visible(character, edges=False) for character in token[edge:].rstrip(" "))
    trail = len(token) - edge - len(token[edge:].rstrip(" "))
    base = "◌" if unicodedata.category(token[0]).startswith("M") else ""  # the base for a combining mark
    text = "·" * edge + base + inner + "·" * trail
    return text if len(text) <= 60 else text[:59] + "…"


def _quoted(text: str) -> str:
    """A token's text in quotes, for a line with others. Right-to-left text is followed by a left-to-right mark, without
    which its percentage would swap places with the next token's."""
    turned = any(unicodedata.bidirectional(character) in ("R", "AL", "AN") for character in text)
    return f"“{text}”{_LEFT_TO_RIGHT if turned else ''}"


def visible(character: str, *, edges: bool) -> str:
    """One character, or a symbol for it if it is invisible; `edges`: for spaces too."""
    if character in _WRITTEN and (edges or character != " "):
        return _WRITTEN[character]
    kind = unicodedata.category(character)
    if kind == "Cc":
        return chr(0x2400 + ord(character)) if ord(character) < 0x20 else f"⟨{ord(character):02X}⟩"
    if kind in ("Cf", "Cs", "Co", "Zl", "Zp") and character not in _JOINERS:
        return f"⟨U+{ord(character):04X}⟩"
    return character


def _told(piece: Piece) -> list[tuple[str, float, bool]]:
    """The candidates at one position, the most probable first: token, log probability, and whether it was chosen."""
    logprob = piece.logprob or 0.0
    if len(piece.tokens) > 1:
        return [(f"{shown(piece.text)}, {len(piece.tokens)} tokens together", logprob, True)]
    (token,) = piece.tokens
    rows = [(shown(piece.text), logprob, True)]
    # The chosen token is among the alternatives; part of a character has other text there, but the same logprob.
    taken = next((a for a in token.alternatives if a[0] == token.token or a[1] == token.logprob), None)
    rows += [(shown(text), other, False) for text, other in token.alternatives if (text, other) != taken]
    return sorted(rows, key=lambda row: -row[1])


def _title(piece: Piece) -> str:
    return "\n".join(f"{'▸' if taken else ' '} {percent(p):>5}  {text}" for text, p, taken in _told(piece))


# ---- HTML ----------------------------------------------------------------------------------------------------------


def _style(level: int) -> str:
    if not level:
        return ""
    line = ";text-decoration:underline" if level == len(STEPS) else ""
    return f' style="background:rgba({HUE[0]},{HUE[1]},{HUE[2]},{ALPHAS[level]:g}){line}"'


def _body(text: str) -> str:
    """A token's text as HTML, with symbols for invisible characters; a newline is a symbol and a newline."""
    bare = not text.strip(" ")
    parts = []
    for character in text.replace("\r\n", "\n"):
        sign = visible(character, edges=bare)
        if sign == character:
            parts.append(escape(character, quote=False))
        else:
            parts.append(f'<span aria-hidden="true" style="{_MARKER}">{escape(sign)}</span>')
            parts.append({"\n": "\n", "\t": "\t"}.get(character, ""))
    return "".join(parts)


def pieces_html(pieces: Iterable[Piece], *, titles: Container[int], stops: Container[int] = ()) -> str:
    """Pieces as safe HTML. `titles`: the indices of those with a title; `stops`: of those that Tab stops at."""
    parts = []
    for place, piece in enumerate(pieces):
        logprob = piece.logprob
        if logprob is None:
            parts.append(_body(piece.text))
            continue
        level = step(math.exp(min(logprob, 0.0)))
        if place not in titles:
            style = _style(level)
            parts.append(f"<span{style}>{_body(piece.text)}</span>" if style else _body(piece.text))
            continue
        stop = ' tabindex="0" role="note"' if place in stops else ' tabindex="-1"'
        title = escape(_title(piece), quote=True).replace("\n", "&#10;")
        parts.append(
            f'<span class="ollama-token"{stop}{_style(level)} title="{title}">'
            f'<o-t title="">{_body(piece.text)}</o-t></span>'
        )
    return "".join(parts)


def tokens_view(answer: Answer) -> str:
    """The text of an answer, token by token: legend, coloured text, and a collapsed table for use without hovering."""
    pieces = placed(answer.text, answer.probabilities)
    least = _least_sure(pieces)
    body = pieces_html(pieces, titles=frozenset(least[:_TITLES]), stops=frozenset(least[:_TAB_STOPS]))
    text = f'<div class="ollama-tokens" style="{TOKENS_STYLE}">{body}</div>'
    return f"{TOKENS_SHEET}{_legend()}{text}{_table(pieces, least)}"


def _legend() -> str:
    names = [f" {name} ".replace(" ", "&nbsp;") for name in NAMES]  # no line breaks within a name
    samples = " ".join(f"<span{_style(level)}>{name}</span>" for level, name in enumerate(names))
    return f'<div style="font-size:85%;margin-bottom:.4em">{LEGEND} {samples}</div>'


def _least_sure(pieces: Sequence[Piece]) -> list[int]:
    """The indices of pieces with a probability, the least probable first."""
    told = [(piece.logprob, place) for place, piece in enumerate(pieces) if piece.logprob is not None]
    return [place for _, place in sorted(told)]


def _table(pieces: Sequence[Piece], least: Sequence[int]) -> str:
    places = sorted(least[:_ROWS])
    rows = []
    for place in places:
        told = _told(pieces[place])
        taken = next((text, p) for text, p, is_taken in told if is_taken)
        others = ", ".join(f"{_quoted(text)} {percent(p)}" for text, p, is_taken in told if not is_taken)
        cells = (escape(cell, quote=False) for cell in (taken[0], percent(taken[1]), others))
        rows.append("<tr>" + "".join(f'<td style="{_CELL}">{cell}</td>' for cell in cells) + "</tr>")
    head = "".join(f'<th scope="col" style="{_CELL}">{name}</th>' for name in ("token", "probability", "alternatives"))
    which = f"the {len(places)} least sure of {len(least):,} tokens" if len(places) < len(least) else "all tokens"
    summary = f"As a table: {which}, in the order of the text"
    return (
        f'<details><summary><span style="{PHASE}">{summary}</span></summary>'
        f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></details>"
    )


# ---- the footer ----------------------------------------------------------------------------------------------------


def surety(answer: Answer) -> str:
    """For the footer: "perplexity 1.62 · least sure: “·Paris” 12%, “·is” 31%"; "" without probabilities."""
    perplexity = answer.perplexity
    if perplexity is None:
        return ""
    pieces = placed(answer.text, answer.probabilities)
    names = []
    for place in _least_sure(pieces)[:_LEAST]:
        logprob = pieces[place].logprob or 0.0
        names.append(f"{_quoted(one_line(shown(pieces[place].text), 24))} {percent(logprob)}")
    figure = f"{perplexity:.2f}" if perplexity < 100 else f"{perplexity:.3g}"
    return f"perplexity {figure} · least sure: {', '.join(names)}" if names else f"perplexity {figure}"
