"""Hints for server errors: one or two sentences that tell the user what to do."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ..errors import (
    BadRequest,
    Busy,
    Forbidden,
    ModelNotFound,
    OllamaMagicError,
    PromptTooLong,
    Unauthorized,
    Unsupported,
    UsageLimit,
)

if TYPE_CHECKING:
    from .bodies import Report

__all__ = ["NOT_OLLAMA", "hint_for", "pull_hint"]

NOT_OLLAMA = "Something else answers there, such as a proxy or a login page. Check the host: `%ollama config`."
_KEYS = "https://ollama.com/settings/keys"
_MEMORY = re.compile(r"out[ -]of[ -]memory|more system memory", re.IGNORECASE)
_UPGRADE = re.compile(r"https://\S+")


def hint_for(
    kind: type[OllamaMagicError],
    report: Report,
    mode: str,
    model: str,
    key_sent: bool,
    retry_after: float | None,
    location: str,
) -> str:
    """The hint for an error of class `kind` made from `report`; "" if there is nothing useful to say."""
    if kind is Unauthorized:
        return _unauthorized(report, mode, key_sent)
    if kind is Forbidden:
        return _forbidden(report)
    if kind is ModelNotFound:
        return pull_hint(model, mode)
    if kind is UsageLimit:
        where = "" if _UPGRADE.search(report.text) else " See https://ollama.com/settings."
        return f"The allowance is used up: waiting a moment does not help. Use another model or a local one.{where}"
    if kind is Busy:
        wait = f"in {retry_after:.0f} s" if retry_after else "in a moment"
        return f"Try again {wait}: it may be busy for others. A map asks fewer at once with `concurrency=1`."
    if kind is PromptTooLong:
        longer = "Use another model" if mode == "embedded" else "Give the model a longer context with `--num-ctx N`"
        return f"{longer}, or shorten the prompt or the conversation."
    if kind is Unsupported:
        return _unsupported(report.text.lower())
    if kind is BadRequest:
        return _bad_request(report)
    return _server_error(report, location)


def pull_hint(model: str, mode: str) -> str:
    """How to get a model that the server does not have."""
    if mode == "cloud":
        return "`%ollama list` shows the models of the cloud; names there have no `-cloud` suffix."
    if mode == "embedded":
        return "The built-in engine has one model only: `%ollama list`. For others install Ollama: https://ollama.com/download"
    return f"`%ollama pull {model or 'NAME'}` fetches it; `%ollama list` shows what is there."


def _unauthorized(report: Report, mode: str, key_sent: bool) -> str:
    if report.signin_url:
        return f"Sign this computer in to Ollama: {report.signin_url} (or `ollama signin` in a terminal)."
    if mode == "embedded":
        return "Start the built-in engine afresh: `%ollama mode embedded`."
    if key_sent:
        return f"The key was not accepted. Make one at {_KEYS}, then `%ollama login` or set OLLAMA_API_KEY."
    if mode == "cloud":
        return f"No key was sent. Make one at {_KEYS}, then `%ollama login` or set OLLAMA_API_KEY."
    return (
        "No key was sent: this host is not a trusted one. If it is yours, name it in OLLAMA_MAGIC_TRUSTED_HOSTS "
        "and set OLLAMA_API_KEY."
    )


def _forbidden(report: Report) -> str:
    text = report.text.lower()
    if not text:
        return (
            "Ollama refuses a Host or Origin header that is not local. A proxy or tunnel before it must send "
            "`Host: localhost:11434`; or start the server with OLLAMA_HOST=0.0.0.0 or OLLAMA_ORIGINS set."
        )
    if "subscription" in text or "upgrade" in text:
        return "This model is not part of the account's plan. Use another model: `%ollama list`."
    if "cloud is disabled" in text:
        return "The server runs without cloud models (OLLAMA_NO_CLOUD). Use a local model, or `%ollama mode cloud`."
    return NOT_OLLAMA if report.page else ""


def _unsupported(text: str) -> str:
    if "thinking" in text:
        return "Leave out `--think`, or use a model with the capability “thinking”."
    if "tool" in text:
        return "Leave out the tools, or use a model with the capability “tools”."
    if "image" in text or "vision" in text or "multimodal" in text:
        return "Leave out the images, or use a model with the capability “vision”."
    return "Use a model that can do this: `%ollama list` shows what there is."


def _bad_request(report: Report) -> str:
    text = report.text.lower()
    if "must be of type" in text:
        return "Give this option a value of that type: `-o NAME=VALUE`."
    if "invalid format" in text or "json schema" in text:
        return "The format must be json or a JSON schema."
    if "duration" in text:
        return "Write how long to keep the model as `5m`, `1h30m`, or seconds: `--keep-alive 300`."
    if "model name" in text or "model is required" in text:
        return "A model's name looks like `llama3.2` or `qwen3:8b`: `%ollama list` shows what is there."
    if report.status == 413:
        return "The prompt or its images are too large for a proxy before the server. Send less."
    return ""


def _server_error(report: Report, location: str) -> str:
    status, text = report.status, report.text
    if _MEMORY.search(text):
        return "The model does not fit into memory. Use a smaller model or `--num-ctx`, or `ollama stop` another."
    if "process has terminated" in text:
        return "The model could not be loaded; often there is too little memory. Try a smaller model or `--num-ctx`."
    if "binary not found" in text:
        return "This Ollama lacks the program that runs models. Install it again: https://ollama.com/download"
    if status is not None and 300 <= status < 400:
        there = urlsplit(location)
        place = f" ({there.scheme}://{there.hostname})" if there.hostname else ""
        return f"The server is somewhere else{place}. Set OLLAMA_HOST to its new address."
    if status in (404, 405):
        return "This server has no such address. Is it Ollama, and new enough? `--api native` asks for the older one."
    if status == 407:
        return "A proxy on the way wants a password. Check HTTP_PROXY and NO_PROXY."
    if status == 504 or (report.page and status in (502, 503)):
        return "A proxy gave up waiting: the model may still be loading. Try again, or raise the proxy's time limit."
    if status == 502:
        return "The server could not reach the one behind it. Check its network, then try again."
    if "timed out waiting for" in text and "to start" in text:
        return "Loading took too long for the server. Raise its OLLAMA_LOAD_TIMEOUT, or use a smaller model."
    if report.page:
        return NOT_OLLAMA
    return "Try again. If it happens again, the server's log says more: `ollama serve` in a terminal shows it."
