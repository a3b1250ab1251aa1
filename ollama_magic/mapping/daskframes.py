"""A Dask data frame, mapped by partition on the workers of its scheduler. Dask itself is never imported here.

The task graph carries the prompt, the schema and the settings in force, but never a key: a graph is pickled, and shown
by Dask's dashboard. A worker takes its key from its own environment.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import SettingsError
from ..schema import Shape, schema_for
from ..settings import FIELDS
from .columns import columns_for
from .frames import pandas_result
from .preparing import How, limiter_for, prepare, settings_for
from .run import run_rows, template_for

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..settings import Settings

__all__ = ["map_dask"]

_KEY_HINT = "Keys are not sent to Dask's workers: set OLLAMA_API_KEY in the environment of each."


@dataclass(frozen=True)
class _Order:
    """What a worker needs, as plain values that pickle."""

    prompt: str
    settings: Mapping[str, Any]
    hosts: tuple[str, ...] | None
    schema: Any
    into: str | None
    concurrency: int | None
    refresh: bool


def map_dask(
    frame: Any,
    prompt: str,
    given: Mapping[str, Any],
    *,
    schema: Any,
    into: str | None,
    concurrency: int | None,
    hosts: Sequence[str] | None,
    refresh: bool,
) -> Any:
    """`frame` with the columns of the answers, computed lazily; see `map`.

    If no model is named, it is chosen now. Raises SettingsError for what must not be sent to workers.
    """
    if given.get("key") is not None:
        raise SettingsError("A key was given to map() with a Dask data frame", hint=_KEY_HINT)
    if frame.ndim == 1:
        frame = frame.to_frame("text" if frame.name is None else frame.name)
    columns = columns_for(None if schema is None else schema_for(schema), into)
    template_for(prompt, tuple(map(str, frame.columns)), columns)
    settings = settings_for(given, hosts)
    for each in settings.values():
        limiter_for(concurrency, each)
    if not all(each.model for each in settings.values()):
        prepared = prepare(How(settings, columns))
        settings, model = dict(prepared.plan.settings), prepared.plan.model
    else:
        model = next(iter(settings.values())).model or ""
    first = next(iter(settings.values()))
    order = _Order(
        prompt,
        {**_portable(first), "model": model},
        None if hosts is None else tuple(_address(each) for each in settings.values()),
        schema.json_schema if isinstance(schema, Shape) else schema,
        into,
        concurrency,
        refresh,
    )
    return frame.map_partitions(_map_partition, order, meta=pandas_result(frame._meta, [], columns))


def _portable(settings: Settings) -> dict[str, Any]:
    """The settings that differ from their defaults, as plain values; without the key."""
    found: dict[str, Any] = {}
    for spec in FIELDS:
        value = getattr(settings, spec.name)
        if settings.is_default(spec.name) or value is None or spec.name == "key":
            continue
        if spec.name == "host":
            value = _address(settings)
        elif spec.name == "trusted_hosts":
            # A settings file that came with a folder may not decide where a worker's own key is sent.
            if settings.came_with_folder("trusted_hosts"):
                continue
            value = " ".join(str(each) for each in value)
        elif spec.name in ("gguf", "cache_dir"):
            value = str(value.absolute())
        found[spec.name] = dict(value) if spec.name == "options" else value
    return found


def _address(settings: Settings) -> str:
    if settings.host is None:
        return ""
    if settings.host.userinfo is not None:
        raise SettingsError(
            f"The user and password of {settings.host.display} are not sent to Dask's workers",
            hint="Set OLLAMA_HOST in the environment of each worker, and name no host here.",
        )
    return settings.host.url


def _map_partition(frame: Any, order: _Order) -> Any:
    """One partition, on a worker."""
    columns = columns_for(None if order.schema is None else schema_for(order.schema), order.into)
    if not len(frame):
        return pandas_result(frame, [], columns)
    try:
        how = How(settings_for(order.settings, order.hosts), columns, order.concurrency, order.refresh)
        return run_rows(frame, order.prompt, how, progress=False)
    except SettingsError as error:
        if "key" in error.message:
            error.hint = _KEY_HINT
        raise
