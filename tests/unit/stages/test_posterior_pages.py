"""From files of observations and draws to figures, numbers, table and verdict."""

import numpy as np
import pandas as pd
import pytest
import torch

from fsdiff.data import json_files, storage
from fsdiff.data.sources.labels import label
from fsdiff.inverse.references.kriging import JointGaussian
from fsdiff.measures.priors import Matern
from fsdiff.metrics.posterior.calibration import Coverage, RankedProbabilityScore
from fsdiff.metrics.posterior.moments import PosteriorMoments
from fsdiff.parts import build, described
from fsdiff.reports import tables
from fsdiff.reports.posteriors.summary import NAMES
from fsdiff.spaces.bases import CosineBasis
from fsdiff.spaces.boxes import Axis, Box
from fsdiff.stages.observe import observed
from fsdiff.stages.observed import Observed, labelled
from fsdiff.stages.posterior_errors import posterior_errors
from fsdiff.stages.posterior_pages import Files as Inputs
from fsdiff.stages.posterior_pages import (
    Inverse,
    draw_forecast,
    draw_posteriors,
    draw_resolutions,
)
from fsdiff.stages.posterior_reports import posterior_table, posterior_verdict
from fsdiff.stages.posterior_summary import summarise_posteriors

MADE = storage.Provenance({}, "code", 0)
SENSORS = {"kind": "random_points", "number": 5, "noise": 0.2}
TIME = Box(
    axes=(
        Axis(kind="neumann", name="t", nodes=5, held=True),
        Axis(kind="periodic", name="x", nodes=9),
    )
)


class Files:
    """Exact Gaussian posteriors of a few cases, one whose draws are too alike, and a reference."""

    def __init__(self, folder, basis, n, operator, cases=3, converged=1):
        self.folder, self.basis, self.n = folder, basis, n
        law = Matern(length=0.3, reference_resolution=n)
        fields = law.sample(basis, n, range(300 + cases), seed=0).float()
        dataset = label(
            fields.numpy(), range(300, 600 + cases), basis=basis, measured_from="corner",
            channels=["u"], meaning="field", units={"field": "K"},
        )  # fmt: skip
        split = ["train"] * 300 + ["test"] * cases
        self.write(dataset.assign_coords(split=("sample", split)), "data.nc")
        block = {"basis": described(basis), "operator": operator, "cases": cases, "seed": 0}
        with storage.read(self.path("data.nc")) as data:
            self.write(observed(data, block), "observation.nc")
        seen = Observed.read(self.path("observation.nc"), basis)
        operator = build("operator", operator)
        train = fields[:300].double()
        values = operator.on(basis, 1, n).forward(train)
        kriging = JointGaussian(train, values, operator.variances(basis, 1))
        right = torch.stack([kriging.sample(y, range(40), 1) for y in seen.data])
        mean = right.mean(1, keepdim=True)
        reference = torch.stack([kriging.sample(y, range(90), 2) for y in seen.data])
        for name, draws in (
            ("right", right), ("narrow", mean + 0.3 * (right - mean)), ("reference", reference),
        ):  # fmt: skip
            residuals = [seen.residuals(u, i, operator, basis) for i, u in enumerate(draws)]
            file = labelled(draws, torch.stack(residuals), seen, basis)
            told = {"converged": converged, "remark": "none" if converged else "R̂ = 1.4"}
            self.write(file.assign_attrs(told), f"{name}.nc")
        titles = {"right": "a right one", "narrow": "$narrow$"}
        self.config = {
            "basis": block["basis"],
            "operator": block["operator"],
            "resolution": n,
            "title": "five sensors",
            "posteriors": [
                {"name": name, "place": 2 * i, "title": text}
                for i, (name, text) in enumerate(titles.items())
            ],
        }

    def write(self, dataset, name):
        storage.write(dataset, self.path(name), title="made", provenance=MADE)

    def path(self, name):
        return self.folder / name

    def inputs(self, reference="reference.nc"):
        return Inputs(
            observation=self.path("observation.nc"),
            posteriors=[self.path("right.nc"), self.path("narrow.nc")],
            references=[self.path(reference)] if reference else [],
            data=[self.path("data.nc")],
        )

    def draw(self, **more):
        outputs = {"fields": "f.png", "coverage": "c.svg", "calibrated": "c.json"}
        outputs = {key: self.path(name) for key, name in outputs.items()}
        job = {"config": self.config, "code": "code"}
        draw_posteriors(job, self.inputs(**more), **outputs)
        return json_files.read(self.path("c.json"))


def test_calibration_of_exact_posteriors_is_within_chance(tmp_path):
    files = Files(tmp_path, CosineBasis(1), 16, SENSORS, cases=8)
    told = files.draw()
    assert (told["converged"], told["remark"]) == (True, "")
    reference, right, narrow = told["rows"]
    assert [row["draws"] for row in told["rows"]] == [90, 40, 40]
    assert [row["posterior"] for row in told["rows"]] == ["", "right", "narrow"]
    for row in (reference, right):
        assert row["low"] <= row["coverage"] <= row["high"]
        assert row["p_value"] > 0.01
    assert narrow["coverage"] < narrow["low"]
    assert narrow["p_value"] < 0.01
    first = tmp_path.joinpath("f.png").read_bytes(), tmp_path.joinpath("c.svg").read_bytes()
    files.draw()
    assert first == (
        tmp_path.joinpath("f.png").read_bytes(),
        tmp_path.joinpath("c.svg").read_bytes(),
    )


def test_what_is_drawn_is_what_the_files_have(tmp_path):
    files = Files(tmp_path, CosineBasis(2), 6, SENSORS, converged=0)
    inputs = files.inputs()
    problem = Inverse.read(files.config, inputs)
    scene, shown = problem.scene(1), problem.shown(1)
    seen = storage.read_results(inputs.observation)
    np.testing.assert_array_equal(scene.truth.values, seen["truth"].values[1])
    assert scene.title == "five sensors: sample 601"
    assert scene.quantity(0) == "u [K]"
    (dots,) = scene.seen[0]
    np.testing.assert_array_equal(dots.values, seen["data"].values[1])
    # Cell centres: node i is at (i + ½)/6.
    np.testing.assert_allclose((dots.places + 0.5) / 6, seen["place"].values, atol=1e-9)
    assert [own.title for own in shown] == ["reference", "a right one", "$narrow$"]
    assert shown[0].remark == "R̂ = 1.4"
    draws = storage.read_results(inputs.posteriors[0])["draws"].values
    np.testing.assert_array_equal(shown[1].draws, draws[1])


def test_grids_are_drawn_from_the_files_of_each(tmp_path):
    """Fewer draws on the coarse grid, and no reference there: files follow the configuration."""
    grids = []
    for n in (8, 16):
        (tmp_path / str(n)).mkdir()
        grids.append(Files(tmp_path / str(n), CosineBasis(1), n, SENSORS, cases=1))
    coarse, fine = (files.inputs() for files in grids)
    config = {key: grids[1].config[key] for key in ("basis", "operator", "title")}
    named = grids[1].config["posteriors"]
    drawn = [
        {"resolution": 8, "reference": False, "posteriors": named[:1]},
        {"resolution": 16, "reference": True, "posteriors": named},
    ]
    output = tmp_path / "grids.svg"
    draw_resolutions(
        {"config": config | {"drawn": drawn}},
        Inputs(
            observation=fine.observation,
            posteriors=[*coarse.posteriors[:1], *fine.posteriors],
            references=fine.references,
            data=[*coarse.data, *fine.data],
        ),
        output=output,
    )
    written = output.read_text()
    assert written.count("a right one: mean") == 1
    assert written.count("reference: mean") == 1
    assert "8 nodes" in written


def test_without_a_reference_posteriors_are_drawn_alone(tmp_path):
    told = Files(tmp_path, CosineBasis(1), 16, SENSORS).draw(reference=None)
    assert [row["posterior"] for row in told["rows"]] == ["right", "narrow"]
    assert told["remark"] == ""


def test_forecasts_know_which_frames_are_seen(tmp_path):
    operator = {"kind": "frames", "frames": [0, 1], "resolution": 9, "noise": 0.1}
    files = Files(tmp_path, TIME, 9, operator)
    inputs = files.inputs()
    figure = Inverse.read(files.config, inputs).forecast()
    axes = figure.axes[1]
    lines = {line.get_label(): line.get_ydata() for line in axes.lines}
    draws = storage.read_results(inputs.posteriors[0])["draws"].values[:, :, 0].astype(float)
    truth = storage.read_results(inputs.observation)["truth"].values[:, 0].astype(float)
    error = np.sqrt(np.square(draws.mean(1) - truth).mean((0, 2)))
    spread = np.sqrt((1 + 1 / 40) * draws.var(1, ddof=1).mean((0, 2)))
    np.testing.assert_allclose(lines["error"], error, rtol=1e-6)
    np.testing.assert_allclose(lines["spread"], spread, rtol=1e-6)
    (seen,) = [patch for patch in axes.patches if patch.get_width() > 0]
    assert seen.get_x() + seen.get_width() == pytest.approx(2 / 5)
    assert axes.get_title() == "a right one"
    draw_forecast({"config": files.config}, inputs, output=tmp_path / "forecast.svg")
    assert (tmp_path / "forecast.svg").stat().st_size > 0


IDENTITY = {"observation": "sensors", "resolution": 16}
POSTERIOR = {"posterior": "a", "title": "=model", "experiment": "e", "seed": 0}


@pytest.fixture
def summary(tmp_path):
    """The table of one posterior and two baselines."""
    rows = {
        "b.json": [
            {"row": "prior", "crps": 0.5, "posterior_mean": 2.0, "posterior_sd": 1.0},
            {"row": "kriging", "crps": 0.3, "posterior_mean": 0.4, "posterior_sd": 0.3},
        ],
        "p.json": [
            {"row": "posterior", "crps": 0.25, "posterior_mean": 0.2, "posterior_sd": 0.1,
             "coverage_90": 0.9},
        ],
    }  # fmt: skip
    for name, found in rows.items():
        json_files.write(tmp_path / name, {"rows": found})
    config = {"baselines": [IDENTITY], "posteriors": [IDENTITY | POSTERIOR]}
    summarise_posteriors(
        {"config": config},
        baselines=[tmp_path / "b.json"],
        posteriors=[tmp_path / "p.json"],
        output=tmp_path / "posteriors.csv",
    )
    return tmp_path / "posteriors.csv"


def test_the_summary_has_a_row_for_each_that_was_judged(summary):
    table = tables.read(summary, NAMES)
    assert table["row"].tolist() == ["prior", "kriging", "posterior"]
    assert table["title"].tolist() == ["", "", "=model"]
    assert table["crps"].tolist() == [0.5, 0.3, 0.25]
    assert table["resolution"].tolist() == [16, 16, 16]
    assert pd.isna(table["seed"][0])
    assert pd.isna(table["coverage_90"][1])
    with pytest.raises(ValueError, match="no posterior has been judged yet"):
        summarise_posteriors(
            {"config": {"baselines": [], "posteriors": []}},
            baselines=[], posteriors=[], output=summary,
        )  # fmt: skip


def test_table_figure_and_verdict_are_made_of_the_summary(summary, tmp_path):
    metrics = PosteriorMoments(), RankedProbabilityScore(), Coverage()
    words = [item._asdict() for metric in metrics for item in metric.words]
    job = {
        "config": {
            "words": words,
            "titles": {"sensors": "5 sensors"},
            "drawn": [["sensors", 16, True]],
            "posteriors": [["sensors", "a", 16]] * 2,  # of two seeds
            "left_out": {"sensors": [["calibration", 50, 4]]},
        }
    }
    posterior_table(job, summary=summary, output=tmp_path / "table.html")
    assert "=model" in (tmp_path / "table.html").read_text()
    output = tmp_path / "errors.svg"
    posterior_errors(job, observation="sensors", summary=summary, output=output)
    assert output.stat().st_size > 0
    row = {"posterior": "a", "draws": 50, "coverage": 0.9, "low": 0.8, "high": 0.95}
    json_files.write(tmp_path / "c.json", {"rows": [row]})
    judged = {"used": True, "remark": "none"}
    far = [{"crps": 0.3, "posterior_mean": 0.4 + i / 100, "posterior_sd": 0.3} for i in range(4)]
    near = [{"crps": 0.3, "posterior_mean": 0.2, "posterior_sd": i / 10} for i in range(4)]
    about = {"rows": [], "reference": judged, "by_case": {"kriging": far}}
    json_files.write(tmp_path / "j.json", about)
    particles = [
        {"log_evidence": -4.0 - i, "effective_share": 0.3 / (1 + 19 * i), "collapsed": i}
        for i in range(2)
    ]
    told = {"by_case": {"posterior": near}, "particles": particles}
    json_files.write(tmp_path / "p.json", told)
    (tmp_path / "f.png").write_bytes(b"picture")
    text, page = tmp_path / "posteriors.md", tmp_path / "posteriors.html"
    posterior_verdict(
        job,
        summary=summary,
        baselines=[tmp_path / "j.json"],
        posteriors=[tmp_path / "p.json"] * 2,
        calibrated=[tmp_path / "c.json"],
        pictures=[tmp_path / "f.png"],
        text=text,
        page=page,
    )
    assert "Nearest to the true posterior is “=model”, 0.22 of" in text.read_text()
    assert "which chance explains (80 to 95 %)" in page.read_text()
    assert "Behind it are kriging at 0.5 and prior at 2.2" in text.read_text()
    assert "“calibration” is left out: it needs 50 cases, and there are 4." in text.read_text()
    assert (
        "By the particles of “=model” with 2 seeds, ln p(y) is -5 to -4; at worst 1.5"
        in text.read_text()
    )
    assert text.read_text().count("By the particles of") == 1
    assert "so few that draws of case 2 are copies of some of them." in text.read_text()


def test_a_reference_on_a_coarser_grid_is_shown_and_not_ranked(tmp_path):
    """The same functions on the finer grid, whose truths have more than they could have."""
    files = Files(tmp_path, CosineBasis(1), 16, SENSORS)
    fine = Inverse.read(files.config, files.inputs())
    drawn = storage.read_results(files.path("reference.nc"))
    coarse = files.basis.restrict(torch.from_numpy(drawn["draws"].values), 8)
    seen = Observed.read(files.path("observation.nc"), files.basis)
    residuals = torch.from_numpy(drawn["residuals"].values)
    file = labelled(coarse, residuals, seen, files.basis).assign_attrs(drawn.attrs)
    files.write(file.assign_attrs(converged=1, remark="none"), "coarse.nc")
    problem = Inverse.read(files.config, files.inputs("coarse.nc"))
    assert next(own.title for own in fine.shown(0)) == "reference"
    assert next(own.title for own in problem.shown(0)) == "reference at 8"
    assert torch.allclose(files.basis.restrict(problem.draws[""], 8), coarse, atol=1e-5)
    assert problem.n == 16
    assert [name for name, _ in fine.ranked()] == ["", "right", "narrow"]
    assert [name for name, _ in problem.ranked()] == ["right", "narrow"]
    told = files.draw(reference="coarse.nc")
    assert told["rows"][0] == {"posterior": "", "draws": 90}
    assert told["converged"]
