"""Lists of models: old and new shapes, and whatever else comes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ollama_magic.wire.catalog import (
    CLOUD_CATALOGUE,
    Model,
    ModelDetails,
    RunningModel,
    decode_models_v1,
    decode_ps,
    decode_show,
    decode_tags,
)
from tests.tables import folded

# Recorded from v0.33.0-rc2.
ENTRY: dict[str, Any] = {
    "name": "smollm2:135m",
    "model": "smollm2:135m",
    "modified_at": "2026-11-22T15:59:52.021038786Z",
    "size": 98362904,
    "digest": "6d9624ccf187",
    "details": {
        "parent_model": "",
        "format": "gguf",
        "family": "llama",
        "families": ["llama"],
        "parameter_size": "134.52M",
        "quantization_level": "Q4_1",
        "context_length": 8192,
        "embedding_length": 576,
    },
    "capabilities": ["completion"],
}
MODIFIED = datetime(2026, 11, 22, 15, 59, 52, 21038, UTC)


def test_tags() -> None:
    assert decode_tags({"models": [ENTRY]}) == [
        Model("smollm2:135m", 98362904, MODIFIED, "6d9624ccf187", "llama", "134.52M", "Q4_1", ("completion",), 8192)
    ]


def test_tags_of_older_servers_and_of_the_cloud() -> None:
    old = {"models": [{"model": "a:1", "modified_at": "2024-05-01T10:00:00.5+02:00", "details": None}, {"name": "b"}]}
    first, second = decode_tags(old)
    assert first == Model("a:1", modified=datetime(2024, 5, 1, 8, 0, 0, 500_000, UTC))
    assert first.capabilities is None
    assert second == Model("b")
    (remote,) = decode_tags({"models": [{"name": "c", "remote_host": "https://ollama.com:443", "size": 384}]})
    assert remote.remote_host == "https://ollama.com:443"


@folded(
    "obj",
    [None, [], "x", 5, {}, {"models": None}, {"models": {}}, {"models": [None, 5, {}, {"name": 5}, {"name": ""}]}],
)
def test_what_is_no_list_is_empty(obj: object) -> None:
    assert decode_tags(obj) == []
    assert decode_ps(obj) == []


def test_fields_of_other_types_are_left_out() -> None:
    entry = {"name": "a", "size": "big", "modified_at": 5j, "digest": 1, "details": [], "capabilities": "x"}
    assert decode_tags({"models": [entry, {"name": "b", "size": True, "capabilities": ["x", 5]}]}) == [
        Model("a"),
        Model("b", capabilities=("x",)),
    ]


@folded("time", ["", "soon", "0001-01-01T00:00:00Z", 0, -5, 1e300, True, None, float("nan")])
def test_what_is_no_time_is_none(time: object) -> None:
    assert decode_tags({"models": [{"name": "a", "modified_at": time}]}) == [Model("a")]


def test_models_v1() -> None:
    body = {"object": "list", "data": [{"id": "a", "object": "model", "created": 1795363192, "owned_by": "library"}]}
    assert decode_models_v1(body) == [Model("a", modified=datetime(2026, 11, 22, 15, 59, 52, tzinfo=UTC))]
    assert decode_models_v1({"object": "list", "data": None}) == []
    assert decode_models_v1({"data": [{"id": None}, "x"]}) == []


def test_ps() -> None:
    body = {
        "models": [
            {
                **ENTRY,
                "size": 160,
                "size_vram": 40,
                "expires_at": "2319-03-04T15:47:30.333054832Z",
                "context_length": 2048,
            }
        ]
    }
    (model,) = decode_ps(body)
    assert model == RunningModel("smollm2:135m", 160, 40, model.expires_at, 2048)
    assert model.expires_at is not None
    assert model.expires_at.year == 2319
    assert model.gpu_share == 0.25
    assert RunningModel("a").gpu_share is None
    assert RunningModel("a", 0, 0).gpu_share is None


def test_show() -> None:
    body = {
        "license": "Apache",
        "parameters": 'stop   "<|im_end|>"',
        "template": "{{ .Prompt }}",
        "system": "be brief",
        "details": ENTRY["details"],
        "model_info": {"general.architecture": "llama", "llama.context_length": 8192, "x.context_length": 1},
        "capabilities": ["completion", "tools"],
        "modified_at": ENTRY["modified_at"],
        "thinking": {"values": [False, "low", 5, "high"], "default": "low"},
    }
    details = decode_show("smollm2:135m", body)
    assert details.name == "smollm2:135m"
    assert (details.context_length, details.family, details.quantization) == (8192, "llama", "Q4_1")
    assert (details.license, details.template, details.system) == ("Apache", "{{ .Prompt }}", "be brief")
    assert details.thinking_values == (False, "low", "high")
    assert details.thinking_default == "low"
    assert details.modified == MODIFIED
    assert (details.can("tools"), details.can("vision")) == (True, False)


def test_show_of_older_servers() -> None:
    assert decode_show("a", {"modelfile": "x"}) == ModelDetails("a")
    assert decode_show("a", None) == ModelDetails("a")
    assert ModelDetails("a").can("tools") is None
    assert decode_show("a", {"model_info": {"phi.context_length": 4096}}).context_length == 4096
    assert decode_show("a", {"details": {"context_length": 512}}).context_length == 512


FIELDS = (
    "models data name id size details modified_at created capabilities thinking values model_info context_length "
    "general.architecture x.context_length expires_at"
)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS.split(" ")), inner, max_size=6),
    max_leaves=15,
)


@pytest.mark.slow
@given(obj=ANYTHING)
@settings(max_examples=200, deadline=None)
def test_nothing_raises(obj: object) -> None:
    for decode in (decode_tags, decode_ps, decode_models_v1):
        assert isinstance(decode(obj), list)
    assert isinstance(decode_show("a", obj), ModelDetails)


def test_the_catalogue_has_plain_names() -> None:
    assert CLOUD_CATALOGUE == ("qwen3-coder:480b", "deepseek-v3.1:671b", "kimi-k2:1t")
