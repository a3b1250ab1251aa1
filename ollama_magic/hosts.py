"""Server addresses, parsed as people write them, and which hosts may receive the key. No I/O.

Strategy: a host is parsed once, here, as Ollama's Go code does it, and then passed on as its components; URLs are
only built from them. So no second parser can see a host other than the one for which the key was approved.
Source: ollama envconfig/config.go, Host and ConnectableHost.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from .address import SCHEME_PORTS, base_path, has_odd_characters, ip_address, port_number, refuse, take_apart
from .errors import SettingsError
from .secret import Secret

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["CLOUD", "LOCAL", "Host", "Trusted", "host_of", "may_receive_key", "parse_host", "parse_trusted"]

DEFAULT_PORT: Final = 11434
_CLOUD_NAME: Final = "ollama.com"


@dataclass(frozen=True, slots=True)
class Host:
    """A server's base address. `path` is "" or "/sub/path"; `userinfo` is "user:password" as written in a URL."""

    scheme: str
    hostname: str
    """Lower case, ASCII (other scripts as xn--); an IPv6 address has no brackets."""
    port: int
    path: str = ""
    userinfo: Secret | None = field(default=None, repr=False)

    @property
    def url(self) -> str:
        """The address without credentials, and without the port if it is the scheme's default."""
        return self._url("")

    @property
    def display(self) -> str:
        """`url` for display: with any credentials masked."""
        return self._url("***@" if self.userinfo else "")

    def __str__(self) -> str:
        return self.display

    def _url(self, credentials: str) -> str:
        name = f"[{self.hostname}]" if ":" in self.hostname else self.hostname
        port = "" if self.port == SCHEME_PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{credentials}{name}{port}{self.path}"

    @property
    def is_loopback(self) -> bool:
        """Whether its name alone denotes this machine: localhost, 127.*, ::1. There is no DNS lookup."""
        if self.hostname == "localhost":
            return True
        address = ip_address(self.hostname)
        return address is not None and address.is_loopback

    @property
    def is_cloud(self) -> bool:
        """Whether it is exactly https://ollama.com."""
        return (self.scheme, self.hostname, self.port) == ("https", _CLOUD_NAME, 443) and self.userinfo is None


LOCAL: Final = Host("http", "localhost", DEFAULT_PORT)
CLOUD: Final = Host("https", _CLOUD_NAME, 443)


def parse_host(text: str) -> Host:
    """The host that `text` names, read as Ollama itself reads OLLAMA_HOST, ready to connect to.

    Empty gives http://localhost:11434 (Ollama uses 127.0.0.1; a daemon in a container may answer on ::1 only).
    Surrounding spaces and quotes are trimmed; a port out of range falls back to the default; a listening address
    (0.0.0.0, [::], or none) becomes the loopback address. A trailing /v1, /api or / is dropped: a base address has no
    surface. http://ollama.com becomes https. Raises SettingsError, without showing credentials, for anything that is
    not clearly one host.
    """
    try:
        return _read_host(text)
    except SettingsError as error:
        message, hint = error.message, error.hint
    del text  # a traceback may be shown with local variables
    raise SettingsError(message, hint=hint)


def _read_host(text: str) -> Host:
    text = text.strip().strip("\"'").strip()
    if not text:
        return LOCAL
    if "?" in text or "#" in text:
        refuse(text, 'it has a "?" or "#", which a base address cannot have')
    parts = take_apart(text)
    scheme = parts.scheme or "http"
    port = port_number(parts.port)
    if parts.hostname == _CLOUD_NAME and scheme == "http" and port in (None, 80, 443):
        scheme, port = "https", 443
    if port is None:
        port = SCHEME_PORTS[scheme] if parts.scheme else DEFAULT_PORT
    host = Host(scheme, parts.hostname, port, base_path(text, parts.path))
    if parts.userinfo is None:
        return host
    if host.is_cloud:
        refuse(text, "ollama.com takes a key (OLLAMA_API_KEY), not a name and password")
    return Host(scheme, parts.hostname, port, host.path, Secret(parts.userinfo))


def host_of(url: str) -> Host:
    """The host of an absolute URL, as in a redirect, without its path. Nothing is repaired, trimmed or upgraded.

    Raises SettingsError unless it is clearly http(s)://name[:port]/...
    """
    authority = url.partition("://")[2].partition("/")[0]
    if "?" in authority or "#" in authority:
        refuse(url, "there is no / after the name")
    if has_odd_characters(url):
        refuse(url, "it has a character that no address has")
    parts = take_apart(re.split("[?#]", url, maxsplit=1)[0])
    port = port_number(parts.port)
    if not parts.scheme or parts.userinfo is not None or (parts.port is not None and port is None):
        refuse(url, "it is not plainly a scheme, a name and a port")
    return Host(parts.scheme, parts.hostname, SCHEME_PORTS[parts.scheme] if port is None else port)


# ---- who may receive the key -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Trusted:
    """One entry of OLLAMA_MAGIC_TRUSTED_HOSTS: exactly this name; None means any port, or https (http on loopback)."""

    hostname: str
    port: int | None = None
    scheme: str | None = None

    def matches(self, host: Host) -> bool:
        """Whether the entry names `host`; it has no wildcards and includes no subdomains."""
        return host.hostname == self.hostname and self.port in (None, host.port) and self.scheme in (None, host.scheme)

    def __str__(self) -> str:
        name = f"[{self.hostname}]" if ":" in self.hostname else self.hostname
        if self.scheme:
            return Host(self.scheme, self.hostname, self.port or 0).url
        return name if self.port is None else f"{name}:{self.port}"


def parse_trusted(text: str) -> tuple[Trusted, ...]:
    """Entries separated by commas or spaces: `name` (any port), `name:port`, `scheme://name[:port]` (that origin only).

    Raises SettingsError for wildcards, paths, credentials, and plain http to any host but loopback.
    """
    try:
        return tuple(_trusted_entry(entry) for entry in re.split(r"[,\s]+", text.strip().strip("\"'")) if entry)
    except SettingsError as error:
        message, hint = error.message, error.hint
    del text
    raise SettingsError(message, hint=hint)


def _trusted_entry(entry: str) -> Trusted:
    if "*" in entry or re.match(r"\.|:(?!:)", entry):
        refuse(entry, "a trusted host is named exactly: no wildcards, no domains, no bare ports")
    if "?" in entry or "#" in entry:
        refuse(entry, "a trusted host is a name, not a page")
    parts = take_apart(entry)
    port = port_number(parts.port)
    if parts.port is not None and port is None:
        refuse(entry, "its port is not a number from 0 to 65535")
    if parts.userinfo is not None or base_path(entry, parts.path):
        refuse(entry, "a host is trusted as a whole: name it without a path, a name or a password")
    if not parts.scheme:
        return Trusted(parts.hostname, port)
    host = Host(parts.scheme, parts.hostname, SCHEME_PORTS[parts.scheme] if port is None else port)
    if host.scheme == "http" and not host.is_loopback:
        refuse(entry, "over plain http everybody on the way could read the key; only https is trusted there")
    return Trusted(host.hostname, host.port, host.scheme)


def may_receive_key(host: Host, trusted: Iterable[Trusted]) -> bool:
    """Whether the API key may go to `host`: https://ollama.com, or one in `trusted`, over https or on loopback."""
    if host.is_cloud:
        return True
    if host.scheme != "https" and not host.is_loopback:
        return False
    return any(entry.matches(host) for entry in trusted)
