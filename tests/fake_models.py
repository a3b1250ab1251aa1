"""The models of the fake server, and what it tells about them and itself."""

from __future__ import annotations

import json
import zlib
from typing import TYPE_CHECKING, Any

from tests.fake_embeddings import PATHS, answer_embed

if TYPE_CHECKING:
    from tests.fake_http import Recorded

__all__ = ["Models", "model_entry"]


def model_entry(name: str, *, family: str = "llama", capabilities: tuple[str, ...] = ("completion",)) -> dict[str, Any]:
    """A model as /api/tags lists it."""
    return {
        "name": name,
        "model": name,
        "modified_at": "2026-08-01T10:00:00.000000001Z",
        "size": 1_321_098_329,
        "digest": f"{zlib.crc32(name.encode()):08x}" * 8,
        "details": {
            "parent_model": "",
            "format": "gguf",
            "family": family,
            "families": [family],
            "parameter_size": "1.2B",
            "quantization_level": "Q8_0",
        },
        "capabilities": list(capabilities),
    }


class Models:
    """What /api/tags, /api/ps, /api/show, /api/version and /v1/models say."""

    def __init__(self) -> None:
        self.models = [
            model_entry("llama3.2:latest", capabilities=("completion", "tools")),
            model_entry("smollm2:135m"),
            model_entry("nomic-embed-text:latest", family="nomic-bert", capabilities=("embedding",)),
        ]
        self.loaded: list[str] = []
        """Names that /api/ps lists."""
        self.version = "0.33.0"

    def entry(self, name: str) -> dict[str, Any] | None:
        """The model of that name, None if there is none."""
        full = name if ":" in name.rpartition("/")[2] else f"{name}:latest"
        return next((entry for entry in self.models if entry["name"].lower() == full.lower()), None)

    def lookup(self, request: Recorded) -> tuple[int, bytes, str]:
        """Status, body and media type of what is not a question."""
        get = request.method in ("GET", "HEAD")
        value: object
        if request.path == "/":
            return 200, b"Ollama is running", "text/plain; charset=utf-8"
        if request.path == "/api/version" and get:
            value = {"version": self.version}
        elif request.path == "/api/tags" and get:
            value = {"models": self.models}
        elif request.path == "/api/ps" and get:
            value = {"models": [self._running(name) for name in self.loaded]}
        elif request.path == "/v1/models" and get:
            value = {
                "object": "list",
                "data": [
                    {"id": m["name"], "object": "model", "created": 1787306400, "owned_by": "library"}
                    for m in self.models
                ]
                or None,
            }
        elif request.path == "/api/show" and request.method == "POST":
            name = str(request.json.get("model", ""))
            entry = self.entry(name)
            if entry is None:
                return 404, json.dumps({"error": f"model '{name}' not found"}).encode(), "application/json"
            value = {
                "license": "Apache-2.0",
                "parameters": 'stop                           "<|im_end|>"',
                "template": "{{ .Prompt }}",
                "details": entry["details"],
                "model_info": {"general.architecture": "llama", "llama.context_length": 8192},
                "capabilities": entry["capabilities"],
            }
        elif request.path in PATHS and request.method == "POST":
            known = self.entry(str(request.json.get("model", ""))) is not None
            status, answer = answer_embed(request, known)
            return status, json.dumps(answer).encode(), "application/json; charset=utf-8"
        elif request.path in ("/api/delete", "/api/copy") and request.method in ("DELETE", "POST"):
            return self._change(request)
        else:
            return 404, b"404 page not found", "text/plain"
        return 200, json.dumps(value).encode(), "application/json; charset=utf-8"

    def _change(self, request: Recorded) -> tuple[int, bytes, str]:
        """Take a model away, or give it another name; what is done is answered with nothing at all."""
        name = str(request.json.get("model") or request.json.get("source") or "")
        entry = self.entry(name)
        if entry is None:
            return 404, json.dumps({"error": f"model '{name}' not found"}).encode(), "application/json"
        if request.path == "/api/delete":
            self.models.remove(entry)
        else:
            self.models.append(model_entry(str(request.json["destination"])))
        return 200, b"", "text/plain"

    def _running(self, name: str) -> dict[str, Any]:
        entry = self.entry(name) or model_entry(name)
        return {
            **{key: entry[key] for key in ("name", "model", "size", "digest", "details")},
            "expires_at": "2026-08-21T10:05:00.000000001Z",
            "size_vram": entry["size"],
            "context_length": 4096,
        }
