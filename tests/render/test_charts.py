"""Charts: what is in their specifications, what is beside them, and that a model's text is data and no more."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest

from ollama_magic.evaluating import Evaluation
from ollama_magic.evaluating.checks import Verdict
from ollama_magic.evaluating.trials import Trial
from ollama_magic.render.charts import VEGA_LITE, Chart, spread_chart
from ollama_magic.render.colours import AGREEING, PASSING, colour_at, ink_on
from ollama_magic.render.heatmaps import Cell, heat_map_chart, matrix_chart
from ollama_magic.render.text import distinct
from tests.render.payloads import PAYLOADS

PNG = b"\x89PNG\r\n\x1a\n"
HOSTILE = "<img src=x onerror=alert(1)> {datum.value} https://evil.example/ \x1b[31m\u202e $x$ \ud83d"


def strings(value: Any) -> list[str]:
    """All texts in a specification."""
    if isinstance(value, dict):
        return [text for name, inner in value.items() for text in (name, *strings(inner))]
    if isinstance(value, list):
        return [text for inner in value for text in strings(inner)]
    return [value] if isinstance(value, str) else []


def chart_of(text: str) -> list[Chart]:
    """Every kind of chart, with `text` wherever somebody else's text can stand."""
    trials = [
        Trial(n, text, model, 1, text, (Verdict("c", passed),), text if passed is None else "", 1.0, 0.1, 9.0)
        for model in (text, "other")
        for n, passed in enumerate((True, False, None))
    ]
    run = Evaluation((text,) * 3, (text, "other"), ("c",), tuple(trials))
    return [run.heatmap(), run.latency(), run.throughput(), matrix_chart([[1.0]], [text], [text], title="t")]


@pytest.mark.slow
def test_a_models_text_is_data_and_nothing_else() -> None:
    plain = [dict(chart.spec) for chart in chart_of("plain and long " * 9)]
    for payload in (HOSTILE, *(str(getattr(each, "text", each)) for each in PAYLOADS)):
        for chart, harmless in zip(chart_of(payload), plain, strict=True):
            spec = dict(chart.spec)
            data = spec.pop("data")
            assert set(data) == {"values"}
            text = json.dumps(data)
            text.encode()  # half a surrogate pair could not be sent
            assert "\\u001b" not in text
            assert "\\u202e" not in text
            for row in data["values"]:
                assert set(row) <= {"x", "y", "value", "label", "ink", "row", "column", "said", "told", "why", "name"}
            # All the rest is ours, but for the names in the order of the axes.
            outside = strings(spec)
            allowed = {row[name] for row in data["values"] for name in ("x", "y") if name in row}
            assert set(outside) - allowed <= set(strings(harmless))
            assert not {"href", "url", "expr", "signal", "calculate", "params", "usermeta"} & set(outside)


@pytest.mark.slow
def test_what_stands_beside_the_specification() -> None:
    data, metadata = heat_map_chart([Cell("a", "m", 1.0, "✓")], ["a"], ["m"], title="T", names=("p", "m", "v")).bundle()
    # JupyterLab would show HTML rather than the chart.
    assert set(data) == {VEGA_LITE, "text/plain", "image/png"}
    assert data["image/png"].startswith(PNG)
    assert data["text/plain"] == "T\np  m\na  ✓"
    embed = metadata[VEGA_LITE]["embed_options"]
    assert embed["renderer"] == "svg"
    assert embed["actions"]["editor"] is False
    assert data[VEGA_LITE]["$schema"].endswith("/vega-lite/v5.json")
    assert data[VEGA_LITE]["background"] == "transparent"
    json.dumps(data[VEGA_LITE])


def test_without_matplotlib_there_is_no_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    for chart in chart_of("a"):
        assert set(chart.bundle()[0]) == {VEGA_LITE, "text/plain"}


@pytest.mark.slow
def test_pictures_leave_the_notebooks_own_figures_alone() -> None:
    import matplotlib
    from matplotlib import pyplot

    before, backend = pyplot.get_fignums(), matplotlib.get_backend()
    for chart in chart_of("a $x$ _y_ 字"):
        assert (chart.draw() or b"").startswith(PNG)
    assert pyplot.get_fignums() == before
    assert matplotlib.get_backend() == backend


def test_names_that_are_cut_to_the_same_stay_apart() -> None:
    models = ["hf.co/someone/a-very-long-name-of-a-model:one", "hf.co/someone/a-very-long-name-of-a-model:two"]
    chart = heat_map_chart([Cell("p", each, 1.0) for each in models], ["p"], models, title="", names=("p", "m", "v"))
    assert len({row["x"] for row in chart.spec["data"]["values"]}) == 2
    assert [row["column"] for row in chart.spec["data"]["values"]] == models
    assert chart.table.columns == ("p", *models)
    assert list(distinct(["a" * 9 + "one", "a" * 9 + "two", "other"], 9).values()) == [
        "aaaa…aone",
        "aaaa…atwo",
        "other",
    ]
    asks = "Classify this review as good or bad: "
    prompts = [f"{n} · {asks}{text}" for n, text in ((9, "I loved it"), (10, "Never again"))]
    assert list(distinct(prompts, 26).values()) == [
        "9 · Classify …: I loved it", "10 · Classify… Never again",
    ]  # fmt: skip
    assert list(distinct(["a" * 9 + "b" * 9, "a" * 10 + "b" * 9], 9).values()) == ["aaaa…bbbb", "aaaa…bbbb (2)"]
    assert list(distinct(["b (2)", "b", "b\n", "c (test)", "c"], 26).values()) == [
        *("b (2)", "b", "b (3)", "c (test)", "c"),
    ]


def test_only_names_that_read_the_same_have_numbers() -> None:
    for names, shown in (
        (["a", "b"], ["a", "b"]),
        (["a", " a"], ["1 · a", "2 ·  a"]),
        (["a", ""], ["1 · a", "2 · "]),
    ):
        chart = matrix_chart([[1.0, 0.5], [0.5, 1.0]], names, names, title="T")
        assert list(chart.table.columns[1:]) == [" ".join(each.split()) for each in shown]


def test_what_has_no_value_has_no_legend() -> None:
    failed = heat_map_chart([Cell("p", "m", None, "error")], ["p"], ["m"], title="", names=("p", "m", "passed"))
    assert failed.spec["layer"][1]["encoding"]["color"]["legend"] is None


def test_values_that_are_not_there() -> None:
    cells = [Cell("a", "m", None, "error", "Stalled: silence"), Cell("b", "m", 0.25, "25%")]
    spec = heat_map_chart(cells, ["a", "b"], ["m"], title="", names=("p", "m", "passed")).spec
    assert [(row["value"], row["said"]) for row in spec["data"]["values"]] == [(None, "error"), (0.25, "25%")]
    hole = matrix_chart([[1.0, float("nan")]], ["a"], ["a", "b"], title="T")
    assert json.dumps(hole.spec, allow_nan=False)  # no front end could be sent a NaN
    assert "–" in str(hole)
    empty = spread_chart({"m": [], "n": [2.0, 1.0, 4.0]}, title="T", unit="s")
    assert str(empty).splitlines()[2:] == ["m          –       –     –      0", "n       1.00    2.00  4.00      3"]
    assert (spread_chart({"m": []}, title="T", unit="s")).draw() is None


def test_a_long_list_of_prompts_shows_the_lowest() -> None:
    trials = [Trial(n, f"p{n}", "m", 1, "", (Verdict("c", n % 10 > 2),)) for n in range(100)]
    run = Evaluation(tuple(f"p{n}" for n in range(100)), ("m",), ("c",), tuple(trials))
    spec = run.heatmap(most=30).spec
    assert [row["value"] for row in spec["data"]["values"]] == [0.0] * 30
    assert spec["title"] == "Passed · the 30 lowest of 100 prompts"


def test_a_large_matrix_has_no_numbers_in_its_cells_but_a_legend() -> None:
    names = [f"n{n}" for n in range(30)]
    spec = matrix_chart([[0.5] * 30] * 30, names, names, title="T").spec
    assert not any("label" in row or "ink" in row for row in spec["data"]["values"])
    assert len(json.dumps(spec)) < 900 * 90
    assert spec["layer"][1]["encoding"]["color"]["legend"] is not None
    assert spec["encoding"]["x"]["axis"]["labelAngle"] == -90  # tilted, they would lie on each other


def test_colours_can_be_read() -> None:
    assert colour_at(PASSING, 0) == PASSING[0]
    assert colour_at(PASSING, 0.5) == PASSING[1]
    assert colour_at(PASSING, 2) == PASSING[2]

    def luminance(colour: str) -> float:
        parts = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return sum(part * weight for part, weight in zip(linear, (0.2126, 0.7152, 0.0722), strict=True))

    for stops in (PASSING, AGREEING):
        for step in range(101):
            colour = colour_at(stops, step / 100)
            both = sorted(map(luminance, (colour, ink_on(colour))))
            assert (both[1] + 0.05) / (both[0] + 0.05) >= 4.1, colour
