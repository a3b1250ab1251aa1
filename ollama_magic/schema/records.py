"""Classes with named fields, read without importing what made them: dataclass, TypedDict, NamedTuple."""

from __future__ import annotations

import dataclasses
import inspect
import typing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Field", "Record", "is_record", "record_of", "typed_dict"]

_WRAPPERS = ("Required", "NotRequired", "ReadOnly")


@dataclass(frozen=True, slots=True)
class Field:
    """One field: its type, and whether a value must be given."""

    name: str
    type: Any
    required: bool
    description: str = ""


@dataclass(frozen=True, slots=True)
class Record:
    """A class with named fields; `build` makes a value from those that are given."""

    name: str
    fields: tuple[Field, ...]
    build: Callable[[dict[str, Any]], Any]
    description: str = ""


def is_record(spec: Any) -> bool:
    """Whether `spec` is a dataclass, a TypedDict or a NamedTuple."""
    return isinstance(spec, type) and (dataclasses.is_dataclass(spec) or _is_typed_dict(spec) or _is_named_tuple(spec))


def _is_typed_dict(spec: type) -> bool:
    # Not typing.is_typeddict: it does not know those of typing_extensions.
    return issubclass(spec, dict) and hasattr(spec, "__required_keys__") and hasattr(spec, "__total__")


def _is_named_tuple(spec: type) -> bool:
    return issubclass(spec, tuple) and hasattr(spec, "_fields") and hasattr(spec, "_field_defaults")


def record_of(spec: Any) -> Record:
    """What `spec` holds. Raises SettingsError where the types of its fields cannot be found."""
    hints = _hints(spec)
    if _is_typed_dict(spec):
        fields = tuple(_typed_dict_field(spec, name, hint) for name, hint in hints.items())
        return Record(spec.__name__, fields, dict, _doc(spec))
    if _is_named_tuple(spec):
        fields = tuple(Field(name, hints.get(name, Any), name not in spec._field_defaults) for name in spec._fields)
    else:
        fields = tuple(
            Field(each.name, hints[each.name], _is_required(each), str(each.metadata.get("description", "")))
            for each in dataclasses.fields(spec)
            if each.init
        )
    return Record(spec.__name__, fields, lambda values: spec(**values), _doc(spec))


def _hints(spec: Any) -> dict[str, Any]:
    try:
        return typing.get_type_hints(spec, localns={spec.__name__: spec}, include_extras=True)
    except (NameError, TypeError, SyntaxError, AttributeError) as error:
        raise SettingsError(
            f"The types of {spec.__name__} cannot be found: {error}",
            hint="Define the classes that it names in the notebook itself, above it.",
        ) from None


def _is_required(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def typed_dict(fields: dict[str, Any]) -> Any:
    """A TypedDict of fields that are known only now."""
    make: Any = typing.TypedDict
    return make("answer", fields)


def _typed_dict_field(spec: Any, name: str, hint: Any) -> Field:
    # `from __future__ import annotations` hides the wrappers from __required_keys__, hence from the hint.
    required = name in spec.__required_keys__
    while (wrapper := getattr(typing.get_origin(hint), "_name", None)) in _WRAPPERS:
        if wrapper != "ReadOnly":
            required = wrapper == "Required"
        hint = typing.get_args(hint)[0]
    return Field(name, hint, required)


def _doc(spec: type) -> str:
    doc = spec.__dict__.get("__doc__") or ""
    made = doc.startswith(f"{spec.__name__}(")  # written by dataclass or NamedTuple
    return "" if made else inspect.cleandoc(doc)
