"""Inserts notebook objects into a prompt: `{expr}` and what `--attach` names.

Inserted text is not expanded again: braces in it are text. An expression that occurs twice is evaluated once.
"""

from __future__ import annotations

import builtins
import difflib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..secret import redact
from .braces import Expression, Unknown, parse_expression, pieces
from .describe import TEXT_FACTOR, describe
from .files import attach_file
from .items import CONTAINERS
from .parts import Described, Part, Prompt, PromptError
from .pictures import array_picture, current_figure
from .plain import describe_plain
from .safely import SIZE_LIMIT, kinds_of, own_text
from .tokens import cut, estimate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from ..secret import Secret

__all__ = ["attach", "expand"]


def expand(
    template: str,
    namespace: Mapping[str, Any],
    *,
    budget: int = 2000,
    text_budget: int | None = None,
    secrets: Iterable[Secret] = (),
    first_picture: int = 1,
) -> Prompt:
    """`template` with each `{expr}` replaced whose first name is in `namespace`; see braces.py for what is not.

    Each object gets `budget` estimated tokens, a string or file `text_budget` (default: four budgets). `!r`, `!s`, `!a`
    and `:spec` work as in an f-string; `:image` makes a picture of an array. Pictures are numbered from
    `first_picture`. `secrets` are redacted from inserted text.
    Raises PromptError, naming the expression, if one raises. KeyboardInterrupt passes through.
    """
    secrets = tuple(secrets)
    scope = dict(namespace)  # a copy: eval adds __builtins__, and := adds names
    written: list[str] = []
    parts: dict[Expression, Part] = {}
    blocks: set[Expression] = set()
    left: dict[str, None] = {}
    for piece in pieces(template, namespace.__contains__):
        if isinstance(piece, Unknown):
            left[piece.name] = None
        elif isinstance(piece, str):
            written.append(piece)
        else:
            if piece not in parts:
                found = _describe(piece, scope, budget, text_budget)
                count = first_picture + sum(len(part.images) for part in parts.values())
                parts[piece] = _part(str(piece), found, secrets, count)
                if found.block:
                    blocks.add(piece)
            written.append(_Block(parts[piece].text) if piece in blocks else parts[piece].text)
    images = tuple(image for part in parts.values() for image in part.images)
    return Prompt(_joined(written), images, tuple(parts.values()), tuple(left))


def attach(
    text: str,
    namespace: Mapping[str, Any],
    *,
    budget: int = 2000,
    text_budget: int | None = None,
    secrets: Iterable[Secret] = (),
    folder: Path | None = None,
    first_picture: int = 1,
) -> Part:
    """What `--attach` names: an expression, a file or folder relative to `folder` (default: the current directory), or
    `figure` for the current figure.

    Raises PromptError for anything else, suggesting similar variables, and for a file that is neither text nor a
    picture.
    """
    path = _path(text, folder)
    expression = parse_expression(text, namespace.__contains__)
    if expression is not None:
        try:
            found = _describe(expression, dict(namespace), budget, text_budget)
            title = f"{text}:\n" if not found.images else ""
            found = Described(title + found.text, found.images, found.note, found.block)
        except PromptError as error:
            # `data.csv` may be an attribute of a variable `data` or a file.
            if path is None or not isinstance(error.__cause__, AttributeError | NameError):
                raise
            found = attach_file(path, text_budget or budget * TEXT_FACTOR)
    elif path is not None:
        found = attach_file(path, text_budget or budget * TEXT_FACTOR)
    elif text == "figure":
        found = current_figure()
    else:
        raise _neither(text, namespace)
    return _part(text, found, tuple(secrets), first_picture)


class _Block(str):
    """Text that needs its own lines."""

    __slots__ = ()


def _joined(written: list[str]) -> str:
    """The pieces joined, with line breaks around blocks where the template has none."""
    out: list[str] = []
    ending = "\n"
    breaks = False
    for piece in written:
        if not piece:
            continue
        if (isinstance(piece, _Block) and ending != "\n") or (breaks and not piece.startswith("\n")):
            out.append("\n")
        out.append(piece)
        ending = piece[-1]
        breaks = isinstance(piece, _Block) and ending != "\n"
    return "".join(out)


def _part(expression: str, found: Described, secrets: tuple[Secret, ...], number: int) -> Part:
    text = redact(found.text, secrets) if secrets else found.text
    if found.images and text.startswith("[picture:"):
        text = text.replace("[picture:", f"[picture {number}:", 1)
    return Part(expression, text, found.images, estimate(text), found.note)


def _describe(expression: Expression, scope: dict[str, Any], budget: int, text_budget: int | None) -> Described:
    """Evaluate and describe. Raises PromptError for any Exception on the way."""
    try:
        value = _value(expression.code, scope)
        if expression.spec == "image":
            return _as_picture(value, budget)
        if not expression.conversion and not expression.spec:
            return describe(value, budget=budget, text_budget=text_budget)
        converted = _converted(value, expression.conversion, budget) if expression.conversion else value
        text, note = cut(format(converted, expression.spec), text_budget or budget * TEXT_FACTOR)
        return Described(text, note=note)
    except PromptError as error:
        if error.message.startswith("{"):
            raise
        raise PromptError(f"{{{expression}}}: {error.message}", hint=error.hint) from error
    except Exception as error:
        what = own_text(error, str).strip().partition("\n")[0][:300]
        raise PromptError(
            f"{{{expression}}} in the prompt raised {type(error).__name__}{f': {what}' if what else ''}",
            hint="Nothing was sent. Write {{ for a brace that is meant as text, or use --raw for the whole cell.",
        ) from error


def _converted(value: Any, conversion: str, budget: int) -> str:
    """repr(), str() or ascii() of a value, at a bounded cost even for a list of ten million items."""
    if isinstance(value, CONTAINERS):
        return describe_plain(value, budget).text
    if isinstance(value, str | bytes):
        value = value[:SIZE_LIMIT]
    asks: dict[str, Callable[[Any], str]] = {"r": repr, "s": str, "a": ascii}
    return own_text(value, asks[conversion])


def _value(code: str, scope: dict[str, Any]) -> Any:
    """The value of an expression, evaluated with the notebook's variables."""
    if code in scope:
        return scope[code]
    scope.setdefault("__builtins__", builtins)
    return eval(compile(code, "<prompt>", "eval"), scope)


def _as_picture(value: Any, budget: int) -> Described:
    if ("numpy", "ndarray") in kinds_of(value):
        return array_picture(value)
    found = describe(value, budget=budget)
    if not found.images:
        raise PromptError(f"A {type(value).__name__} is not a picture", hint="Arrays, figures and images are.")
    return found


def _path(text: str, folder: Path | None) -> Path | None:
    """The existing file or folder that `text` names, if any."""
    if not text or "\0" in text or len(text) > 4096:
        return None
    try:
        path = (folder or Path()) / Path(text).expanduser()
        return path if path.exists() else None
    except (OSError, RuntimeError, ValueError):
        return None


def _neither(text: str, namespace: Mapping[str, Any]) -> PromptError:
    shown = text if len(text) <= 120 else text[:119] + "…"
    if text.startswith(("http://", "https://")):
        return PromptError(
            f"Cannot attach {shown}: only files and variables can be attached", hint="Download it first."
        )
    root = text.split(".")[0].split("[")[0].split("(")[0]
    names = [name for name in namespace if isinstance(name, str) and not name.startswith("_")]
    near = difflib.get_close_matches(root, names, n=3)
    hint = (
        f"Did you mean {' or '.join(near)}?" if near else "Name a variable, an expression such as df.head(), or a file."
    )
    return PromptError(f"Cannot attach {shown!r}: it is neither a variable nor a file", hint=hint)
