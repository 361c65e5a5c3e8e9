"""Figures of exact experiments show the numbers that they are given."""

import dataclasses
import importlib
import xml.etree.ElementTree as ElementTree
from functools import partial

import numpy as np
import pytest
import xarray as xr
from matplotlib.text import Text

from fsdiff.analyses.absorption import Absorption
from fsdiff.analyses.blur import Blur
from fsdiff.analyses.discretisation import Discretisation
from fsdiff.analyses.expectation_error import ExpectationError
from fsdiff.analyses.forward_truncation import ForwardTruncation
from fsdiff.analyses.gaussian_sampling import GaussianSampling
from fsdiff.analyses.imitated_moments import ImitatedMoments
from fsdiff.analyses.manifold_sampling import ManifoldSampling
from fsdiff.analyses.multilevel_bound import MultilevelBound
from fsdiff.analyses.noise_regularity import NoiseRegularity
from fsdiff.analyses.parameterisation import Parameterisation
from fsdiff.analyses.point_sets import PointSets
from fsdiff.analyses.pollution import Pollution
from fsdiff.analyses.score_error import ScoreError
from fsdiff.analyses.score_lipschitz import ScoreLipschitz
from fsdiff.analyses.singularity import Singularity
from fsdiff.analyses.step_drift import StepDrift
from fsdiff.analyses.two_sample_calibration import TwoSampleCalibration
from fsdiff.data.sources.quadratic import Quadratic
from fsdiff.diffusion.samplers.ddim import DDIM
from fsdiff.diffusion.samplers.dpm_solver import DPMSolver
from fsdiff.measures.manifolds import Line, Points, Spiral
from fsdiff.measures.priors.convolution import Bessel
from fsdiff.parts import build, kinds
from fsdiff.reports.plotting.analyses.gaussian_sampling import draw as draw_sampling
from fsdiff.reports.plotting.analyses.gaussian_sampling import measured_order
from fsdiff.reports.plotting.style import save
from fsdiff.spaces.bases import CosineBasis

LINE = CosineBasis(1)
PAIR = Points(points=((-1.0, 0.0), (1.0, 0.5)))
SMALL = {"covariance": Bessel(power=0.8), "basis": LINE}
FNO = {"kind": "fno", "width": 4, "modes": 2, "layers": 1, "projection": 4}
MLP = {"kind": "mlp", "width": 4, "layers": 1}


class Few(Quadratic):
    """As if there were no more curves."""

    available = 6


ANALYSES = [
    GaussianSampling(**SMALL, sampler=DDIM(), values=(4, 8), resolution=8),
    ForwardTruncation(**SMALL, finest=16, resolutions=(4, 8), times=(0.5, 1.0), paths=3, steps=2),
    ScoreLipschitz(**SMALL, resolutions=(4, 8), times=(0.1, 1.0)),
    MultilevelBound(**SMALL, finest=16, levels=(4, 8)),
    Absorption(law=PAIR, samples=20, snapshots=(10.0, 1e-4), smallest_times=(1e-4, 1e-2)),
    Singularity(law=PAIR, times=5, samples=4),
    Blur(law=Line(), deviations=(0.3, 0.1), times=4),
    Pollution(law=Line(), bounds=(5.0, 20.0), samples=20, seeds=(0, 1)),
    StepDrift(law=Line(), steps=12, samples=5, seeds=(0, 1)),
    Discretisation(law=Line(), samples=5),
    ManifoldSampling(
        law=Spiral(nodes=50),
        samplers=(DDIM(steps=4), DPMSolver(steps=3)),
        samples=20,
        seeds=(0, 1),
    ),
    ScoreError(
        network=partial(build, "network", FNO),
        data_resolution=8,
        training_resolution=4,
        resolutions=(4, 8),
        steps=2,
        measure_every=1,
        batch_size=2,
        test_fields=16,
        seeds=(0, 1),
    ),
    NoiseRegularity(
        covariance=Bessel(power=0.8),
        network=partial(build, "network", {**FNO, "dimension": 1}),
        basis=LINE,
        resolutions=(4, 8),
        steps=1,
        batch_size=2,
        test_fields=2,
    ),
    Parameterisation(law=PAIR, network=partial(build, "network", MLP), steps=2, samples=8, times=3),
    PointSets(width=4, modes=2, layers=1, fewest=8, most=9, steps=1, batch_size=2, samples=6),
    TwoSampleCalibration(
        source=Quadratic(resolution=8), sizes=(2, 4), tests=3, permutations=19, curves=4
    ),
    ExpectationError(
        network=partial(build, "network", {**FNO, "dimension": 1}),
        source=Quadratic(resolution=8),
        sampler=DDIM(steps=2),
        curves=4,
        steps=1,
        batch_size=2,
        times=3,
        test_fields=2,
        samples=4,
    ),
    ImitatedMoments(source=Few(resolution=8), seeds=(0, 1)),
]


@pytest.fixture(scope="module", params=ANALYSES, ids=lambda analysis: analysis.kind)
def drawn(request):
    """A kind of analysis, its result, and a figure of this twice."""
    kind, result = request.param.kind, request.param.run()
    draw = importlib.import_module(f"fsdiff.reports.plotting.analyses.{kind}").draw
    return kind, result, draw({"First": result, "Second one": result})


def test_every_kind_has_a_figure_and_is_tested_here():
    assert {analysis.kind for analysis in ANALYSES} == set(kinds("analysis"))


def test_every_number_says_what_it_is(drawn):
    for name, variable in drawn[1].variables.items():
        if variable.dtype.kind in "fiu":
            assert variable.attrs["long_name"], name
            assert variable.attrs["units"], name


def test_figures_name_their_analyses(drawn, tmp_path):
    shown = " ".join(text.get_text() for text in drawn[2].findobj(Text))
    assert "First" in shown
    assert "Second one" in shown
    save(drawn[2], tmp_path / "figure.svg")


def test_titles_are_drawn_as_they_stand(drawn, tmp_path):
    kind, result, _ = drawn
    draw = importlib.import_module(f"fsdiff.reports.plotting.analyses.{kind}").draw
    figure = draw({r"$\frac{$": result, "<b>&\x1b --": result})
    save(figure, tmp_path / "figure.svg")
    ElementTree.parse(tmp_path / "figure.svg")
    assert r"$\frac{$" in " ".join(text.get_text() for text in figure.findobj(Text))


SHOWN = {
    "gaussian_sampling": lambda r: r.distance,
    "forward_truncation": lambda r: r.formula.isel(resolution=1),
    "score_lipschitz": lambda r: r.measured.isel(time=0),
    "multilevel_bound": lambda r: r.zero_data,
    "absorption": lambda r: r.distance[0],
    "blur": lambda r: r["size"][1],
    "pollution": lambda r: r.deviation.mean("seed"),
    "step_drift": lambda r: r.drift.mean("seed")[0, 2],
    "discretisation": lambda r: r.difference.sel(quantity="mean"),
    "manifold_sampling": lambda r: r.sampler.copy(data=[0, 1]),
    "singularity": lambda r: r["size"].sel(quantity="noise"),
    "score_error": lambda r: np.exp(np.log(r.error.isel(resolution=0)).mean("seed")),
    "noise_regularity": lambda r: r.error.mean("seed"),
    "point_sets": lambda r: r.difference.mean("seed"),
    "expectation_error": lambda r: r.error.mean("seed"),
    "imitated_moments": lambda r: r["mean"].copy(data=[1, 1]),
    "two_sample_calibration": lambda r: 100 * r.rejected,
    "parameterisation": lambda r: r.error.sel(quantity="data").mean("seed"),
}


def test_figures_show_the_results(drawn):
    kind, result, figure = drawn
    expected = SHOWN[kind](result).values
    axes = figure.findobj(lambda artist: hasattr(artist, "lines"))
    curves = [np.asarray(line.get_ydata(), dtype=float) for panel in axes for line in panel.lines]
    assert any(len(y) == len(expected) and np.allclose(y, expected) for y in curves)


@pytest.mark.parametrize("order", [1.0, 2.0])
def test_order_in_the_legend_is_the_slope(order):
    cost = np.array([8.0, 16.0, 32.0])
    result = xr.Dataset({"evaluations": ("setting", cost), "distance": ("setting", cost**-order)})
    assert measured_order(result) == pytest.approx(order)


def test_one_cost_has_no_order():
    draw = importlib.import_module("fsdiff.reports.plotting.analyses.gaussian_sampling").draw
    figure = draw({"once": sampled(1.0).isel(setting=slice(1))})
    shown = " ".join(text.get_text() for text in figure.findobj(Text))
    assert "once" in shown
    assert "order" not in shown


def sampled(ratio):
    """A sampler's result with samples whose energy is that of the data times a ratio."""
    shells = np.array([0.0, 4.0, 2.0, 1.0])
    return xr.Dataset(
        {
            "evaluations": ("setting", [20.0, 40.0]),
            "distance": ("setting", [0.2, 0.1]),
            "variance": (("setting", "wavenumber"), np.stack([shells, ratio * shells])),
            "exact": ("wavenumber", shells),
        },
        {"wavenumber": np.arange(4)},
    )


def test_samplers_beyond_the_spectra_shown_are_named():
    figure = draw_sampling({"close": sampled(1.1), "far": sampled(100.0)})
    spectra = figure.axes[1]
    low, high = spectra.get_ylim()
    assert low < 1 < 1.1 < high < 100
    assert "above this panel: far" in [text.get_text() for text in spectra.texts]


def test_titles_do_not_change_results():
    analysis = ANALYSES[2]
    named = dataclasses.replace(analysis, title="Title", figure="figure")
    assert named.run().identical(analysis.run())
