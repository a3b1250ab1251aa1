"""Ollama's web search and page fetch as two tools. They run in the cloud, so they need its key in every mode.

Source: ollama docs, "Web search" (POST /api/web_search, POST /api/web_fetch)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import bridge
from .client import Client
from .errors import SettingsError
from .tools import tools_from

if TYPE_CHECKING:
    from .settings import Settings
    from .tools import Tool

__all__ = ["web_tools"]

_SEARCH_S = 60.0
_MOST_RESULTS = 10
_CHARACTERS = 6000
"""How many characters of a page, or of all search results together, a model is given."""


def web_tools(settings: Settings) -> tuple[Tool, ...]:
    """`web_search` and `web_fetch`, which ask the cloud with the key. Raises SettingsError if no key is set."""
    if not settings.key:
        raise SettingsError(
            "--web searches with your Ollama key, and none is set",
            hint="Run %ollama login, or set OLLAMA_API_KEY (keys: https://ollama.com/settings/keys).",
        )
    cloud = settings.at_cloud("--web")

    def ask(path: str, body: dict[str, Any]) -> Any:
        async def asked() -> Any:
            async with Client(cloud) as client:
                return await client.post(path, body)

        return bridge.shared().run(asked(), _SEARCH_S)

    def web_search(query: str, max_results: int = 5) -> list[dict[str, str]]:
        """Search the web; title, address and content of the best results.

        Args:
            query: what to search for
            max_results: how many results, 1 to 10
        """
        body = {"query": query, "max_results": max(1, min(max_results, _MOST_RESULTS))}
        found = ask("/api/web_search", body)
        listed = found.get("results") if isinstance(found, dict) else None
        results = [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []
        room = _CHARACTERS // max(1, len(results))  # else the first pages would use it up
        return [{name: str(each.get(name, ""))[:room] for name in ("title", "url", "content")} for each in results]

    def web_fetch(url: str) -> dict[str, Any]:
        """Read one page of the web; its title, its text and the links in it.

        Args:
            url: the address of the page
        """
        found = ask("/api/web_fetch", {"url": url})
        if not isinstance(found, dict):
            return {"content": str(found)[:_CHARACTERS]}
        return {
            "title": str(found.get("title", "")),
            "content": str(found.get("content", ""))[:_CHARACTERS],
            "links": [str(link) for link in links][:20] if isinstance(links := found.get("links"), list) else [],
        }

    return tuple(tools_from({}, [web_search, web_fetch]))
