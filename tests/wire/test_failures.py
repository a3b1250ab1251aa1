"""One tree of errors from every status and body: recorded (R) from Ollama v0.33, or as reported by users of others."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ollama_magic.errors import (
    BadRequest,
    Busy,
    Forbidden,
    ModelNotFound,
    OllamaMagicError,
    PromptTooLong,
    ResponseError,
    ServerError,
    Unauthorized,
    Unsupported,
    UsageLimit,
)
from ollama_magic.wire.failures import (
    Target,
    error_from_response,
    error_from_stream,
    error_from_text,
    retry_after_seconds,
)
from tests.tables import folded

LOCAL = Target("POST", "http://localhost:11434/api/chat", "nope:1b")
CLOUD = Target("POST", "https://ollama.com/api/chat", "gpt-oss:120b", "cloud", key_sent=True)
EMBEDDED = Target("POST", "http://127.0.0.1:4000/v1/chat/completions", "nope:1b", "embedded", key_sent=True)

BANANA = (
    '{"error":{"code":400,"message":"Field \'json_schema\': \\"json_schema\\": JSON schema conversion failed:\\n'
    'Unrecognized schema: {\\"type\\":\\"banana\\"}","type":"invalid_request_error"}}'
)
TOO_LONG = (
    '{"error":{"code":400,"message":"request (9031 tokens) exceeds the available context size (2048 tokens), try '
    'increasing it","type":"exceed_context_size_error","n_prompt_tokens":9031,"n_ctx":2048}}'
)
NO_IMAGES = (
    '{"error":{"code":400,"message":"Multimodal data provided, but model does not support multimodal requests.",'
    '"type":"invalid_request_error"}}'
)
CRASH = (
    "an error was encountered while running the model: error: task id = 599, error: request (9031 tokens) exceeds the "
    "available context size (2048 tokens), try increasing it"
)
LIMIT = (
    "you (ann) have reached your weekly usage limit, upgrade for higher limits: https://ollama.com/upgrade (ref: 1-2)"
)


def native(text: str, **more: Any) -> bytes:
    return json.dumps({"error": text, **more}).encode()


def v1(text: str, kind: str = "api_error") -> bytes:
    return json.dumps({"error": {"message": text, "type": kind, "param": None, "code": None}}).encode() + b"\n"


# status, body, kind, words of the message, words of the hint
RESPONSES: list[tuple[int, bytes, type[OllamaMagicError], str, str]] = [
    (404, native("model 'nope:1b' not found"), ModelNotFound, "model 'nope:1b' not found", "ollama pull nope:1b"),  # R
    (404, native('model "nope:1b" not found, try pulling it first'), ModelNotFound, "nope:1b", "pull nope:1b"),  # R
    (404, v1("model 'nope:1b' not found", "not_found_error"), ModelNotFound, "not found", "pull nope:1b"),  # R
    (404, b"404 page not found", ServerError, "404 page not found", "--api native"),  # R
    (405, b"405 method not allowed", ServerError, "405 method not allowed", "such address"),  # R
    (404, native('path "/v1/embeddings" not found'), ServerError, "/v1/embeddings", "such address"),
    (404, v1("File Not Found", "not_found_error"), ServerError, "File Not Found", "such address"),
    (403, b"", Forbidden, "answered 403", "Host"),  # R
    (403, native("ollama cloud is disabled: remote model is unavailable"), Forbidden, "disabled", "NO_CLOUD"),  # R
    (403, native("this model requires a subscription, upgrade for access"), Forbidden, "subscription", "plan"),
    (403, b"<html><title>Attention Required! | Cloudflare</title>", Forbidden, "Cloudflare", "Something else"),
    (401, native("unauthorized"), Unauthorized, "unauthorized", "OLLAMA_MAGIC_TRUSTED_HOSTS"),
    (
        401,
        native("unauthorized", signin_url="https://ollama.com/connect?name=pc&key=c3NoLWVkMjU"),
        Unauthorized,
        "unauthorized",
        "https://ollama.com/connect?name=pc&key=c3NoLWVkMjU",
    ),
    (
        402,
        native("this model uses extra usage only and your extra usage balance is empty"),
        UsageLimit,
        "extra",
        "allowance",
    ),
    (429, native(LIMIT), UsageLimit, "weekly usage limit", "another model"),
    (429, native("", StatusCode=429, Status="429 Too Many Requests"), Busy, "429 Too Many Requests", "Try again"),
    (429, b"", Busy, "429", "Try again"),
    (500, native("timed out waiting for a concurrent request slot"), Busy, "concurrent", "fewer"),
    (503, native("server busy, please try again.  maximum pending requests exceeded"), Busy, "busy", "Try again"),  # R
    (503, v1("server busy, please try again.  maximum pending requests exceeded"), Busy, "busy", "Try again"),  # R
    (503, native("Server overloaded, please retry shortly (ref: 7f)"), Busy, "(ref: 7f)", "Try again"),
    (499, native("request canceled"), Busy, "canceled", "Try again"),
    (400, native("model is required"), BadRequest, "required", "name"),  # R
    (400, native("invalid model name"), BadRequest, "invalid model name", "qwen3:8b"),  # R
    (400, native("unexpected EOF"), BadRequest, "unexpected EOF", ""),  # R
    (400, native('time: missing unit in duration "300"'), BadRequest, "duration", "--keep-alive"),  # R
    (400, v1("[] is too short - 'messages'", "invalid_request_error"), BadRequest, "too short", ""),  # R
    (413, b"<html><h1>413 Request Entity Too Large</h1></html>", BadRequest, "Too Large", "Send less"),
    (422, b'{"detail":[{"loc":["body"],"msg":"field required"}]}', BadRequest, "field required", ""),
    (500, native('option "num_ctx" must be of type integer'), BadRequest, "num_ctx", "-o NAME=VALUE"),  # R
    (
        500,
        native('invalid format: "5"; expected "json" or a valid JSON Schema object'),
        BadRequest,
        "format",
        "schema",
    ),  # R
    (400, native(BANANA), BadRequest, "Unrecognized schema", "JSON schema"),  # R
    (400, v1(BANANA), BadRequest, "Unrecognized schema", "JSON schema"),  # R
    (400, native(TOO_LONG), PromptTooLong, "9031 tokens", "--num-ctx"),  # R
    (
        400,
        native("the prompt is longer than the context length currently available"),
        PromptTooLong,
        "longer",
        "--num-ctx",
    ),
    (400, native("the input length exceeds the context length"), PromptTooLong, "exceeds", "--num-ctx"),
    (400, native('"nope:1b" does not support thinking'), Unsupported, "thinking", "--think"),  # R
    (400, native("registry.ollama.ai/library/nope:1b does not support tools"), Unsupported, "tools", "tools"),  # R
    (400, native(NO_IMAGES), Unsupported, "multimodal", "images"),  # R
    (400, v1(NO_IMAGES), Unsupported, "multimodal", "images"),  # R
    (400, native("this model does not support image input"), Unsupported, "image", "images"),
    (
        501,
        native("This server does not support embeddings. Start it with `--embeddings`"),
        Unsupported,
        "embed",
        "model",
    ),  # R
    (500, v1("an error was encountered while running the model: unexpected EOF"), ServerError, "EOF", "log"),  # R
    (500, native(CRASH), ServerError, "running the model", "log"),  # R
    (500, native("llama-server reported out-of-memory during startup: x"), ServerError, "memory", "--num-ctx"),
    (
        500,
        native("model requires more system memory (9 GiB) than is available (4 GiB)"),
        ServerError,
        "memory",
        "smaller",
    ),
    (500, native("llama-server process has terminated: exit status 2"), ServerError, "terminated", "smaller"),
    (
        500,
        native("error starting llama-server: llama-server binary not found (checked: /a/b)"),
        ServerError,
        "binary",
        "Install",
    ),
    (500, native("timed out waiting for llama-server to start - progress 0.5"), ServerError, "start", "LOAD_TIMEOUT"),
    (500, native("Internal Server Error (ref: 8e)"), ServerError, "(ref: 8e)", "again"),
    (
        502,
        b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body><center><h1>502 Bad Gateway</h1></center><hr>",
        ServerError,
        "502 Bad Gateway",
        "proxy",
    ),
    (
        503,
        b"<html><body><h1>503 Service Unavailable</h1>\nNo server is available</body></html>",
        ServerError,
        "503",
        "proxy",
    ),
    (504, b"<!DOCTYPE html><TITLE>Gateway &amp; Time-out</TITLE>", ServerError, "Gateway & Time-out", "time limit"),
    (502, native("dial tcp: lookup ollama.com: no such host"), ServerError, "no such host", "network"),
    (407, b"", ServerError, "407", "HTTP_PROXY"),
    (301, b"", ServerError, "301", "OLLAMA_HOST"),
    (500, b"", ServerError, "without a reason", "again"),
    (500, b"\xff\xfe{", ServerError, "500", "again"),
    (500, b"{broken", ServerError, "{broken", "again"),
    (500, b"[]", ServerError, "500", "again"),
    (418, b"null", BadRequest, "418", ""),
    (400, b'{"error":{"odd":1}}', BadRequest, '{"odd": 1}', ""),
    (400, b'{"type":"error","error":{"type":"x","message":"bad words"},"request_id":"r"}', BadRequest, "bad words", ""),
]


@folded(("status", "body", "kind", "message", "hint"), RESPONSES)
def test_a_response_means(status: int, body: bytes, kind: type[OllamaMagicError], message: str, hint: str) -> None:
    error = error_from_response(status, body, {}, LOCAL)
    assert type(error) is kind
    assert message in error.message
    assert hint in error.hint
    assert LOCAL.url in error.message
    assert "\n" not in error.message
    if isinstance(error, ResponseError):
        assert error.status == status
        assert str(status) in error.message


@folded(
    ("payload", "kind", "message"),
    [
        ({"error": "boom"}, ServerError, "boom"),
        ({"error": {"message": "boom", "code": 503}}, Busy, "boom"),
        ({"error": {"message": "no", "type": "exceed_context_size_error"}}, PromptTooLong, "no"),
        ({"StatusCode": 429, "Status": "429 Too Many Requests", "error": LIMIT}, UsageLimit, "weekly"),
        (
            {"StatusCode": 401, "Status": "401 Unauthorized", "error": "", "signin_url": "https://x"},
            Unauthorized,
            "401",
        ),
        ({"error": "unauthorized"}, Unauthorized, "unauthorized"),
        ({"error": "model 'm' not found"}, ModelNotFound, "'m'"),
        ({"error": "pull model manifest: file does not exist"}, ModelNotFound, "manifest"),
        ({"error": CRASH}, ServerError, "running the model"),
        ({"error": json.dumps({"error": json.dumps({"error": {"message": "deep", "code": 400}})})}, BadRequest, "deep"),
        ({"error": []}, ServerError, "without a reason"),
        ({"error": 7}, ServerError, "without a reason"),
        (None, ServerError, "without a reason"),
    ],
)
def test_an_error_inside_a_stream_means(payload: object, kind: type[OllamaMagicError], message: str) -> None:
    error = error_from_stream(payload, LOCAL)
    assert type(error) is kind
    assert message in error.message


@folded(
    ("target", "body", "status", "hint"),
    [
        (CLOUD, native("unauthorized"), 401, "not accepted"),
        (Target("GET", "https://ollama.com/api/tags", mode="cloud"), native("unauthorized"), 401, "No key was sent"),
        (EMBEDDED, b"", 401, "%ollama mode embedded"),
        (CLOUD, native("model 'gpt-oss:120b' not found"), 404, "%ollama list"),
        (EMBEDDED, native("model 'nope:1b' not found"), 404, "one model only"),
    ],
)
def test_hints_know_the_mode(target: Target, body: bytes, status: int, hint: str) -> None:
    assert hint in error_from_response(status, body, {}, target).hint


def test_the_model_is_named_in_the_hint_even_where_only_the_server_named_it() -> None:
    error = error_from_response(404, native("model 'other:7b' not found"), {}, Target("GET", "http://localhost:11434"))
    assert "ollama pull other:7b" in error.hint


@folded(
    "text",
    [
        "invalid key SECRET-KEY-1",
        "Authorization: Bearer abcdefghijklmnopqrstuvwxyz was refused",
        "basic QWxhZGRpbjpvcGVuIHNlc2FtZQ== refused",
        "no route to http://ann:pass-word@host:80/x",
        "key sk-abcdefgh12345678 unknown",
        "key 0123456789abcdef0123456789abcdef.AbCdEfGhIjKlMnOp unknown",
    ],
)
@folded("status", [400, 401, 403, 404, 429, 500])
def test_no_key_is_repeated(text: str, status: int) -> None:
    target = Target("POST", "https://ollama.com/api/chat", "m", "cloud", True, hide=("SECRET-KEY-1",))
    body = native(text, signin_url="https://ollama.com/connect?key=SECRET-KEY-1")
    for error in (error_from_response(status, body, {}, target), error_from_stream(json.loads(body), target)):
        shown = f"{error} {error!r} {error.__dict__}"
        for secret in ("SECRET-KEY-1", "abcdefghijklmnop", "QWxhZGRp", "pass-word", "sk-abc", "AbCdEfGh"):
            assert secret not in shown
    assert "SECRET-KEY-1" not in repr(target)
    assert "SECRET-KEY-1" not in str(error_from_text(text, target))


def test_ordinary_words_are_not_taken_for_keys() -> None:
    error = error_from_response(401, native("Basic authentication required; bearer token missing"), {}, LOCAL)
    assert "Basic authentication required; bearer token missing" in error.message


def test_a_redirect_names_only_the_host() -> None:
    error = error_from_response(302, b"", {"Location": "https://ann:secret@new.example:8443/a?key=1"}, LOCAL)
    assert "https://new.example" in error.hint
    assert "secret" not in str(error)
    assert "key=1" not in str(error)


@pytest.mark.slow
def test_a_long_body_is_cut_and_a_page_has_no_tags() -> None:
    error = error_from_response(500, native("x" * 100_000), {}, LOCAL)
    assert len(error.message) < 700
    page = b"<html><style>b{}</style><script>let a = 1</script><p>Some <b>thing</b></p>" + b"<script" * 8_000
    error = error_from_response(500, page, {}, LOCAL)
    assert "Some thing" in error.message
    assert "let a" not in error.message


def test_text_that_is_no_answer() -> None:
    error = error_from_text("<html><title>Sign in</title></html>", LOCAL)
    assert "Sign in" in error.message
    assert error.status == 200
    assert error.hint


@folded(
    ("value", "expected"),
    [
        ("120", 120.0),
        (" 1.5 ", 1.5),
        ("0", 0.0),
        ("Thu, 01 Jan 1970 00:02:00 GMT", 20.0),
        ("Thu, 01 Jan 1970 00:02:00 +0000", 20.0),
        ("Thu, 01 Jan 1970 00:02:00", 20.0),
        ("Thu, 01 Jan 1970 00:00:10 GMT", 0.0),
        (None, None),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("inf", None),
        ("nan", None),
        ("9" * 400, None),
        ("Thu, 99 Jan 1970 00:02:00 GMT", None),
        ("Thu, 01 Jan 99999999 00:02:00 GMT", None),
    ],
)
def test_retry_after(value: str | None, expected: float | None) -> None:
    assert retry_after_seconds(value, now=100.0) == expected


def test_retry_after_is_in_the_error_and_in_its_hint() -> None:
    error = error_from_response(503, native("busy"), {"Retry-After": "7"}, LOCAL, now=0.0)
    assert isinstance(error, Busy)
    assert error.retry_after == 7
    assert "7 s" in error.hint


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["error", "message", "detail", "type", "code", "status", "StatusCode", "signin_url", "x"]),
            inner,
        )
    ),
    max_leaves=12,
)


@pytest.mark.slow
@given(status=st.integers(100, 599), body=st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()))
@settings(max_examples=300, deadline=None)
def test_every_body_gives_some_error(status: int, body: bytes) -> None:
    for target in (LOCAL, CLOUD, EMBEDDED):
        assert isinstance(error_from_response(status, body, {"retry-after": "x"}, target), OllamaMagicError)


@pytest.mark.slow
@given(payload=JSON)
@settings(max_examples=200, deadline=None)
def test_every_payload_gives_some_error(payload: object) -> None:
    error_from_stream(payload, LOCAL).message.encode()


def test_the_built_in_engine_is_named_and_not_its_address() -> None:
    error = error_from_response(400, TOO_LONG.encode(), {}, EMBEDDED)
    assert error.message == (
        "request (9031 tokens) exceeds the available context size (2048 tokens) (the built-in engine answered 400)"
    )
    assert "another model" in error.hint
