"""The OpenAI-compatible surface, /v1/chat/completions, of Ollama and of llama.cpp's server.

Ollama's /v1 reads few fields and silently ignores the others (openai/openai.go), so what it does not support is
refused here. llama.cpp reads its sampler parameters from the same body, under Ollama's names.

Source: ollama docs/api/openai-compatibility.mdx; llama.cpp tools/server/README.md, server-schema.cpp
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal

from ..errors import OllamaMagicError, ServerError, Unsupported
from ..events import Event, Message, Request, ToolRequest
from .calls import RAW_ARGUMENTS, CallCollector
from .decoding import Decoder, count, seconds

if TYPE_CHECKING:
    from .failures import Target

__all__ = ["Dialect", "OpenAIDecoder", "check", "encode_chat", "unsupported"]

Dialect = Literal["ollama", "llama.cpp"]

_MILLISECOND = 1e-3
_SAME = ("temperature", "top_p", "seed", "stop", "presence_penalty", "frequency_penalty")
_COMMON = {name: name for name in _SAME} | {"num_predict": "max_tokens"}
_LLAMA = _COMMON | {
    name: name
    for name in (
        *("top_k", "min_p", "typical_p", "top_n_sigma", "xtc_probability", "xtc_threshold", "min_keep"),
        *("repeat_penalty", "repeat_last_n", "dynatemp_range", "dynatemp_exponent"),
        *("dry_multiplier", "dry_base", "dry_allowed_length", "dry_penalty_last_n", "dry_sequence_breakers"),
        *("mirostat", "mirostat_tau", "mirostat_eta", "samplers", "logit_bias", "ignore_eos", "grammar"),
    )
}
_LLAMA["num_keep"] = "n_keep"
# The only types that Ollama decodes on /v1 (openai.go, decodeImageURL); /api detects them from the bytes.
_IMAGE_TYPES = ("image/jpeg", "image/jpg", "image/png", "image/webp")
_FLAGS = {"num_ctx": "--num-ctx", "keep_alive": "--keep-alive", "think": "--think"}


# ---- requests ------------------------------------------------------------------------------------------------------


def unsupported(request: Request, dialect: Dialect = "ollama") -> list[str]:
    """The names of the parts of `request` that this surface does not support, as options are named in the notebook.

    `think` is among them only for True on Ollama: False and levels have an equivalent, `reasoning_effort`.
    """
    table = _LLAMA if dialect == "llama.cpp" else _COMMON
    names = [name for name, value in request.options.items() if value is not None and name not in table]
    if request.keep_alive is not None:
        names.append("keep_alive")
    if request.think is True and dialect == "ollama":
        names.append("think")
    if isinstance(request.format, str) and request.format != "json":
        names.append("format")
    if dialect == "ollama":
        types = {image.media_type for message in request.messages for image in message.images}
        names += sorted(types.difference(_IMAGE_TYPES))
    return names


def encode_chat(request: Request, *, stream: bool = True, dialect: Dialect = "ollama") -> tuple[str, dict[str, Any]]:
    """The path and the JSON body of `request` on this surface.

    Raises Unsupported, naming each option that the server would ignore.
    """
    check(request, dialect)
    table = _LLAMA if dialect == "llama.cpp" else _COMMON
    body: dict[str, Any] = {"model": request.model, "messages": _messages(request.messages, dialect), "stream": stream}
    if stream:
        body["stream_options"] = {"include_usage": True}
    for name, value in request.options.items():
        # A negative number of tokens means no limit to Ollama; here the field is omitted instead.
        if value is not None and not (name == "num_predict" and isinstance(value, int) and value < 0):
            body[table[name]] = value
    if request.think is not None:
        _add_think(body, request.think, dialect)
    if request.format == "json":
        body["response_format"] = {"type": "json_object"}
    elif request.format is not None and not isinstance(request.format, str):
        schema = {"name": "answer", "strict": True, "schema": dict(request.format)}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    if request.tools:
        body["tools"] = [dict(tool) for tool in request.tools]
    if request.top_logprobs is not None:
        body["logprobs"] = True
        if alternatives := request.top_logprobs or int(dialect == "llama.cpp"):  # at 0 it returns no probabilities
            body["top_logprobs"] = alternatives
    return "/v1/chat/completions", body


def check(request: Request, dialect: Dialect = "ollama") -> None:
    """Raise Unsupported, naming what this surface does not support, if `request` has any of it."""
    names = unsupported(request, dialect)
    if not names:
        return
    shown = ", ".join(f"{name} ({_FLAGS[name]})" if name in _FLAGS else name for name in names)
    if dialect == "llama.cpp":
        raise Unsupported(
            f"the built-in engine cannot be told: {shown}",
            hint="Leave that out, or use Ollama itself: `%ollama mode local`.",
        )
    raise Unsupported(
        f"the OpenAI-compatible surface (/v1) cannot carry: {shown}",
        hint="Leave that out, or use Ollama's own surface: `--api native` or `--api auto`.",
    )


def _add_think(body: dict[str, Any], think: bool | str, dialect: Dialect) -> None:
    if dialect == "llama.cpp" and isinstance(think, bool):
        body["chat_template_kwargs"] = {"enable_thinking": think}
    if think is False:
        body["reasoning_effort"] = "none"
    elif isinstance(think, str):
        body["reasoning_effort"] = think


def _messages(messages: tuple[Message, ...], dialect: Dialect) -> list[dict[str, Any]]:
    """Messages in OpenAI's format. A result must name the call it answers: missing ids are generated in order."""
    waiting: list[tuple[str, str]] = []  # (name, id) of calls that have no result yet
    result = []
    for place, message in enumerate(messages):
        item: dict[str, Any] = {"role": message.role, "content": _content(message)}
        if message.thinking and message.role == "assistant":
            item["reasoning" if dialect == "ollama" else "reasoning_content"] = message.thinking
        if message.tool_calls:
            item["tool_calls"] = []
            for index, call in enumerate(message.tool_calls):
                identity = call.id or f"call_{place}_{index}"
                waiting.append((call.name, identity))
                function = {"name": call.name, "arguments": _arguments(call.arguments)}
                item["tool_calls"].append({"id": identity, "index": index, "type": "function", "function": function})
        if message.role == "tool":
            identity = message.tool_call_id or _answered(message.tool_name, waiting)
            if identity:
                item["tool_call_id"] = identity
                waiting = [call for call in waiting if call[1] != identity]
            if message.tool_name:
                item["name"] = message.tool_name
        result.append(item)
    return result


def _answered(name: str, waiting: list[tuple[str, str]]) -> str:
    return next((identity for called, identity in waiting if not name or called == name), "")


def _arguments(arguments: Any) -> str:
    raw = arguments.get(RAW_ARGUMENTS)
    return raw if isinstance(raw, str) and len(arguments) == 1 else json.dumps(dict(arguments), ensure_ascii=False)


def _content(message: Message) -> str | list[dict[str, Any]]:
    if not message.images:
        return message.content
    parts: list[dict[str, Any]] = [{"type": "text", "text": message.content}] if message.content else []
    urls = (f"data:{image.media_type};base64,{image.base64()}" for image in message.images)
    return parts + [{"type": "image_url", "image_url": {"url": url}} for url in urls]


# ---- responses -----------------------------------------------------------------------------------------------------


class OpenAIDecoder(Decoder):
    """Turns frames of /v1/chat/completions (or /v1/completions), streamed or not, of any server, into events.

    A `finish_reason` ends the answer, and so does `[DONE]`. Done waits for `[DONE]` or the end of the bytes, because
    usage follows the finish reason. Tool calls are emitted once they are complete.

    Ollama's /v1 loses the text of an error in the middle of a stream: it sends a chunk with an empty model and an empty
    delta, and the stream ends. That becomes a ServerError which says so.
    """

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self._swallowed = False
        self._calls = CallCollector()

    def _object(self, value: dict[str, Any], events: list[Event]) -> None:
        if "error" in value and self._is_error(value):
            if not self.finished:
                self._fail(value, events)
            return
        choices = value.get("choices")
        if type(choices) is list:
            if len(choices) == 1 and "usage" not in value and "timings" not in value and (text := _piece(choices[0])):
                self._chunks += 1
                self._write(text, None, events)
                return
            for choice in choices:
                if type(choice) is dict and not choice.get("index"):
                    self._choice(value, choice, events)
        elif "usage" not in value and "timings" not in value:
            self._unknown(value)
            return
        self._chunks += 1
        if "usage" in value:
            self._usage(value["usage"])
        if "timings" in value:
            self._timings(value["timings"])

    def _choice(self, value: dict[str, Any], choice: dict[str, Any], events: list[Event]) -> None:
        delta = choice.get("delta")
        if type(delta) is not dict:
            delta = choice.get("message")
            if type(delta) is not dict:
                delta = {"content": choice.get("text")}
        text = delta.get("content")
        thinking = delta.get("reasoning") or delta.get("reasoning_content") or delta.get("thinking")
        if thinking and isinstance(thinking, str):
            self._think(thinking, events)
        if text and not isinstance(text, str):
            text = _joined(text)
        logprobs = choice.get("logprobs")
        if text or (logprobs and not thinking):
            self._write(text or "", logprobs, events, thought=bool(thinking))
        calls = delta.get("tool_calls")
        if calls:
            self._calls.add(calls)
        reason = choice.get("finish_reason")
        if reason and isinstance(reason, str) and reason != "error":
            self.finished, self._reason = True, reason
            self._before_end(events)
        elif not (text or thinking or calls) and (reason == "error" or value.get("model") == ""):
            self._swallowed = True

    def _end_mark(self, events: list[Event]) -> None:
        if self._swallowed and not self.finished:
            return
        super()._end_mark(events)

    def _unfinished(self) -> OllamaMagicError:
        if not self._swallowed:
            return super()._unfinished()
        return ServerError(
            f"the server failed in the middle of the answer, and its /v1 surface lost the reason ({self._target.url})",
            hint="Run it again with `--api native` to see the reason.",
            partial=self.text,
        )

    def _before_end(self, events: list[Event]) -> None:
        calls = self._calls.take()
        if calls:
            events.append(ToolRequest(calls))

    # ---- counts -------------------------------------------------------------------------------------------------

    def _usage(self, usage: object) -> None:
        """Record usage. It may come with every chunk, as zeros at first, so zeros are ignored."""
        if not isinstance(usage, dict):
            return
        prompt, output = count(usage.get("prompt_tokens")), count(usage.get("completion_tokens"))
        if not prompt and not output:
            return
        details = usage.get("prompt_tokens_details")
        cached = count(details.get("cached_tokens")) if isinstance(details, dict) else None
        self._count(prompt_tokens=prompt, output_tokens=output, cached_tokens=cached)

    def _timings(self, timings: object) -> None:
        """Record llama.cpp's timings: `prompt_n` excludes the cached tokens, `cache_n`."""
        if not isinstance(timings, dict):
            return
        read, cached = count(timings.get("prompt_n")), count(timings.get("cache_n"))
        if self._stats.prompt_tokens is None and read is not None:
            self._count(prompt_tokens=read + (cached or 0))
        if self._stats.output_tokens is None:
            self._count(output_tokens=count(timings.get("predicted_n")))
        self._count(
            cached_tokens=cached,
            server_prompt_s=seconds(timings.get("prompt_ms"), _MILLISECOND),
            server_output_s=seconds(timings.get("predicted_ms"), _MILLISECOND),
        )


def _piece(choice: Any) -> str:
    """The text of a choice that holds nothing else, as nearly all do; "" for any other."""
    try:
        delta = choice["delta"]
        text = delta["content"]
        if (
            type(text) is str
            and choice["finish_reason"] is None
            and choice["index"] == 0
            and len(choice) == 3
            and len(delta) == (2 if "role" in delta else 1)
        ):
            return text
    except (KeyError, TypeError):
        pass
    return ""


def _joined(parts: object) -> str:
    """The text of a list of content parts."""
    texts = [part.get("text") for part in parts if isinstance(part, dict)] if isinstance(parts, list) else []
    return "".join(text for text in texts if isinstance(text, str))
