"""A folded table runs every case, and names those that fail."""

from __future__ import annotations

import pytest

from tests.tables import folded


@folded("double", [2, 3])
@folded(("number", "expected"), [(1, 2), (2, 5), (3, 7)], ids=["one", "two", "three"])
def table(number: int, expected: int, double: int, seen: list[tuple[int, int]]) -> None:
    seen.append((number, double))
    assert number * double == expected


def test_every_case_runs_and_each_that_fails_is_named() -> None:
    seen: list[tuple[int, int]] = []
    with pytest.raises(ExceptionGroup) as caught:
        table(seen=seen)  # type: ignore[call-arg]
    assert seen == [(number, double) for double in (2, 3) for number in (1, 2, 3)]
    assert [group.__notes__[-1] for group in caught.value.exceptions] == ["case 0 of 2: 2", "case 1 of 2: 3"]
    first = caught.value.exceptions[0]
    assert isinstance(first, ExceptionGroup)
    assert [error.__notes__ for error in first.exceptions] == [["case 1 of 3: two"], ["case 2 of 3: three"]]


def test_one_failure_is_raised_as_it_is() -> None:
    @folded("value", ["x" * 500, 1])
    def only(value: object) -> None:
        assert value == 1

    with pytest.raises(AssertionError) as caught:
        only()  # type: ignore[call-arg]
    (note,) = caught.value.__notes__
    assert note.startswith("case 0 of 2: 'xxx")
    assert len(note) < 250


def test_a_case_cannot_be_skipped() -> None:
    @folded("value", [1, 2])
    def skips(value: int) -> None:
        pytest.skip("no")

    with pytest.raises(AssertionError, match="the rest of the table would be too"):
        skips()  # type: ignore[call-arg]
