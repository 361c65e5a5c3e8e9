"""References and rows of judgement, from files to files: what is exact is found to be."""

import logging
import math

import numpy as np
import pytest
import torch

from fsdiff.data import json_files, storage
from fsdiff.data.hierarchy import restrict, statistics, with_transforms
from fsdiff.data.storage import Provenance
from fsdiff.inverse.latent.posterior import posterior_of
from fsdiff.inverse.references.gaussian import GaussianPosterior
from fsdiff.inverse.references.markov import STRIDE
from fsdiff.inverse.restorations import bicubic, harmonic
from fsdiff.jobs.interruption import Interrupted, watched
from fsdiff.parts import build, described
from fsdiff.spaces.downsampling import Spectral
from fsdiff.stages.judge_posteriors import judge_baselines, judge_posterior
from fsdiff.stages.observe import observe
from fsdiff.stages.observed import Observed
from fsdiff.stages.refer import refer
from fsdiff.study.evaluation import POSTERIOR_METRICS as USUAL

PLACES = {"kind": "random_points", "number": 6, "noise": 0.1}
MEASURE = {"kind": "gaussian_random_field", "correlation_length": 0.3, "smoothness": 2.0}
RANDOM = {"kind": "random_field", "resolution": 12, "measure": MEASURE}
POISSON = {"kind": "poisson", "resolution": 12}
SOLUTION, PRESSURE = (
    {"kind": "channel", "channel": 1, "observation": PLACES | {"noise": noise}}
    for noise in (1e-4, 2e-2)
)
LOG_NORMAL = {
    "kind": "darcy",
    "resolution": 8,
    "permeability": {"kind": "log_normal", "correlation_length": 0.5, "variance": 0.5},
}
CHAINS = {
    "kind": "chains",
    "chains": 4,
    "burn_in": 64,
    "steps": 128,
    "thin": 4,
    "r_hat": 1.2,
    "effective": 1e6,
}


class Study:
    """Files of a data set and of what is observed of it, and the jobs that follow."""

    def __init__(self, folder, source, operator, *, cases=3, train=120, levels=(), transforms=None):
        self.folder, self.source, self.operator = folder, source, operator
        self.basis = build("source", source).basis
        dataset = build("source", source).generate(range(train + 20 + cases), seed=4)
        split = np.repeat(["train", "validation", "test"], [train, 20, cases])
        dataset = dataset.assign_coords(split=("sample", split))
        dataset = dataset.merge(statistics(dataset, self.basis))
        if transforms:
            dataset = with_transforms(dataset, transforms, self.basis)
        self.level = build("source", source).resolution
        made = Provenance({}, "", 4)
        for n in {self.level, *levels}:
            coarse = restrict(dataset, n, Spectral(), self.basis)
            storage.write(coarse.compute(), self.data(n), title="data", provenance=made)
        config = self.blocks | {"cases": cases, "seed": 5}
        self.observation = folder / "observation.nc"
        observe(self.job(config), data=self.data(self.level), output=self.observation)

    def data(self, n):
        return self.folder / f"{n}.nc"

    @staticmethod
    def job(config):
        return {"config": config, "code": "", "lineage": "0"}

    @property
    def blocks(self):
        return {"basis": described(self.basis), "operator": self.operator}

    def refer(self, reference, draws=40, n=None, name="reference"):
        config = self.blocks | {
            "source": self.source,
            "latent": {"kind": self.source["kind"]},
            "reference": reference,
            "draws": draws,
            "resolution": n or self.level,
            "seed": 1,
        }
        output = self.folder / f"{name}.nc"
        refer(
            self.job(config),
            observation=self.observation,
            output=output,
            states=self.folder / "states",
        )
        return output

    def judged(
        self, stage, *, count=40, n=None, metrics=USUAL, law=True, localisation=None, **files
    ):
        known = {"source": self.source, "latent": {"kind": self.source["kind"]}}
        config = self.blocks | {
            **(known if law else {}),
            "posterior_metrics": metrics,
            "resolution": n or self.level,
            "draws": count,
            "seed": 2,
            **({"localisation": localisation} if localisation else {}),
        }
        output = self.folder / "rows.json"
        files = {"reference": None, "data": self.data(n or self.level)} | files
        stage(self.job(config), observation=self.observation, output=output, **files)
        return json_files.read(output)

    def posterior(self, case):
        data = torch.from_numpy(storage.read_results(self.observation)["data"].values[case])
        source, operator = build("source", self.source), build("operator", self.operator)
        return posterior_of(source, operator, self.level, data)


@pytest.fixture(scope="module")
def gaussian(tmp_path_factory):
    """Random fields, whose posterior is known, on two levels."""
    return Study(tmp_path_factory.mktemp("random"), RANDOM, PLACES, cases=20, levels=(6,))


def test_exact_draws_are_those_of_the_posterior_of_each_case(gaussian):
    drawn = storage.read_results(gaussian.refer({"kind": "exact"}, draws=60))
    assert drawn["draws"].dims == ("case", "draw", "channel", "y", "x")
    assert drawn["draws"].dtype == np.float32
    assert drawn["sample"].values.tolist() == list(range(140, 160))
    assert (drawn.attrs["converged"], drawn.attrs["remark"]) == (1, "none")
    assert drawn["effective_size"].values.tolist() == [60.0] * 20
    assert all(math.isnan(value) for value in drawn["r_hat"].values)
    for case in (0, 19):
        law = GaussianPosterior.of(gaussian.posterior(case))
        fields = torch.from_numpy(drawn["draws"].values[case]).double()
        z = (fields.mean(0) - law.mean) / (law.variance / 60).sqrt()
        assert z.abs().max() < 4.5
        seen = build("operator", PLACES).on(gaussian.basis, 1, 12).forward(fields)
        residuals = (seen - gaussian.posterior(case).data) / 0.1
        assert drawn["residuals"].values[case] == pytest.approx(residuals.numpy(), abs=1e-4)


def test_on_a_coarser_grid_exact_draws_are_restrictions(gaussian):
    """What the modes beyond the grid say of the data is not forgotten."""
    fine, coarse = (
        storage.read_results(gaussian.refer({"kind": "exact"}, draws=3, n=n, name=f"at{n}"))
        for n in (12, 6)
    )
    restricted = gaussian.basis.restrict(torch.from_numpy(fine["draws"].values).double(), 6)
    assert coarse["draws"].values == pytest.approx(restricted.numpy(), abs=1e-6)
    with storage.read(gaussian.data(6)) as data:
        assert coarse["x"].values == pytest.approx(data["x"].values)
        assert coarse["x"].attrs == data["x"].attrs
    seen = Observed.read(gaussian.observation, gaussian.basis)
    operator = build("operator", PLACES)
    for case in range(3):  # the misfit is that of what is compared with draws on this grid
        own = seen.residuals(restricted[case], case, operator, gaussian.basis)
        assert coarse["residuals"].values[case] == pytest.approx(own.numpy(), abs=1e-4)


def test_exact_draws_are_judged_to_be_exact(gaussian):
    """Draws against other draws of the same posteriors: sampling errors only, and calibrated."""
    reference = gaussian.refer({"kind": "exact"}, draws=79)
    metrics = USUAL | {"calibration": {"kind": "calibration", "bins": 4, "modes": 4}}
    other = gaussian.refer({"kind": "exact"}, draws=39, name="other")
    judged = gaussian.judged(
        judge_posterior, metrics=metrics, draws=other, reference=reference, n=12
    )
    (row,) = judged["rows"]
    assert judged["reference"] == {"used": True, "remark": "none"}
    # The 39 are the first of the 79: the difference of means has variance 1/39 − 1/79.
    assert row["posterior_mean"] == pytest.approx((1 / 39 - 1 / 79) ** 0.5, rel=0.15)
    assert row["posterior_sd"] < 0.15
    assert row["coverage_50"] == pytest.approx(0.5, abs=0.1)
    assert row["coverage_90"] == pytest.approx(0.9, abs=0.06)
    assert row["calibration_p_value"] > 0.01
    # E of the misfit is 1 + (tr of what data say of themselves)/m − … = 1 over truth and draws.
    assert row["misfit"] == pytest.approx(1.0, abs=0.25)
    assert row["draw_error"] / row["mean_error"] == pytest.approx(2**0.5, rel=0.05)


def test_baselines_stand_in_order(gaussian):
    """The prior is worst; kriging, an ensemble and Laplace's approximation, here exact, are not."""
    reference = gaussian.refer({"kind": "exact"}, draws=100)
    judged = gaussian.judged(judge_baselines, count=50, reference=reference)
    rows = {row["row"]: row for row in judged["rows"]}
    assert [*rows] == ["prior", "kriging", "ensemble", "laplace", "reference"]
    assert judged["left_out"] == {}
    error = {name: row["posterior_mean"] for name, row in rows.items()}
    half = (2 / 50) ** 0.5
    assert error["reference"] == pytest.approx(half, rel=0.1)
    assert error["laplace"] == pytest.approx((1 / 50 + 1 / 100) ** 0.5, rel=0.1)
    assert error["ensemble"] == pytest.approx((1 / 50 + 1 / 100) ** 0.5, rel=0.2)
    assert rows["ensemble"]["posterior_sd"] < 0.2
    assert rows["ensemble"]["coverage_90"] == pytest.approx(0.9, abs=0.06)
    assert error["kriging"] < 0.4 < 0.8 < error["prior"]
    assert rows["laplace"]["crps"] < rows["kriging"]["crps"] * 1.01 < rows["prior"]["crps"]
    assert rows["laplace"]["misfit"] == pytest.approx(1.0, abs=0.25)
    assert rows["prior"]["misfit"] > 10
    for name, cases in judged["by_case"].items():
        for key in ("crps", "posterior_mean", "posterior_sd"):
            mean = sum(case[key] for case in cases) / len(cases)
            assert mean == pytest.approx(rows[name][key])


@pytest.mark.parametrize("law", [True, False], ids=["latent", "training"])
def test_ensembles_are_localised_if_they_are_told(gaussian, law):
    """Members from draws of the law, and from training fields; of the rest nothing changes."""
    metrics, rows = {"crps": {"kind": "crps"}}, []
    for radius in (None, [None, None], 0.5):
        told = {"kind": "gaspari_cohn", "radius": radius} if radius else None
        judged = gaussian.judged(
            judge_baselines, count=10, metrics=metrics, law=law, localisation=told
        )
        rows.append({row["row"]: row["crps"] for row in judged["rows"]})
    assert rows[1] == pytest.approx(rows[0], rel=1e-6)
    # These fields reach further than that, so that it costs something.
    assert rows[0]["ensemble"] < rows[2].pop("ensemble") < 0.8 * rows[0]["prior"]
    assert rows[2] == {name: crps for name, crps in rows[0].items() if name != "ensemble"}


@pytest.mark.parametrize(
    ("operator", "name", "method"),
    [
        ({"kind": "averages", "resolution": 6, "noise": 0.05}, "bicubic", bicubic),
        ({"kind": "mask", "resolution": 6, "share": 0.5, "noise": 0.05}, "harmonic", harmonic),
    ],
)
def test_restorations_stand_beside_what_has_a_spread(tmp_path, operator, name, method):
    """Where the observation suits them: their one answer, and the numbers that it has."""
    study = Study(tmp_path, RANDOM, operator, cases=5)
    metrics = {kind: {"kind": kind} for kind in ("truth_error", "crps", "misfit", "psnr", "ssim")}
    judged = study.judged(judge_baselines, count=30, metrics=metrics)
    rows = {row.pop("row"): row for row in judged["rows"]}
    assert [*rows] == ["prior", "kriging", "ensemble", "laplace", name]
    numbers = {"mean_error", "mean_error_physical", "crps", "psnr_mean", "ssim_mean"}
    assert rows[name].keys() == numbers
    assert numbers < rows["kriging"].keys()
    observed = storage.read_results(study.observation)
    data, truth = (torch.from_numpy(observed[key].values).double() for key in ("data", "truth"))
    with storage.read(study.data(12)) as dataset:
        scale = float(dataset["scale"].item())
    found = method.restore(build("operator", operator), study.basis, 1, 12, data)
    errors = (found - truth).abs().flatten(1).mean(1) / scale
    assert rows[name]["crps"] == pytest.approx(float(errors.mean()), rel=1e-5)
    assert [case["crps"] for case in judged["by_case"][name]] == pytest.approx(
        errors.tolist(), rel=1e-5
    )
    assert rows["kriging"]["psnr_mean"] > rows[name]["psnr_mean"] > rows["prior"]["psnr_mean"]


def test_restorations_of_values_that_no_field_has_are_left_out(tmp_path):
    """Splines overshoot below zero, of which there is no logarithm."""
    source = LOG_NORMAL | {"permeability": LOG_NORMAL["permeability"] | {"variance": 4.0}}
    noisy = {"kind": "averages", "resolution": 4, "noise": 5.0}
    transforms = {"permeability": {"kind": "log"}}
    study = Study(tmp_path, source, noisy, cases=2, transforms=transforms)
    judged = study.judged(judge_baselines, law=False, metrics={"crps": {"kind": "crps"}})
    assert [row["row"] for row in judged["rows"]] == ["prior", "kriging", "ensemble"]
    assert "values that no field of the data set has" in judged["left_out"]["bicubic"]


def test_baselines_on_a_coarser_grid_know_what_it_does_not_resolve(tmp_path):
    """Rough fields, of which 4 × 4 nodes have half the variance: data are no truer than that."""
    rough = MEASURE | {"correlation_length": 0.1, "smoothness": 0.5}
    operator = PLACES | {"number": 10, "noise": 1e-3}
    study = Study(tmp_path, RANDOM | {"measure": rough}, operator, cases=20, levels=(4,))
    reference = study.refer({"kind": "exact"}, draws=60, n=4)
    rows = study.judged(judge_baselines, count=60, n=4, reference=reference)["rows"]
    error = {row["row"]: row["posterior_mean"] for row in rows}
    half = (2 / 60) ** 0.5
    assert error["laplace"] == pytest.approx(half, rel=0.15)
    assert error["ensemble"] == pytest.approx(half, rel=0.25)
    assert error["kriging"] < 0.5
    assert rows[1]["posterior_sd"] < 0.2
    assert rows[1]["coverage_90"] == pytest.approx(0.9, abs=0.06)


def test_kriging_knows_data_as_models_do(tmp_path):
    """Of a log-normal permeability with the transform log it estimates the Gaussian field."""
    errors = []
    source = LOG_NORMAL | {"permeability": LOG_NORMAL["permeability"] | {"variance": 1.0}}
    operator = PRESSURE | {"observation": PRESSURE["observation"] | {"noise": 1e-3}}
    for number, transforms in enumerate((None, {"permeability": {"kind": "log"}})):
        (tmp_path / str(number)).mkdir()
        study = Study(
            tmp_path / str(number), source, operator, cases=10, train=150, transforms=transforms
        )
        rows = study.judged(
            judge_baselines, law=False, count=20, metrics={"crps": {"kind": "crps"}}
        )["rows"]
        assert [row["row"] for row in rows] == ["prior", "kriging", "ensemble"]
        assert rows[2]["crps[permeability]"] < 0.9 * rows[0]["crps[permeability]"]
        errors.append(rows[1]["crps[permeability]"])
    assert errors[1] < 0.8 * errors[0]


def test_rows_have_each_channel_apart(tmp_path):
    """Poisson from the solution: of the source less is known than of the solution."""
    study = Study(tmp_path, POISSON, SOLUTION)
    reference = study.refer({"kind": "exact"}, draws=60)
    (_, kriging, ensemble, laplace, _) = study.judged(
        judge_baselines, count=60, reference=reference
    )["rows"]
    assert laplace["mean_error[source]"] > 2 * laplace["mean_error[solution]"]
    assert kriging["posterior_mean[source]"] < 0.5
    assert ensemble["posterior_mean[source]"] < 0.5
    assert "misfit" in laplace
    assert "misfit[source]" not in laplace


def test_a_reference_that_has_not_converged_is_written_and_not_used(tmp_path, caplog):
    study = Study(tmp_path, LOG_NORMAL, PRESSURE, cases=2)
    path = study.refer(CHAINS)
    drawn = storage.read_results(path)
    assert drawn.attrs["converged"] == 0
    assert drawn.attrs["remark"].startswith("sample 140: R̂ of mode")
    assert "; sample 141: " in drawn.attrs["remark"]
    assert (drawn["r_hat"].values > 1.2).all()
    assert (drawn["effective_size"].values < 1e6).all()
    assert ((drawn["acceptance"].values > 0) & (drawn["acceptance"].values < 1)).all()
    assert (drawn["draws"].values[:, :, 0] > 0).all()  # permeabilities
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        judged = study.judged(judge_baselines, reference=path)
    assert "is no reference and not used: sample 140: R̂" in caplog.text
    assert judged["reference"] == {"used": False, "remark": drawn.attrs["remark"]}
    assert [row["row"] for row in judged["rows"]] == ["prior", "kriging", "ensemble", "laplace"]
    assert all("crps" in row and "posterior_mean" not in row for row in judged["rows"])


def test_without_a_reference_rows_compare_with_the_truth(gaussian):
    draws = gaussian.refer({"kind": "exact"}, draws=30)
    judged = gaussian.judged(judge_posterior, draws=draws)
    assert judged["reference"] == {"used": False, "remark": "there is none"}
    assert judged["rows"][0].keys() == {
        "row",
        "mean_error",
        "draw_error",
        "mean_error_physical",
        "draw_error_physical",
        "crps",
        "coverage_50",
        "coverage_90",
        "misfit",
    }


def test_what_has_no_approximation_is_left_out_with_the_reason(tmp_path, caplog):
    """A level set has no derivative; the map is not linear in permeability alone either."""
    source = {"kind": "darcy", "resolution": 8}
    study = Study(tmp_path, source, SOLUTION, cases=2)
    judged = study.judged(judge_baselines)
    assert [row["row"] for row in judged["rows"]] == ["prior", "kriging", "ensemble"]
    assert judged["left_out"].keys() == {"laplace"}
    assert "permeability by 'level_set' has no derivative" in judged["left_out"]["laplace"]
    assert "row 'laplace' is left out" in caplog.text


def test_an_interrupted_reference_is_continued_case_by_case(tmp_path, monkeypatch):
    """Stopped in the second case: the first is not drawn again, and nothing differs."""
    study = Study(tmp_path, LOG_NORMAL, PRESSURE, cases=3)
    whole = study.refer(CHAINS).read_bytes()
    monkeypatch.setattr("fsdiff.jobs.interruption.LOOK_EVERY", 0.0)
    steps = []
    monkeypatch.setattr("fsdiff.stages.refer.tqdm", lambda **options: _Bar(steps, options["desc"]))
    stop = 192 + 2 * STRIDE
    unwanted = watched(lambda: "enough" if sum(n for _, n in steps) >= stop else None)
    with unwanted, pytest.raises(Interrupted):
        study.refer(CHAINS)
    assert sum(n for _, n in steps) == stop
    assert len([*(tmp_path / "states").iterdir()]) == 2
    steps.clear()
    assert study.refer(CHAINS).read_bytes() == whole
    assert steps[:3] == [("case 1 of 3", 192), ("case 2 of 3", 64), ("case 2 of 3", STRIDE)]
    assert sum(n for _, n in steps) == 3 * 192
    assert not [*(tmp_path / "states").iterdir()]


def test_files_say_how_chains_have_swapped(tmp_path):
    """Shares of the information from 1 down, one more than rates of swaps, for each case."""
    study = Study(tmp_path, LOG_NORMAL, PRESSURE, cases=2)
    annealed = {"kind": "ensemble", "particles": 32, "moves": 1, "modes": 4}
    plan = {"burn_in": 8, "steps": 16, "annealing": annealed, "tempering": {"kind": "exchange"}}
    drawn = storage.read_results(study.refer(CHAINS | plan, draws=8))
    said = [drawn.attrs[name].split("; ") for name in ("information", "swap_rates", "journeys")]
    for number, parts in enumerate(zip(*said, strict=True)):
        names, values = zip(*(part.split(": ") for part in parts), strict=True)
        assert set(names) == {f"sample {140 + number}"}
        shares, rates, journeys = ([float(x) for x in each.split(", ")] for each in values)
        assert shares[0] == 1.0
        assert shares == sorted(shares, reverse=True)
        assert len(rates) == len(shares) - 1 > 0
        assert all(0 <= rate <= 1 for rate in rates)
        assert len(journeys) == 1


class _Bar:
    """A progress bar that remembers what it is told."""

    def __init__(self, steps, title):
        self.steps, self.title = steps, title

    def __enter__(self):
        return self

    def __exit__(self, *error):
        return None

    def update(self, count):
        self.steps.append((self.title, count))


def test_draws_of_other_cases_are_refused(gaussian, tmp_path):
    other = Study(tmp_path, RANDOM, PLACES, cases=2)
    draws = other.refer({"kind": "exact"}, draws=3)
    with pytest.raises(ValueError, match=r"has draws of 2 cases and .* 20: draw again"):
        gaussian.judged(judge_posterior, draws=draws)
