"""Both decoders over whole bodies: what they mean, and that cuts do not matter."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ollama_magic.errors import Incomplete, ServerError
from ollama_magic.events import Done, Text, ToolRequest
from ollama_magic.wire.calls import RAW_ARGUMENTS, arguments_of
from ollama_magic.wire.decoding import count, probabilities_of, seconds
from ollama_magic.wire.failures import Target
from ollama_magic.wire.framing import END, RawText
from ollama_magic.wire.native import NativeDecoder
from ollama_magic.wire.openai import OpenAIDecoder
from tests.tables import folded

from .cases import CASES, DECODERS, TARGET, Case, chunk, decode, ndjson, pieces, recorded, said, sse


@folded("case", CASES, ids=lambda case: f"{case.surface}: {case}")
def test_a_body_means(case: Case) -> None:
    outcome = decode(case.surface, [case.body])
    assert outcome.text == case.text
    assert outcome.thinking == case.thinking
    assert outcome.calls == case.calls
    if case.failure is not None:
        assert type(outcome.failure) is case.failure
        assert outcome.failure.partial == case.text
        assert outcome.done is None
    else:
        assert outcome.failure is None
        assert outcome.done is not None
        assert outcome.done.reason == case.reason
        assert (outcome.done.stats.prompt_tokens, outcome.done.stats.output_tokens) == case.tokens


@pytest.mark.slow
@folded("size", [1, 2, 3, 1000], ids="{} bytes at a time".format)
@folded("case", CASES, ids=lambda case: f"{case.surface}: {case}")
def test_events_do_not_depend_on_chunk_borders(case: Case, size: int) -> None:
    whole = decode(case.surface, [case.body])
    outcome = decode(case.surface, pieces(case.body, range(0, len(case.body), size)))
    assert outcome.events == whole.events
    assert str(outcome.failure) == str(whole.failure)


@pytest.mark.slow
@given(data=st.data(), case=st.sampled_from(CASES))
@settings(max_examples=60, deadline=None)
def test_events_do_not_depend_on_any_cuts(data: st.DataObject, case: Case) -> None:
    cuts = data.draw(st.lists(st.integers(0, len(case.body)), max_size=12))
    whole = decode(case.surface, [case.body])
    outcome = decode(case.surface, pieces(case.body, cuts))
    assert (outcome.events, str(outcome.failure)) == (whole.events, str(whole.failure))


@given(case=st.sampled_from(CASES), share=st.floats(0, 1))
@settings(max_examples=60, deadline=None)
def test_a_body_cut_short_keeps_what_came_and_is_never_whole(case: Case, share: float) -> None:
    body = case.body[: int(len(case.body) * share)]
    short, whole = decode(case.surface, [body]), decode(case.surface, [case.body])
    complete = short.done is not None
    assert complete or short.failure is not None
    # An array is whole or nothing; a half character becomes a mark once nothing follows it.
    assert whole.text.startswith(short.text.rstrip("\ufffd"))
    if complete:
        assert short.text == whole.text


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
FIELDS = [
    *("message", "content", "thinking", "response", "done", "done_reason", "logprobs", "tool_calls", "error"),
    *("choices", "delta", "index", "finish_reason", "usage", "timings", "reasoning", "text", "model", "function"),
    *("name", "id", "arguments", "eval_count", "total_duration", "prompt_tokens", "token", "logprob", "top_logprobs"),
    *("prompt_tokens_details", "cached_tokens", "predicted_ms", "StatusCode", "status", "code", "signin_url", "type"),
]
SHAPED = st.recursive(
    JSON,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=6),
    max_leaves=30,
)


@pytest.mark.slow
@pytest.mark.parametrize("surface", DECODERS)
@given(values=st.lists(SHAPED.filter(lambda value: isinstance(value, (dict, list))), max_size=4), ended=st.booleans())
@settings(max_examples=150, deadline=None)
def test_no_object_makes_a_decoder_raise(surface: str, values: list[Any], ended: bool) -> None:
    decoder = DECODERS[surface](TARGET)
    events = decoder.feed([*values, *([END] if ended else [])]) + decoder.close()
    done = [event for event in events if isinstance(event, Done)]
    assert len(done) == (decoder.failure is None)
    assert not done or events[-1] is done[0]


@pytest.mark.parametrize("depth", [50, 300, 500, 900, 990, 1500, 5000, pytest.param(100_000, marks=pytest.mark.slow)])
@folded("start", ['{"a":', '{"error":', '{"error":[', '{"message":{"tool_calls":['])
@folded("surface", DECODERS)
def test_deep_nesting_does_no_harm(surface: str, start: str, depth: int) -> None:
    closers = "".join("}" if mark == "{" else "]" for mark in reversed(start) if mark in "{[")
    outcome = decode(surface, [(start * depth + "1" + closers * depth).encode()])
    assert outcome.failure is not None


# ---- when things come --------------------------------------------------------------------------------------------


def test_native_done_comes_with_the_last_object_and_nothing_after_it() -> None:
    decoder = NativeDecoder(TARGET)
    assert decoder.feed([said("a")]) == [Text("a")]
    assert isinstance(decoder.feed([said("b", True)])[-1], Done)
    assert decoder.finished
    assert decoder.feed([said("c"), {"error": "late"}]) == []
    assert decoder.close() == []
    assert decoder.failure is None


def test_openai_done_waits_for_usage() -> None:
    decoder = OpenAIDecoder(TARGET)
    assert decoder.feed([chunk({"content": "a"}), chunk({}, "stop")]) == [Text("a")]
    assert decoder.finished
    assert decoder.feed([{"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 2}}]) == []
    done = decoder.feed([END])[-1]
    assert isinstance(done, Done)
    assert done.stats.output_tokens == 2
    assert decoder.close() == []


def test_a_call_is_given_with_the_finish_not_at_the_end() -> None:
    decoder = OpenAIDecoder(TARGET)
    call = {"index": 0, "id": "c", "function": {"name": "f", "arguments": "{}"}}
    assert decoder.feed([chunk({"tool_calls": [call]})]) == []
    assert isinstance(decoder.feed([chunk({}, "tool_calls")])[0], ToolRequest)


def test_times_are_seconds() -> None:
    native = decode("native", [recorded("chat_nostream")]).done
    assert native is not None
    stats = native.stats
    assert stats.server_total_s == pytest.approx(0.097003546)
    assert stats.server_load_s == pytest.approx(0.000978766)
    assert stats.server_prompt_s == pytest.approx(0.007589)
    assert stats.server_output_s == pytest.approx(0.084224)
    assert stats.cached_tokens is None
    llama = decode("openai", [next(case.body for case in CASES if case.name == "llama.cpp")]).done
    assert llama is not None
    assert (llama.stats.server_prompt_s, llama.stats.server_output_s) == pytest.approx((0.0205, 0.010))
    assert llama.stats.cached_tokens == 4


def test_cached_tokens_of_newer_servers() -> None:
    outcome = decode("native", [ndjson(said("", True, prompt_eval_count=9, prompt_eval_cached_count=4))])
    assert outcome.done is not None
    assert outcome.done.stats.cached_tokens == 4


@folded(("surface", "name"), [("native", "chat_logprobs_stream"), ("openai", "v1_logprobs_stream")])
def test_probabilities_of_both_surfaces(surface: str, name: str) -> None:
    texts = [event for event in decode(surface, [recorded(name)]).events if isinstance(event, Text)]
    assert [event.text for event in texts] == ["Hello", ",", " welcome", " to", " my", " little"]
    first = texts[0].probabilities[0]
    assert (first.token, first.logprob) == ("Hello", pytest.approx(-2.2311413))
    assert [token for token, _ in first.alternatives] == ["Hello", "S"]


def test_a_chunk_with_probabilities_alone() -> None:
    chunk = said("", logprobs=[{"token": "a", "logprob": -1}, {"token": 5}, None])
    (event,) = NativeDecoder(TARGET).feed([chunk])
    assert isinstance(event, Text)
    assert (event.text, [entry.token for entry in event.probabilities]) == ("", ["a"])


# ---- what is said about a failure --------------------------------------------------------------------------------


def test_a_swallowed_error_says_how_to_see_it() -> None:
    failure = decode("openai", [recorded("midstream_kill_v1_stream_usage")]).failure
    assert failure is not None
    assert "lost the reason" in failure.message
    assert "--api native" in failure.hint


def test_the_same_error_on_the_native_surface_has_its_text() -> None:
    failure = decode("native", [recorded("midstream_kill_chat_stream")]).failure
    assert failure is not None
    assert "unexpected EOF" in failure.message


def test_a_page_is_named_by_its_title() -> None:
    failure = decode("native", [b"<html><title>Log in to\n Hotel WiFi</title>" + b"x" * 9000]).failure
    assert isinstance(failure, ServerError)
    assert "Log in to Hotel WiFi" in failure.message
    assert len(failure.message) < 300


def test_plain_text_is_quoted_up_to_500_characters() -> None:
    failure = decode("native", [b"word " * 400]).failure
    assert failure is not None
    assert "word word" in failure.message
    assert len(failure.message) < 700


def test_incomplete_says_how_much_came() -> None:
    failure = decode("openai", [sse(chunk({"content": "abcd"}), done=False)]).failure
    assert isinstance(failure, Incomplete)
    assert "after 4 characters" in failure.message


def test_text_after_an_answer_that_broke_off_is_shown() -> None:
    decoder = NativeDecoder(TARGET)
    decoder.feed([said("a"), RawText("gateway timeout")])
    decoder.close()
    assert isinstance(decoder.failure, Incomplete)
    assert "gateway timeout" in decoder.failure.message


def test_nothing_more_after_a_failure() -> None:
    decoder = NativeDecoder(TARGET)
    assert decoder.feed([said("a"), {"error": "boom"}, said("b", True)]) == [Text("a")]
    assert decoder.feed([said("b", True)]) == []
    assert decoder.close() == []


def test_a_key_in_a_report_is_not_repeated() -> None:
    decoder = NativeDecoder(Target("POST", "https://ollama.com/api/chat", hide=("s3cret",)))
    decoder.feed([{"error": "bad key s3cret"}])
    assert "s3cret" not in str(decoder.failure)


# ---- values ------------------------------------------------------------------------------------------------------


@folded(
    ("value", "expected"),
    [
        ({"x": 1}, {"x": 1}),
        ('{"x": 1}', {"x": 1}),
        ('"{\\"x\\": 1}"', {"x": 1}),
        ("", {}),
        ("  ", {}),
        (None, {}),
        ("null", {}),
        ('{"x": ', {RAW_ARGUMENTS: '{"x": '}),
        ("[1, 2]", {RAW_ARGUMENTS: "[1, 2]"}),
        ([1, 2], {RAW_ARGUMENTS: "[1, 2]"}),
        ("hello", {RAW_ARGUMENTS: "hello"}),
        (7, {RAW_ARGUMENTS: "7"}),
        ('{"a":' * 100_000, {RAW_ARGUMENTS: '{"a":' * 100_000}),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_arguments(value: object, expected: dict[str, Any]) -> None:
    assert arguments_of(value) == expected


@folded("value", [True, None, "5", -1, float("nan"), float("inf"), [], 10**30])
def test_what_is_no_number_is_none(value: object) -> None:
    assert count(value) is None
    assert seconds(value, 1e-9) is None


def test_probabilities_leave_out_what_has_another_shape() -> None:
    assert probabilities_of({"token": "a"}) == ()
    (entry,) = probabilities_of(
        [{"token": "\ud83d", "logprob": -1, "top_logprobs": [{"token": "b", "logprob": 10**400}, 3]}]
    )
    assert (entry.token, entry.alternatives) == ("\ufffd", ())
