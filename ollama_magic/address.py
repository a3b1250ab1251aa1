"""Parses a server address as people write it. Pure string handling.

Whatever two parsers might read differently is rejected: backslashes, control characters, more than one "@",
percent-encoded names, numbers that are not four decimal parts, a trailing dot, Unicode compatibility characters.

Source: ollama envconfig/config.go, Host and ConnectableHost.
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from typing import Final, NamedTuple, NoReturn
from urllib.parse import unquote_to_bytes

from .errors import SettingsError

__all__ = [
    "SCHEME_PORTS",
    "Parts",
    "base_path",
    "has_odd_characters",
    "ip_address",
    "port_number",
    "refuse",
    "take_apart",
    "without_credentials",
]

SCHEME_PORTS: Final = {"http": 80, "https": 443}

_FORBIDDEN = re.compile(r"[\x00-\x20\x7f-\xa0\\\"<>^`{|}]")
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_PATH = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:/-]|%[0-9A-Fa-f]{2})*")
_USERINFO = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:-]|%[0-9A-Fa-f]{2})*")
_HIDING_ESCAPE = re.compile(r"%(?:2e|2f|5c|[01][0-9a-f]|7f)", re.IGNORECASE)  # . / \ and control characters


class Parts(NamedTuple):
    """The components of an address, validated except for the path and the port number."""

    scheme: str  # "" if none is given
    userinfo: str | None
    hostname: str
    port: str | None  # as written
    path: str  # without its leading /


def take_apart(text: str) -> Parts:
    """The components of `text`; raises SettingsError for what is not clearly one host. The scheme is optional."""
    _check_characters(text)
    scheme, mark, rest = text.partition("://")
    scheme = scheme.lower() if mark else ""
    if mark and scheme not in SCHEME_PORTS:
        refuse(text, "it starts with neither http:// nor https://")
    authority, _, path = (rest if mark else text).partition("/")
    if "@" in path:
        refuse(text, 'it has an "@" after a "/"; in a password write / as %2F')
    userinfo, mark, hostport = authority.rpartition("@")
    if mark:
        _check_userinfo(text, userinfo)
    name, port = _name_and_port(text, hostport)
    if port is not None and not re.fullmatch(r"[0-9A-Za-z+-]*", port):
        refuse(text, "what is behind the name's colon is no port")
    if not scheme and name in SCHEME_PORTS:
        refuse(text, f'"{name}" is followed by something else than "://"')
    return Parts(scheme, userinfo if mark else None, name, port, path)


def _name_and_port(text: str, hostport: str) -> tuple[str, str | None]:
    if hostport.startswith("[") or hostport.count(":") > 1:
        # Go also accepts an IPv6 address without brackets, which then has no port.
        bracketed = re.fullmatch(r"\[([0-9A-Fa-f:.]+)\](?::(.*))?", hostport)
        literal, port = (bracketed[1], bracketed[2]) if bracketed else (hostport, None)
        address = ip_address(literal)
        if address is None or ":" not in literal or "%" in literal:
            refuse(text, "its part with colons is no IPv6 address; one with a port is written [::1]:11434")
        return _connectable(address), port
    name, colon, digits = hostport.partition(":")
    if not name:
        if not colon:
            refuse(text, "there is no name in it")
        return "127.0.0.1", digits
    return _name(text, name), (digits if colon else None)


def _name(text: str, name: str) -> str:
    if name.endswith("."):
        refuse(text, "its name ends with a dot")
    labels = [label.lower() if label.isascii() else _ascii_label(text, label) for label in name.split(".")]
    if _NUMBER.fullmatch(labels[-1]):
        # inet_aton and browsers also accept 127.1, 0x7f.1 and 2130706433, but not all read them alike.
        address = ip_address(name)
        if address is None:
            hint = f" (a port alone is written :{name})" if name.isdigit() else ""
            refuse(text, f"it ends in a number, but is not an address of four decimal parts{hint}")
        return _connectable(address)
    if not all(map(_LABEL.fullmatch, labels)) or len(".".join(labels)) > 253:
        refuse(text, "its name has something else than letters, digits, hyphens and single dots")
    return ".".join(labels)


def _ascii_label(text: str, label: str) -> str:
    """`label` in its xn-- form; raises SettingsError if the two IDNA standards may not agree on one."""
    lower = label.lower()
    plain = all(each == unicodedata.normalize("NFKC", each) for each in (label, lower))
    plain = plain and lower == lower.casefold()  # false for sharp s and final sigma, which one standard maps
    if not plain or any(unicodedata.category(c)[0] not in "LM" and not c.isascii() for c in label):
        refuse(text, "its name has characters that stand for others, or that no name can have")
    try:
        return lower.encode("idna").decode("ascii")
    except UnicodeError:
        refuse(text, "its name has characters that no host name can have")


def ip_address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The IP address that `text` spells, an IPv4-mapped IPv6 address as IPv4; None for a name."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _connectable(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    if address.is_unspecified:
        return "127.0.0.1" if address.version == 4 else "::1"
    return str(address)


def port_number(text: str | None) -> int | None:
    """The port, or None if it is missing or invalid, for which Go uses the default."""
    if text is None or not re.fullmatch(r"[0-9]{1,9}", text) or int(text) > 65535:
        return None
    return int(text)


def base_path(text: str, path: str) -> str:
    """`path` as "" or "/sub/path", without a trailing surface (v1, api); `text` is the full address, for messages."""
    path = path.rstrip("/")
    last = path.rpartition("/")[2]
    if last in ("v1", "api"):
        path = path[: -len(last)].rstrip("/")
    if not path:
        return ""
    if not _PATH.fullmatch(path) or _HIDING_ESCAPE.search(path):
        refuse(text, "its path has characters that must be percent-encoded, or that cannot be in one")
    if any(segment in ("", ".", "..") for segment in path.split("/")):
        refuse(text, "its path has //, /./ or /../ in it")
    return f"/{path}"


# ---- refusing --------------------------------------------------------------------------------------------------


def has_odd_characters(text: str) -> bool:
    """Whether `text` has a character that is invalid in an address and that parsers treat differently."""
    return bool(_FORBIDDEN.search(text)) or any(unicodedata.category(c)[0] in "CZ" for c in text if c > "\x7f")


def _check_characters(text: str) -> None:
    if has_odd_characters(text):
        refuse(text, "it has a space, a control character, a backslash or another sign that no address has")


def _check_userinfo(text: str, userinfo: str) -> None:
    if ":" not in userinfo or not _USERINFO.fullmatch(userinfo):
        refuse(text, "what is before the @ is not user:password; in these, other signs are written as %40, %2F, ...")
    user, _, password = userinfo.partition(":")
    name, word = unquote_to_bytes(user), unquote_to_bytes(password)
    if b":" in name or any(byte < 32 or byte == 127 for byte in name + word):
        refuse(text, "its user name has a colon, or its credentials a control character")


def without_credentials(text: str) -> str:
    """`text` with everything before its last "@" (or an encoded one) masked, since that may be a password."""
    pieces = re.split("@|%40|\uff20", text)
    return f"***@{pieces[-1]}" if len(pieces) > 1 else text


def refuse(text: str, why: str) -> NoReturn:
    """Raise SettingsError for the address `text`, masking what may be a password."""
    shown = without_credentials(text)
    shown = ascii(shown if len(shown) <= 80 else shown[:80] + "...")
    raise SettingsError(
        f"{shown} cannot be used as a host: {why}",
        hint="Write a host as localhost, gpu-box:11434, https://example.com or https://example.com/sub/path.",
    )
