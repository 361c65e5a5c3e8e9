"""The comparison of solvers as a page: tables in Markdown, and a figure."""

import math
from collections.abc import Iterable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from measuring import Comparison
from problems.batches import Batch
from problems.darcy import Growth

from fsdiff.reports.plain_text import table_row
from fsdiff.reports.plotting.style import experiment_styles, plain_ticks, styled

_COLUMNS = 4
_DASHED = (0, (4, 2))
_PEER = {"color": "#767676", "linestyle": _DASHED}


def table(header: str, rows: Iterable[Sequence[str]]) -> str:
    """A table; ``header`` has the columns' names, those of numbers marked by a colon at the end."""
    names = [name.strip() for name in header.split("|")]
    rule = ["---:" if name.endswith(":") else "---" for name in names]
    lines = [[name.rstrip(":") for name in names], rule, *rows]
    return "".join(f"{table_row(line)}\n" for line in lines)


def summary(comparisons: Sequence[Comparison]) -> str:
    """This project's default beside published settings, and beside the strongest peer's."""
    header = (
        "system | problem | fsdiff, s: | error: | published | s: | error: | times faster: "
        "| strongest peer | s: | error: | times faster:"
    )
    return table(header, map(_summary_row, comparisons))


def _summary_row(comparison: Comparison) -> list[str]:
    ours = comparison.of("default")
    row = [comparison.system, comparison.problem, number(ours.seconds), f"{ours.error:.1e}"]
    for peer in (comparison.published, comparison.strongest):
        if peer is None:
            row += [""] * 4
            continue
        name = ", ".join(filter(None, (peer.solver, peer.setting.removesuffix(" (published)"))))
        ratio = number(peer.seconds / ours.seconds)
        row += [name, number(peer.seconds), f"{peer.error:.1e}", ratio]
    return row


def number(value: float) -> str:
    """Two or three digits, without an exponent."""
    return f"{value:,.0f}" if value >= 100 else f"{value:#.2g}" if value < 9.95 else f"{value:.1f}"


def details(comparison: Comparison) -> str:
    """Every setting of every solver."""
    rows = [
        [
            point.solver,
            point.setting,
            number(point.seconds),
            f"{point.error:.1e}",
            "" if point.megabytes is None else f"{point.megabytes:.0f}",
        ]
        for point in comparison.points
    ]
    title = f"### {comparison.system}: {comparison.problem}\n\nErrors are {comparison.errors}.\n\n"
    return title + table("solver | setting | s per sample: | error: | peak MB:", rows)


def growth_table(growths: Sequence[Growth]) -> str:
    """Cost and residual by law and grid, beside peers that are there."""
    peers = list(dict.fromkeys(name for growth in growths for name in growth.peers))
    header = (
        "permeability | n: | contrast: | iterations: | fsdiff alone, ms: | in a batch, ms: "
        f"| µs per cell: | residual: | {' | '.join(f'{name}, ms:' for name in peers)} "
        "| fastest peer / alone: | fastest peer / batch:"
    )
    return table(header, (_growth_row(growth, peers) for growth in growths))


def _growth_row(growth: Growth, peers: Sequence[str]) -> list[str]:
    seconds = {name: growth.peers[name][0] for name in peers if name in growth.peers}
    fastest = min(seconds.values(), default=math.nan)
    ratios = [fastest / own for own in (growth.alone, growth.together)]
    return [
        growth.law,
        str(growth.n),
        f"{growth.contrast:.0e}",
        str(growth.iterations),
        number(1e3 * growth.alone),
        number(1e3 * growth.together),
        f"{1e6 * growth.together / growth.n**2:.2f}",
        f"{growth.residual:.0e}",
        *(number(1e3 * seconds[name]) if name in seconds else "" for name in peers),
        *(number(ratio) if seconds else "" for ratio in ratios),
    ]


def exponents(growths: Sequence[Growth]) -> str:
    """p in time ∝ cells^p, fitted to this project's time per sample in a batch, by law."""
    laws = dict.fromkeys(growth.law for growth in growths)
    return "; ".join(
        f"{law}: {_exponent([g for g in growths if g.law == law]):.2f}" for law in laws
    )


def _exponent(growths: Sequence[Growth]) -> float:
    cells = [growth.n**2 for growth in growths]
    return float(np.polyfit(np.log(cells), np.log([g.together for g in growths]), 1)[0])


def batch_table(batches: Iterable[Batch]) -> str:
    """Wall time by size of the batch."""
    rows = [
        [
            batch.problem,
            str(batch.size),
            f"{batch.seconds:.3g}",
            f"{batch.seconds / batch.size:.3g}",
        ]
        for batch in batches
    ]
    return table("problem | batch: | s: | s per sample:", rows)


@styled
def draw(comparisons: Sequence[Comparison], growths: Sequence[Growth]) -> Figure:
    """Error against time, a panel for each problem, and Darcy's time against the grid, if known."""
    count = len(comparisons) + bool(growths)
    rows = -(-count // _COLUMNS)
    figure = Figure(figsize=(13, 3.4 * rows), layout="constrained")
    panels = figure.subplots(rows, _COLUMNS, squeeze=False).ravel()
    for axes, comparison in zip(panels, comparisons, strict=False):
        _draw_comparison(axes, comparison)
    if growths:
        _draw_growth(panels[count - 1], growths)
    for axes in panels[count:]:
        axes.set_axis_off()
    return figure


def _draw_comparison(axes: Axes, comparison: Comparison) -> None:
    solvers = list(dict.fromkeys(point.solver for point in comparison.points))
    styles = experiment_styles(sorted(solvers, key=lambda solver: solver != "fsdiff"))
    for solver in solvers:
        points = [point for point in comparison.points if point.solver == solver]
        style = dict(styles[solver]) | ({} if solver == "fsdiff" else {"linestyle": _DASHED})
        x, y = [p.seconds for p in points], [p.error for p in points]
        axes.plot(x, y, markersize=4, label=solver, **style)
        for point in points:
            if point.role != "other":
                axes.plot(point.seconds, point.error, "o", ms=10, mfc="none", mec=style["color"])
    problem = comparison.problem.replace(", ", "\n", 1)
    axes.set_title(f"{comparison.system}\n{problem}")
    axes.set(xscale="log", yscale="log")
    axes.set(xlabel="processor seconds per sample", ylabel="relative L² error")
    plain_ticks(axes.xaxis)
    axes.legend(fontsize=7, framealpha=0.8)


def _draw_growth(axes: Axes, growths: Sequence[Growth]) -> None:
    laws = list(dict.fromkeys(growth.law for growth in growths))
    styles = experiment_styles(laws)
    for law in laws:
        rows = [growth for growth in growths if growth.law == law]
        per_cell = [1e6 * row.together / row.n**2 for row in rows]
        axes.plot([row.n**2 for row in rows], per_cell, label=law, **styles[law])
        peers = [row for row in rows if "spsolve" in row.peers]
        per_cell = [1e6 * row.peers["spsolve"][0] / row.n**2 for row in peers]
        axes.plot([row.n**2 for row in peers], per_cell, **(styles[law] | _PEER))
    axes.plot([], [], label="spsolve, same markers", **_PEER)
    axes.set_title("Darcy\ncost of a cell, fsdiff in a batch")
    axes.set(xscale="log", yscale="log", xlabel="cells", ylabel="processor µs per cell")
    axes.set_ylim(top=6 * axes.get_ylim()[1])  # room for the legend
    plain_ticks(axes.yaxis)
    axes.legend(fontsize=7.5)
