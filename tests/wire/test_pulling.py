"""The status objects of a download, of any version, added up."""

from __future__ import annotations

import pytest

from ollama_magic.errors import BadRequest, ModelNotFound, ServerError, Unreachable
from ollama_magic.wire.pulling import Pulling, advise

A, B = "sha256:" + "a" * 64, "sha256:" + "b" * 64


def layer(digest, total=None, completed=None):
    value = {"status": f"pulling {digest[7:19]}", "digest": digest, "total": total, "completed": completed}
    return {name: each for name, each in value.items() if each is not None}


def said(*objects, every_s=1.0):
    """What is told after each object, one a second."""
    pulling = Pulling()
    return [pulling.feed(obj, 100 + number * every_s) for number, obj in enumerate(objects)]


def test_a_whole_download():
    told = said(
        {"status": "pulling manifest"},
        layer(A, 1000),
        layer(A, 1000, 250),
        layer(A, 1000, 1000),
        layer(B, 10, 10),
        {"status": "verifying sha256 digest"},
        {"status": "success"},
    )
    assert [(p.status.split()[0], p.done, p.total) for p in told] == [
        ("pulling", None, None),
        ("pulling", 0, 1000),
        ("pulling", 250, 1000),
        ("pulling", 1000, 1000),
        ("pulling", 1010, 1010),
        ("verifying", 1010, 1010),
        ("success", 1010, 1010),
    ]
    assert [p.success for p in told] == [False] * 6 + [True]
    assert told[0].fraction is None
    assert told[2].fraction == 0.25
    assert (told[2].rate, told[2].left_s) == (125.0, 6.0)  # over the two seconds since it began
    assert [(each.name, each.done, each.whole) for each in told[-1].layers] == [
        ("a" * 12, 1000, True),
        ("b" * 12, 10, True),
    ]


def test_what_was_there_before_counts_as_done_but_not_as_speed():
    first, second = said(layer(A, 1000, 900), layer(A, 1000, 950))
    assert (first.done, first.rate, first.left_s) == (900, None, None)
    assert (second.rate, second.left_s) == (50.0, 1.0)


def test_cached_layers_come_once_and_whole():
    told = said(layer(A, 1000, 1000), layer(B, 500, 500), {"status": "success"})
    assert told[0].left_s == 0.0
    assert told[1].rate is None
    assert told[-1].done == 1500


def test_completed_may_go_down_and_up_again():
    told = said(layer(A, 1000, 600), layer(A, 1000, 400), layer(A, 1000, 700))
    assert [p.done for p in told] == [600, 400, 700]
    assert [p.rate for p in told] == [None, 0.0, 50.0]
    assert [p.left_s for p in told] == [None, None, 6.0]


def test_the_rate_is_that_of_the_last_seconds():
    told = said(*(layer(A, 10_000, 100 * n) for n in range(10)), *(layer(A, 10_000, 900) for _ in range(10)))
    assert told[9].rate == pytest.approx(100)
    assert told[-1].rate == 0.0
    assert told[-1].left_s is None


@pytest.mark.slow
def test_many_reports_a_second_keep_little():
    pulling = Pulling()
    for number in range(20_000):
        progress = pulling.feed(layer(A, 10**9, number * 1000), number * 0.001)
    assert progress.rate == pytest.approx(1e6, rel=0.05)
    assert len(pulling._rate._samples) < 100


def test_two_layers_at_the_same_time_share_one_rate():
    told = said(layer(A, 1000), layer(B, 3000), layer(A, 1000, 300), layer(B, 3000, 600))
    assert (told[-1].done, told[-1].total, told[-1].rate) == (900, 4000, 300.0)
    assert [each.rate for each in told[-1].layers] == [150.0, 300.0]


def test_objects_that_are_anything_never_break_it():
    strange = [
        None, [], "text", 7, {}, {"status": None}, {"status": ["x"]}, {"total": 5, "completed": 5},
        {"status": "x", "digest": 7}, layer(A, "many", {}), layer(A, -1, -5), layer(A, True, True),
        layer(A, float("nan"), float("inf")), layer(A, 2**80, 10), layer(A, None, 5), layer(A, 100, 500),
        {"digest": B}, {"status": "success", "digest": B}, {"status": "pulling", "digest": A, "total": 1.5},
    ]  # fmt: skip
    for value in strange:
        pulling = Pulling()
        for obj in (layer(A, 100, 50), value, layer(A, 100, 60), {"status": "success"}):
            progress = pulling.feed(obj, 1.0)
        assert progress.success
        assert progress.done == progress.total, value
    assert said(layer(A, 100, 500))[0].done == 100  # never more than there is
    assert said({"digest": A})[0].status == f"pulling {A}"
    assert said({})[0] is None


def test_a_total_that_is_not_said_again_is_remembered():
    told = said(layer(A, 1000, 100), layer(A, None, 300), layer(A))
    assert [(p.done, p.total) for p in told] == [(100, 1000), (300, 1000), (300, 1000)]


def test_endless_layers_are_not_all_kept():
    pulling = Pulling()
    for number in range(220):
        progress = pulling.feed(layer(f"sha256:{number:064d}", 10, 10), number)
    assert len(progress.layers) == 200


def test_what_to_do_is_said_for_each_failure():
    cases = [
        (
            ServerError("write /x: no space left on device (...)"),
            ("disk of the server is full", "has kept", "%ollama rm"),
        ),
        (ServerError("There is not enough space on the disk. (...)"), ("disk of the server is full",)),
        (ServerError("max retries exceeded: EOF"), ("could not reach the registry", "goes on from what")),
        (
            ServerError('Get "https://registry.ollama.ai/v2/": dial tcp: lookup: no such host'),
            ("network of its machine",),
        ),
        (ServerError("pull model manifest: 412: requires a newer version of Ollama"), ("newer Ollama",)),
        (ServerError("digest mismatch, file must be downloaded again"), ("pull again",)),
        (ServerError("open /models: permission denied"), ("OLLAMA_MODELS",)),
        (ModelNotFound("pull model manifest: file does not exist", hint="other"), ("https://ollama.com/search",)),
        (BadRequest("invalid model name", hint="as it was"), ("as it was",)),
        (Unreachable("no server (connection refused)", hint="start it"), ("start it",)),
    ]
    for error, words in cases:
        hint = advise(error).hint
        assert all(word in hint for word in words), (error.message, hint)
