"""What a data frame costs in a prompt: tokens and time, by its number of rows."""

from __future__ import annotations

import statistics
import time

from benchmarks.report import Table

__all__ = ["run"]


def run(quick: bool) -> list[Table]:
    """Estimated tokens, and milliseconds as the median of repeats."""
    import numpy
    import pandas
    import polars

    from ollama_magic.context import describe

    table = Table("A data frame of 5 columns in a prompt", ("rows", "library", "tokens", "ms", "same text twice"))
    for rows in (1_000, 1_000_000) if quick else (1_000, 100_000, 1_000_000, 5_000_000):
        random = numpy.random.default_rng(7)
        columns = {
            "id": numpy.arange(rows),
            "price": random.normal(100, 15, rows),
            "count": random.poisson(3, rows),
            "city": random.choice(["Paris", "Lisbon", "Oslo"], rows),
            "when": numpy.datetime64("2026-01-01", "ms") + 1000 * numpy.arange(rows),
        }
        for library, frame in (("pandas", pandas.DataFrame(columns)), ("polars", polars.DataFrame(columns))):
            texts, taken = [], []
            for _ in range(3 if quick else 5):
                begun = time.perf_counter()
                texts.append(describe(frame).text)
                taken.append((time.perf_counter() - begun) * 1000)
            table.add(
                f"{rows:,}",
                library,
                f"{_tokens(texts[0]):,}",
                f"{statistics.median(taken):.1f}",
                "yes" if len(set(texts)) == 1 else "NO",
            )
    return [table]


def _tokens(text: str) -> int:
    from ollama_magic.context import estimate

    return estimate(text)
