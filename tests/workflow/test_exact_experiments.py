"""Exact experiments alone: from one configuration to a report, and what an edit runs again."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest
import xarray as xr
import yaml
from checkout import Change, Checkout

pytestmark = pytest.mark.workflow

POINTS = {"kind": "points", "points": [[-1.0, 0.0], [1.0, 0.5]]}
ANALYSES = {
    "flat": {
        "kind": "score_lipschitz",
        "title": "Data as rough as the noise",
        "figure": "steepness",
        "covariance": {"kind": "bessel", "power": 0.55},
        "resolutions": [4, 8],
        "times": [0.1],
    },
    "steep": {
        "kind": "score_lipschitz",
        "figure": "steepness",
        "covariance": {"kind": "bessel", "power": 1.0},
        "resolutions": [4, 8],
        "times": [0.1],
    },
    "near_points": {"kind": "singularity", "law": POINTS, "times": 3, "samples": 4},
}


@pytest.fixture(scope="module")
def analysed(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A checkout in which a study of analyses alone has run once."""
    checkout = Checkout.create(tmp_path_factory.mktemp("analysed") / "checkout")
    checkout.configuration.write_text(yaml.safe_dump({"analyses": ANALYSES}, sort_keys=False))
    checkout.snakemake("--cores", "2", "--report", "report.html", "--report-after-run")
    return checkout


def test_results_say_what_they_are_and_where_they_come_from(analysed: Checkout) -> None:
    result = xr.load_dataset(analysed.root / "results/analyses/steep.nc")
    assert result.closed_form.dims == ("time", "resolution")
    assert result.closed_form.attrs["long_name"]
    assert {"fsdiff_config", "fsdiff_fingerprint", "fsdiff_seed"} <= result.attrs.keys()
    assert "steepness" not in result.attrs["fsdiff_config"]


def test_report_holds_the_figures(analysed: Checkout) -> None:
    text = (analysed.root / "report.html").read_text()
    assert "Exact experiments" in text
    for name in ("steepness.svg", "near_points.svg"):
        assert name in text


Edit = Callable[[Checkout], AbstractContextManager[None]]


def setting(analysis: str, key: str, value: Any) -> Edit:
    """Set a value of an analysis."""

    def change(configuration: dict[str, Any]) -> None:
        configuration["analyses"][analysis][key] = value

    return lambda checkout: checkout.configured(change)


def configured(change: Change) -> Edit:
    """Change the configuration."""
    return lambda checkout: checkout.configured(change)


def edited(file: str, old: str, new: str) -> Edit:
    """Replace text in a file of the repository."""
    return lambda checkout: checkout.edited(file, old, new)


STEEPNESS = {"draw_score_lipschitz": 1, "all": 1}

TABLE: dict[str, tuple[Edit, dict[str, int]]] = {
    "nothing": (configured(lambda configuration: None), {}),
    "one analysis": (setting("steep", "times", [0.2]), {"analyse": 1, **STEEPNESS}),
    "its title": (setting("steep", "title", "Steep"), STEEPNESS),
    "another figure": (
        setting("steep", "figure", "alone"),
        {"draw_score_lipschitz": 2, "all": 1},
    ),
    "code of a kind": (
        edited(
            "fsdiff/analyses/score_lipschitz.py", "iterations: int = 200", "iterations: int = 9"
        ),
        {"analyse": 2, **STEEPNESS},
    ),
    "code of a law": (
        edited("fsdiff/measures/manifolds.py", "FINE = 20000", "FINE = 20001"),
        {"analyse": 1, "draw_singularity": 1, "all": 1},
    ),
    "code of a figure": (
        edited("fsdiff/reports/plotting/analyses/singularity.py", "0.3", "0.31"),
        {"draw_singularity": 1, "all": 1},
    ),
    "removed": (
        configured(lambda configuration: configuration["analyses"].pop("steep")),
        STEEPNESS,
    ),
}


@pytest.mark.parametrize(("edit", "expected"), TABLE.values(), ids=TABLE)
def test_exactly_these_jobs_run_again(
    analysed: Checkout, edit: Edit, expected: dict[str, int]
) -> None:
    with edit(analysed):
        assert analysed.planned() == expected


def test_a_mistake_stops_before_any_job(analysed: Checkout) -> None:
    with setting("steep", "covariance", {"kind": "bessle"})(analysed):
        code, output = analysed.attempt("--cores", "2")
    assert code != 0
    assert "analyses.steep.covariance.kind" in output
    assert "Job stats" not in output
