"""A Secret leaves by reveal() alone."""

from __future__ import annotations

import base64
import copy
import dataclasses
import io
import json
import logging
import pickle
import pprint
import traceback

import pytest

from ollama_magic.errors import SettingsError
from ollama_magic.secret import Secret, parse_key, redact
from tests.tables import folded

KEY = "sk-0123456789abcdef"
SECRET = Secret(KEY)


@dataclasses.dataclass
class Holder:
    secret: Secret


SHOWN = {
    "repr": lambda s: repr(s),
    "str": lambda s: str(s),
    "f-string": lambda s: f"{s}",
    "format with a width": lambda s: f"{s:>80}",
    "f-string with !r": lambda s: f"{s!r}",
    "percent": lambda s: "%s %r" % (s, s),  # noqa: UP031 -- that is what is tried
    "str.format": lambda s: "{} {0!r}".replace("0", "").format(s, s),
    "in a list": lambda s: str([s, (s,), {"key": s}]),
    "as a field": lambda s: repr(Holder(s)),
    "asdict": lambda s: str(dataclasses.asdict(Holder(s))),
    "pprint": lambda s: pprint.pformat({"key": s}),
    "dir": lambda s: str(dir(s)),
    "hash": lambda s: str(hash(s)) + str(hash(KEY) == hash(s)),
    "json, with str as the way out": lambda s: json.dumps({"key": s}, default=str),
    "copy": lambda s: repr(copy.deepcopy(s)),
    "public attributes": lambda s: str([getattr(s, name) for name in dir(s)]),
}


@folded("show", SHOWN.values(), ids=SHOWN)
def test_nothing_shows_it(show):
    shown = show(SECRET)
    assert KEY not in shown
    assert "cdef" not in shown


def test_no_plain_hash_and_no_vars():
    assert hash(SECRET) != hash(KEY)
    with pytest.raises(TypeError):
        vars(SECRET)


def test_a_log_line_and_a_traceback_do_not_show_it():
    stream = io.StringIO()
    logger = logging.Logger("quiet")
    logger.addHandler(logging.StreamHandler(stream))
    try:
        raise ValueError("no", SECRET)
    except ValueError as error:
        logger.exception("failed with %s", SECRET)
        text = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    assert KEY not in stream.getvalue()
    # The module's own constant KEY is not among the locals of this frame.
    assert KEY not in text


@folded("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_it_is_not_pickled(protocol):
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps({"key": SECRET}, protocol)
    with pytest.raises(TypeError, match="not pickled"):
        SECRET.__getstate__()


def test_it_is_a_value():
    assert Secret(KEY) == SECRET
    assert Secret("other") != SECRET
    assert SECRET != KEY
    assert hash(Secret(KEY)) == hash(SECRET)
    assert copy.copy(SECRET) is copy.deepcopy(SECRET) is SECRET
    assert bool(SECRET)
    assert not Secret("")
    assert SECRET.reveal() == KEY
    assert Secret("\udce4") == Secret("\udce4")


def test_it_cannot_be_changed():
    with pytest.raises(AttributeError):
        SECRET._value = "x"
    with pytest.raises(AttributeError):
        del SECRET._value


# ---- keys ------------------------------------------------------------------------------------------------------


@folded("text", [KEY, f" {KEY} ", f"{KEY}\n", f'"{KEY}"', f"'{KEY}'", f" ' {KEY} ' \r\n"])
def test_a_key_is_trimmed(text):
    assert parse_key(text).reveal() == KEY


@folded(
    ("text", "why"),
    [
        ("", "empty"),
        ("''", "empty"),
        ("abc def-ghi", "a space"),
        ("abc\ndef-ghi", "a line break"),
        ("abc\r\nX-Evil: def-ghi", "a line break"),
        ("abc\x00def-ghi", "a control character"),
        ("abc\x1bdef-ghi", "a control character"),
        ("abc\x7fdef-ghi", "not ASCII"),
        ("abc–def-ghi", "not ASCII"),
        ("abc\u200bdef-ghi", "not ASCII"),
        ("abcé-def-ghi", "not ASCII"),
        ("Bearer abc-def-ghi", "Bearer"),
        ("bearer  abc-def-ghi", "Bearer"),
    ],
    ids=ascii,
)
def test_a_key_that_cannot_be_sent_is_refused_without_showing_it(text, why):
    with pytest.raises(SettingsError, match=why) as caught:
        parse_key(text)
    assert "abc" not in str(caught.value)
    assert "ghi" not in str(caught.value)
    assert caught.value.hint


# ---- redaction -------------------------------------------------------------------------------------------------

BASIC = "Basic " + base64.b64encode(b'me:pa/ss"word').decode()


@folded(
    ("text", "secret", "expected"),
    [
        (f"invalid key {KEY}", KEY, "invalid key ***"),
        (f"got 'Bearer {KEY}'", f"Bearer {KEY}", "got '***'"),
        (f"token {KEY}!", f"Bearer {KEY}", "token ***!"),
        (f"{KEY}{KEY}", KEY, "******"),
        (BASIC, BASIC, "***"),
        (BASIC.partition(" ")[2], BASIC, "***"),
        ('user me:pa/ss"word', BASIC, "user ***"),
        ('wrong password pa/ss"word', BASIC, "wrong password ***"),
        ('{"password": "pa/ss\\"word"}', BASIC, '{"password": "***"}'),
        ("?p=pa%2Fss%22word", BASIC, "?p=***"),
        ("me:p%40ssword", "me:p%40ssword", "***"),
        ("p@ssword is wrong", "me:p%40ssword", "*** is wrong"),
        ("a cat sat", "a", "a cat sat"),
        ("fine", "", "fine"),
    ],
)
def test_what_a_server_echoes_is_redacted(text, secret, expected):
    assert redact(text, [None, Secret(secret)]) == expected
