"""Styles of output: inline only, because a saved notebook is shown without style sheets and scripts.

Colours are JupyterLab's own variables, so that its light and dark themes both work, with mid-range fallbacks for front
ends that lack them. Greys are the text's own colour at a lower opacity.
"""

from __future__ import annotations

from html import escape
from typing import Final

__all__ = ["CODE", "FOOTER", "MARK", "NOTICE", "PHASE", "PRE_TEXT", "div", "wrap"]

CODE: Final = (
    "margin:.7em 0;background:rgba(127,127,127,.1);padding:.6em .8em;border-radius:4px;overflow-x:auto;"
    "word-break:normal"
)
# "plaintext": each paragraph takes its direction from its own text.
PRE_TEXT: Final = "white-space:pre-wrap;overflow-wrap:anywhere;unicode-bidi:plaintext;margin:0"
FOOTER: Final = "opacity:.65;font-size:85%;margin-top:.6em"
PHASE: Final = "opacity:.65;font-size:85%;margin-top:.3em"
NOTICE: Final = "opacity:.8;font-size:90%;margin-bottom:.4em"
MARK: Final = "border-left:3px solid var(--jp-warn-color1,#d97706);padding-left:.6em;margin-top:.6em;font-size:90%"


def div(style: str, text: str, *, attributes: str = "") -> str:
    """A block with `text`, which is escaped; `attributes` are not, and must never come from a model."""
    return f'<div style="{style}"{attributes}>{escape(text)}</div>'


def wrap(html: str) -> str:
    """The frame around all output: nothing in it is treated as maths, except in spans marked as such."""
    return f'<div class="ollama-magic tex2jax_ignore mathjax_ignore">{html}</div>'
