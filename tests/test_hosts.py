"""Host parsing against Ollama's own cases, and against everything that two parsers might read differently."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ollama_magic.errors import SettingsError
from ollama_magic.hosts import CLOUD, LOCAL, Host, Trusted, host_of, may_receive_key, parse_host, parse_trusted
from tests.tables import folded

# Ollama, envconfig/config_test.go, TestHost, all 23: (what is written, Go's Host). Where ours is another on purpose,
# the third says it: an address to listen on becomes the one to connect to (as Go's ConnectableHost
# does, and for ":1234").
GO_HOST = [
    ("", "http://127.0.0.1:11434", "http://localhost:11434"),
    ("1.2.3.4", "http://1.2.3.4:11434", None),
    (":1234", "http://:1234", "http://127.0.0.1:1234"),
    ("1.2.3.4:1234", "http://1.2.3.4:1234", None),
    ("example.com", "http://example.com:11434", None),
    ("example.com:1234", "http://example.com:1234", None),
    (":0", "http://:0", "http://127.0.0.1:0"),
    (":66000", "http://:11434", "http://127.0.0.1:11434"),
    (":-1", "http://:11434", "http://127.0.0.1:11434"),
    ("[::1]", "http://[::1]:11434", None),
    ("[::]", "http://[::]:11434", "http://[::1]:11434"),
    ("::1", "http://[::1]:11434", None),
    ("[::1]:1337", "http://[::1]:1337", None),
    (" 1.2.3.4 ", "http://1.2.3.4:11434", None),
    ('"1.2.3.4"', "http://1.2.3.4:11434", None),
    (' " 1.2.3.4 " ', "http://1.2.3.4:11434", None),
    ("'1.2.3.4'", "http://1.2.3.4:11434", None),
    ("http://1.2.3.4", "http://1.2.3.4:80", None),
    ("http://1.2.3.4:4321", "http://1.2.3.4:4321", None),
    ("https://1.2.3.4", "https://1.2.3.4:443", None),
    ("https://1.2.3.4:4321", "https://1.2.3.4:4321", None),
    ("https://example.com/ollama", "https://example.com:443/ollama", None),
    ("ollama.com", "https://ollama.com:443", None),
]

# TestConnectableHost, all 14.
GO_CONNECTABLE = [
    ("", "http://127.0.0.1:11434", "http://localhost:11434"),
    ("127.0.0.1", "http://127.0.0.1:11434", None),
    ("127.0.0.1:1234", "http://127.0.0.1:1234", None),
    ("0.0.0.0", "http://127.0.0.1:11434", None),
    ("0.0.0.0:1234", "http://127.0.0.1:1234", None),
    ("[::]", "http://[::1]:11434", None),
    ("[::]:1234", "http://[::1]:1234", None),
    ("[::1]", "http://[::1]:11434", None),
    ("[::1]:1234", "http://[::1]:1234", None),
    ("192.168.1.5", "http://192.168.1.5:11434", None),
    ("192.168.1.5:8080", "http://192.168.1.5:8080", None),
    ("example.com", "http://example.com:11434", None),
    ("example.com:1234", "http://example.com:1234", None),
    ("https://0.0.0.0:4321", "https://127.0.0.1:4321", None),
]

OTHER = [
    ("example.com:abc", "http://example.com:11434"),
    ("example.com:", "http://example.com:11434"),
    ("example.com:+80", "http://example.com:11434"),
    ("https://example.com:99999", "https://example.com:443"),
    ("http://h:00080", "http://h:80"),
    ("h:1234/", "http://h:1234"),
    ("h/ollama", "http://h:11434/ollama"),
    ("https://h/a/b/", "https://h:443/a/b"),
    ("https://h/v1", "https://h:443"),
    ("https://h/ollama/v1/", "https://h:443/ollama"),
    ("https://h/ollama/api", "https://h:443/ollama"),
    ("https://h/apis", "https://h:443/apis"),
    ("https://h/a%20b", "https://h:443/a%20b"),
    ("HTTP://Example.COM", "http://example.com:80"),
    ("2001:DB8::1", "http://[2001:db8::1]:11434"),
    ("[::ffff:127.0.0.1]:9", "http://127.0.0.1:9"),
    ("[::ffff:0.0.0.0]", "http://127.0.0.1:11434"),
    ("ollama_server:11434", "http://ollama_server:11434"),
    ("bücher.example", "http://xn--bcher-kva.example:11434"),
    ("BÜCHER.example", "http://xn--bcher-kva.example:11434"),
    ("http://:1234", "http://127.0.0.1:1234"),
    ("\tlocalhost\n", "http://localhost:11434"),
    ("''", "http://localhost:11434"),
]


def spelled_out(host: Host) -> str:
    name = f"[{host.hostname}]" if ":" in host.hostname else host.hostname
    return f"{host.scheme}://{name}:{host.port}{host.path}"


def test_all_of_ollamas_own_cases_are_here():
    assert (len(GO_HOST), len(GO_CONNECTABLE)) == (23, 14)


@folded(("text", "go", "ours"), GO_HOST + GO_CONNECTABLE)
def test_a_host_is_read_as_ollama_reads_it(text, go, ours):
    assert spelled_out(parse_host(text)) == (ours or go)


@folded(("text", "expected"), OTHER)
def test_other_forms(text, expected):
    assert spelled_out(parse_host(text)) == expected


@folded(
    ("text", "url"),
    [
        ("", "http://localhost:11434"),
        ("http://h", "http://h"),
        ("https://h:443/x", "https://h/x"),
        ("https://h:80", "https://h:80"),
        ("[::1]:80", "http://[::1]"),
        ("user:secret@h", "http://h:11434"),
    ],
)
def test_url_leaves_out_what_the_scheme_implies(text, url):
    assert parse_host(text).url == url
    assert parse_host(parse_host(text).url) == Host(*_without_credentials(parse_host(text)))


def _without_credentials(host: Host) -> tuple[str, str, int, str]:
    return host.scheme, host.hostname, host.port, host.path


# ---- ollama.com ------------------------------------------------------------------------------------------------


@folded(
    "text",
    [
        "ollama.com",
        "OLLAMA.COM",
        "ollama.com/",
        "ollama.com:443",
        "http://ollama.com",
        "http://ollama.com:80",
        "http://ollama.com:443",
        "https://ollama.com",
        "https://ollama.com:443",
        "https://ollama.com/v1",
        "https://ollama.com/api/",
        "HTTPS://Ollama.Com",
    ],
)
def test_ollama_com_is_always_https(text):
    assert parse_host(text) == CLOUD
    assert parse_host(text).is_cloud
    assert may_receive_key(parse_host(text), ())


@folded(
    "text",
    [
        "ollama.com.evil",
        "https://ollama.com.evil",
        "https://ollama.com:444",
        "https://ollama.com:80",
        "http://ollama.com:11434",
        "https://www.ollama.com",
        "https://ollama.comm",
        "https://evil/ollama.com",
        "https://ollama.com:443@evil",
        "https://x:ollama.com@evil",
        "https://оllama.com",  # a Cyrillic o
        "https://xn--llama-jsc.com",
        "ollama",
    ],
)
def test_what_only_looks_like_ollama_com_is_not(text):
    assert not parse_host(text).is_cloud
    assert not may_receive_key(parse_host(text), ())


def test_a_look_alike_shows_itself():
    assert parse_host("https://оllama.com").display.startswith("https://xn--")


REFUSED = [
    "https://ollama.com@evil",
    r"https://ollama.com\@evil",
    r"https://evil\.ollama.com",
    r"https://ollama.com\.evil",
    "https://a:b@ollama.com@evil",
    "https://a:b@c:d@evil",
    "https://user:pass@ollama.com",
    "https://ollama.com.",
    "localhost.",
    "https://ollama\u3002com",
    "https://\uff4fllama.com",  # a fullwidth o
    "https://\u24dellama.com",  # a circled one
    "http://\u212aing.example",  # the Kelvin sign, which lower() makes a k
    "http://stra\u00dfe.example",
    "http://xn--\u00fc.example",
    "https://ollama%2ecom",
    "https://%6fllama.com",
    "https://ollama.com%00.evil",
    "https://olla\tma.com",
    "https://olla\nma.com",
    "https://olla\rma.com",
    "https://ollama.com\x00",
    "https://ollama .com",
    "https://ollama\u00a0.com",
    "https://ollama\u200b.com",
    "https://ollama\u00ad.com",
    "https://\u202eollama.com",
    "https://ollama.com?@evil",
    "https://ollama.com#@evil",
    "https://ollama.com?x=1",
    "https://h/p?q",
    "https://h//p",
    "https://h/../p",
    "https://h/a/./p",
    "https://h/a/%2e%2e/p",
    "https://h/a%2fb",
    "https://h/a b",
    "https://h/ä",
    "https://h/%zz",
    "https://h/x@y",
    "ftp://h",
    "unix:///var/run/ollama.sock",
    "javascript://h",
    "http://",
    "https:///path",
    "/path",
    "http:/h",
    "http:h",
    "https//h",
    "http",
    "://h",
    "http://http://h",
    "h:1:2",
    "[::1",
    "::1]",
    "[::1]x",
    "[1.2.3.4]",
    "[localhost]",
    "[fe80::1%eth0]",
    "fe80::1%eth0",
    "[]",
    "1234",
    "127.1",
    "2130706433",
    "0x7f.0.0.1",
    "0x7f000001",
    "0177.0.0.1",
    "1.2.3.256",
    "1.2.3.4.5",
    "foo.0x",
    "a..b",
    ".a",
    "-a",
    "a-",
    "*",
    "*.example.com",
    "a,b",
    "h;x",
    "<h>",
    "x" * 64,
    ".".join(["x" * 60] * 5),
    "user@h",
    "us er:x@h",
    "a%3Ab:c@h",
    "a:b%0d%0aX@h",
    "a:b%z@h",
]


@folded("text", REFUSED, ids=ascii)
def test_what_is_not_clearly_one_host_is_refused(text):
    with pytest.raises(SettingsError) as caught:
        parse_host(text)
    assert "cannot be used as a host" in caught.value.message
    assert caught.value.hint


@settings(derandomize=True)
@given(st.text(alphabet="ollama.cmeviOL:/@\\[]%?#.-_0123456789 xhtps\t\uff0e\u3002", max_size=40))
def test_any_text_is_refused_or_gives_a_host_that_reads_back_the_same(text):
    try:
        host = parse_host(text)
    except SettingsError:
        return
    assert host.hostname.isascii()
    assert 0 <= host.port <= 65535
    again = parse_host(host.url)
    assert (again.hostname, again.port) == (host.hostname, host.port)
    assert host_of(host.url + "/x").hostname == host.hostname


# ---- credentials -----------------------------------------------------------------------------------------------


@folded(
    ("text", "userinfo", "display"),
    [
        ("http://me:s3cret@h:1/p", "me:s3cret", "http://***@h:1/p"),
        ("me:s3cret@h", "me:s3cret", "http://***@h:11434"),
        ("https://me:s3:cr%40t@[::1]", "me:s3:cr%40t", "https://***@[::1]"),
        ("https://:s3cret@h", ":s3cret", "https://***@h"),
    ],
)
def test_credentials_are_kept_and_never_shown(text, userinfo, display):
    host = parse_host(text)
    assert host.userinfo is not None
    assert host.userinfo.reveal() == userinfo
    assert host.display == str(host) == display
    for shown in (repr(host), str(host), f"{host}", host.url):
        assert "s3" not in shown


@folded(
    "text",
    [
        "http://me:s3cr et@h",
        "http://me:s3cret@h:1@x y",
        "http://me:s3/cret@h",
        "http://me:s3#cret@h",
        "http://me:s3?cret@h",
        "http://me:s3cret%40h",
        "http://s3cret@h",
        "http://me:s3cret@h h",
        "http://me:s3cret\uff20h",
    ],
)
def test_a_refused_address_does_not_show_its_credentials(text):
    with pytest.raises(SettingsError) as caught:
        parse_host(text)
    assert "s3" not in str(caught.value)
    assert "cret" not in str(caught.value)


# ---- loopback --------------------------------------------------------------------------------------------------


@folded(
    ("text", "expected"),
    [
        ("", True),
        ("localhost", True),
        ("LOCALHOST:1", True),
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("[::1]", True),
        ("0.0.0.0", True),
        ("[::ffff:127.0.0.1]", True),
        ("localhost.evil.com", False),
        ("evil.localhost", False),
        ("10.0.0.1", False),
        ("127.0.0.1.example.com", False),
        ("[::2]", False),
        ("ollama.com", False),
    ],
)
def test_loopback_is_told_by_the_name_alone(text, expected):
    assert parse_host(text).is_loopback is expected


# ---- trusted hosts ---------------------------------------------------------------------------------------------


@folded(
    ("trusted", "host", "expected"),
    [
        ("", "https://gw.example", False),
        ("gw.example", "https://gw.example", True),
        ("gw.example", "https://gw.example:8443/sub", True),
        ("GW.Example", "https://gw.EXAMPLE", True),
        ("gw.example", "http://gw.example", False),
        ("gw.example", "gw.example:11434", False),
        ("gw.example", "https://a.gw.example", False),
        ("gw.example", "https://gw.example.evil", False),
        ("example", "https://gw.example", False),
        ("gw.example:8443", "https://gw.example:8443", True),
        ("gw.example:8443", "https://gw.example", False),
        ("https://gw.example", "https://gw.example", True),
        ("https://gw.example/", "https://gw.example", True),
        ("https://gw.example/v1", "https://gw.example", True),
        ("https://gw.example", "https://gw.example:8443", False),
        ("https://gw.example:8443", "https://gw.example:8443", True),
        ("localhost", "http://localhost:5000", True),
        ("localhost", "https://localhost:5000", True),
        ("localhost", "http://127.0.0.1:5000", False),
        ("localhost:5000", "http://localhost:5001", False),
        ("http://127.0.0.1:5000", "http://127.0.0.1:5000", True),
        ("http://127.0.0.1:5000", "https://127.0.0.1:5000", False),
        ("127.0.0.1", "http://127.0.0.1:9", True),
        ("127.0.0.1", "http://127.0.0.2:9", False),
        ("::1", "http://[::1]:9", True),
        ("[::1]:9", "http://[::1]:9", True),
        ("[::1]:9", "http://[::1]:8", False),
        ("bücher.example", "https://xn--bcher-kva.example", True),
        ("xn--bcher-kva.example", "https://bücher.example", True),
        ("10.0.0.1", "http://10.0.0.1", False),
        ("a.example, gw.example;", None, None),
        ("a.example, gw.example\tb.example", "https://gw.example", True),
    ],
)
def test_a_key_goes_to_hosts_named_exactly(trusted, host, expected):
    if host is None:
        with pytest.raises(SettingsError):
            parse_trusted(trusted)
        return
    assert may_receive_key(parse_host(host), parse_trusted(trusted)) is expected


@folded(
    "text",
    [
        "*",
        "*.example.com",
        ".example.com",
        ":8080",
        "gw.example:abc",
        "gw/path",
        "me:pw@gw",
        "http://gw.example",
        "a@b",
        "ftp://x",
    ],
)
def test_an_entry_that_cannot_be_exact_is_refused(text):
    with pytest.raises(SettingsError):
        parse_trusted(text)


@folded("text", ["gw.example", "gw.example:8443", "https://gw.example", "https://gw.example:1", "[::1]:9", "[::1]"])
def test_an_entry_is_shown_as_it_is_written(text):
    (entry,) = parse_trusted(text)
    assert isinstance(entry, Trusted)
    assert str(entry) == text


# ---- what a server sends ---------------------------------------------------------------------------------------


@folded(
    ("url", "expected"),
    [
        ("https://ollama.com/api/chat", CLOUD),
        ("https://ollama.com/x?a=b@c", CLOUD),
        ("http://localhost:11434/api/tags", LOCAL),
        ("http://ollama.com/api/chat", Host("http", "ollama.com", 80)),
    ],
)
def test_host_of_reads_without_repairing(url, expected):
    assert host_of(url) == expected


@folded(
    "url",
    [
        "",
        "/api/chat",
        "//evil/x",
        "ollama.com/x",
        "https://ollama.com?x=1",
        "https://ollama.com#x",
        "https://ollama.com:99999/x",
        "https://ollama.com:/x",
        "https://a:b@ollama.com/x",
        "https://ollama.com@evil/x",
        r"https://ollama.com\@evil/x",
        "https://ollama.com/x?\n",
        "https://ollama.com/x?a=\\",
        "https://ollama.com./x",
        " https://ollama.com/",
    ],
    ids=ascii,
)
def test_host_of_refuses_what_is_not_plain(url):
    with pytest.raises(SettingsError):
        host_of(url)
