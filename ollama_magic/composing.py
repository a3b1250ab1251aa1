"""From a cell's text and line to a Question: substituted variables, attachments, schema, tools, conversation."""

from __future__ import annotations

import ast
import builtins
import difflib
from typing import TYPE_CHECKING, Any

from .context import PromptError, attach, expand
from .errors import SettingsError
from .options import nearest
from .question import Question, Transcript
from .schema import schema_for
from .tools import tools_from
from .web import web_tools

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .context import Part
    from .events import Image, Message
    from .parsing import How
    from .schema import Shape
    from .secret import Secret
    from .session import Session
    from .settings import Settings
    from .tools import Tool

__all__ = ["compose", "shape_for"]

DEFAULT_THREAD = "main"
"""The conversation of `-c` if none was named before."""

_SLIP = 0.8
"""The minimum similarity of `{name}` and a variable, from 0 to 1, for it to be taken for a typo."""


def compose(
    session: Session,
    prompt: str,
    how: How,
    settings: Settings,
    namespace: Mapping[str, Any],
    *,
    cell: str = "",
    run: str = "",
) -> Question:
    """The Question of `prompt`, with the options in `how`, and values from the notebook's `namespace`.

    Raises SettingsError (PromptError for errors in the prompt) before anything is sent.
    """
    secrets = session.secrets(settings)
    text, parts, notices = _filled(prompt, how, settings, namespace, secrets)
    for wanted in how.attach:
        count = sum(len(part.images) for part in parts)
        part = attach(wanted, namespace, budget=settings.budget, secrets=secrets, first_picture=count + 1)
        parts.append(part)
        if part.text:
            text = f"{text}\n\n{part.text}"
    images: tuple[Image, ...] = tuple(image for part in parts for image in part.images)
    transcript = _transcript(session, how, cell, run)
    history: tuple[Message, ...] = ()
    if transcript is not None:
        earlier = session.threads.history(transcript.name, cell, prompt=text, run=run)  # raises for an invalid name
        history = () if transcript.new else earlier
    tools = _tools(how, settings, namespace)
    cache = settings.cache
    if tools and cache != "off":
        cache = "off"
        notices.append("Answers that call tools are not kept or replayed: a tool may do something else next time.")
    return Question(
        prompt=text,
        images=images,
        history=history,
        included=tuple((part.expression, part.tokens) for part in parts),
        notices=tuple(notices),
        shape=shape_for(how.schema, namespace) if how.schema else None,
        tools=tools,
        rounds=settings.rounds,
        cache=cache,
        top_logprobs=_alternatives(how, settings),
        transcript=transcript,
    )


def _alternatives(how: How, settings: Settings) -> int | None:
    if how.tokens is not None and settings.format in ("html", "math"):
        raise SettingsError(
            f"--tokens shows the text token by token, and -f {settings.format} shows what it makes",
            hint="Leave one of them out.",
        )
    return how.tokens


def _filled(
    prompt: str, how: How, settings: Settings, namespace: Mapping[str, Any], secrets: tuple[Secret, ...]
) -> tuple[str, list[Part], list[str]]:
    if how.raw:
        return prompt, [], []
    found = expand(prompt, namespace, budget=settings.budget, secrets=secrets)
    known = {name.lower(): name for name in namespace if not name.startswith("_")}
    notices = [
        f"{{{name}}} is not a variable here and was sent as it is; did you mean {known[near[0]]!r}?"
        for name in found.left
        # Braces with another meaning are common; only a likely typo is worth a notice.
        if len(name) > 2 and (near := difflib.get_close_matches(name.lower(), known, n=1, cutoff=_SLIP))
    ]
    return found.text, list(found.parts), notices


def _transcript(session: Session, how: How, cell: str, run: str) -> Transcript | None:
    if not (how.thread or how.go_on):
        return None
    return Transcript(how.thread or session.thread or DEFAULT_THREAD, cell, run, how.new)


def shape_for(wanted: str, namespace: Mapping[str, Any]) -> Shape:
    """The schema that `--schema` names: a Python expression of the notebook, or a text that lists fields."""
    if _is_expression(wanted, namespace):
        try:
            return schema_for(eval(wanted, dict(namespace)), namespace)  # the user's own code
        except SettingsError:
            raise
        except Exception as error:
            raise PromptError(
                f"--schema {wanted!r} raised {type(error).__name__}: {error}",
                hint='Name a type, or write fields such as --schema "name: str, year: int".',
            ) from None
    if wanted.isidentifier():
        raise SettingsError(
            f"--schema {wanted!r}: there is no such variable{nearest(wanted, namespace)}",
            hint='Name a type of this notebook, or write fields such as --schema "name: str, year: int".',
        )
    return schema_for(wanted, namespace)


def _is_expression(wanted: str, namespace: Mapping[str, Any]) -> bool:
    """Whether this is Python that can be evaluated here, not fields such as `name: str` or `list[name: str]`."""
    try:
        tree = ast.parse(wanted.strip(), mode="eval")
    except (SyntaxError, ValueError):
        return False
    nodes = list(ast.walk(tree))
    names = {node.id for node in nodes if isinstance(node, ast.Name)}
    if any(isinstance(n, ast.Slice) for n in nodes) or not all(n in namespace or hasattr(builtins, n) for n in names):
        return False
    literal = isinstance(tree.body, ast.Dict) and all(isinstance(key, ast.Constant) for key in tree.body.keys)
    builtin = isinstance(tree.body, ast.Name) and isinstance(getattr(builtins, tree.body.id, None), type)
    return literal or builtin or any(name in namespace for name in names)


def _tools(how: How, settings: Settings, namespace: Mapping[str, Any]) -> tuple[Tool, ...]:
    found = tools_from(namespace, how.tools) if how.tools else []
    return (*found, *(web_tools(settings) if how.web else ()))
