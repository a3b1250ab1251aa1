"""`%%ollama --map df --into col`: the cell's prompt for each row of a frame or list of the notebook."""

from __future__ import annotations

from textwrap import shorten
from typing import TYPE_CHECKING, Any, Final

from ..composing import shape_for
from ..errors import SettingsError
from ..options import nearest
from ..render import say
from ..units import counted
from .columns import ERROR, columns_for
from .daskframes import map_dask
from .frames import is_dask, source_of
from .preparing import How, settings_for
from .run import MapStopped, last_map, run_rows, template_for

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..parsing import Parsed

__all__ = ["map_cell"]

_NOT_WITH = {
    "attach": "-a", "tools": "--tools", "web": "--web", "go_on": "-c", "thread": "-i", "new": "--new",
    "compares": "--compare, --sweep, -n or --blind", "bg": "--bg", "confirm": "--confirm",
}  # fmt: skip
_LONGEST_ERROR: Final = 300


def map_cell(parsed: Parsed, prompt: str, namespace: Mapping[str, Any], shell: Any) -> None:
    """Ask `prompt` for each row of what --map names, and bind the rows with the answers to --out, or to that name.

    With --dry-run it shows the first prompt and sends nothing. Raises what `map` raises; the rows answered before an
    interrupt are bound all the same.
    """
    how = parsed.how
    for field, flag in _NOT_WITH.items():
        if getattr(how, field):
            raise SettingsError(f"%%ollama: --map cannot be combined with {flag}", hint=f"Leave {flag} out.")
    if how.tokens is not None:
        raise SettingsError("%%ollama: --map cannot show tokens", hint="Leave --tokens out.")
    target = how.out or how.map
    if not target.isidentifier():
        raise SettingsError(
            f"%%ollama: --map {how.map} has no name to assign the rows to", hint="Name one: --out rows."
        )
    data = _value(how.map, namespace)
    shape = shape_for(how.schema, namespace) if how.schema else None
    columns = columns_for(shape, how.into or None)
    if how.dry_run:
        say(shell, _preview(data, prompt, columns))
        return
    if is_dask(data):
        found = map_dask(
            data, prompt, parsed.values, schema=shape, into=how.into or None, concurrency=how.concurrency, hosts=None,
            refresh=False,
        )  # fmt: skip
        shell.user_ns[target] = found
        say(shell, f"{target} is mapped by Dask's workers when it is computed: {target}.compute()")
        return
    asked = How(settings_for(parsed.values, None), columns, how.concurrency)
    try:
        shell.user_ns[target] = found = run_rows(data, prompt, asked, progress=True)
    except MapStopped:
        shell.user_ns[target] = last_map()
        raise
    say(shell, _summary(found, target, columns.names))


def _value(expression: str, namespace: Mapping[str, Any]) -> Any:
    if expression.isidentifier() and expression not in namespace:
        raise SettingsError(
            f"%%ollama: --map {expression}: there is no such variable{nearest(expression, namespace)}",
            hint="Name a data frame, a list, or an expression of one.",
        )
    try:
        return eval(expression, dict(namespace))  # the user's own code
    except Exception as error:
        raise SettingsError(
            f"%%ollama: --map {expression!r} raised {type(error).__name__}: {error}",
            hint="Name a data frame, a list, or an expression of one.",
        ) from None


def _preview(data: Any, prompt: str, columns: Any) -> str:
    source = source_of(data)
    template = template_for(prompt, source.columns, columns)
    first = next(iter(source.rows(template.names)), None) if source.build is not None else None
    told = "? rows" if source.count is None else counted(source.count, "row")
    made = f"{told} would be asked; the answers become {', '.join(columns.names)} and {ERROR}."
    if first is None:
        return made
    row = first if hasattr(first, "keys") else {template.names[0]: first}
    return f"{made} The first prompt:\n\n{template.fill(row)}"


def _summary(found: Any, target: str, names: tuple[str, ...]) -> str:
    if not hasattr(found, "__len__"):
        return f"{target} gives the rows as they are answered: for row in {target}: ..."
    errors = found[ERROR] if not isinstance(found, list) else [row[ERROR] for row in found]
    wrong = [each for each in errors if isinstance(each, str)]
    failed = f", {len(wrong):,} of them with an error" if wrong else ""
    first = f"\nThe first error: {shorten(wrong[0], _LONGEST_ERROR, placeholder=' ...')}" if wrong else ""
    return f"{target}: {counted(len(found), 'row')}{failed}; new columns {', '.join(names)}, {ERROR}.{first}"
