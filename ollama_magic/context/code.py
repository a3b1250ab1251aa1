"""Describes functions, classes and modules: source, also from notebook cells, or else signature and docstring."""

from __future__ import annotations

import ast
import inspect
import linecache
import sys
import textwrap
from typing import TYPE_CHECKING, Any, Final

from .parts import Described
from .safely import own_text
from .tokens import estimate, head

if TYPE_CHECKING:
    import types

__all__ = ["describe_code", "describe_module", "is_code"]

_LARGEST_FILE: Final = 300_000
"""Characters. inspect parses the whole file to find a class in it; for larger files an outline is used."""


def is_code(value: object) -> bool:
    """Whether `value` is a function, a method or a class."""
    return isinstance(value, type) or inspect.isroutine(value)


def describe_code(value: Any, budget: int) -> Described:
    """The source in a code fence, cut to the budget; an outline if there is no source or a class exceeds the budget."""
    source = _source(value)
    if source and estimate(source) + 8 <= budget:
        return Described(f"```python\n{source}\n```", block=True)
    if source and not isinstance(value, type):
        shown = head(source, max(0, budget - 30))
        note = f"{source.count(chr(10)) - shown.count(chr(10)):,} of {source.count(chr(10)) + 1:,} lines left out"
        return Described(f"```python\n{shown}\n# ... {note}\n```", note=note, block=True)
    outline = _outline(value)
    shown = head(outline, max(0, budget - 12))
    note = "an outline: the source is too long" if source else "an outline: there is no source"
    return Described(f"```python\n{shown}\n```", note=note, block=True)


def describe_module(module: types.ModuleType, budget: int) -> Described:
    """Name, version, first paragraph of the docstring, and public names."""
    version = vars(module).get("__version__")
    title = f"Module {module.__name__}" + (f" {version}" if isinstance(version, str) else "")
    about = _paragraph(vars(module).get("__doc__"))
    listed = vars(module).get("__all__")
    names = listed if isinstance(listed, list | tuple) else sorted(n for n in vars(module) if not n.startswith("_"))
    names = [str(name) for name in names]
    text = f"{title}\n{about}\n".rstrip("\n")
    text = head(text, budget)
    shown = head(f"\nNames: {', '.join(names)}", budget - estimate(text) - 12) if names else ""
    left_out = len(names) - (shown.count(", ") + 1 if shown else 0)
    note = f"{left_out:,} of {len(names):,} names left out" if left_out > 0 else ""
    return Described(text + shown + (", ..." if note and shown else ""), note=note, block=True)


def _source(value: Any) -> str:
    """The dedented source, "" if unavailable."""
    try:
        target = inspect.unwrap(value) if not isinstance(value, type) else value
        if isinstance(target, type) and target.__module__ == "__main__":
            found = _cell_source(target)
            if found:
                return found
        if isinstance(target, type) and _file_size(target) > _LARGEST_FILE:
            return ""
        return textwrap.dedent(inspect.getsource(target)).rstrip()
    except (OSError, TypeError, ValueError, SyntaxError, IndexError, AttributeError, RecursionError):
        return ""


def _file_size(kind: type) -> int:
    module = sys.modules.get(kind.__module__)
    lines = linecache.getlines(getattr(module, "__file__", None) or "")
    return sum(map(len, lines))


def _cell_source(kind: type) -> str:
    """The source of a class from a notebook cell. Before Python 3.13 a class has no line number: search the cells.

    The cells of its methods come first, then the latest cell that defines a class of this name.
    """
    files = {
        code.co_filename
        for member in vars(kind).values()
        if (code := getattr(inspect.unwrap(member) if callable(member) else member, "__code__", None)) is not None
        and code.co_qualname.startswith(kind.__qualname__ + ".")
    }
    # A cell's cache entry has no modification time.
    cells = [name for name, entry in list(linecache.cache.items()) if len(entry) == 4 and entry[1] is None]
    for name in [*files, *reversed(cells)]:
        text = "".join(linecache.getlines(name))
        if f"class {kind.__name__}" not in text:
            continue
        try:
            node = _class_node(ast.parse(text), kind.__qualname__.split("."))
        except SyntaxError:  # should not happen: cells with magics are stored as transformed Python
            continue
        if node is not None:
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            return textwrap.dedent("\n".join(text.splitlines()[first - 1 : node.end_lineno])).rstrip()
    return ""


def _class_node(tree: ast.AST, path: list[str]) -> ast.ClassDef | None:
    """The last class definition at the qualified name `path`."""
    if path[:1] == ["<locals>"]:
        path = path[1:]
    found = None
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and child.name == path[0]:
            if len(path) == 1 and isinstance(child, ast.ClassDef):
                found = child
            elif len(path) > 1:
                found = _class_node(child, path[1:]) or found
        elif isinstance(child, ast.If | ast.With | ast.Try):
            found = _class_node(child, path) or found
    return found


def _outline(value: Any) -> str:
    """Signature and docstring, and for a class those of its public methods."""
    keyword = "class" if isinstance(value, type) else "def"
    lines = [f"{keyword} {getattr(value, '__qualname__', type(value).__qualname__)}{_signature(value)}:"]
    if documentation := inspect.getdoc(value):
        lines.append(textwrap.indent(f'"""{documentation}"""', "    "))
    else:
        lines.append("    ...")
    if isinstance(value, type):
        for name, member in vars(value).items():
            if not name.startswith("_") and inspect.isroutine(member):
                lines.append(f"\n    def {name}{_signature(member)}:")
                lines.append(f'        """{_paragraph(getattr(member, "__doc__", ""))}"""')
    return "\n".join(lines)


def _signature(value: Any) -> str:
    if isinstance(value, staticmethod | classmethod):
        value = value.__func__
    # str() calls the repr of the defaults, which may run any code.
    text = own_text(value, lambda routine: str(inspect.signature(routine)))
    return text if text.startswith("(") else "(...)"


def _paragraph(documentation: object) -> str:
    if not isinstance(documentation, str):
        return ""
    return inspect.cleandoc(documentation[:4000]).partition("\n\n")[0]
