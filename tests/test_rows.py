"""The house keeps its order: modules import from lower rows only, and each outside thing has one home.

Read from the source with `ast`, so an import inside a function counts as much as one at the top.
"""

from __future__ import annotations

import ast
import sys
import warnings
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = "ollama_magic"
ROOT = Path(__file__).parent.parent / PACKAGE

# Lowest first; a name stands for a module or for a whole folder. Modules of one row may import each other, as long as
# no circle comes of it. CONTRIBUTING.md draws the same rows.
ROWS: tuple[tuple[str, ...], ...] = (
    ("_version", "errors", "units"),
    (
        *("events", "placing", "builder", "address", "hosts", "secret", "values", "envfile", "settings", "layers"),
        "endpoint",
    ),
    ("wire", "embedded", "schema", "context"),
    ("transport", "retry", "waiting", "opening", "jsoncalls", "lookups", "chatstream", "client"),
    ("models", "vectors", "daemon", "tools", "cache", "threads", "chat", "guards", "failed"),
    ("bridge", "many", "listening", "question", "recall", "web"),
    ("session",),
    ("render",),
    (
        *(
            "options",
            "parsing",
            "composing",
            "answering",
            "asking",
            "preview",
            "nextcell",
            "fixing",
            "keeping",
            "python",
        ),
        *("background", "jobs", "comparing", "evaluating", "embedding", "mapping"),
    ),
    ("status", "listing", "managing", "panels", "commands", "completion", "magics"),
    ("__init__",),
)

# Where each outside package may be imported, at the top of a module or inside a function. Whatever is not here and
# not in the standard library is imported nowhere.
HOMES: dict[str, tuple[str, ...]] = {
    "httpx": ("transport",),
    "httpcore": ("transport.direct",),
    "dotenv": ("envfile",),
    "platformdirs": ("embedded", "daemon", "comparing.votes"),
    "xllamacpp": ("embedded.child",),
    "IPython": ("render", "panels", "magics", "completion"),
    "traitlets": ("magics",),
    "rich": ("render",),
    "markdown_it": ("render",),
    "pygments": ("render",),
    "nest_asyncio2": ("bridge",),
    "anywidget": ("panels", "render.widgets"),
    # Brought by whoever uses them: an object is known by its type's module, and these imported when it is there.
    "numpy": ("context", "embedding"),
    "pandas": ("context", "schema.listed", "comparing.runs", "evaluating", "mapping.frames"),
    "polars": ("mapping.frames",),
    "matplotlib": ("context", "render.figures"),
    "PIL": ("context",),
    "tqdm": ("render.bar",),
    "psutil": ("render.consoles",),
    "pydantic": ("schema",),
    "jsonschema": ("schema",),
    # The one seam between blocking and asynchronous code. The embedded engine waits for processes and their pipes.
    "threading": ("bridge", "embedded", "panels"),
    "concurrent": ("bridge",),
}

# Calls with one home, as they are written: a function, or an attribute of a module.
CALLS: dict[str, tuple[str, ...]] = {
    "print": ("render",),
    "display": ("render",),
    "os.environ": ("layers", "envfile"),
    "os.getenv": ("layers",),
    "asyncio.run": ("bridge", "embedded.child"),
    "asyncio.new_event_loop": ("bridge", "embedded.child"),
    "asyncio.run_coroutine_threadsafe": ("bridge",),
    "asyncio.to_thread": ("bridge", "recall", "mapping.keeping"),
}

# Never at the top of any module: slow to import, or brought only by an extra.
LAZY = {"xllamacpp", "rich", "markdown_it", "dotenv", "numpy", "pandas", "polars", "tqdm"}
LAZY |= {"matplotlib", "PIL", "pydantic", "jsonschema", "anywidget", "psutil"}
# The renderers, the child and the panel are themselves imported only when used.
LAZY_EXCEPT = {"render": {"rich", "markdown_it"}, "embedded.child": {"xllamacpp"}, "panels": {"anywidget"}}

LINES, LINES_LIMIT = 300, 350
FUNCTION, FUNCTION_LIMIT = 50, 60


@dataclass(frozen=True)
class Import:
    """`target` is the full dotted name; `top`: at the top of its module; `typing`: only for the type checker."""

    module: str
    target: str
    line: int
    top: bool
    typing: bool

    def __str__(self) -> str:
        return f"{self.module} (line {self.line}) imports {self.target}"


@cache
def modules() -> dict[str, Path]:
    """Names without the package's own, such as `wire.framing`, and their files; `__init__` for the top one."""
    found = {}
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)] = path
    return found


@cache
def tree(module: str) -> ast.Module:
    return ast.parse(modules()[module].read_text(encoding="utf-8"))


@cache
def nodes(module: str) -> tuple[ast.AST, ...]:
    return tuple(ast.walk(tree(module)))


def names_in(node: ast.AST) -> set[str]:
    return {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}


def statements(node: ast.AST) -> Iterator[ast.AST]:
    """What stands in the body of a node; there is no import in an expression."""
    for field in ("body", "orelse", "finalbody", "handlers", "cases"):
        found = getattr(node, field, ())
        if isinstance(found, list):
            yield from found


@cache
def imports(module: str) -> tuple[Import, ...]:
    is_package = modules()[module].name == "__init__.py"
    here = [PACKAGE, *([] if module == "__init__" else module.split("."))]
    package = here if is_package else here[:-1]

    def walk(node: ast.AST, top: bool, typing: bool) -> Iterator[Import]:
        for child in statements(node):
            if isinstance(child, ast.Import):
                for alias in child.names:
                    yield Import(module, alias.name, child.lineno, top, typing)
            elif isinstance(child, ast.ImportFrom):
                base = package[: len(package) - child.level + 1] if child.level else []
                source = ".".join([*base, *([child.module] if child.module else [])])
                for alias in child.names:
                    yield Import(module, f"{source}.{alias.name}", child.lineno, top, typing)
            elif isinstance(child, ast.If) and "TYPE_CHECKING" in names_in(child.test):
                yield from walk(ast.Module(child.body, []), top, True)
                yield from walk(ast.Module(child.orelse, []), top, typing)
            else:
                inner = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
                yield from walk(child, top and not inner, typing)

    return tuple(walk(tree(module), True, False))


def all_imports() -> Iterator[Import]:
    for module in modules():
        yield from imports(module)


@cache
def own(target: str) -> str | None:
    """The module of ours that an import names, None for an outside one. `ollama_magic.last` is the top's."""
    if target.split(".")[0] != PACKAGE:
        return None
    parts = target.split(".")[1:]
    while parts and ".".join(parts) not in modules():
        parts.pop()
    return ".".join(parts) or "__init__"


def within(module: str, names: tuple[str, ...]) -> bool:
    return any(module == name or module.startswith(name + ".") for name in names)


@cache
def row(module: str) -> int:
    for number, names in enumerate(ROWS, start=1):
        if within(module, names):
            return number
    pytest.fail(f"{module} stands in no row: give it a place in tests/test_rows.py and CONTRIBUTING.md")


def test_imports_come_from_lower_rows() -> None:
    wrong = []
    for found in all_imports():
        module, target = found.module, own(found.target)
        if target is not None and target != module and row(target) > row(module):
            wrong.append(f"{found}: row {row(module)} must not know row {row(target)}")
    assert not wrong, "\n".join(wrong)


def test_imports_make_no_circle() -> None:
    # Imports for the type checker alone are left out: they are resolved by name, in any order.
    graph = {
        module: {target for found in imports(module) if not found.typing and (target := own(found.target)) is not None}
        - {module, module.rpartition(".")[0]}
        for module in modules()
    }
    done: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, "a circle: " + " -> ".join([*path[path.index(module) :], module])
        if module not in done:
            for target in sorted(graph[module]):
                visit(target, (*path, module))
            done.add(module)

    for module in graph:
        visit(module, ())


def test_outside_packages_stay_in_their_homes() -> None:
    wrong = []
    for found in all_imports():
        name = found.target.split(".")[0]
        if own(found.target) is not None or found.typing:
            continue
        if name in HOMES:
            if not within(found.module, HOMES[name]):
                wrong.append(f"{found}: its home is {', '.join(HOMES[name])}")
        elif name not in sys.stdlib_module_names:
            wrong.append(f"{found}: it has no home; see HOMES in tests/test_rows.py")
    assert not wrong, "\n".join(wrong)


def test_slow_and_optional_packages_are_imported_when_used() -> None:
    wrong = []
    for found in all_imports():
        allowed = {name for home, names in LAZY_EXCEPT.items() if within(found.module, (home,)) for name in names}
        if found.top and not found.typing and found.target.split(".")[0] in LAZY - allowed:
            wrong.append(str(found))
    assert not wrong, "\n".join(wrong)


def test_calls_stay_in_their_homes() -> None:
    wrong = []
    for module, node in ((name, node) for name in modules() for node in nodes(name)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            name = node.func.id
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            name = f"{node.value.id}.{node.attr}"
        else:
            continue
        if name in CALLS and not within(module, CALLS[name]):
            wrong.append(f"{module} (line {node.lineno}) uses {name}: its home is {', '.join(CALLS[name])}")
    assert not wrong, "\n".join(wrong)


def _has_all(module: ast.Module) -> bool:
    targets = [target for node in module.body if isinstance(node, ast.Assign) for target in node.targets]
    return any(isinstance(target, ast.Name) and target.id == "__all__" for target in targets)


def test_a_module_says_what_it_is_and_what_it_offers() -> None:
    missing = []
    for module, path in modules().items():
        if not path.stat().st_size:
            continue
        exempt = path.name == "__init__.py" and module != "__init__"
        if not ast.get_docstring(tree(module)):
            missing.append(f"{module} has no docstring")
        if not exempt and module != "_version" and not _has_all(tree(module)):
            missing.append(f"{module} has no __all__")
    assert not missing, "\n".join(missing)


def test_nothing_grows_past_what_fits_in_a_head() -> None:
    """A file of 300 lines, a function of 50: more is warned of; a sixth more fails."""
    reports, failures = [], []
    for module, path in modules().items():
        lines = len(path.read_text(encoding="utf-8").splitlines())
        sizes = [(f"{module}: {lines} lines", lines, LINES, LINES_LIMIT)]
        for node in nodes(module):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                sizes.append((f"{module}.{node.name}: {length} lines", length, FUNCTION, FUNCTION_LIMIT))
        reports += [text for text, size, aim, limit in sizes if aim < size <= limit]
        failures += [text for text, size, aim, limit in sizes if size > limit]
    if reports:
        with warnings.catch_warnings():
            warnings.simplefilter("default")
            warnings.warn("larger than is good: " + "; ".join(reports), stacklevel=1)
    assert not failures, "too large, there are two ideas in it: " + "; ".join(failures)
