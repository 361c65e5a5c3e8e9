"""How often two-sample tests reject: curves over the size of a test, or bars for one size."""

from collections.abc import Mapping

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fsdiff.characters import printable
from fsdiff.reports.plotting.style import experiment_styles, styled


@styled
def draw(results: Mapping[str, xr.Dataset]) -> Figure:
    """Shares of tests in per cent, with exact 95 % intervals, for each analysis."""
    curves = any(result.sizes["size"] > 1 for result in results.values())
    height = 4.4 if curves else 1.2 + 0.36 * len(results)
    figure = Figure(figsize=(8.2, height), layout="constrained")
    axes = figure.subplots()
    (_curves if curves else _bars)(axes, results)
    return figure


def _curves(axes: Axes, results: Mapping[str, xr.Dataset]) -> None:
    """The power of the test, over the number of fields in it."""
    for title, style in experiment_styles(results).items():
        result = results[title]
        axes.errorbar(result["size"], 100 * result.rejected, _errors(result), label=title, **style)
    level = 100 * float(next(iter(results.values())).level)
    axes.axhline(level, color="black", linewidth=1.0, linestyle=":", zorder=0.9)
    axes.set(xscale="log", ylim=(-3, 103), xlabel="fields of each set in a test")
    sizes = sorted({int(size) for result in results.values() for size in result["size"].values})
    axes.set_xticks(sizes, [str(size) for size in sizes])
    axes.minorticks_off()
    axes.set_ylabel("tests that reject [%]")
    axes.legend()


def _bars(axes: Axes, results: Mapping[str, xr.Dataset]) -> None:
    """One bar for each analysis, the first at the top."""
    place = np.arange(len(results))[::-1]
    for at, (title, style) in zip(place, experiment_styles(results).items(), strict=True):
        result = results[title]
        value = 100 * float(result.rejected[0])
        axes.barh(at, value, 0.62, color=style["color"], alpha=0.8)
        axes.errorbar(value, at, xerr=_errors(result), color="black", linewidth=1.2, capsize=3)
    first = next(iter(results.values()))
    axes.axvline(100 * float(first.level), color="black", linewidth=1.0, linestyle=":")
    labels = [
        f"{printable(title)}\n{int(result['size'][0])} against {int(result.reference[0])}"
        for title, result in results.items()
    ]
    axes.set_yticks(place, labels)
    axes.set(xlim=(0, 100), xlabel="tests that reject [%]")


def _errors(result: xr.Dataset) -> np.ndarray:
    """Distances to the ends of the intervals in per cent, (2, size)."""
    low, high = result.rejected - result.rejected_low, result.rejected_high - result.rejected
    return 100 * np.stack([low, high])
