"""The built-in weights with another chat template: the packaged one leaves tools out, so that none is ever called."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["TOOL_TEMPLATE", "copy_with_template"]

TOOL_TEMPLATE: Final = """{%- if tools %}<|im_start|>system
You may call functions. Functions are given within <tools></tools> XML tags:
<tools>
{%- for tool in tools %}
{{ tool | tojson }}
{%- endfor %}
</tools>
For each function call, return a json object with function name and arguments within <tool_call></tool_call> XML tags:
<tool_call>
{"name": <function-name>, "arguments": <args-json-object>}
</tool_call><|im_end|>
{% endif %}
{%- for message in messages %}
{%- if message.role == "tool" %}<|im_start|>user
<tool_response>
{{ message.content }}
</tool_response><|im_end|>
{% else %}<|im_start|>{{ message.role }}
{{ message.content or "" }}
{%- for call in message.tool_calls or [] %}<tool_call>
{"name": "{{ call.function.name }}", "arguments": {{ call.function.arguments | tojson }}}
</tool_call>
{%- endfor %}<|im_end|>
{% endif %}
{%- endfor %}
{%- if add_generation_prompt %}<|im_start|>assistant
{% endif %}"""
"""A template with tools, in the form of Hermes and Qwen."""

_TEXT, _LIST, _NUMBER = 8, 9, 4
_SIZES: Final = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}


def copy_with_template(source: Path, target: Path, template: str) -> None:
    """Write `source`, a GGUF file, to `target` with `template` as its chat template.

    Source: ggml docs/gguf.md: a header, keys with values, descriptions of tensors, then their data, aligned.
    """
    data = source.read_bytes()
    tensors, keys = struct.unpack_from("<QQ", data, 8)
    at, alignment, head = 24, 32, bytearray(data[:24])
    for _ in range(keys):
        after_key = _after(data, at, _TEXT)
        (kind,) = struct.unpack_from("<I", data, after_key)
        end = _after(data, after_key + 4, kind)
        key = data[at + 8 : after_key]
        if key == b"general.alignment" and kind == _NUMBER:
            (alignment,) = struct.unpack_from("<I", data, after_key + 4)
        if key == b"tokenizer.chat_template":
            new = template.encode()
            head += data[at : after_key + 4] + struct.pack("<Q", len(new)) + new
        else:
            head += data[at:end]
        at = end
    described = at
    for _ in range(tensors):
        at = _after(data, at, _TEXT)
        (dimensions,) = struct.unpack_from("<I", data, at)
        at += 4 + 8 * dimensions + 4 + 8
    head += data[described:at]
    with target.open("wb") as file:
        file.write(head + bytes(-len(head) % alignment))
        file.write(memoryview(data)[at + -at % alignment :])


def _after(data: bytes, at: int, kind: int) -> int:
    """Where the value of that kind which begins at `at` ends."""
    if kind == _TEXT:
        (length,) = struct.unpack_from("<Q", data, at)
        return int(at + 8 + length)
    if kind != _LIST:
        return at + _SIZES[kind]
    inner, count = struct.unpack_from("<IQ", data, at)
    at += 12
    if inner in _SIZES:
        return int(at + count * _SIZES[inner])
    for _ in range(count):
        at = _after(data, at, inner)
    return at
