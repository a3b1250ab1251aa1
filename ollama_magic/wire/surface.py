"""Chooses which of Ollama's two surfaces a request uses.

/v1 is the default if both exist. It silently ignores many of Ollama's parameters, so a request that has one goes to
/api, or is refused if the user insists on /v1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..endpoint import Surface
from ..errors import Unsupported
from . import openai

if TYPE_CHECKING:
    from ..events import Request

__all__ = ["Surface", "choose", "native_only"]

_PATHS: dict[str, str] = {"openai": "OpenAI-compatible (/v1)", "native": "native (/api)"}


def native_only(request: Request) -> list[str]:
    """The names of the parts of `request` that only /api supports well; empty if /v1 is as good.

    Any value of `think` is among them: /v1 can express some, but older servers ignore those.
    """
    names = openai.unsupported(request)
    if request.think is not None and "think" not in names:
        names.append("think")
    return names


def choose(api: str, endpoint_surfaces: tuple[Surface, ...], request: Request) -> Surface:
    """The surface for `request`: `api` is the setting ("auto", "openai" or "native").

    `endpoint_surfaces` are those that the endpoint has, at least one. Raises Unsupported if the requested one is not
    among them, or does not support what the request has and /api is there too.
    """
    if api == "auto":
        if len(endpoint_surfaces) == 1:
            return endpoint_surfaces[0]
        return "native" if native_only(request) else "openai"
    surface: Surface | None = "openai" if api == "openai" else "native" if api == "native" else None
    if surface is None:
        raise Unsupported(f"there is no surface {api!r}", hint="Use auto, openai or native: `--api auto`.")
    if surface not in endpoint_surfaces:
        there = " and ".join(_PATHS[name] for name in endpoint_surfaces)
        where = "the cloud and the built-in engine have" if len(endpoint_surfaces) == 1 else "the server has"
        raise Unsupported(
            f"the {_PATHS[surface]} surface was asked for, and there is only the {there} one",
            hint=f"Leave out `--api {api}`: {where} one surface each, and `--api auto` finds it.",
        )
    if surface == "openai" and "native" in endpoint_surfaces:
        openai.check(request)
    return surface
