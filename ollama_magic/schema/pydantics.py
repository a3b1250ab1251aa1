"""Types that only pydantic supports. It is imported only when such a type is used."""

from __future__ import annotations

import json
import typing
from typing import TYPE_CHECKING, Any

from ..errors import SettingsError
from .validate import Mismatch, member, place, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["is_pydantic", "pydantic_kind"]

_HINT = (
    "Use a pydantic model, a dataclass, a TypedDict, a JSON schema, plain types such as list[str], "
    'or a text like "name: str, year: int".'
)


def is_pydantic(spec: Any) -> bool:
    """Whether `spec` is a pydantic model, dataclass or TypeAdapter, or carries pydantic's annotations."""
    if isinstance(spec, type):
        return hasattr(spec, "__pydantic_validator__") or hasattr(spec, "__pydantic_core_schema__")
    if typing.get_origin(spec) is typing.Annotated:
        return any(not isinstance(each, str) for each in spec.__metadata__)
    return type(spec).__module__.partition(".")[0] == "pydantic"


def pydantic_kind(spec: Any, defs: dict[str, Any]) -> tuple[dict[str, Any], Callable[[Any, str], Any]]:
    """The schema and the judge of a type, from pydantic; its definitions are added to `defs`.

    Raises SettingsError if pydantic is not installed, or does not support the type either.
    """
    name = spec.__name__ if isinstance(spec, type) else str(spec)[:80]
    try:
        from pydantic import TypeAdapter, ValidationError
        from pydantic.errors import PydanticUserError
    except ImportError:
        raise SettingsError(f"No schema can be made of {name}", hint=_hint(spec)) from None
    try:
        adapter = spec if isinstance(spec, TypeAdapter) else TypeAdapter(spec)
        schema = adapter.json_schema()
    except PydanticUserError as error:
        why = str(error).split("\n")[0].split(". Set ")[0]
        raise SettingsError(f"No schema can be made of {name}: {why}", hint=_hint(spec)) from None
    except Exception as error:  # user code runs here: hooks, forward references
        raise SettingsError(
            f"No schema can be made of {name}: {type(error).__name__}: {error}", hint=_hint(spec)
        ) from error

    def judge(value: Any, path: str) -> Any:
        try:
            # From text, so that pydantic parses dates, enums and bytes as written in JSON.
            return adapter.validate_json(json.dumps(value))
        except ValidationError as error:
            raise Mismatch(*(_line(each, path) for each in error.errors(include_url=False))) from None
        except Exception as error:  # a user's validator that fails must not lose the answer
            raise Mismatch(f"{place(path)}{name} refuses it: {type(error).__name__}: {error}") from error

    return _hoisted(schema, defs), judge


def _hint(spec: Any) -> str:
    if isinstance(spec, type) and "__annotations__" in spec.__dict__:
        return f"Make {spec.__name__} a dataclass: write @dataclass above it. {_HINT}"
    return _HINT


def _line(error: Any, path: str) -> str:
    for part in error["loc"]:
        path = f"{path}[{part}]" if isinstance(part, int) else member(path, str(part))
    if error["type"] == "missing":
        return f"{path}: missing"
    text = str(error["msg"]).removeprefix("Value error, ").removeprefix("Assertion failed, ")
    text = text.replace("Input should be", "expected", 1)
    own = error["type"] == "value_error" and isinstance(error["input"], dict)  # from a validator of a whole model
    return f"{place(path)}{text}" if own else f"{place(path)}{text}, got {shown(error['input'])}"


def _hoisted(schema: dict[str, Any], defs: dict[str, Any]) -> dict[str, Any]:
    """`schema` without its definitions, which move to `defs`, renamed if their name is taken."""
    own = schema.pop("$defs", {})
    names: dict[str, str] = {}
    for name, definition in own.items():
        new = name
        while new in defs and defs[new] != definition:
            new += "_"
        names[f"#/$defs/{name}"] = f"#/$defs/{new}"
    for name, definition in own.items():
        defs[names[f"#/$defs/{name}"].removeprefix("#/$defs/")] = _renamed(definition, names)
    renamed: dict[str, Any] = _renamed(schema, names)
    return renamed


def _renamed(value: Any, names: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {
            key: names.get(each, each) if key == "$ref" and isinstance(each, str) else _renamed(each, names)
            for key, each in value.items()
        }
    return [_renamed(each, names) for each in value] if isinstance(value, list) else value
