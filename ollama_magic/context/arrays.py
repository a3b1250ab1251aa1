"""Describes numpy arrays: shape, type, statistics, some values. Large ones are sampled, so the cost is bounded."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

from .columns import number, stride
from .parts import Described
from .plain import one_line
from .tokens import cut

__all__ = ["describe_array"]

_EXACT: Final = 5_000_000
"""The number of elements up to which missing values, min, max and mean are computed on the whole array."""


def describe_array(array: Any, budget: int) -> Described:
    """Describe an array within `budget` tokens."""
    import numpy as np

    masked = isinstance(array, np.ma.MaskedArray)
    kind = "masked array" if masked else "ndarray"
    if array.ndim == 0:
        text = f"{kind} without dimensions, {array.dtype}: {one_line(array.item(), 200)}"
        return _fitted(text, budget)
    parts = [f"numpy {kind}, shape {array.shape}, {_dtype(array.dtype)}"]
    if array.size == 0:
        return _fitted(f"{parts[0]}, empty", budget)
    if masked:
        parts.append(f"masked: {int(array.mask.sum()):,}" if array.size <= _EXACT else "partly masked")
    step = stride(array.size)
    values = array.flat[::step]
    if array.dtype.kind in "biuf":
        with np.errstate(all="ignore"):
            parts.append(_statistics(array, values, np))
        if step > 1:
            exact = "std and quartiles" if array.size <= _EXACT else "statistics"
            parts.append(f"{exact} from one element in {step}")
    elif array.dtype.kind in "OUS":
        parts.append(_contents(values) + (f" in one element in {step}" if step > 1 else ""))
    text = "; ".join(part for part in parts if part)
    return _fitted(f"{text}\nValues: {_values(array, np)}", budget)


def _fitted(text: str, budget: int) -> Described:
    text, note = cut(text, budget)
    return Described(text, note=note, block="\n" in text)


def _dtype(dtype: Any) -> str:
    if dtype.names is None:
        return str(dtype)
    return "fields " + ", ".join(f"{name}: {dtype[name]}" for name in dtype.names[:50])


def _statistics(array: Any, sample: Any, np: Any) -> str:
    """Statistics of the finite values, and how many are not finite."""
    whole = array if array.size <= _EXACT else sample
    if isinstance(whole, np.ma.MaskedArray):
        whole = whole.compressed()
    if isinstance(sample, np.ma.MaskedArray):
        sample = sample.compressed()
    if whole.size == 0:
        return "all masked"
    if array.dtype.kind == "b":
        return f"true {np.count_nonzero(whole) / whole.size:.1%}"
    words = []
    if array.dtype.kind == "f":
        about = "" if whole.size == array.size or array.size <= _EXACT else "~"
        for name, which in (("nan", np.isnan), ("infinite", np.isinf)):
            if count := int(np.count_nonzero(which(whole))):
                words.append(f"{name}: {about}{count / whole.size:.1%}" if about else f"{name}: {count:,}")
        if words:
            whole, sample = whole[np.isfinite(whole)], sample[np.isfinite(sample)]
        if whole.size == 0:
            return ", ".join(words)
    found = {"mean": whole.mean(dtype=float), "min": whole.min(), "max": whole.max()}
    if sample.size > 1:
        quartiles = np.quantile(sample.astype(float), (0.25, 0.5, 0.75))
        found |= {"std": sample.std(dtype=float), **dict(zip(("25%", "50%", "75%"), quartiles, strict=True))}
    return ", ".join([*(f"{name} {number(value)}" for name, value in found.items()), *words])


def _contents(sample: Any) -> str:
    """Element types and the number of distinct elements of an array of objects or strings."""
    items = sample.tolist()
    kinds = Counter(type(item).__name__ for item in items)
    words = "types " + ", ".join(f"{name} {count / len(items):.0%}" for name, count in kinds.most_common(4))
    try:
        counted = Counter(items)
    except TypeError:  # lists and dicts are unhashable
        return words
    return f"{words}; {len(counted):,} different"


def _values(array: Any, np: Any) -> str:
    """Some values: all of a small array, the corners of a large one, the first of one with many dimensions."""
    if array.dtype.kind in "OUS" or array.dtype.names is not None or array.ndim > 3:
        first = [_short(item) for item in array.flat[:12].tolist()]
        return "[" + ", ".join(first) + (", ...]" if array.size > 12 else "]")
    # All of numpy's print options are given: the text must not depend on the notebook's settings.
    with np.printoptions(
        precision=5, threshold=100, edgeitems=3, linewidth=100, suppress=False, nanstr="nan", infstr="inf", sign="-",
        floatmode="maxprec", formatter={},
    ):  # fmt: skip
        text = str(array)
    return "\n" + text if "\n" in text else text


def _short(item: object) -> str:
    return (
        number(item)
        if isinstance(item, float)
        else one_line(item if not isinstance(item, str) else repr(item[:60]), 60)
    )
