"""What is sent: one request in the words of each surface, and which surface carries it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ollama_magic.errors import Unsupported
from ollama_magic.events import Image, Message, Request, ToolCall
from ollama_magic.wire import native, openai
from ollama_magic.wire.calls import RAW_ARGUMENTS
from ollama_magic.wire.surface import choose, native_only
from tests.tables import folded

HI = (Message("user", "hi"),)
PICTURE = Image(b"\x89PNG", "image/png")
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
TALK = (
    Message("system", "be brief"),
    Message("user", "weather?", images=(PICTURE,)),
    Message("assistant", "", thinking="hm", tool_calls=(ToolCall("f", {"x": 1}, "c1"), ToolCall("g", {}))),
    Message("tool", "sun", tool_name="f", tool_call_id="c1"),
    Message("tool", "rain", tool_name="g"),
)


def request(**fields: Any) -> Request:
    return Request(**{"model": "m:1b-cloud", "messages": HI, **fields})


# ---- native --------------------------------------------------------------------------------------------------------


def test_native_in_its_shortest_form() -> None:
    assert native.encode_chat(request()) == (
        "/api/chat",
        {"model": "m:1b-cloud", "messages": [{"role": "user", "content": "hi"}], "stream": True},
    )


@folded(
    ("fields", "expected"),
    [
        (
            {"options": {"temperature": 0, "num_ctx": 4096, "seed": None}},
            {"options": {"temperature": 0, "num_ctx": 4096}},
        ),
        ({"options": {"stop": "x"}}, {"options": {"stop": ["x"]}}),
        ({"options": {"truncate": False, "shift": True}}, {"truncate": False, "shift": True}),
        ({"think": False}, {"think": False}),
        ({"think": "low"}, {"think": "low"}),
        ({"format": "json"}, {"format": "json"}),
        ({"format": SCHEMA}, {"format": SCHEMA}),
        ({"tools": (TOOL,)}, {"tools": [TOOL]}),
        ({"keep_alive": "300"}, {"keep_alive": 300}),
        ({"keep_alive": " -1 "}, {"keep_alive": -1}),
        ({"keep_alive": "1.5"}, {"keep_alive": 1.5}),
        ({"keep_alive": "5m"}, {"keep_alive": "5m"}),
        ({"keep_alive": 0}, {"keep_alive": 0}),
        ({"keep_alive": 60.0}, {"keep_alive": 60}),
        ({"top_logprobs": 0}, {"logprobs": True}),
        ({"top_logprobs": 3}, {"logprobs": True, "top_logprobs": 3}),
    ],
)
def test_native_fields(fields: dict[str, Any], expected: dict[str, Any]) -> None:
    _, body = native.encode_chat(request(**fields), stream=False)
    basic = {"model": "m:1b-cloud", "messages": [{"role": "user", "content": "hi"}], "stream": False}
    assert body == basic | expected
    assert isinstance(body.get("keep_alive"), type(expected.get("keep_alive")))


def test_native_messages() -> None:
    _, body = native.encode_chat(request(messages=TALK))
    assert body["messages"] == [
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": "weather?", "images": ["iVBORw=="]},
        {
            "role": "assistant",
            "content": "",
            "thinking": "hm",
            "tool_calls": [
                {"id": "c1", "function": {"index": 0, "name": "f", "arguments": {"x": 1}}},
                {"function": {"index": 1, "name": "g", "arguments": {}}},
            ],
        },
        {"role": "tool", "content": "sun", "tool_name": "f", "tool_call_id": "c1"},
        {"role": "tool", "content": "rain", "tool_name": "g"},
    ]


# ---- openai --------------------------------------------------------------------------------------------------------


def test_openai_in_its_shortest_form() -> None:
    assert openai.encode_chat(request()) == (
        "/v1/chat/completions",
        {
            "model": "m:1b-cloud",
            "messages": [{"role": "user", "content": "hi"}],
            "stream": True,
            "stream_options": {"include_usage": True},
        },
    )


SAMPLING = {"temperature": 0.5, "top_p": 0.9, "seed": 1, "stop": ["x"], "presence_penalty": 1, "frequency_penalty": 2}


@folded(
    ("dialect", "fields", "expected"),
    [
        ("ollama", {"options": {**SAMPLING, "num_predict": 5, "top_k": None}}, {**SAMPLING, "max_tokens": 5}),
        ("ollama", {"options": {"num_predict": -1}}, {}),
        ("ollama", {"format": "json"}, {"response_format": {"type": "json_object"}}),
        (
            "ollama",
            {"format": SCHEMA},
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "answer", "strict": True, "schema": SCHEMA},
                }
            },
        ),
        ("ollama", {"think": False}, {"reasoning_effort": "none"}),
        ("ollama", {"think": "low"}, {"reasoning_effort": "low"}),
        ("ollama", {"tools": (TOOL,)}, {"tools": [TOOL]}),
        ("ollama", {"top_logprobs": 2}, {"logprobs": True, "top_logprobs": 2}),
        ("ollama", {"top_logprobs": 0}, {"logprobs": True}),
        ("llama.cpp", {"top_logprobs": 0}, {"logprobs": True, "top_logprobs": 1}),
        ("llama.cpp", {"top_logprobs": 20}, {"logprobs": True, "top_logprobs": 20}),
        (
            "llama.cpp",
            {"options": {"top_k": 5, "min_p": 0.1, "repeat_penalty": 1.1, "num_keep": 4, "num_predict": 3}},
            {"top_k": 5, "min_p": 0.1, "repeat_penalty": 1.1, "n_keep": 4, "max_tokens": 3},
        ),
        ("llama.cpp", {"think": True}, {"chat_template_kwargs": {"enable_thinking": True}}),
        (
            "llama.cpp",
            {"think": False},
            {"chat_template_kwargs": {"enable_thinking": False}, "reasoning_effort": "none"},
        ),
        ("llama.cpp", {"think": "high"}, {"reasoning_effort": "high"}),
    ],
)
def test_openai_fields(dialect: openai.Dialect, fields: dict[str, Any], expected: dict[str, Any]) -> None:
    _, body = openai.encode_chat(request(**fields), stream=False, dialect=dialect)
    assert body == {"model": "m:1b-cloud", "messages": [{"role": "user", "content": "hi"}], "stream": False} | expected


@folded(
    ("dialect", "fields", "words"),
    [
        ("ollama", {"options": {"num_ctx": 1, "top_k": 2}}, ["num_ctx (--num-ctx)", "top_k", "--api native"]),
        ("ollama", {"keep_alive": 0}, ["keep_alive (--keep-alive)"]),
        ("ollama", {"think": True}, ["think (--think)"]),
        ("ollama", {"format": "yaml"}, ["format"]),
        ("ollama", {"messages": (Message("user", "", images=(Image(b"GIF", "image/gif"),)),)}, ["image/gif"]),
        (
            "llama.cpp",
            {"options": {"num_ctx": 1, "num_gpu": 1}},
            ["num_ctx (--num-ctx)", "num_gpu", "%ollama mode local"],
        ),
        ("llama.cpp", {"keep_alive": "5m"}, ["keep_alive (--keep-alive)"]),
    ],
)
def test_openai_refuses_what_would_be_ignored(
    dialect: openai.Dialect, fields: dict[str, Any], words: list[str]
) -> None:
    with pytest.raises(Unsupported) as caught:
        openai.encode_chat(request(**fields), dialect=dialect)
    for word in words:
        assert word in str(caught.value)


def test_openai_messages() -> None:
    _, body = openai.encode_chat(request(messages=TALK))
    assert body["messages"] == [
        {"role": "system", "content": "be brief"},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "weather?"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw=="}},
            ],
        },
        {
            "role": "assistant",
            "content": "",
            "reasoning": "hm",
            "tool_calls": [
                {"id": "c1", "index": 0, "type": "function", "function": {"name": "f", "arguments": '{"x": 1}'}},
                {"id": "call_2_1", "index": 1, "type": "function", "function": {"name": "g", "arguments": "{}"}},
            ],
        },
        {"role": "tool", "content": "sun", "tool_call_id": "c1", "name": "f"},
        {"role": "tool", "content": "rain", "tool_call_id": "call_2_1", "name": "g"},
    ]


def test_llama_cpp_calls_reasoning_by_its_own_name() -> None:
    _, body = openai.encode_chat(request(messages=TALK), dialect="llama.cpp")
    assert body["messages"][2]["reasoning_content"] == "hm"


def test_arguments_that_were_no_json_go_back_as_they_came() -> None:
    call = ToolCall("f", {RAW_ARGUMENTS: '{"x": '}, "c")
    _, body = openai.encode_chat(request(messages=(Message("assistant", tool_calls=(call,)),)))
    assert body["messages"][0]["tool_calls"][0]["function"]["arguments"] == '{"x": '


def test_two_calls_of_one_function_are_answered_in_order() -> None:
    calls = (ToolCall("f", {"x": 1}), ToolCall("f", {"x": 2}))
    answers = (Message("tool", "1", tool_name="f"), Message("tool", "2", tool_name="f"), Message("tool", "3"))
    _, body = openai.encode_chat(request(messages=(Message("assistant", tool_calls=calls), *answers)))
    assert [message.get("tool_call_id") for message in body["messages"][1:]] == ["call_0_0", "call_0_1", None]


def test_every_body_is_json_and_leaves_the_request_alone() -> None:
    asked = request(messages=TALK, options={"stop": "x", "truncate": True}, format=SCHEMA, tools=(TOOL,), think="low")
    before = repr(asked)
    json.dumps(native.encode_chat(asked)[1])
    json.dumps(openai.encode_chat(request(messages=TALK, options={"stop": "x"}, format=SCHEMA, tools=(TOOL,)))[1])
    assert repr(asked) == before


# ---- which surface -------------------------------------------------------------------------------------------------

BOTH: Any = ("openai", "native")


@folded(
    ("fields", "names"),
    [
        ({}, []),
        ({"options": {**SAMPLING, "num_predict": 3, "num_ctx": None}}, []),
        ({"options": {"num_ctx": 1, "top_k": 2}}, ["num_ctx", "top_k"]),
        ({"keep_alive": "5m"}, ["keep_alive"]),
        ({"think": True}, ["think"]),
        ({"think": False}, ["think"]),
        ({"think": "low"}, ["think"]),
        ({"format": SCHEMA, "tools": (TOOL,), "top_logprobs": 1}, []),
        ({"messages": (Message("user", "", images=(PICTURE, Image(b"", "image/gif"))),)}, ["image/gif"]),
    ],
)
def test_what_only_native_can_carry(fields: dict[str, Any], names: list[str]) -> None:
    assert native_only(request(**fields)) == names
    assert choose("auto", BOTH, request(**fields)) == ("native" if names else "openai")
    assert choose("native", BOTH, request(**fields)) == "native"
    assert choose("auto", ("native",), request(**fields)) == "native"
    assert choose("auto", ("openai",), request(**fields)) == "openai"


def test_openai_when_asked_for() -> None:
    assert choose("openai", BOTH, request(think=False)) == "openai"
    assert choose("openai", ("openai",), request(options={"top_k": 1})) == "openai"  # llama.cpp decides in encode_chat
    with pytest.raises(Unsupported, match="num_ctx"):
        choose("openai", BOTH, request(options={"num_ctx": 1}))
    with pytest.raises(Unsupported, match="--think"):
        choose("openai", BOTH, request(think=True))


@folded(("api", "there"), [("openai", ("native",)), ("native", ("openai",)), ("rest", BOTH)])
def test_a_surface_that_is_not_there(api: str, there: Any) -> None:
    with pytest.raises(Unsupported) as caught:
        choose(api, there, request())
    assert "--api" in caught.value.hint
