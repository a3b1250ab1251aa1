"""Tables of cases too small to be a test each: what pytest does around a test costs more than most of them."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["folded"]

Test = TypeVar("Test", bound="Callable[..., None]")

_LONGEST_NAME = 200


def folded(names: str | tuple[str, ...], cases: Iterable[Any], ids: Any = None) -> Callable[[Test], Test]:
    """As pytest.mark.parametrize, but one test that goes through the table and reports all cases that fail, by name.

    For cases that leave nothing behind: they share the fixtures. `ids` names them, as for parametrize.
    """
    wanted = [name.strip() for name in names.split(",")] if isinstance(names, str) else list(names)
    table = [(case,) if len(wanted) == 1 else tuple(case) for case in cases]
    assert table, "an empty table tests nothing"
    assert all(len(case) == len(wanted) for case in table), f"each case has {len(wanted)} values"

    def decorate(test: Test) -> Test:
        signature = inspect.signature(test)
        others = [each for name, each in signature.parameters.items() if name not in wanted]

        def run(**fixtures: Any) -> None:
            failed: list[Exception] = []
            for number, case in enumerate(table):
                try:
                    test(**dict(zip(wanted, case, strict=True)), **fixtures)
                except pytest.skip.Exception:
                    raise AssertionError("one case cannot be skipped: the rest of the table would be too") from None
                except Exception as error:
                    error.add_note(f"case {number} of {len(table)}: {_name(number, case, ids)}")
                    failed.append(error)
            if len(failed) == 1:
                raise failed[0]
            if failed:
                raise ExceptionGroup(f"{len(failed)} of {len(table)} cases of {test.__name__} failed", failed)

        run.__name__, run.__doc__, run.__module__ = test.__name__, test.__doc__, test.__module__
        run.__dict__.update(vars(test))  # its marks
        run.__signature__ = signature.replace(parameters=others)  # type: ignore[attr-defined]
        return run  # type: ignore[return-value]

    return decorate


def _name(number: int, case: tuple[Any, ...], ids: Any) -> str:
    if callable(ids):
        text = "-".join(str(ids(value)) for value in case)
    elif ids is not None:
        text = str(list(ids)[number])
    else:
        text = repr(case[0] if len(case) == 1 else case)
    return text if len(text) <= _LONGEST_NAME else text[: _LONGEST_NAME - 1] + "…"
