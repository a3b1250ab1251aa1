"""Widgets that are only a channel to the page: code, style and messages. Once closed, they leave no trace.

If anywidget is missing, `made` raises ImportError, and there is no button.
"""

from __future__ import annotations

import importlib
from functools import cache
from typing import Any, Final

__all__ = ["button_css", "close", "load", "made"]

_BUTTON: Final = """
.{name} {{
  font: inherit; font-size: 90%; line-height: 1.6; padding: 0 .7em; min-height: 24px; cursor: pointer;
  white-space: nowrap;
  color: var(--jp-ui-font-color1, inherit); background: var(--jp-layout-color1, Canvas);
  border: 1px solid var(--jp-border-color1, currentColor); border-radius: 4px;
}}
.{name}:hover:enabled {{ background: var(--jp-layout-color2, ButtonFace); }}
.{name}:focus-visible {{ outline: 2px solid var(--jp-brand-color1, Highlight); outline-offset: 1px; }}
.{name}:disabled {{ cursor: default; opacity: .7; }}
"""


def button_css(name: str) -> str:
    """The style of buttons of class `name`, for light and dark pages."""
    return _BUTTON.format(name=name)


def load() -> None:
    """Import what widgets need, which takes a while; if it is missing, only `made` raises."""
    try:
        importlib.import_module("anywidget")
    except ImportError:
        pass


def made(name: str, esm: str, css: str) -> Any:
    """A new widget of class `name`, not displayed yet. Raises ImportError without anywidget."""
    return _kind(name, esm, css)()


@cache
def _kind(name: str, esm: str, css: str) -> type[Any]:
    import anywidget

    return type(name, (anywidget.AnyWidget,), {"_esm": esm, "_css": css, "__module__": __name__})


def close(widget: Any) -> None:
    """Close a widget and its layout, which is a separate model."""
    layout = widget.layout
    widget.close()
    layout.close()
