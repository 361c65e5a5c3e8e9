"""Inverse problems, from data to verdict: what runs, and what runs again after an edit."""

from collections.abc import Callable
from typing import Any

import pytest
import xarray as xr
import yaml
from checkout import Checkout

from fsdiff.reports import tables

pytestmark = pytest.mark.workflow

FIGURES = "results/figures/posteriors"
ENDS = (
    "results/posteriors.md",
    f"{FIGURES}.html",
    f"{FIGURES}/sensors/fields-16.png",
    f"{FIGURES}/sensors/errors.svg",
)
STUDY: dict[str, Any] = {
    "datasets": {
        "waves": {
            "source": {
                "kind": "random_field",
                "resolution": 16,
                "basis": {"kind": "fourier", "dimension": 1},
            },
            "split": {"train": 64, "validation": 8, "test": 8},
            "resolutions": [16],
        }
    },
    "defaults": {
        "dataset": "waves",
        "prior": {"kind": "bessel", "power": 0.6},
        "process": {"kind": "vp"},
        "prediction": {"kind": "wiener"},
        "network": {"kind": "fno", "width": 4, "modes": 2, "layers": 1, "projection": 4},
        "sampler": {"kind": "dpm_solver", "steps": 4},
        "samples": {"count": 2, "resolutions": [16]},
        "levels": [{"resolution": 16, "epochs": 1}],
    },
    "experiments": {
        "alone": {},
        "told": {
            "condition": {
                "kind": "kriging",
                "operator": {"kind": "random_points", "number": 6, "noise": 0.2},
            }
        },
    },
    "observations": {
        "sensors": {
            "dataset": "waves",
            "operator": {"kind": "random_points", "number": 3, "noise": 0.2},
            "cases": 2,
        }
    },
    "references": {
        "exact": {
            "observation": "sensors",
            "reference": {"kind": "exact"},
            "draws": 40,
            "resolutions": [16],
        }
    },
    "posteriors": {
        name: {"experiment": name, "observation": "sensors", "draws": 20, "resolutions": [16]}
        for name in ("alone", "told")
    },
    "evaluation": {"metrics": {"one_point": {"kind": "one_point"}}},
}
STUDY["posteriors"]["alone"] |= {"guidance": {"kind": "wiener"}, "shards": 2}

PAGES = {
    "posterior_errors": 1,
    "posterior_pages": 1,
    "posterior_summary": 1,
    "posterior_table": 1,
    "posterior_verdict": 1,
}
"""What is made of draws and of what was judged of them."""


@pytest.fixture(scope="module")
def inferred(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A study whose posteriors have been drawn and judged."""
    checkout = Checkout.create(tmp_path_factory.mktemp("posteriors") / "checkout")
    checkout.configuration.write_text(yaml.safe_dump(STUDY))
    checkout.snakemake("--cores", "2", *ENDS)
    return checkout


def test_files_have_cases_and_draws(inferred: Checkout) -> None:
    for name, count in (("posteriors/told/seed0", 20), ("references/exact", 40)):
        draws = xr.load_dataset(inferred.root / f"results/{name}/16.nc")
        assert draws["draws"].dims == ("case", "draw", "channel", "x")
        assert draws.sizes["case"] == 2
        assert draws.sizes["draw"] == count
        assert draws["sample"].values.tolist() == [72, 73]


def test_every_posterior_stands_beside_what_needs_no_model(inferred: Checkout) -> None:
    table = tables.read(inferred.root / "results/posteriors.csv")
    assert sorted(table["row"]) == [
        *("ensemble", "kriging", "laplace", "posterior", "posterior", "prior", "reference"),
    ]
    rows = table.set_index("row")
    # The law is Gaussian: Laplace's approximation is exact, and draws that know nothing are not.
    assert rows.loc["laplace", "posterior_mean"] < rows.loc["prior", "posterior_mean"]
    assert rows.loc["ensemble", "posterior_mean"] < rows.loc["prior", "posterior_mean"]
    assert rows.loc["prior", "misfit"] > 3 * rows.loc["reference", "misfit"]
    text = (inferred.root / "results/posteriors.md").read_text()
    assert "## sensors at resolution 16" in text
    assert inferred.planned("--", *ENDS) == {}


def test_a_killed_run_leaves_no_draws_that_are_half_done(inferred: Checkout) -> None:
    assert not [
        path
        for path in (inferred.root / "results/state").rglob("*")
        if path.suffix == ".safetensors"
    ]


EDITS: dict[str, tuple[Callable[[dict[str, Any]], Any], dict[str, int]]] = {
    "a guidance": (
        lambda study: study["posteriors"]["alone"]["guidance"].update(kind="moment"),
        {"infer_shard": 2, "infer": 1, "judge_posterior": 1, **PAGES},
    ),
    "noise of the data": (
        lambda study: study["observations"]["sensors"]["operator"].update(noise=0.1),
        {
            "observe": 1,
            "refer": 1,
            "infer_shard": 2,
            "infer": 2,
            "judge_posterior": 2,
            "judge_baselines": 1,
            **PAGES,
        },
    ),
    "draws of a reference": (
        lambda study: study["references"]["exact"].update(draws=50),
        {"refer": 1, "judge_posterior": 2, "judge_baselines": 1, **PAGES},
    ),
    "a measure": (
        lambda study: study["evaluation"].update(posterior_metrics={"s": {"kind": "crps"}}),
        {
            "judge_posterior": 2,
            "judge_baselines": 1,
            **{rule: 1 for rule in PAGES if rule != "posterior_pages"},
        },
    ),
    "the number of shards": (
        lambda study: study["posteriors"]["alone"].update(shards=5),
        {},
    ),
    "a metric of samples": (
        lambda study: study["evaluation"]["metrics"].update(s={"kind": "spectrum"}),
        {},
    ),
}


@pytest.mark.parametrize("edit", EDITS)
def test_what_depends_on_an_edit_runs_again(inferred: Checkout, edit: str) -> None:
    change, expected = EDITS[edit]
    with inferred.configured(lambda study: change(study)):
        assert inferred.planned("--", *ENDS) == expected


def test_an_error_text_runs_nothing_again(inferred: Checkout) -> None:
    with inferred.edited("fsdiff/inverse/observations/points.py", "is outside of the", "is not in"):
        assert inferred.planned("--", *ENDS) == {}


def test_pages_show_figures_that_are_drawn(inferred: Checkout) -> None:
    def page(study: dict[str, Any]) -> None:
        paths = ["waves/spectra-16.svg", "waves/spectra-32.svg", "../summary.svg"]
        figures = [{"path": path} for path in paths]
        study["page"] = {"title": "A page", "text": "", "figures": figures}

    with inferred.configured(page):
        code, output = inferred.attempt("--dry-run")
    assert code
    assert 'page.figures[1].path = "waves/spectra-32.svg": the study draws no such fig' in output
    assert "(did you mean 'waves/spectra-16.svg'?)" in output
    assert 'page.figures[2].path = "../summary.svg": ' in output
    assert "page.figures[0]" not in output


def test_what_cannot_be_is_refused_before_any_job(inferred: Checkout) -> None:
    def wrong(study: dict[str, Any]) -> None:
        study["observations"]["sensors"]["operator"] = {"kind": "points", "points": [[1.5]]}
        study["posteriors"]["told"]["resolutions"] = [32]

    with inferred.configured(wrong):
        code, output = inferred.attempt("--dry-run")
    assert code
    assert "observations.sensors.operator: points: x = 1.5 is outside of the box" in output
