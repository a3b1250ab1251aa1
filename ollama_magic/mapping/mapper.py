"""`map()`: a prompt for each row, and the answers as columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ..errors import SettingsError
from ..schema import schema_for
from ..secret import hidden
from .columns import columns_for
from .daskframes import map_dask
from .frames import is_dask
from .preparing import How, settings_for
from .run import run_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["map"]

_NOT_OURS: Final = ("images", "tools", "thread", "top_logprobs")
"""Arguments of `ask` that `map` refuses: sent as model options, they would have no effect."""


def map(
    data: Any,
    prompt: str,
    model: str | None = None,
    *,
    schema: Any = None,
    into: str | None = None,
    concurrency: int | None = None,
    hosts: Sequence[str] | None = None,
    progress: bool = True,
    refresh: bool = False,
    system: str | None = None,
    think: bool | str | None = None,
    **settings: Any,
) -> Any:
    """Ask `prompt` for each row of `data`, and return the rows with the answers in new columns.

        map(reviews, "Is this review good or bad? {text}", schema="mood: 'good' | 'bad'")

    `data`: a pandas or polars data frame, returned with new columns, or a list of texts, dictionaries or named tuples,
    returned as dictionaries, in the same order. Any other iterable gives an iterator of dictionaries and is never held
    in memory. A Dask data frame is mapped by Dask's workers, a partition at a time, when it is computed.
    `schema`: such as "label: str, score: float"; each field becomes a column of its type.
    `into`: the column of the answer's text, "answer" if not given; with a schema, a prefix of its columns.
    `concurrency`: concurrent requests on each server; adapts to the server if not given.
    `hosts`: several servers instead of one, of any speed; one that does not answer is set aside, and tried again from
    time to time.
    `settings`: as for `ask`.

    The column `error` is missing (None, NA) where all is well, and otherwise says what went wrong with that row; the
    other rows are not affected. Existing columns of the new names are replaced; a prompt that uses one is refused.

    Answers are stored on disk as they arrive: after an interrupt or a crash, running it again asks only what is
    missing; `refresh` asks all. Rows with the same request are asked once. With cache=False nothing is stored, and
    every row is asked. Raises SettingsError before anything is sent, and any error that every row would meet. An
    interrupt raises MapStopped; the rows so far are in `ollama_magic.last_map`.
    """
    for name in _NOT_OURS:
        if name in settings:
            raise SettingsError(f"map() takes no {name}: a row's prompt goes alone", hint="Use ask() for each row.")
    settings = hidden(settings)
    hosts = hosts if hosts is None or isinstance(hosts, str) else [hidden({"host": each})["host"] for each in hosts]
    given = {"model": model, "system": system, "think": think, **settings}
    if is_dask(data):
        return map_dask(
            data, prompt, given, schema=schema, into=into, concurrency=concurrency, hosts=hosts, refresh=refresh
        )
    columns = columns_for(None if schema is None else schema_for(schema), into)
    how = How(settings_for(given, hosts), columns, concurrency, refresh)
    return run_rows(data, prompt, how, progress=progress)
