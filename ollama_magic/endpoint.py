"""Where requests go and what authorizes them: the only place that decides who gets the key. Pure.

    https://ollama.com                        Bearer, always
    a host named in trusted_hosts             Bearer, over https; over plain http on the loopback interface only
    any host written as user:password@host    Basic, never the key
    every other host                          nothing

A file that came with a folder (a .env) may name trusted hosts only for a key in the same file: otherwise somebody
else's folder could decide where your key is sent.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal
from urllib.parse import unquote_to_bytes, urljoin

from .address import has_odd_characters, refuse
from .errors import OllamaMagicError, ServerError, SettingsError, Unsupported
from .hosts import CLOUD, LOCAL, Host, Trusted, host_of, may_receive_key
from .secret import Secret

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .settings import Settings

__all__ = [
    "Endpoint",
    "Surface",
    "authorization_for",
    "bearer",
    "endpoint_for",
    "gets_key",
    "may_fall_back",
    "meaning_of",
    "redirect_target",
]

Surface = Literal["openai", "native"]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A server to talk to. `authorization` is the complete header value, None for no header."""

    mode: str
    host: Host
    authorization: Secret | None = None
    surfaces: tuple[Surface, ...] = ("openai", "native")
    api: str = "auto"
    dialect: Literal["ollama", "llama.cpp"] = "ollama"
    models: tuple[str, ...] | None = None
    """All models that it serves, if known in advance."""
    host_origin: str = "default"
    """Where the host was set, for messages."""
    key: Secret | None = field(default=None, repr=False)
    trusted: tuple[Trusted, ...] = field(default=(), repr=False)

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """What no text from this server may show; for `redact`."""
        return tuple(each for each in (self.authorization, self.key, self.host.userinfo) if each)


def endpoint_for(settings: Settings) -> Endpoint:
    """The endpoint of mode local or cloud; the embedded engine makes its own (ValueError here).

    Raises SettingsError before anything is sent: mode cloud without a key or with a host that may not receive it,
    mode local with ollama.com; Unsupported for the surface that the cloud does not serve.
    """
    if settings.mode == "embedded":
        raise ValueError("the embedded engine makes its own endpoint")
    host = settings.host
    if host is not None and host.is_cloud and settings.mode == "local":
        raise SettingsError(
            f"Mode local ({settings.origin('mode')}) cannot use {host.display} ({settings.origin('host')})",
            hint="Use mode cloud for ollama.com, or a host of your own, such as http://localhost:11434.",
        )
    if settings.mode == "cloud":
        return _cloud(settings, host or CLOUD)
    host = host or LOCAL
    trusted = _trusted(settings, host)
    return _endpoint(settings, "local", host, trusted, ("openai", "native"))


def _cloud(settings: Settings, host: Host) -> Endpoint:
    if settings.api == "openai":
        raise Unsupported(
            f"api = openai ({settings.origin('api')}) cannot be used with {host.display}: the cloud serves /api only",
            hint="Leave api out (auto), or use mode local.",
        )
    trusted = _trusted(settings, host)
    if not may_receive_key(host, trusted):
        raise SettingsError(
            f"Mode cloud ({settings.origin('mode')}) goes to https://ollama.com, but the host is {host.display} "
            f"({settings.origin('host')}), which may not have the key; nothing was sent",
            hint=f"Unset the host or set it to https://ollama.com; use mode local for a host of your own; "
            f"or name it in OLLAMA_MAGIC_TRUSTED_HOSTS{'' if _can_be_trusted(host) else ' and use https'}.",
        )
    endpoint = _endpoint(settings, "cloud", host, trusted, ("native",))
    if endpoint.authorization is None:
        raise SettingsError(
            f"Mode cloud ({settings.origin('mode')}) needs an API key for {host.display}, and none is set",
            hint="Run %ollama login, or set OLLAMA_API_KEY (keys: https://ollama.com/settings/keys).",
        )
    return endpoint


def _endpoint(
    settings: Settings, mode: str, host: Host, trusted: tuple[Trusted, ...], surfaces: tuple[Surface, ...]
) -> Endpoint:
    return Endpoint(
        mode=mode,
        host=host,
        authorization=authorization_for(host, settings.key, trusted),
        surfaces=surfaces,
        api=settings.api,
        host_origin=settings.origin("host"),
        key=settings.key,
        trusted=trusted,
    )


def _can_be_trusted(host: Host) -> bool:
    return host.scheme == "https" or host.is_loopback


def _trusted(settings: Settings, host: Host) -> tuple[Trusted, ...]:
    """The trusted hosts that apply to this key; raises SettingsError if only a .env would send it to `host`."""
    trusted = settings.trusted_hosts
    if not settings.came_with_folder("trusted_hosts") or settings.came_with_folder("key"):
        return trusted
    if settings.key and host.userinfo is None and may_receive_key(host, trusted) and not may_receive_key(host, ()):
        raise SettingsError(
            f"{host.display} is trusted only by a .env, but the key comes from elsewhere "
            f"({settings.origin('key')}): a folder's file may not say where your key goes; nothing was sent",
            hint="Set OLLAMA_MAGIC_TRUSTED_HOSTS in the environment, or put the key into the same .env.",
        )
    return ()


def may_fall_back(settings: Settings) -> bool:
    """Whether the embedded engine may answer for a missing daemon: no mode, host or model was named."""
    return settings.is_default("mode") and settings.host is None and not settings.model


def gets_key(settings: Settings) -> bool:
    """Whether requests with these settings carry the key: in mode cloud, and to a trusted host of one's own."""
    if settings.mode == "embedded" or not settings.key:
        return False
    try:
        endpoint = endpoint_for(settings)
    except OllamaMagicError:  # nothing is sent
        return False
    return endpoint.authorization is not None and endpoint.host.userinfo is None


def meaning_of(settings: Settings) -> str:
    """The mode in words: who answers, and whether the key is sent there."""
    if settings.mode == "embedded":
        return "a small model inside this environment; no server, no key"
    if settings.mode == "cloud":
        return "https://ollama.com with your key"
    sent = "your key is sent there too, since it is in trusted_hosts" if gets_key(settings) else "no key is sent"
    return f"the Ollama at your host; {sent}"


# ---- who gets what ---------------------------------------------------------------------------------------------


def bearer(key: Secret) -> Secret:
    """The header value that carries `key`."""
    return Secret(f"Bearer {key.reveal()}")


def authorization_for(host: Host, key: Secret | None, trusted: Iterable[Trusted]) -> Secret | None:
    """The Authorization header for `host`: its own user and password, the key if it may receive it, or None."""
    if host.userinfo is not None:
        user, _, password = host.userinfo.reveal().partition(":")
        pair = unquote_to_bytes(user) + b":" + unquote_to_bytes(password)
        return Secret(f"Basic {base64.b64encode(pair).decode('ascii')}")
    return bearer(key) if key and may_receive_key(host, trusted) else None


def redirect_target(endpoint: Endpoint, from_url: str, to_url: str) -> Endpoint:
    """The endpoint for following a redirect from `from_url` to `to_url`, absolute or relative to it.

    Its authorization is decided anew for the new address. A user and password are kept only for the origin that they
    were given for, or its https upgrade. `host.path` stays as it was: the path to request is in `to_url`.
    Raises ServerError for another host name, for https to plain http, and for what is not clearly a URL.
    """
    start = host_of(from_url)
    try:
        # Checked before urljoin, which drops some characters and moves others.
        if not to_url or has_odd_characters(to_url):
            refuse(to_url, "it is not plainly a URL")
        target = host_of(urljoin(from_url, to_url))
    except (SettingsError, ValueError) as error:
        why = error.message if isinstance(error, SettingsError) else "it is not plainly a URL"
        raise ServerError(
            f"{start.display} redirects to an address that cannot be followed: {why}", hint=_REDIRECT_HINT
        ) from None
    if target.hostname != start.hostname:
        raise ServerError(
            f"{start.display} redirects to another host, {target.display}; it was not followed", hint=_REDIRECT_HINT
        )
    if start.scheme == "https" and target.scheme != "https":
        raise ServerError(
            f"{start.display} redirects to {target.display}, plain http; it was not followed", hint=_REDIRECT_HINT
        )
    old = endpoint.host
    same = (target.hostname, target.scheme, target.port) == (old.hostname, old.scheme, old.port)
    upgraded = (target.scheme, target.port) == ("https", 443) and (old.scheme, old.port) == ("http", 80)
    userinfo = old.userinfo if same or (upgraded and target.hostname == old.hostname) else None
    host = replace(target, path=old.path, userinfo=userinfo)
    # The embedded engine's random key is not an API key, and is valid for its process only.
    kept = endpoint.authorization if same else None
    authorization = authorization_for(host, endpoint.key, endpoint.trusted) or (kept if endpoint.key is None else None)
    return replace(endpoint, host=host, authorization=authorization)


_REDIRECT_HINT = "If that is where your Ollama is, set the host to it (OLLAMA_HOST or --host)."
